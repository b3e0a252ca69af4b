package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

func FuzzParseQuery(f *testing.F) {
	seed(f, &pgproto3.Query{}, &pgproto3.Query{String: "select 1; select 'ü'"}, &pgproto3.Query{String: "begin"})
	f.Add([]byte("select 1"))
	f.Add([]byte("select 1\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		text, err := parseQuery(body)
		if err != nil {
			return
		}
		var want pgproto3.Query
		if err := want.Decode(body); err != nil || want.String != text || len(text) != len(body)-1 {
			t.Errorf("got %q, want %+v, %v", text, want, err)
		}
	})
}

// Describe and Close name what they are about in the same way.
func FuzzParseNamed(f *testing.F) {
	seed(f,
		&pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Describe{ObjectType: 'P', Name: "cur"},
		&pgproto3.Close{ObjectType: 'S', Name: "lrupsc_1_0"}, &pgproto3.Close{ObjectType: 'P'},
	)
	f.Add([]byte("Xname\x00"))
	f.Add([]byte("Sname"))
	f.Add([]byte("S\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		kind, name, err := parseNamed(body)
		if err != nil {
			return
		}
		var d pgproto3.Describe
		var c pgproto3.Close
		if err := d.Decode(body); err != nil || d.ObjectType != kind || d.Name != name {
			t.Errorf("got %c %q, Describe is %+v, %v", kind, name, d, err)
		}
		if err := c.Decode(body); err != nil || c.ObjectType != kind || c.Name != name {
			t.Errorf("got %c %q, Close is %+v, %v", kind, name, c, err)
		}
		if again, err := d.Encode(nil); err != nil || !bytes.Equal(again[headerSize:], body) {
			t.Errorf("%q is %q when written again, %v", body, again, err)
		}
	})
}

func FuzzParseExecute(f *testing.F) {
	seed(f, &pgproto3.Execute{}, &pgproto3.Execute{Portal: "C_1", MaxRows: 100}, &pgproto3.Execute{MaxRows: 1<<32 - 1})
	f.Add([]byte("p\x00\x00\x00\x00"))
	f.Add([]byte("p\x00\x00\x00\x00\x01\x02"))
	f.Fuzz(func(t *testing.T, body []byte) {
		portal, err := parseExecute(body)
		if err != nil {
			return
		}
		var want pgproto3.Execute
		if err := want.Decode(body); err != nil || want.Portal != portal {
			t.Fatalf("got %q, want %+v, %v", portal, want, err)
		}
		if again, err := want.Encode(nil); err != nil || !bytes.Equal(again[headerSize:], body) {
			t.Errorf("%q is %q when written again, %v", body, again, err)
		}
	})
}

// cancelBody is what follows the code of a CancelRequest.
func cancelBody(pid uint32, secret []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, pid), secret...)
}

// A CancelRequest finds a connection by the whole of its secret, and by nothing else.
func FuzzParseCancel(f *testing.F) {
	short, long := []byte{1, 2, 3, 4}, bytes.Repeat([]byte{7}, 32)
	f.Add(cancelBody(4711, short))
	f.Add(cancelBody(4712, long))
	f.Add(cancelBody(4711, long[:31]))
	f.Add(cancelBody(4711, nil))
	f.Add(cancelBody(4711, short[:3]))
	f.Add(cancelBody(4711, make([]byte, maxSecret)))
	f.Add(cancelBody(4711, make([]byte, maxSecret+1)))
	here := portOf("u", "v")
	live := &registry{conns: map[uint32][]*conn{
		4711: {{key: key{4711, []byte{9, 9, 9, 9}, here}}, {key: key{4711, short, here}}}, // of two targets
		4712: {{key: key{4712, long, here}}},
	}}
	f.Fuzz(func(t *testing.T, body []byte) {
		pid, secret, err := parseCancel(body)
		if err != nil {
			if len(body) >= 8 && len(body) <= 4+maxSecret {
				t.Errorf("refused %q: %v", body, err)
			}
			return
		}
		if !bytes.Equal(cancelBody(pid, secret), body) || len(secret) < 4 || len(secret) > maxSecret {
			t.Errorf("%q is %d and %q", body, pid, secret)
		}
		if c := live.find(portOf("uv", ""), pid, secret); c != nil {
			t.Errorf("%q finds %v from another port", body, c.key)
		}
		if c := live.find(here, pid, secret); c != nil && (c.key.pid != pid || !bytes.Equal(c.key.secret, secret)) {
			t.Errorf("%q finds %v", body, c.key)
		}
	})
}

// caller is a client that sends in pieces and keeps what it is answered.
type caller struct {
	feed
	out bytes.Buffer
}

func (c *caller) Write(p []byte) (int, error) { return c.out.Write(p) }

// opening is a packet without a type: 4B length + 4B code + body.
func opening(code uint32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

// FuzzPacket feeds what a client begins with, in pieces: requests for encryption are
// declined, each with one byte, and what follows is given whole.
func FuzzPacket(f *testing.F) {
	hello := opening(version30, []byte("user\x00u\x00database\x00d\x00\x00"))
	gss, ssl := opening(gssEncRequest, nil), opening(sslRequest, nil)
	for _, in := range [][]byte{
		hello, opening(version32, []byte("user\x00u\x00\x00")), opening(cancelRequest, cancelBody(7, []byte{1, 2, 3, 4})),
		gss, append(bytes.Clone(ssl), hello...), bytes.Repeat(ssl, 3),
		opening(sslRequest, []byte("x")),
		{0, 0, 0, 7, 0, 3, 0, 0},
		{0, 0, 0x27, 0x11, 0, 3, 0, 0},
		{0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0},
		hello[:9],
	} {
		f.Add(in, uint8(255))
		f.Add(in, uint8(0))
		f.Add(in, uint8(7)) // as a client that waits for each answer
	}
	f.Add(bytes.Join([][]byte{gss, ssl, hello}, nil), uint8(7))
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		c := &caller{feed: feed{in: in, n: int(piece) + 1}}
		s := &starter{nc: c, in: newReader(c)}
		code, body, err := s.packet()
		if cap(s.in.buf) > bufferSize {
			t.Errorf("a buffer of %d bytes for a packet of %d at most", cap(s.in.buf), maxStartup)
		}
		declined := c.out.Len()
		if declined > 3 || !bytes.Equal(c.out.Bytes(), bytes.Repeat([]byte{'N'}, declined)) {
			t.Fatalf("answered %q", c.out.Bytes())
		}
		if err != nil {
			return
		}
		if code == sslRequest || code == gssEncRequest {
			t.Fatalf("gave a request for encryption")
		}
		rest := in
		for range declined {
			rest = rest[binary.BigEndian.Uint32(rest):]
		}
		if !bytes.HasPrefix(rest, opening(code, body)) || len(body) > maxStartup-8 {
			t.Errorf("%q gave %d and %q", in, code, body)
		}
	})
}

// What is shown of a RowDescription in place of the target's keeps its shape, and
// nothing that code may have chosen.
func FuzzAnonymous(f *testing.F) {
	seed(f, &pgproto3.RowDescription{}, &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
		{Name: []byte("secret"), TableOID: 16385, TableAttributeNumber: 2, DataTypeOID: 1043, DataTypeSize: -1, TypeModifier: 13, Format: 1},
		{Name: []byte("?column?"), DataTypeOID: 23, DataTypeSize: 4, TypeModifier: -1},
	}})
	f.Add([]byte{0xff, 0xff})
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		var want pgproto3.RowDescription
		werr := want.Decode(body)
		for _, own := range []bool{false, true} {
			out, err := anonymous([]byte("before"), framed('T', body), own)
			if err != nil {
				continue
			}
			var got pgproto3.RowDescription
			if err := got.Decode(out[len("before")+headerSize:]); err != nil || werr != nil || len(got.Fields) != len(want.Fields) {
				t.Fatalf("wrote %q for %q, %v, %v", out, body, err, werr)
			}
			for i, g := range got.Fields {
				w := want.Fields[i]
				if g.TableOID != 0 || g.TableAttributeNumber != 0 || g.TypeModifier != -1 || bytes.Equal(g.Name, w.Name) != own && string(w.Name) != fmt.Sprintf("column%d", i+1) {
					t.Errorf("shows %+v of %+v", g, w)
				}
				if g.DataTypeOID != w.DataTypeOID || g.DataTypeSize != w.DataTypeSize || g.Format != w.Format {
					t.Errorf("column %d became %+v, was %+v", i, g, w)
				}
			}
		}
	})
}

// COPY in binary format: the header stays, and a row becomes what one of a query becomes.
func FuzzBinaryRow(f *testing.F) {
	row := func(values ...[]byte) []byte {
		m, err := (&pgproto3.DataRow{Values: values}).Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		return m[headerSize:]
	}
	head := append(bytes.Clone(copySignature), 0, 0, 0, 0, 0, 0, 0, 0)
	extended := append(bytes.Clone(copySignature), 0, 1, 0, 0, 0, 0, 0, 2, 'x', 'y')
	one := row([]byte("clear"), []byte("secret"), []byte(`{"a": 1}`), nil)
	f.Add(head, one)
	f.Add(append(bytes.Clone(head), one...), []byte{0xff, 0xff})
	f.Add(append(bytes.Clone(extended), one...), row(nil, nil, nil, nil))
	f.Add(head[:15], one)
	f.Add(one, one)
	f.Add(append(bytes.Clone(copySignature), 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff), []byte{})
	plan := redacting(f, "clear", "text", "json", "clear")
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r := &running{plan: plan}
		out, _, err := r.binaryRow(nil, first)
		if err != nil {
			return
		}
		if n := len(copySignature) + 8; !r.headed || len(out) < n || !bytes.Equal(out[:n], first[:n]) {
			t.Fatalf("%q became %q", first, out)
		}
		got, changed, err := r.binaryRow(nil, second)
		if len(second) == 0 || bytes.Equal(second, []byte{0xff, 0xff}) { // the end
			if err != nil || !bytes.Equal(got, second) {
				t.Errorf("%q became %q, %v", second, got, err)
			}
			return
		}
		want, n, werr := maskRow(nil, second, &running{plan: plan})
		if (err == nil) != (werr == nil) {
			t.Fatalf("%q: %v, as a row of a query: %v", second, err, werr)
		}
		if err == nil && (changed != n || !bytes.Equal(got, want[headerSize:])) {
			t.Errorf("%q became %q, as a row of a query %q", second, got, want)
		}
	})
}
