package mask

import (
	"encoding/binary"
)

// constant appends what stands for any value of a type, NULL too: the marker, an empty
// array, a row of such values. null says that it is NULL, and then nothing was appended.
func (t *Transform) constant(s *shape, dst []byte) (out []byte, null bool) {
	if s.domain {
		return dst, true // another value could violate its check
	}
	switch s.kind {
	case shapeText:
		at := len(dst)
		return fit(appendMarker(dst, s), at, s), false
	case shapeJSON, shapeJSONB:
		if s.kind == shapeJSONB && t.binary {
			dst = append(dst, jsonbVersion)
		}
		return append(dst, `"`+marker+`"`...), false
	case shapeBytea:
		if !t.binary {
			dst = append(dst, `\x`...)
		}
		return dst, false
	case shapeArray:
		if !t.binary {
			return append(dst, "{}"...), false
		}
		return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 0, 0, 0, 0, 0), s.elem.typ), false
	case shapeComposite:
		if t.binary {
			return t.rowBinary(s, dst), false
		}
		return t.rowText(s, dst), false
	}
	return dst, true
}

func (t *Transform) rowText(s *shape, dst []byte) []byte {
	dst = append(dst, '(')
	for i, f := range s.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v, null := t.constant(f, nil); !null {
			dst = quoteField(dst, v)
		}
	}
	return append(dst, ')')
}

func (t *Transform) rowBinary(s *shape, dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s.fields)))
	for _, f := range s.fields {
		dst = binary.BigEndian.AppendUint32(dst, f.typ)
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		var null bool
		if dst, null = t.constant(f, dst); null {
			dst = append(dst[:at], 0xff, 0xff, 0xff, 0xff)
		} else {
			binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
		}
	}
	return dst
}
