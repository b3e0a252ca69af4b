package mask

import (
	"bytes"
	"encoding/binary"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// textField is how a field of an anonymous row is masked in text, where its type does
// not show.
var textField = &shape{kind: shapeText}

// compositeText masks the fields of a row in text: (a,"b c",) (PostgreSQL manual,
// "Composite Type Input and Output Syntax"; record_out).
func (t *Transform) compositeText(s *shape, dst, v []byte, depth int) (out []byte, null, changed, ok bool) {
	if depth > maxDepth || len(v) < 2 || v[0] != '(' || v[len(v)-1] != ')' {
		return dst, false, false, false
	}
	if len(v) == 2 && len(s.fields) == 0 {
		return append(dst, v...), false, false, true
	}
	at := len(dst)
	dst = append(dst, '(')
	i, n := 1, 0
	for {
		field := textField
		if s.kind == shapeComposite {
			if n >= len(s.fields) {
				return dst, false, false, false
			}
			field = s.fields[n]
		}
		var touched bool
		if dst, i, touched, ok = t.fieldText(field, dst, v, i, depth); !ok {
			return dst, false, false, false
		}
		changed = changed || touched
		n++
		dst = append(dst, v[i])
		i++
		if v[i-1] == ')' {
			break
		}
	}
	if i != len(v) || s.kind == shapeComposite && n != len(s.fields) {
		return dst, false, false, false
	}
	if !changed {
		dst = append(dst[:at], v...)
	}
	return dst, false, changed, true
}

// fieldText masks the field that starts at i, and returns where the comma or
// parenthesis after it stands.
func (t *Transform) fieldText(s *shape, dst, v []byte, i, depth int) (out []byte, end int, changed, ok bool) {
	b := t.buffers(depth)
	var quoted bool
	b.raw, end, quoted, ok = rawField(b.raw, v, i)
	if !ok {
		return dst, i, false, false
	}
	if end == i && !quoted {
		return dst, end, false, true // NULL
	}
	masked, null, changed, ok := t.apply(s, b.out, b.raw, depth+1)
	if !ok {
		return dst, i, false, false
	}
	b.out = masked
	switch {
	case null:
		return dst, end, true, true
	case !changed:
		return append(dst, v[i:end]...), end, false, true
	}
	return quoteField(dst, masked), end, true, true
}

// rawField reads a field as record_in does: quotes may open and close anywhere, two
// inside quotes are one, a backslash takes the next byte as it is.
func rawField(dst, v []byte, i int) (raw []byte, end int, quoted, ok bool) {
	in := false
	for ; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\':
			if i++; i == len(v) {
				return dst, i, quoted, false
			}
			dst = append(dst, v[i])
		case c == '"' && in && i+1 < len(v) && v[i+1] == '"':
			dst = append(dst, '"')
			i++
		case c == '"':
			in, quoted = !in, true
		case !in && (c == ',' || c == ')'):
			return dst, i, quoted, true
		default:
			dst = append(dst, c)
		}
	}
	return dst, i, quoted, false
}

// quoteField quotes as record_out does.
func quoteField(dst, v []byte) []byte {
	if len(v) > 0 && !bytes.ContainsAny(v, "\"\\(), \t\n\v\f\r") {
		return append(dst, v...)
	}
	dst = append(dst, '"')
	for _, c := range v {
		if c == '"' || c == '\\' {
			dst = append(dst, c)
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// compositeBinary masks the fields of a row in binary (record_send):
//
//	4B number of fields + per field 4B type OID, 4B length (-1: NULL), bytes
func (t *Transform) compositeBinary(s *shape, dst, v []byte, depth int) (out []byte, null, changed, ok bool) {
	if depth > maxDepth || len(v) < 4 {
		return dst, false, false, false
	}
	n := binary.BigEndian.Uint32(v)
	if uint64(n) > uint64(len(v)/8) || s.kind == shapeComposite && int(n) != len(s.fields) {
		return dst, false, false, false
	}
	dst = append(dst, v[:4]...)
	v = v[4:]
	for i := range int(n) {
		if len(v) < 4 {
			return dst, false, false, false
		}
		field := t.binaryField(s, i, binary.BigEndian.Uint32(v))
		dst = append(dst, v[:4]...)
		var touched bool
		if dst, v, _, touched, ok = t.elementBinary(field, dst, v[4:], depth); !ok {
			return dst, false, false, false
		}
		changed = changed || touched
	}
	return dst, false, changed, len(v) == 0
}

// binaryField is the shape of a field: the one that is known, or for an anonymous row
// that of the built-in type its OID names.
func (t *Transform) binaryField(s *shape, i int, oid uint32) *shape {
	if s.kind == shapeComposite {
		return s.fields[i]
	}
	return shapeOf(&hoop.Type{OID: oid, Mod: -1}, 0)
}
