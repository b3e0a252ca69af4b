package session

import (
	"encoding/hex"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
)

// A value in binary format is a decoy when a driver reads the decoy's text from it, and
// only then.
func FuzzBinaryEquals(f *testing.F) {
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
		got := binaryEquals(value, text)
		want := string(value) == text
		for _, oid := range []uint32{oidInt2, oidInt4, oidInt8, oidUUID} {
			var read any
			var again []byte
			err := types.Scan(oid, pgtype.BinaryFormatCode, value, &read)
			if err == nil && value != nil {
				again, err = types.Encode(oid, pgtype.TextFormatCode, read, nil)
			}
			if err == nil && again != nil && string(again) == text {
				want = true
			}
		}
		if want && !got {
			t.Errorf("%s is not taken for %q", hex.EncodeToString(value), text)
		}
		if got && !want && len(value) != 16 { // of a UUID other spellings count, too
			t.Errorf("%s is taken for %q", hex.EncodeToString(value), text)
		}
	})
}
