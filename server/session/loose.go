package session

import (
	"bytes"
	"strings"
	"unicode"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// looseness tells which texts a collation that is not deterministic, or a type such as citext, may
// call equal: those that differ in case, accents, width, punctuation or zeros before a number at
// most. It is what ICU's weakest strength has with everything that can be ignored ignored, since
// which collation it is decides nothing for who looks for a value that nobody has to know. It is not safe
// for concurrent use.
type looseness struct {
	collator *collate.Collator
	buffer   collate.Buffer
	known    map[string][]byte // keys of values of decoys, which are few
}

// key is the same for two texts that may be equal; empty for one of which nothing is left.
func (l *looseness) key(s string) []byte {
	if l.collator == nil {
		l.collator, l.known = collate.New(language.Und, collate.Loose), map[string][]byte{}
	}
	l.buffer.Reset()
	return bytes.TrimRight(l.collator.KeyFromString(&l.buffer, core(s)), "\x00")
}

// of is key for the value of a decoy.
func (l *looseness) of(want string) []byte {
	k, ok := l.known[want]
	if !ok {
		k = bytes.Clone(l.key(want))
		l.known[want] = k
	}
	return k
}

// same reports whether v may be equal to one of values, or where within says so have one in it.
func (l *looseness) same(v string, values []string, within bool) bool {
	for _, want := range values {
		l.of(want) // before v, which has the buffer
	}
	k := l.key(v)
	for _, want := range values {
		w := l.known[want]
		if len(w) > 0 && (bytes.Equal(k, w) || within && len(want) >= minDecoyPart && bytes.Contains(k, w)) {
			return true
		}
	}
	return false
}

// core is the letters and digits of a text, in lower case, without zeros before numbers.
func core(s string) string {
	var b strings.Builder
	zeros, digits := 0, false
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r) || !unicode.IsLetter(r) && !unicode.IsNumber(r):
			continue
		case r == '0' && !digits:
			zeros++
			continue
		case zeros > 0 && !unicode.IsNumber(r):
			b.WriteByte('0') // a number that is zero
		}
		zeros, digits = 0, unicode.IsNumber(r)
		b.WriteRune(unicode.ToLower(r))
	}
	if zeros > 0 {
		b.WriteByte('0')
	}
	return b.String()
}
