package iostreams

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Printable makes text of others safe to show: what a terminal would obey instead of
// print, and what would make a reader see another text than is there, is written as
// an escape. Line feeds and tabs stay.
//
// Escaped are control characters C0, DEL and C1 (ECMA-48: cursor movement, OSC 52,
// title changes), format characters (Unicode category Cf: bidirectional overrides as
// in CVE-2021-42574, zero-width characters, tags), line and paragraph separators,
// combining characters without a base at the start, private and unassigned
// characters, and bytes that are no UTF-8.
func Printable(s string) string { return escape(s, false) }

// OneLine is Printable for a cell of a table or a field of a line: line feeds, tabs
// and carriage returns are escaped as well.
func OneLine(s string) string { return escape(s, true) }

// JSON makes the encoding of a JSON value safe to show: what Printable would escape in
// its strings becomes JSON's own escapes, so that it decodes to the same value.
func JSON(b []byte) []byte {
	if clean(string(b), false) {
		return b
	}
	var out []byte
	for i, r := range string(b) {
		switch {
		case shown(r, i == 0, false):
			out = utf8.AppendRune(out, r)
		case r >= 0x10000:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

func escape(s string, oneLine bool) string {
	if clean(s, oneLine) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case shown(r, i == 0, oneLine):
			b.WriteString(s[i : i+n])
		default:
			b.WriteString(escaped(r))
		}
		i += n
	}
	return b.String()
}

func clean(s string, oneLine bool) bool {
	for i, r := range s {
		if r == utf8.RuneError || !shown(r, i == 0, oneLine) {
			return false
		}
	}
	return true
}

// shown reports whether r prints as itself.
func shown(r rune, first, oneLine bool) bool {
	switch {
	case r == '\n' || r == '\t':
		return !oneLine
	case r < utf8.RuneSelf:
		return r >= ' ' && r != 0x7f
	case r == utf8.RuneError:
		return true // an encoded U+FFFD; bytes that are no UTF-8 are told apart by their length
	case first && unicode.Is(unicode.M, r):
		return false
	case hoop.Unseen(r):
		return false
	}
	return unicode.IsPrint(r) || unicode.Is(unicode.Zs, r)
}

func escaped(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\t':
		return `\t`
	case '\r':
		return `\r`
	}
	switch {
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}
