package mask

import (
	"encoding/binary"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Texts are scanned as they are, and where they have characters that stand for ASCII
// ones, once more with those: digits of other scripts and full-width forms, blanks and
// dashes of all kinds, and nothing where a character cannot be seen. People's keyboards
// and copied tables make them, and so does whoever wants to slip a number past us.

// folded is such a text.
type folded struct {
	text []byte
	at   []int32 // where each byte of text comes from
}

var foldings = sync.Pool{New: func() any { return &folded{} }}

// fold gives the text to scan as well, nil where there is no other.
func fold(v []byte) *folded {
	i := asciiPrefix(v)
	if i == len(v) || !folds(v[i:]) {
		return nil
	}
	f := foldings.Get().(*folded)
	f.text, f.at = append(f.text[:0], v[:i]...), f.at[:0]
	for n := range i {
		f.at = append(f.at, int32(n))
	}
	for i < len(v) {
		if v[i] < utf8.RuneSelf {
			f.text, f.at = append(f.text, v[i]), append(f.at, int32(i))
			i++
			continue
		}
		r, size := utf8.DecodeRune(v[i:])
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
	if v[to] < utf8.RuneSelf || f.text[end-1] >= utf8.RuneSelf {
		return from, to + 1
	}
	_, size := utf8.DecodeRune(v[to:])
	return from, to + size
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
