package session

import (
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"
)

// A value in binary format is plausibly what a driver reads from it, and nothing else.
func FuzzPlausible(f *testing.F) {
	for _, s := range []struct {
		value, text string
	}{
		{"\x00\x07", "7"},
		{"\xff\xff\xff\xf9", "-7"},
		{"\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"},
		{"\x11\x11\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x55\x55\x55\x55", "11111111-2222-3333-4444-555555555555"},
		{"\xab\xcd\xef\x11\x22\x22\x33\x33\x44\x44\x55\x55\x55\x55\x55\x55", "ABCDEF11-2222-3333-4444-555555555555"},
		{"900-0001", "900-0001"},
		{"12", "12"},
		{"", ""},
		{"\x00\x00\x00\x07", "8"},
	} {
		f.Add([]byte(s.value), s.text)
	}
	types := pgtype.NewMap()
	f.Fuzz(func(t *testing.T, value []byte, text string) {
		got := slices.ContainsFunc(plausible(value), func(v string) bool { return same(v, text) })
		want := same(string(value), text)
		for _, oid := range []uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.UUIDOID} {
			if read, ok := textOf(types, oid, value); ok && same(read, text) {
				want = true
			}
		}
		if got != want {
			t.Errorf("%s for %q: %v, want %v", hex.EncodeToString(value), text, got, want)
		}
	})
}

// Numbers are in the order of their values, and very long ones cost no more than reading them:
// anybody may send some.
func TestOrder_Numbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) string {
			return rapid.StringMatching(`[-+]?[0-9]{1,4}(\.[0-9]{0,3})?(e-?[0-9])?`).Draw(t, name)
		}
		a, b := draw("a"), draw("b")
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if got, ok := order(a, b); !ok || got != x.Cmp(y) {
			t.Fatalf("order(%s, %s) is %d, %v; want %d", a, b, got, ok, x.Cmp(y))
		}
	})
	long := strings.Repeat("7", 4<<20)
	began := time.Now()
	if got, ok := order(long, long+"7"); !ok || got != -1 || time.Since(began) > 10*time.Second {
		t.Errorf("numbers of 4 MiB: %d, %v after %s", got, ok, time.Since(began))
	}
}

// A decoy is known however it is written, and nothing else is taken for it.
func TestSame(t *testing.T) {
	for _, c := range []struct {
		v, want string
		same    bool
	}{
		{"50", "50", true},
		{" 50 ", "50", true},
		{"+50", "50", true},
		{"050", "50", true},
		{"50.00", "50", true},
		{"50.", "50", true},
		{"5e1", "50", true},
		{"0.05E+3", "50", true},
		{"5000e-2", "50", true},
		{"5e2", "50", false},
		{"5e-1", "0.5", true},
		{"1e-2", "0.01", true},
		{".e1", "0", false},
		{"5e999999999", "50", false},
		{"-50", "50", false},
		{"500", "50", false},
		{"5", "50", false},
		{"-0.50", "-0.5", true},
		{"0", "0", true},
		{"", "0", false},
		{".", "0", false},
		{"50", "00050", false}, // a code
		{"12.5", "12.50", true},
		{"abc  ", "abc", true},
		{"ABC", "abc", false},
		{"{6F2B1C9E0d7a4a4e9c551f0e2d3c4b5a}", "6f2b1c9e-0d7a-4a4e-9c55-1f0e2d3c4b5a", true},
		{"6f2b1c9e-0d7a-4a4e-9c55-1f0e2d3c4b5b", "6f2b1c9e-0d7a-4a4e-9c55-1f0e2d3c4b5a", false},
	} {
		if got := same(c.v, c.want); got != c.same {
			t.Errorf("%q for %q: %v", c.v, c.want, got)
		}
	}
}

func TestContains(t *testing.T) {
	for _, c := range []struct {
		text, want string
		parts, in  bool
	}{
		{"{1,50}", "50", true, true},
		{"{1,50}", "50", false, false},
		{`(50,"a b",)`, "50", true, true},
		{`{"id": 50}`, "50", true, true},
		{"{1,150,501}", "50", true, false},
		{"{150,50}", "50", true, true},
		{"x000000048y", "000000048", false, true},
	} {
		if got := contains(c.text, []string{c.want}, c.parts); got != c.in {
			t.Errorf("%q in %q: %v", c.want, c.text, got)
		}
	}
}
