package mask

import (
	"bytes"
	"encoding/binary"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Texts are scanned as they are, and where they have characters that stand for ASCII
// ones, once more with those: digits of other scripts and full-width forms, blanks and
// dashes of all kinds, nothing where a character cannot be seen, and characters that are
// written as numbers (&#45; of XML, \u002d of JSON). People's keyboards, copied tables and
// programs make them, and so does whoever wants to slip a number past us.

// folded is such a text.
type folded struct {
	text []byte
	at   []int32 // where each byte of text comes from
}

var foldings = sync.Pool{New: func() any { return &folded{} }}

// fold gives the text to scan as well, nil where there is no other.
func fold(v []byte) *folded {
	i := asciiPrefix(v)
	if i < len(v) && !folds(v[i:]) {
		i = len(v)
	}
	if i = min(i, firstEscape(v)); i == len(v) {
		return nil
	}
	f := foldings.Get().(*folded)
	f.text, f.at = append(f.text[:0], v[:i]...), f.at[:0]
	for n := range i {
		f.at = append(f.at, int32(n))
	}
	for i < len(v) {
		if v[i] < utf8.RuneSelf && v[i] != '&' && v[i] != '\\' {
			f.text, f.at = append(f.text, v[i]), append(f.at, int32(i))
			i++
			continue
		}
		r, size := runeAt(v[i:])
		switch c, ok := foldRune(r); {
		case !ok:
			for n := range size {
				f.text, f.at = append(f.text, v[i+n]), append(f.at, int32(i+n))
			}
		case c != 0:
			f.text, f.at = append(f.text, c), append(f.at, int32(i))
		}
		i += size
	}
	return f
}

func (f *folded) free() { foldings.Put(f) }

// origin says where a stretch of the folded text is in v.
func (f *folded) origin(v []byte, start, end int) (from, to int) {
	from, to = int(f.at[start]), int(f.at[end-1])
	if v[to] == f.text[end-1] {
		return from, to + 1
	}
	_, size := runeAt(v[to:])
	return from, to + size
}

// firstEscape is where the first character is that is written as a number.
func firstEscape(v []byte) int {
	first := len(v)
	for _, c := range []byte{'&', '\\'} {
		for i := 0; i < first; i++ {
			next := bytes.IndexByte(v[i:first], c)
			if next < 0 {
				break
			}
			i += next
			if _, size := escaped(v[i:]); size > 0 {
				first = i
			}
		}
	}
	return first
}

// runeAt reads the character at the start of v, however it is written.
func runeAt(v []byte) (rune, int) {
	if r, size := escaped(v); size > 0 {
		return r, size
	}
	return utf8.DecodeRune(v)
}

// escaped reads a character that is written as a number: &#65; and &#x41; (XML 1.0 §4.1),
// \u0041 (RFC 8259 §7). size is 0 where there is none.
func escaped(v []byte) (r rune, size int) {
	if len(v) < 4 {
		return 0, 0
	}
	switch {
	case v[0] == '\\' && v[1] == 'u':
		if r, ok := hex4(v, 2); ok {
			return r, 6
		}
	case v[0] == '&' && v[1] == '#':
		i, base := 2, rune(10)
		if v[2]|0x20 == 'x' {
			i, base = 3, 16
		}
		from := i
		for ; i < len(v) && i < 10; i++ {
			d := digitValue(v[i])
			if d >= base {
				break
			}
			r = r*base + d
		}
		if i > from && i < len(v) && v[i] == ';' {
			return r, i + 1
		}
	}
	return 0, 0
}

func digitValue(c byte) rune {
	switch {
	case isDigit(c):
		return rune(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return 16
}

func asciiPrefix(v []byte) int {
	i := 0
	for ; i+8 <= len(v); i += 8 {
		if binary.LittleEndian.Uint64(v[i:])&0x8080808080808080 != 0 {
			break
		}
	}
	for i < len(v) && v[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// folds reports whether anything in v is folded.
func folds(v []byte) bool {
	for i := 0; i < len(v); {
		if v[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(v[i:])
		if _, ok := foldRune(r); ok {
			return true
		}
		i += size
	}
	return false
}

// foldRune gives the ASCII character that r stands for, 0 for nothing.
func foldRune(r rune) (c byte, ok bool) {
	switch {
	case r >= ' ' && r < 0x7f: // it was written as a number
		return byte(r), true
	case r == utf8.RuneError:
		return 0, false
	case r < 0xa0: // C1 controls
		return 0, true
	case r == 0xa0, r == 0x1680, r >= 0x2000 && r <= 0x200a, r == 0x202f, r == 0x205f, r == 0x3000: // spaces (Zs)
		return ' ', true
	case r == 0xad, r == 0x034f, r == 0x061c, r == 0x180e, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e,
		r >= 0x2060 && r <= 0x206f, r == 0xfeff, r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0000 && r <= 0xe007f: // default-ignorable
		return 0, true
	case r >= 0x2010 && r <= 0x2015, r == 0x2212, r == 0xfe58, r == 0xfe63, r == 0x2e3a: // dashes
		return '-', true
	case r == 0x2018, r == 0x2019, r == 0x02bc, r == 0x201b: // apostrophes
		return '\'', true
	case r == 0x2024, r == 0x3002, r == 0xff61: // dots
		return '.', true
	case r >= 0xff01 && r <= 0xff5e: // full-width forms
		return byte(r - 0xfee0), true
	case r > 0x600 && unicode.IsDigit(r):
		return digitOf(r)
	}
	return 0, false
}

// digitOf is the value of a decimal digit: those of a script stand in a row of ten
// (Unicode, General Category Nd).
func digitOf(r rune) (byte, bool) {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return '0' + byte((r-rune(t.Lo))%10), true
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return '0' + byte((r-rune(t.Lo))%10), true
		}
	}
	return 0, false
}
