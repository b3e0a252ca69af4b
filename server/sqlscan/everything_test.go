package sqlscan

import (
	"strings"
	"testing"
)

func TestDemands(t *testing.T) {
	for pattern, want := range map[string]bool{
		"a": true, "^abc$": true, "a+": true, "(foo|bar)": true, "^(foo|bar)$": true, "x{2}": true, "a{1,}": true, "b*c": true,
		"[a-z]*x": true, "[]x]*y": true, "[[:alpha:]x]*y": true, "é": true, "(a)(b)?": true, "a|b": true,
		"": false, "a*": false, "a|": false, "|a": false, "a?": false, "a{0,3}": false, "a{,3}": false, "(a)*": false, "(a|)": false, "(a|b*)": false,
		"(?=)": false, "(?:a)": false, "***=": false, "***=a": false, "[a-z]*": false, "[]x]": false, "[^]x]*": false, "[[:alpha:]x]*": false,
		"é*": false, ".": false, "\\w": false, "\\*": false, "[": false, "(": false, ")": false, "\\": false, "a{": false,
		strings.Repeat("(", 100_000) + "a": false,
	} {
		if got := demands(pattern); got != want {
			t.Errorf("%.30q: %t", pattern, got)
		}
	}
}
