package mask

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonbVersion is the first byte of jsonb in binary (jsonb_send).
const jsonbVersion = 1

// json masks a JSON value: strings become the marker, numbers, true and false become
// null, names of members the marker with a number, so that members stay apart. Names do
// not stay, nor do blanks where they are not the server's own: whoever may compute a value
// can spell any other with them (json_build_object(translate(ssn, '0123456789',
// 'abcdefghij'), 1)), and keep it in a protected column. When scanning, only matches
// change. What is no JSON becomes the marker.
//
// It needs no stack: a string is a member's name where a colon follows.
func (t *Transform) json(s *shape, dst, v []byte) (out []byte, changed, ok bool) {
	if s.kind == shapeJSONB && t.binary {
		if len(v) == 0 || v[0] != jsonbVersion {
			return dst, false, false
		}
		dst, v = append(dst, jsonbVersion), v[1:]
	}
	at := len(dst)
	w := jsonMasker{t: t, members: 1, pack: t.scan == nil && s.kind == shapeJSON}
	dst, ok = w.mask(dst, v)
	if !ok {
		return append(dst[:at], `"`+marker+`"`...), true, true
	}
	return dst, w.changed, true
}

type jsonMasker struct {
	t       *Transform
	changed bool
	pack    bool // drop blanks
	members int  // number of the next member
}

func (w *jsonMasker) mask(dst, v []byte) (out []byte, ok bool) {
	for i := 0; i < len(v); {
		switch c := v[i]; c {
		case ' ', '\t', '\n', '\r':
			if i++; w.pack {
				w.changed = true
				continue
			}
			dst = append(dst, c)
		case '{', '}', '[', ']', ',', ':':
			dst = append(dst, c)
			i++
		case '"':
			end := stringEnd(v, i)
			if end < 0 {
				return dst, false
			}
			if dst, ok = w.str(dst, v[i:end], nextByte(v, end) == ':'); !ok {
				return dst, false
			}
			i = end
		default:
			end := i
			for end < len(v) && bytes.IndexByte([]byte("{}[],: \t\n\r\""), v[end]) < 0 {
				end++
			}
			if !isScalar(v[i:end]) {
				return dst, false
			}
			dst = w.scalar(dst, v[i:end])
			i = end
		}
	}
	return dst, len(v) > 0
}

// stringEnd finds the end of the string that starts at i, -1 where there is none.
func stringEnd(v []byte, i int) int {
	for i++; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

func nextByte(v []byte, i int) byte {
	for ; i < len(v); i++ {
		if c := v[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

// isScalar accepts numbers, true, false and null.
func isScalar(v []byte) bool {
	switch string(v) {
	case "true", "false", "null":
		return true
	}
	for _, c := range v {
		if (c < '0' || c > '9') && bytes.IndexByte([]byte("+-.eE"), c) < 0 {
			return false
		}
	}
	return true
}

func (w *jsonMasker) scalar(dst, v []byte) []byte {
	switch {
	case string(v) == "null":
		return append(dst, v...)
	case w.t.scan == nil:
		w.changed = true
		return append(dst, "null"...)
	case v[0] == 't' || v[0] == 'f' || !w.t.scan.matches(v):
		return append(dst, v...)
	}
	w.changed = true
	return append(dst, "null"...)
}

func (w *jsonMasker) str(dst, quoted []byte, name bool) (out []byte, ok bool) {
	if w.t.scan != nil {
		return w.scanString(dst, quoted)
	}
	if name {
		dst = append(dst, `"[masked-`...)
		dst = strconv.AppendInt(dst, int64(w.members), 10)
		dst = append(dst, `]"`...)
		w.members++
	} else {
		dst = append(dst, `"`+marker+`"`...)
	}
	w.changed = true
	return dst, true
}

// scanString scans a string as it is without its escapes.
func (w *jsonMasker) scanString(dst, quoted []byte) (out []byte, ok bool) {
	body := quoted[1 : len(quoted)-1]
	b := w.t.buffers(maxDepth + 1)
	if bytes.IndexByte(body, '\\') >= 0 {
		if b.raw, ok = unescape(b.raw, body); !ok {
			return dst, false
		}
		body = b.raw
	}
	masked, changed := w.t.scan.replace(b.out, body, 0)
	b.out = masked
	if !changed {
		return append(dst, quoted...), true
	}
	w.changed = true
	dst = append(dst, '"')
	for _, c := range masked {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"'), true
}

// unescape decodes the body of a JSON string (RFC 8259 §7).
func unescape(dst, v []byte) (out []byte, ok bool) {
	for i := 0; i < len(v); i++ {
		if v[i] != '\\' {
			dst = append(dst, v[i])
			continue
		}
		if i++; i == len(v) {
			return dst, false
		}
		switch c := v[i]; c {
		case '"', '\\', '/':
			dst = append(dst, c)
		case 'b', 'f', 'n', 'r', 't':
			dst = append(dst, "\b\f\n\r\t"[bytes.IndexByte([]byte("bfnrt"), c)])
		case 'u':
			r, ok := hex4(v, i+1)
			if !ok {
				return dst, false
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := hex4(v, i+3)
				if ok && v[i+1] == '\\' && v[i+2] == 'u' {
					r = utf16.DecodeRune(r, low)
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, false
		}
	}
	return dst, true
}

func hex4(v []byte, i int) (rune, bool) {
	if i+4 > len(v) {
		return 0, false
	}
	var r rune
	for _, c := range v[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
