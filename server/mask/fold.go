package mask

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
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
	runs []foldRun // in order; the first starts at 0
}

// foldRun is a stretch of a folded text: what stands there as it is, or one character that
// stands for what was written as size bytes.
type foldRun struct {
	to, from int32 // where it starts in the folded text, and in what was folded
	size     int32 // of what was folded; 0 for a stretch as it is
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
	f.text, f.runs = f.text[:0], append(f.runs[:0], foldRun{})
	kept := 0 // up to here it is in text
	for i < len(v) {
		if size := unfolded(v[i:]); size > 0 {
			i += size
			continue
		}
		r, size := runeAt(v[i:])
		c, ok := foldRune(r)
		if ok {
			f.text = append(f.text, v[kept:i]...)
			if c != 0 {
				f.runs = append(f.runs, foldRun{int32(len(f.text)), int32(i), int32(size)})
				f.text = append(f.text, c)
			}
			kept = i + size
			f.runs = append(f.runs, foldRun{int32(len(f.text)), int32(kept), 0})
		}
		i += size
	}
	f.text = append(f.text, v[kept:]...)
	return f
}

// unfolded gives the length of what stands for nothing else at the start of v, as far as
// that shows at once: ASCII but for escapes, and most letters of East Asian scripts
// (U+4000 to U+9FFF, U+B000 to U+CFFF). 0 says that it must be looked at.
func unfolded(v []byte) int {
	switch c := v[0]; {
	case c < utf8.RuneSelf:
		if c == '&' || c == '\\' {
			return 0
		}
		return 1
	case c >= 0xe4 && c <= 0xe9 || c == 0xeb || c == 0xec:
		if len(v) > 2 && v[1]&0xc0 == 0x80 && v[2]&0xc0 == 0x80 {
			return 3
		}
	}
	return 0
}

func (f *folded) free() { foldings.Put(f) }

// origin says where a stretch of the folded text is in what was folded.
func (f *folded) origin(start, end int) (from, to int) {
	from, _ = f.place(start)
	_, to = f.place(end - 1)
	return from, to
}

// place says where the byte at i of the folded text starts and ends in what was folded.
func (f *folded) place(i int) (start, end int) {
	n, found := slices.BinarySearchFunc(f.runs, int32(i), func(r foldRun, i int32) int { return cmp.Compare(r.to, i) })
	if !found {
		n--
	}
	for n+1 < len(f.runs) && f.runs[n+1].to == int32(i) { // the last of those that start there: the others are empty
		n++
	}
	r := f.runs[n]
	start = int(r.from) + i - int(r.to)
	return start, start + max(int(r.size), 1)
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
		if size := unfolded(v[i:]); size > 0 {
			i += size
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
