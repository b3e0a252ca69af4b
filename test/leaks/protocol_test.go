package leaks

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// conversation is an attack that needs messages of its own.
type conversation struct {
	title    string
	settings map[string]string // of the startup message
	talk     func(w *wire)
}

const (
	ssns  = "SELECT ssn || '' AS x FROM clinic.patients ORDER BY id"
	names = "SELECT full_name AS city, dob, profile, alt_ids, home, scan FROM clinic.patients ORDER BY id"
	plain = "SELECT name AS x FROM clinic.departments ORDER BY id"
)

// until reads up to the nth message of the kind, or the end.
func drain(w *wire, kind string, n int) {
	for range n {
		if _, err := w.until(kind); err != nil {
			return
		}
	}
}

// functionOID asks for it in SQL.
func functionOID(w *wire, signature string) uint32 {
	_ = w.run(simple, "SELECT '"+signature+"'::regprocedure::oid")
	rows := cells(w.got)
	var oid uint32
	if len(rows) > 0 {
		_, _ = fmt.Sscan(string(rows[len(rows)-1][0]), &oid)
	}
	return oid
}

func call(w *wire, signature string, args ...[]byte) {
	w.send(&pgproto3.FunctionCall{Function: functionOID(w, signature), ArgFormatCodes: []uint16{0}, Arguments: args})
	drain(w, "Z", 1)
}

var conversations = []conversation{
	{title: "a portal without Describe, named", talk: func(w *wire) {
		w.send(&pgproto3.Parse{Name: "s", Query: ssns}, &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s"}, &pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
		drain(w, "Z", 1)
	}},
	{title: "Flush in place of Sync", talk: func(w *wire) {
		w.send(&pgproto3.Parse{Query: ssns}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Flush{})
		drain(w, "CE", 1)
	}},
	{title: "a format per column", talk: func(w *wire) {
		w.send(&pgproto3.Parse{Query: names}, &pgproto3.Bind{ResultFormatCodes: []int16{1, 0, 1, 0, 1, 0}}, &pgproto3.Execute{}, &pgproto3.Sync{})
		drain(w, "Z", 1)
	}},
	{title: "the statement is described, not the portal", talk: func(w *wire) {
		w.send(&pgproto3.Parse{Query: names}, &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Bind{ResultFormatCodes: []int16{1}}, &pgproto3.Execute{}, &pgproto3.Sync{})
		drain(w, "Z", 1)
	}},
	{title: "a harmless statement is described first", talk: func(w *wire) {
		w.send(
			&pgproto3.Parse{Query: plain}, &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'},
			&pgproto3.Parse{Query: ssns}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{},
		)
		drain(w, "Z", 1)
	}},
	{title: "a name that is closed and used again, in one go", talk: func(w *wire) {
		w.send(
			&pgproto3.Parse{Name: "s", Query: plain}, &pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{},
			&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Parse{Name: "s", Query: ssns}, &pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{},
		)
		drain(w, "Z", 1)
	}},
	{title: "a portal's name used again", talk: func(w *wire) {
		w.send(
			&pgproto3.Parse{Name: "a", Query: plain}, &pgproto3.Parse{Name: "b", Query: ssns},
			&pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "a"}, &pgproto3.Describe{ObjectType: 'P', Name: "p"}, &pgproto3.Execute{Portal: "p", MaxRows: 1},
			&pgproto3.Close{ObjectType: 'P', Name: "p"}, &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "b"}, &pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{},
		)
		drain(w, "Z", 1)
	}},
	{title: "a failed Parse leaves the statement before it", talk: func(w *wire) {
		w.send(&pgproto3.Parse{Name: "s", Query: ssns}, &pgproto3.Parse{Name: "s", Query: plain}, &pgproto3.Sync{})
		drain(w, "Z", 1)
		w.send(&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{})
		drain(w, "Z", 1)
	}},
	{title: "two portals in turn", talk: func(w *wire) {
		w.send(&pgproto3.Query{String: "BEGIN"})
		drain(w, "Z", 1)
		w.send(
			&pgproto3.Parse{Name: "a", Query: plain}, &pgproto3.Bind{DestinationPortal: "pa", PreparedStatement: "a"},
			&pgproto3.Parse{Name: "b", Query: ssns}, &pgproto3.Bind{DestinationPortal: "pb", PreparedStatement: "b"},
			&pgproto3.Execute{Portal: "pa", MaxRows: 1}, &pgproto3.Execute{Portal: "pb", MaxRows: 1},
			&pgproto3.Execute{Portal: "pa", MaxRows: 1}, &pgproto3.Execute{Portal: "pb", MaxRows: 1}, &pgproto3.Sync{},
		)
		drain(w, "Z", 1)
		w.send(&pgproto3.Execute{Portal: "pb"}, &pgproto3.Sync{})
		drain(w, "Z", 1)
	}},
	{title: "a portal is read by FETCH", talk: func(w *wire) {
		_ = w.run(simple, "BEGIN")
		w.send(&pgproto3.Parse{Query: ssns}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{})
		drain(w, "Z", 1)
		_ = w.run(simple, "FETCH ALL FROM p")
	}},
	{title: "a cursor is read by Execute", talk: func(w *wire) {
		_ = w.run(simple, "BEGIN")
		_ = w.run(simple, "DECLARE c CURSOR FOR "+ssns)
		w.send(&pgproto3.Execute{Portal: "c"}, &pgproto3.Sync{})
		drain(w, "Z", 1)
	}},
	{title: "a cursor is described and read by Execute", talk: func(w *wire) {
		_ = w.run(simple, "BEGIN")
		_ = w.run(simple, "DECLARE c BINARY CURSOR FOR "+names)
		w.send(&pgproto3.Describe{ObjectType: 'P', Name: "c"}, &pgproto3.Execute{Portal: "c"}, &pgproto3.Sync{})
		drain(w, "Z", 1)
	}},
	{title: "a cursor in a portal's name", talk: func(w *wire) {
		_ = w.run(simple, "BEGIN")
		w.send(&pgproto3.Parse{Query: plain}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Describe{ObjectType: 'P', Name: "p"}, &pgproto3.Execute{Portal: "p", MaxRows: 1}, &pgproto3.Sync{})
		drain(w, "Z", 1)
		_ = w.run(simple, "CLOSE p")
		_ = w.run(simple, "DECLARE p CURSOR FOR "+ssns)
		w.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
		drain(w, "Z", 1)
	}},
	{title: "PREPARE in SQL, Bind in the protocol", talk: func(w *wire) {
		_ = w.run(simple, "PREPARE s AS "+ssns)
		w.send(&pgproto3.Bind{PreparedStatement: "s", ResultFormatCodes: []int16{1}}, &pgproto3.Execute{}, &pgproto3.Sync{})
		drain(w, "Z", 1)
	}},
	{title: "Parse in the protocol, EXECUTE in SQL", talk: func(w *wire) {
		w.send(&pgproto3.Parse{Name: "s", Query: ssns}, &pgproto3.Sync{})
		drain(w, "Z", 1)
		_ = w.run(simple, "EXECUTE s")
	}},
	{title: "EXECUTE in a portal, and the name used again before it runs", talk: func(w *wire) {
		w.send(&pgproto3.Parse{Name: "s", Query: plain}, &pgproto3.Sync{})
		drain(w, "Z", 1)
		_ = w.run(simple, "BEGIN")
		w.send(&pgproto3.Parse{Query: "EXECUTE s"}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{})
		drain(w, "Z", 1)
		w.send(
			&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Parse{Name: "s", Query: ssns},
			&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{},
		)
		drain(w, "Z", 1)
		_ = w.run(simple, "EXECUTE s")
	}},
	{title: "a pipeline of fifty", talk: func(w *wire) {
		for n := range 50 {
			q := plain
			if n%7 == 3 {
				q = ssns
			}
			w.send(&pgproto3.Parse{Query: q}, &pgproto3.Bind{ResultFormatCodes: []int16{int16(n % 2)}}, &pgproto3.Execute{MaxRows: uint32(n % 3)}, &pgproto3.Sync{})
		}
		drain(w, "Z", 50)
	}},
	{title: "an error in the middle of a pipeline", talk: func(w *wire) {
		w.send(
			&pgproto3.Parse{Query: plain}, &pgproto3.Bind{}, &pgproto3.Execute{},
			&pgproto3.Parse{Query: "SELECT full_name::int FROM clinic.patients WHERE id = 2"}, &pgproto3.Bind{}, &pgproto3.Execute{},
			&pgproto3.Parse{Query: ssns}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{},
			&pgproto3.Parse{Query: ssns}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{},
		)
		drain(w, "Z", 2)
	}},
	{title: "a Query between Parse and Bind", talk: func(w *wire) {
		w.send(&pgproto3.Parse{Name: "s", Query: ssns}, &pgproto3.Query{String: plain}, &pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{})
		drain(w, "Z", 2)
	}},
	{title: "parameters decide which column", talk: func(w *wire) {
		w.send(
			&pgproto3.Parse{Query: "SELECT CASE $1 WHEN 'a' THEN city ELSE full_name END FROM clinic.patients"},
			&pgproto3.Bind{Parameters: [][]byte{[]byte("b")}}, &pgproto3.Execute{}, &pgproto3.Sync{},
		)
		drain(w, "Z", 1)
	}},
	{title: "a parameter names a table", talk: func(w *wire) {
		w.send(
			&pgproto3.Parse{Query: "SELECT table_to_xml($1::text::regclass, true, false, '')"},
			&pgproto3.Bind{Parameters: [][]byte{[]byte("clinic.patients")}}, &pgproto3.Execute{}, &pgproto3.Sync{},
		)
		drain(w, "Z", 1)
	}},
	{title: "a parameter is a query", talk: func(w *wire) {
		w.send(
			&pgproto3.Parse{Query: "SELECT query_to_xml($1, true, false, '')"},
			&pgproto3.Bind{Parameters: [][]byte{[]byte(ssns)}}, &pgproto3.Execute{}, &pgproto3.Sync{},
		)
		drain(w, "Z", 1)
	}},
	{title: "FunctionCall of a user's function", talk: func(w *wire) { call(w, "clinic.patient_ssn(int)", []byte("1")) }},
	{title: "FunctionCall of query_to_xml", talk: func(w *wire) {
		call(w, "query_to_xml(text,bool,bool,text)", []byte("TABLE clinic.users"), []byte("t"), []byte("f"), nil)
		call(w, "query_to_xml(text,bool,bool,text)", []byte("TABLE clinic.users"), []byte("t"), []byte("f"), []byte(""))
	}},
	{title: "a NUL in a Query", talk: func(w *wire) {
		body := "SELECT 1;\x00" + ssns
		b := binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(body)+5))
		w.sendRaw(append(append(b, body...), 0))
		drain(w, "Z", 1)
		if !w.ended {
			_ = w.run(simple, ssns)
		}
	}},
	{title: "half a message, then the rest", talk: func(w *wire) {
		b, err := (&pgproto3.Query{String: ssns}).Encode(nil)
		if err != nil {
			panic(err)
		}
		w.sendRaw(b[:7])
		w.sendRaw(b[7:])
		drain(w, "Z", 1)
	}},
	{title: "the end of the connection in the middle", talk: func(w *wire) {
		w.send(&pgproto3.Query{String: ssns}, &pgproto3.Terminate{})
		drain(w, "Z", 2)
	}},
	{
		title: "search_path of the startup message", settings: map[string]string{"options": "-c search_path=clinic,archive"},
		talk: func(w *wire) { _ = w.run(undescr, "SELECT full_name FROM patients") },
	},
	{
		title: "DateStyle of the startup message", settings: map[string]string{"datestyle": "German"},
		talk: func(w *wire) { _ = w.run(simple, "SELECT dob FROM clinic.patients") },
	},
	{
		title: "another encoding of the startup message", settings: map[string]string{"client_encoding": "LATIN1"},
		talk: func(w *wire) { _ = w.run(simple, ssns) },
	},
	{
		title: "a replication connection", settings: map[string]string{"replication": "database"},
		talk: func(w *wire) { _ = w.run(simple, ssns) },
	},
	{
		title: "strings with backslashes from the startup message", settings: map[string]string{"options": "-c standard_conforming_strings=off"},
		talk: func(w *wire) { _ = w.run(simple, `SELECT '\'' || ssn || '' FROM clinic.patients -- '`) },
	},
	{
		title: "the role of the startup message", settings: map[string]string{"options": "-c role=postgres"},
		talk: func(w *wire) { _ = w.run(simple, ssns) },
	},
}

func TestProtocol(t *testing.T) {
	search := newSearcher(canaries.all)
	l := start(t)
	for _, c := range conversations {
		t.Run(c.title, func(t *testing.T) {
			for _, database := range []string{direct, ruled, open1} {
				if database != direct {
					l.unprotect(t, database, database)
				}
				w, err := tryOpen(t.Context(), l.dsn[database], database, c.settings)
				if err == nil {
					c.talk(w)
					_ = w.Close()
				} else if database == direct {
					t.Fatal(err)
				}
				found := search.in(views(w.got))
				switch {
				case database == direct && len(found) == 0:
					t.Fatalf("no attack: nothing is shown on a direct connection either: %s", told(w.got))
				case database != direct && len(found) > 0:
					t.Errorf("LEAK through %s: %s", database, strings.Join(found[:min(len(found), 3)], "; "))
				}
			}
		})
	}
}
