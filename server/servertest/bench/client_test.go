package main

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// answer is a result of two rows; one of an error where fail is set.
func answer(t testing.TB, fail bool) []byte {
	t.Helper()
	messages := []pgproto3.BackendMessage{
		&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("Z")}}},
		&pgproto3.DataRow{Values: [][]byte{[]byte("D and E and Z")}},
		&pgproto3.DataRow{Values: [][]byte{nil}},
	}
	if fail {
		messages = append(messages, &pgproto3.ErrorResponse{Severity: "ERROR", Code: "57P01", Message: "cut"})
	} else {
		messages = append(messages, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 2")})
	}
	var b []byte
	var err error
	for _, m := range append(messages, &pgproto3.ReadyForQuery{TxStatus: 'I'}) {
		if b, err = m.Encode(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestFrames_CountsRowsHoweverBytesAreCut(t *testing.T) {
	b := answer(t, false)
	for size := 1; size <= len(b); size++ {
		var f frames
		for i := 0; i < len(b); i += size {
			done, err := f.feed(b[i:min(i+size, len(b))])
			if err != nil || done != (i+size >= len(b)) {
				t.Fatalf("pieces of %d: done %t at byte %d of %d, %v", size, done, i, len(b), err)
			}
		}
		if f.rows != 2 {
			t.Fatalf("pieces of %d: %d rows, want 2", size, f.rows)
		}
	}
}

func TestFrames_ReportsTheServersError(t *testing.T) {
	var f frames
	done, err := f.feed(answer(t, true))
	var pg *pgconn.PgError
	if !done || !errors.As(err, &pg) || pg.Code != "57P01" {
		t.Errorf("done %t, %v; want 57P01 at the end", done, err)
	}
}

func TestFrames_RefusesALengthThatCannotBe(t *testing.T) {
	var f frames
	if _, err := f.feed([]byte{'D', 0, 0, 0, 3}); err == nil {
		t.Error("a message shorter than its own length was accepted")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(answer(f, false), 1)
	f.Add(answer(f, true), 7)
	f.Add([]byte{'D', 0xff, 0xff, 0xff, 0xff, 'x'}, 2)
	f.Add([]byte{'E', 0, 0, 0, 4, 'Z', 0, 0, 0, 4}, 3)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		var whole, cut frames
		done, err := whole.feed(b)
		if size < 1 || size > len(b) {
			return
		}
		// The same in pieces, up to the same end.
		for i := 0; i < len(b); i += size {
			d, e := cut.feed(b[i:min(i+size, len(b))])
			if d || e != nil {
				if d != done || (e == nil) != (err == nil) {
					t.Fatalf("whole: %t, %v; in pieces of %d: %t, %v", done, err, size, d, e)
				}
				break
			}
		}
		if whole.rows != cut.rows && !done && err == nil {
			t.Fatalf("%d rows, in pieces %d", whole.rows, cut.rows)
		}
		if len(whole.fail) > maxErrorBody {
			t.Fatalf("%d bytes of an error kept", len(whole.fail))
		}
	})
}
