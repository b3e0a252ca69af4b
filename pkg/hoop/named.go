package hoop

import (
	"strconv"
	"strings"
	"unicode"
)

// Named is somebody as people see them: the subject, which is the gateway's own word, behind
// the name, which they may have chosen. A name that could pass for more than that is quoted.
func Named(name, subject string) string {
	if name == "" || name == subject {
		return subject
	}
	if strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" .'’-_", r)
	}) {
		name = strconv.Quote(name)
	}
	return name + " (" + subject + ")"
}
