package mask

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// arrayText masks the elements of an array in text: [2:3]={a,"b c",NULL} (PostgreSQL
// manual, "Array Input and Output Syntax"; array_out). Of an array that is protected only
// the sizes stay: its subscripts are numbers that array_fill takes from anywhere.
func (t *Transform) arrayText(s *shape, dst, v []byte, depth int) (out []byte, null, changed, ok bool) {
	if depth > maxDepth {
		return dst, false, false, false
	}
	at := len(dst)
	i, ok := boundsEnd(v)
	if !ok {
		return dst, false, false, false
	}
	if t.scan != nil {
		dst = append(dst, v[:i]...)
	} else {
		v, i, changed = v[i:], 0, i > 0
	}
	open, elem := 0, true // elem: an element may stand here
	for i < len(v) {
		switch c := v[i]; {
		case c == '{':
			if !elem {
				return dst, false, false, false
			}
			open++
			dst = append(dst, c)
			i++
		case c == '}':
			if open--; open < 0 || open == 0 && i != len(v)-1 {
				return dst, false, false, false
			}
			dst, elem = append(dst, c), false
			i++
		case c == s.delim:
			if elem || open == 0 {
				return dst, false, false, false
			}
			dst, elem = append(dst, c), true
			i++
		default:
			if !elem || open == 0 {
				return dst, false, false, false
			}
			var touched bool
			if dst, i, touched, ok = t.elementText(s, dst, v, i, depth); !ok {
				return dst, false, false, false
			}
			changed, elem = changed || touched, false
		}
	}
	if open != 0 || len(v) == 0 {
		return dst, false, false, false
	}
	if !changed {
		dst = append(dst[:at], v...)
	}
	return dst, false, changed, true
}

// boundsEnd finds where the elements start: after "[1:2][0:1]=" where it is there.
func boundsEnd(v []byte) (int, bool) {
	if len(v) == 0 {
		return 0, false
	}
	if v[0] != '[' {
		return 0, v[0] == '{'
	}
	i := bytes.IndexByte(v, '=')
	if i < 0 || i+1 >= len(v) || v[i+1] != '{' {
		return 0, false
	}
	for _, c := range v[:i] {
		if !strings.ContainsRune("[]:-+0123456789", rune(c)) {
			return 0, false
		}
	}
	return i + 1, true
}

// elementText masks the element that starts at i, and returns where it ends.
func (t *Transform) elementText(s *shape, dst, v []byte, i, depth int) (out []byte, end int, changed, ok bool) {
	b := t.buffers(depth)
	end = i
	if v[i] == '"' {
		end, b.raw, ok = unquote(b.raw, v, i)
		if !ok {
			return dst, i, false, false
		}
	} else {
		for end < len(v) && v[end] != s.delim && v[end] != '}' {
			if strings.IndexByte("{\"\\", v[end]) >= 0 {
				return dst, i, false, false // array_out quotes these
			}
			end++
		}
		if isNull(v[i:end]) {
			return append(dst, v[i:end]...), end, false, true
		}
		b.raw = append(b.raw, v[i:end]...)
	}
	masked, null, changed, ok := t.apply(s.elem, b.out, b.raw, depth+1)
	if !ok {
		return dst, i, false, false
	}
	b.out = masked
	switch {
	case null:
		return append(dst, "NULL"...), end, true, true
	case !changed:
		return append(dst, v[i:end]...), end, false, true
	}
	return quoteElement(dst, masked, s.delim), end, true, true
}

// unquote reads a quoted element, where a backslash takes the next byte as it is.
func unquote(dst, v []byte, i int) (end int, out []byte, ok bool) {
	for i++; i < len(v); i++ {
		switch v[i] {
		case '"':
			return i + 1, dst, true
		case '\\':
			if i++; i == len(v) {
				return 0, dst, false
			}
		}
		dst = append(dst, v[i])
	}
	return 0, dst, false
}

func isNull(v []byte) bool { return len(v) == 4 && bytes.EqualFold(v, []byte("null")) }

// quoteElement quotes as array_out does.
func quoteElement(dst, v []byte, delim byte) []byte {
	if len(v) > 0 && !isNull(v) && !bytes.ContainsAny(v, "\"\\{} \t\n\v\f\r") && bytes.IndexByte(v, delim) < 0 {
		return append(dst, v...)
	}
	dst = append(dst, '"')
	for _, c := range v {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// arrayBinary masks the elements of an array in binary (array_send):
//
//	4B dimensions + 4B 1 where NULLs are + 4B element OID
//	+ per dimension 4B size, 4B lower bound
//	+ per element 4B length (-1: NULL), bytes
func (t *Transform) arrayBinary(s *shape, dst, v []byte, depth int) (out []byte, null, changed, ok bool) {
	if depth > maxDepth || len(v) < 12 {
		return dst, false, false, false
	}
	dims := binary.BigEndian.Uint32(v)
	if dims > 6 || len(v) < 12+8*int(dims) { // MAXDIM in PostgreSQL's array.h
		return dst, false, false, false
	}
	count := int64(1)
	for d := range int(dims) {
		if count *= int64(int32(binary.BigEndian.Uint32(v[12+8*d:]))); count < 0 || count > int64(len(v)/4) {
			return dst, false, false, false
		}
	}
	if dims == 0 {
		count = 0
	}
	at, nulls := len(dst), false
	dst = append(dst, v[:12+8*dims]...)
	for d := range int(dims) {
		if bound := dst[at+16+8*d:]; t.scan == nil && binary.BigEndian.Uint32(bound) != 1 { // as in arrayText
			binary.BigEndian.PutUint32(bound, 1)
			changed = true
		}
	}
	rest := v[12+8*dims:]
	for range count {
		var touched, isNull bool
		if dst, rest, isNull, touched, ok = t.elementBinary(s.elem, dst, rest, depth); !ok {
			return dst, false, false, false
		}
		changed, nulls = changed || touched, nulls || isNull
	}
	if len(rest) != 0 {
		return dst, false, false, false
	}
	if nulls {
		binary.BigEndian.PutUint32(dst[at+4:], 1)
	}
	return dst, false, changed, true
}

// elementBinary masks one value with its length before it, and returns what follows.
func (t *Transform) elementBinary(s *shape, dst, v []byte, depth int) (out, rest []byte, null, changed, ok bool) {
	if len(v) < 4 {
		return dst, v, false, false, false
	}
	n := int32(binary.BigEndian.Uint32(v))
	v = v[4:]
	if n == -1 {
		return append(dst, 0xff, 0xff, 0xff, 0xff), v, true, false, true
	}
	if n < 0 || int(n) > len(v) {
		return dst, v, false, false, false
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst, null, changed, ok = t.apply(s, dst, v[:n], depth+1)
	if null {
		dst = append(dst[:at], 0xff, 0xff, 0xff, 0xff)
	} else {
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst, v[n:], null, changed, ok
}
