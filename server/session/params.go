package session

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// maxParams is how many bytes of bound values stand in one record with their statement.
// Values that do not fit beside those before them are long: they follow in pieces of
// that size.
const maxParams = 1 << 20

// long tells which values are.
func long(params []hoop.Param) (out []bool) {
	room := maxParams
	for i, p := range params {
		if len(p.Value) <= room {
			room -= len(p.Value)
			continue
		}
		if out == nil {
			out = make([]bool, len(params))
		}
		out[i] = true
	}
	return out
}

// recorded is the parameters as the recording keeps them with their statement.
// secret are those, from 1, of which it keeps nothing.
func recorded(params []hoop.Param, secret []int) []recording.Param {
	out := make([]recording.Param, 0, len(params))
	apart := long(params)
	for i, p := range params {
		own := recording.Param{Type: p.Type, Binary: p.Binary, Null: p.Value == nil, Value: p.Value}
		switch {
		case slices.Contains(secret, i+1):
			own.Value, own.Secret = nil, true
		case apart != nil && apart[i]:
			own.Value, own.Size = nil, int64(len(p.Value))
		}
		out = append(out, own)
	}
	return out
}

// recordLong records the values that do not stand with their statement. s.mu is held.
func (s *Session) recordLong(r *Run) error {
	var piece []byte
	write := func() error {
		_, err := s.rec.Append(recording.Record{Kind: recording.KindInput, At: s.since(), Counter: r.number, Wire: piece})
		piece = piece[:0]
		return err
	}
	for i, apart := range long(r.st.Params) {
		if !apart || slices.Contains(r.st.SecretParams, i+1) {
			continue
		}
		for rest := r.st.Params[i].Value; len(rest) > 0; {
			n := min(len(rest), maxParams-len(piece))
			piece, rest = append(piece, rest[:n]...), rest[n:]
			if len(piece) == maxParams {
				if err := write(); err != nil {
					return err
				}
			}
		}
	}
	if len(piece) == 0 {
		return nil
	}
	return write()
}

// digested has the SHA-256 of long values in their place, and their lengths.
func digested(params []hoop.Param) (out []hoop.Param, lengths map[int]int) {
	apart := long(params)
	if apart == nil {
		return params, nil
	}
	out, lengths = slices.Clone(params), map[int]int{}
	for i := range out {
		if apart[i] {
			lengths[i] = len(out[i].Value)
			sum := sha256.Sum256(out[i].Value)
			out[i].Value = sum[:]
		}
	}
	return out, lengths
}

// shownParam is how much of a long value people see who approve.
const shownParam = 4 << 10

// Printable renders bound parameters for people who approve: text as it is, binary as
// text where the type is one of PostgreSQL's own that has no parts, or an array of such,
// otherwise as \x hex; of long values the beginning, as long as that is not too much.
// secret are those, from 1, that nobody is shown.
func Printable(params []hoop.Param, secret []int) []string {
	var out []string
	apart, room := long(params), maxParams
	types := pgtype.NewMap()
	for i, p := range params {
		if slices.Contains(secret, i+1) {
			out = append(out, hoop.Hidden)
			continue
		}
		size := len(p.Value)
		if apart != nil && apart[i] {
			p.Value = p.Value[:min(size, shownParam, room)]
			room -= len(p.Value)
			for cut := 0; cut < utf8.UTFMax && !p.Binary && !utf8.Valid(p.Value); cut++ { // within a character
				p.Value = p.Value[:len(p.Value)-1]
			}
		}
		switch {
		case p.Value == nil:
			out = append(out, "NULL")
		case !p.Binary && utf8.Valid(p.Value):
			out = append(out, string(p.Value))
		case p.Binary && len(p.Value) == size:
			if text, ok := textOf(types, p.Type, p.Value); ok {
				out = append(out, text)
				break
			}
			fallthrough
		default:
			out = append(out, fmt.Sprintf(`\x%x`, p.Value))
		}
		if len(p.Value) < size {
			out[i] += fmt.Sprintf("… (the first %d of %d bytes; the recording has them)", len(p.Value), size)
		}
	}
	return out
}

// plainBinary are the types whose binary values are read, of a few bytes or of text.
var plainBinary = map[uint32]bool{
	pgtype.BoolOID: true, pgtype.Int2OID: true, pgtype.Int4OID: true, pgtype.Int8OID: true, pgtype.OIDOID: true,
	pgtype.Float4OID: true, pgtype.Float8OID: true, pgtype.NumericOID: true, pgtype.UUIDOID: true, pgtype.DateOID: true,
	pgtype.TimeOID: true, pgtype.TimestampOID: true, pgtype.TimestamptzOID: true, pgtype.IntervalOID: true,
	pgtype.InetOID: true, pgtype.CIDROID: true, pgtype.TextOID: true, pgtype.VarcharOID: true, pgtype.BPCharOID: true,
	pgtype.NameOID: true, pgtype.JSONOID: true, pgtype.JSONBOID: true,
}

// Text gives a bound value as PostgreSQL writes it in text; ok is false where it is binary and
// of a type that is not known, or no text. types is of the caller alone.
func Text(types *pgtype.Map, p hoop.Param) (text string, ok bool) {
	if p.Binary {
		return textOf(types, p.Type, p.Value)
	}
	return string(p.Value), utf8.Valid(p.Value)
}

// textOf gives a binary value as PostgreSQL writes it in text.
func textOf(types *pgtype.Map, oid uint32, value []byte) (string, bool) {
	t, ok := types.TypeForOID(oid)
	if !ok {
		return "", false
	}
	if array, ok := t.Codec.(*pgtype.ArrayCodec); ok {
		return arrayOf(types, array.ElementType.OID, value)
	}
	if codec, ok := t.Codec.(*pgtype.RangeCodec); ok {
		return rangeOf(types, codec.ElementType.OID, value)
	}
	if !plainBinary[oid] {
		return "", false
	}
	v, err := t.Codec.DecodeValue(types, oid, pgtype.BinaryFormatCode, value)
	if err != nil {
		return "", false
	}
	text, err := types.Encode(oid, pgtype.TextFormatCode, v, nil)
	return string(text), err == nil && utf8.Valid(text)
}

// arrayOf reads a binary array of one dimension, or none (PostgreSQL's array_recv: 4B
// dimensions + 4B flags + 4B type, then 4B length + 4B first index, then 4B size + value
// each). It allocates for what is there only, whatever the lengths say.
func arrayOf(types *pgtype.Map, elem uint32, b []byte) (string, bool) {
	next := func() (n int32, ok bool) {
		if len(b) < 4 {
			return 0, false
		}
		n, b = int32(binary.BigEndian.Uint32(b)), b[4:]
		return n, true
	}
	dims, ok := next()
	_, flags := next()
	oid, typed := next()
	if !ok || !flags || !typed || uint32(oid) != elem || !plainBinary[elem] {
		return "", false
	}
	if dims == 0 {
		return "{}", len(b) == 0
	}
	count, ok := next()
	first, known := next()
	if !ok || !known || dims != 1 || first != 1 || count < 0 {
		return "", false
	}
	var items []string
	for range count {
		n, ok := next()
		if !ok || int(n) > len(b) {
			return "", false
		}
		if n < 0 {
			items = append(items, "NULL")
			continue
		}
		item, ok := textOf(types, elem, b[:n])
		if !ok {
			return "", false
		}
		b = b[n:]
		items = append(items, quoted(item))
	}
	return "{" + strings.Join(items, ",") + "}", len(b) == 0
}

// rangeOf reads a binary range (PostgreSQL's range_recv: 1B flags, then 4B size + value of each
// bound that it has).
func rangeOf(types *pgtype.Map, elem uint32, b []byte) (string, bool) {
	const empty, lowerIncluded, upperIncluded, noLower, noUpper = 0x01, 0x02, 0x04, 0x08, 0x10
	if len(b) == 0 || !plainBinary[elem] {
		return "", false
	}
	flags := b[0]
	b = b[1:]
	if flags&empty != 0 {
		return "empty", len(b) == 0
	}
	bound := func(none bool) (text string, ok bool) {
		if none {
			return "", true
		}
		if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
			return "", false
		}
		n := int(binary.BigEndian.Uint32(b))
		text, ok = textOf(types, elem, b[4:4+n])
		b = b[4+n:]
		return `"` + text + `"`, ok
	}
	lower, ok1 := bound(flags&noLower != 0)
	upper, ok2 := bound(flags&noUpper != 0)
	left, right := "(", ")"
	if flags&lowerIncluded != 0 {
		left = "["
	}
	if flags&upperIncluded != 0 {
		right = "]"
	}
	return left + lower + "," + upper + right, ok1 && ok2 && len(b) == 0
}

// quoted is an element of an array as its text has it (PostgreSQL manual, "Array Input and
// Output Syntax").
func quoted(item string) string {
	if item != "" && !strings.EqualFold(item, "null") && !strings.ContainsAny(item, "{},\"\\ \t\n\r\v\f") {
		return item
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(item) + `"`
}
