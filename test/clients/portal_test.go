//go:build clients

package clients

import (
	"encoding/binary"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestWire_CursorsBySQL describes, runs and closes cursors that were declared in SQL by
// their names: what psycopg 3's server-side cursors do.
func TestWire_CursorsBySQL(t *testing.T) {
	compare(t, "cursors", "", func(t *testing.T, dsn string, _ route) string {
		w := dial(t, dsn)
		w.Send(query("BEGIN; DECLARE cur CURSOR FOR SELECT id, ssn FROM clinic.patients ORDER BY id"))
		w.Send(&pgproto3.Describe{ObjectType: 'P', Name: "cur"})
		w.Send(syncMessage)
		w.Send(query("FETCH 1 FROM cur"))
		w.Send(&pgproto3.Execute{Portal: "cur", MaxRows: 1})
		w.Send(syncMessage)
		w.Send(&pgproto3.Close{ObjectType: 'P', Name: "cur"})
		w.Send(syncMessage)
		w.Send(&pgproto3.Describe{ObjectType: 'P', Name: "cur"})
		w.Send(syncMessage)
		w.Send(query("ROLLBACK"))
		return w.until(7)
	})
}

// TestWire_FunctionCall calls functions by the fast path, as libpq's large-object
// functions do.
func TestWire_FunctionCall(t *testing.T) {
	compare(t, "fastpath", "", func(t *testing.T, dsn string, _ route) string {
		w := dial(t, dsn)
		call := func(function uint32, args ...uint32) {
			m := &pgproto3.FunctionCall{Function: function, ArgFormatCodes: []uint16{1}, ResultFormatCode: 1}
			for _, a := range args {
				m.Arguments = append(m.Arguments, binary.BigEndian.AppendUint32(nil, a))
			}
			w.Send(m)
		}
		call(177, 2, 3) // int4pl
		call(154, 2, 0) // int4div: an error
		call(715, 4243) // lo_create
		w.Send(query("BEGIN"))
		call(952, 4243, 0x60000) // lo_open
		w.Send(query("COMMIT"))
		call(964, 4243) // lo_unlink
		return w.until(7)
	})
}
