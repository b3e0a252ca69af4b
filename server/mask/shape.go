package mask

import (
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// maxDepth bounds nested types; what is deeper is withheld.
const maxDepth = 16

// shapeKind is how a value of a type is masked.
type shapeKind byte

const (
	shapeForeign   shapeKind = iota // a type we cannot write: NULL; may carry text
	shapeInert                      // a type we cannot write that carries no text: numbers, enums, booleans
	shapeText                       // bytes are characters
	shapeJSON                       //
	shapeJSONB                      // in binary: a version byte before the JSON
	shapeBytea                      //
	shapeArray                      //
	shapeComposite                  // fields known
	shapeRecord                     // an anonymous row: fields known in binary only
	shapeDate                       //
	shapeTime                       // timestamp with or without time zone
	shapeInt                        // int2, int4, int8
	shapeUUID                       //
	shapeVoid                       //
)

// shape is a type as far as masking needs it.
type shape struct {
	kind   shapeKind
	oid    uint32
	domain bool // with a check, or one that nobody knows
	max    int  // characters of a text type, 0 where unlimited
	pad    bool // char(n): blank-padded to max
	elem   *shape
	fields []*shape
	delim  byte   // between elements of an array in text
	typ    uint32 // as the target sends it in arrays and rows: of a domain its own
}

// OIDs of pg_type.dat.
const (
	oidBool, oidBytea, oidChar, oidName, oidInt8, oidInt2, oidInt4 = 16, 17, 18, 19, 20, 21, 23
	oidText, oidOID, oidJSON, oidXML, oidBox                       = 25, 26, 114, 142, 603
	oidFloat4, oidFloat8, oidUnknown, oidMoney                     = 700, 701, 705, 790
	oidMacaddr, oidInet, oidCidr, oidMacaddr8                      = 829, 869, 650, 774
	oidBpchar, oidVarchar, oidDate, oidTime                        = 1042, 1043, 1082, 1083
	oidTimestamp, oidTimestamptz, oidInterval, oidTimetz           = 1114, 1184, 1186, 1266
	oidBit, oidVarbit, oidNumeric, oidRefcursor, oidRecord         = 1560, 1562, 1700, 1790, 2249
	oidCstring, oidVoid, oidUUID, oidJSONB                         = 2275, 2278, 2950, 3802
	oidXid, oidCid, oidTid, oidXid8, oidLSN                        = 28, 29, 27, 5069, 3220
)

func shapeOf(t *hoop.Type, depth int) *shape {
	if t == nil {
		return &shape{}
	}
	s := kindOf(t, depth)
	s.typ = t.OID
	return s
}

func kindOf(t *hoop.Type, depth int) *shape {
	if depth > maxDepth {
		return &shape{}
	}
	switch t.Kind {
	case hoop.TypeBase, hoop.TypePseudo, hoop.TypeUnknown:
		return baseShape(t)
	case hoop.TypeArray:
		if t.Elem == nil {
			return &shape{oid: t.OID}
		}
		s := &shape{kind: shapeArray, oid: t.OID, elem: shapeOf(elemWithMod(t), depth+1), delim: ','}
		if t.Elem.OID == oidBox {
			s.delim = ';' // the one built-in type with another typdelim
		}
		return s
	case hoop.TypeComposite:
		if t.Fields == nil {
			return &shape{kind: shapeRecord, oid: t.OID}
		}
		s := &shape{kind: shapeComposite, oid: t.OID}
		for _, f := range t.Fields {
			s.fields = append(s.fields, shapeOf(f, depth+1))
		}
		return s
	case hoop.TypeEnum:
		return &shape{kind: shapeInert, oid: t.OID}
	case hoop.TypeDomain:
		if t.Elem == nil {
			return &shape{oid: t.OID}
		}
		s := *shapeOf(elemWithMod(t), depth+1)
		s.domain = s.domain || !t.Unchecked
		return &s
	case hoop.TypeRange, hoop.TypeMultirange:
		if t.Elem != nil && shapeOf(t.Elem, depth+1).scannable() {
			return &shape{oid: t.OID}
		}
		return &shape{kind: shapeInert, oid: t.OID}
	}
	return &shape{oid: t.OID}
}

// elemWithMod is the element type of an array, or the base of a domain; the modifier of
// varchar(5)[] stands at the array.
func elemWithMod(t *hoop.Type) *hoop.Type {
	if t.Mod <= 0 || t.Elem.Mod > 0 {
		return t.Elem
	}
	e := *t.Elem
	e.Mod = t.Mod
	return &e
}

// VARHDRSZ in PostgreSQL's c.h: varchar(n) has the modifier n+4.
const varHdrSize = 4

func baseShape(t *hoop.Type) *shape {
	s := &shape{oid: t.OID}
	switch t.OID {
	case oidText, oidXML, oidUnknown, oidCstring, oidRefcursor:
		s.kind = shapeText
	case oidVarchar, oidBpchar:
		s.kind = shapeText
		if t.Mod > varHdrSize {
			s.max = int(t.Mod) - varHdrSize
			s.pad = t.OID == oidBpchar
		}
	case oidName:
		s.kind, s.max = shapeText, 63
	case oidChar:
		s.kind, s.max = shapeText, 1
	case oidJSON:
		s.kind = shapeJSON
	case oidJSONB:
		s.kind = shapeJSONB
	case oidBytea:
		s.kind = shapeBytea
	case oidDate:
		s.kind = shapeDate
	case oidTimestamp, oidTimestamptz:
		s.kind = shapeTime
	case oidInt2, oidInt4, oidInt8:
		s.kind = shapeInt
	case oidUUID:
		s.kind = shapeUUID
	case oidRecord:
		s.kind = shapeRecord
	case oidVoid:
		s.kind = shapeVoid
	case oidBool, oidOID, oidFloat4, oidFloat8, oidMoney, oidMacaddr, oidInet, oidCidr, oidMacaddr8, oidTime,
		oidInterval, oidTimetz, oidBit, oidVarbit, oidNumeric, oidXid, oidCid, oidTid, oidXid8, oidLSN,
		600, 601, 602, oidBox, 604, 628, 718, // geometric types
		22, 30, // int2vector, oidvector
		24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191: // reg* types
		s.kind = shapeInert
	default:
		if t.Name == "citext" || hasSuffix(t.Name, ".citext") {
			s.kind = shapeText
		}
	}
	return s
}

func hasSuffix(s, suffix string) bool {
	return len(s) > len(suffix) && s[len(s)-len(suffix):] == suffix
}

// scannable reports whether the type can carry text that value rules look at.
func (s *shape) scannable() bool {
	switch s.kind {
	case shapeText, shapeJSON, shapeJSONB, shapeForeign, shapeRecord:
		return true
	case shapeArray:
		return s.elem.scannable()
	case shapeComposite:
		for _, f := range s.fields {
			if f.scannable() {
				return true
			}
		}
	}
	return false
}
