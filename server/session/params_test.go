package session

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestParams_Long(t *testing.T) {
	big := bytes.Repeat([]byte("ä"), maxParams)
	params := []hoop.Param{{Value: []byte("a")}, {Value: big}, {}, {Value: big[:maxParams-2]}, {Value: []byte("xyz")}, {Binary: true, Value: append([]byte{0xff}, big...)}}
	var sizes []int64
	for _, p := range recorded(params, nil) {
		sizes = append(sizes, p.Size)
		if p.Size > 0 && p.Value != nil {
			t.Errorf("a long value stands twice")
		}
	}
	if want := []int64{0, 2 << 20, 0, 0, 3, 2<<20 + 1}; !slices.Equal(sizes, want) {
		t.Errorf("sizes %v, want %v", sizes, want)
	}
	shown := Printable(params, nil)
	if shown[0] != "a" || shown[2] != "NULL" || !strings.HasPrefix(shown[1], "äää") || !strings.HasSuffix(shown[1], "ä… (the first 4096 of 2097152 bytes; the recording has them)") ||
		shown[4] != "xyz" || !strings.HasPrefix(shown[5], `\xff`) || !strings.HasSuffix(shown[5], "(the first 4096 of 2097153 bytes; the recording has them)") {
		t.Errorf("shown %.200q", shown)
	}
	// What a digest is made of tells long values apart, from each other and from short ones.
	out, lengths := digested(params)
	other := bytes.Clone(big)
	other[len(other)-1]++
	again, _ := digested([]hoop.Param{params[0], {Value: other}})
	if len(out[1].Value) != 32 || bytes.Equal(out[1].Value, again[1].Value) || lengths[1] != len(big) || string(out[0].Value) != "a" || len(lengths) != 3 {
		t.Errorf("digested %v", lengths)
	}
	if same, none := digested(params[:1]); none != nil || &same[0] != &params[0] {
		t.Error("short values are copied")
	}
}

// What a driver sends in binary is read for people: a number as a number, an array with its
// elements. What is no value of its type, or of a type with parts, stays as it is, and
// lengths that lie make nothing.
func TestParams_BinaryIsReadable(t *testing.T) {
	types := pgtype.NewMap()
	binary := func(oid uint32, v any) hoop.Param {
		b, err := types.Encode(oid, pgtype.BinaryFormatCode, v, nil)
		if err != nil {
			t.Fatal(err)
		}
		return hoop.Param{Type: oid, Binary: true, Value: b}
	}
	var number pgtype.Numeric
	if err := number.Scan("123.450"); err != nil {
		t.Fatal(err)
	}
	huge := binary(pgtype.TextArrayOID, []string{"a"})
	huge.Value[12], huge.Value[13] = 0x7f, 0xff
	for _, tt := range []struct {
		p    hoop.Param
		want string
	}{
		{binary(pgtype.Int4OID, -5), "-5"},
		{binary(pgtype.Int8OID, int64(1)<<40), "1099511627776"},
		{binary(pgtype.BoolOID, true), "t"},
		{binary(pgtype.Float8OID, 1.5), "1.5"},
		{binary(pgtype.NumericOID, number), "123.450"},
		{binary(pgtype.DateOID, time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)), "2026-11-28"},
		{binary(pgtype.TimestamptzOID, time.Date(2026, 11, 28, 12, 0, 0, 5000, time.UTC)), "2026-11-28 12:00:00.000005Z"},
		{binary(pgtype.UUIDOID, [16]byte{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}), "0f0e0d0c-0b0a-0908-0706-050403020100"},
		{binary(pgtype.TextOID, "it's"), "it's"},
		{binary(pgtype.JSONBOID, map[string]int{"a": 1}), `{"a":1}`},
		{binary(pgtype.TextArrayOID, []*string{ptr("123-45-6789"), nil, ptr(""), ptr("null"), ptr(`a "b\`)}), `{123-45-6789,NULL,"","null","a \"b\\"}`},
		{binary(pgtype.Int4ArrayOID, []int32{}), "{}"},
		{binary(pgtype.Int4rangeOID, pgtype.Range[pgtype.Int4]{Lower: pgtype.Int4{Int32: 1, Valid: true}, LowerType: pgtype.Inclusive, Upper: pgtype.Int4{Int32: 5, Valid: true}, UpperType: pgtype.Exclusive, Valid: true}), `["1","5")`},
		{binary(pgtype.TstzrangeOID, pgtype.Range[pgtype.Timestamptz]{LowerType: pgtype.Unbounded, UpperType: pgtype.Unbounded, Valid: true}), "(,)"},
		{binary(pgtype.DaterangeOID, pgtype.Range[pgtype.Date]{LowerType: pgtype.Empty, UpperType: pgtype.Empty, Valid: true}), "empty"},
		{hoop.Param{Type: pgtype.Int4rangeOID, Binary: true, Value: []byte{2, 0xff, 0xff, 0xff, 0xff}}, `\x02ffffffff`},
		{hoop.Param{Type: pgtype.Int4rangeOID, Binary: true, Value: []byte{0x18, 1}}, `\x1801`},
		{huge, `\x` + hex.EncodeToString(huge.Value)},
		{binary(pgtype.Int4ArrayOID, [][]int32{{1}}), `\x0000000200000000000000170000000100000001000000010000000100000004` + "00000001"},
		{hoop.Param{Type: pgtype.Int4OID, Binary: true, Value: []byte{1}}, `\x01`},
		{hoop.Param{Binary: true, Value: []byte{1}}, `\x01`},
		{hoop.Param{Type: 99999, Binary: true, Value: []byte{1}}, `\x01`},
	} {
		if got := Printable([]hoop.Param{tt.p}, nil)[0]; got != tt.want {
			t.Errorf("type %d: got %s, want %s", tt.p.Type, got, tt.want)
		}
	}
}

func ptr(s string) *string { return &s }

// Binary values come from the client: what people read is text, and of an array of texts
// the one that its bytes are.
func FuzzPrintable(f *testing.F) {
	types := pgtype.NewMap()
	for _, v := range []any{[]string{"a", `b "\`, "null", ""}, []*string{nil, ptr("x")}, []string{}} {
		b, err := types.Encode(pgtype.TextArrayOID, pgtype.BinaryFormatCode, v, nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint32(pgtype.TextArrayOID), b)
	}
	f.Add(uint32(pgtype.NumericOID), []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 5})
	f.Add(uint32(pgtype.Int4rangeOID), []byte{2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9})
	f.Add(uint32(pgtype.IntervalOID), make([]byte, 16))
	f.Fuzz(func(t *testing.T, oid uint32, value []byte) {
		got := Printable([]hoop.Param{{Type: oid, Binary: true, Value: value}}, nil)
		if len(got) != 1 || !utf8.ValidString(got[0]) {
			t.Fatalf("%q", got)
		}
		if oid != pgtype.TextArrayOID || strings.HasPrefix(got[0], `\x`) {
			return
		}
		var want, have []*string
		if err := types.Scan(oid, pgtype.BinaryFormatCode, value, &want); err != nil {
			t.Fatalf("%s, and %v", got[0], err)
		}
		if err := types.Scan(oid, pgtype.TextFormatCode, []byte(got[0]), &have); err != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("%s is %v, want %v, %v", got[0], have, want, err)
		}
	})
}
