package postgres

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
)

// framed is a message of that type.
func framed(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body))), body...)
}

// body adds messages without their headers as seeds.
func seed(f *testing.F, all ...interface {
	Encode([]byte) ([]byte, error)
},
) {
	f.Helper()
	for _, m := range all {
		b, err := m.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[headerSize:])
	}
}

func FuzzParseParse(f *testing.F) {
	seed(f, &pgproto3.Parse{}, &pgproto3.Parse{Name: "s", Query: "select $1, $2", ParameterOIDs: []uint32{25, 0}}, &pgproto3.Parse{Query: strings.Repeat("select 1;", 100)})
	f.Add([]byte("s\x00select 1\x00\xff\xff"))
	f.Add([]byte("s\x00select 1"))
	f.Fuzz(func(t *testing.T, body []byte) {
		name, text, types, err := parseParse(body)
		if err != nil {
			return
		}
		var want pgproto3.Parse
		if err := want.Decode(body); err != nil {
			t.Fatalf("accepted what pgproto3 refuses: %v", err)
		}
		if again, err := want.Encode(nil); err != nil || name != want.Name || text != want.Query || len(types) != len(want.ParameterOIDs) || !bytes.Equal(again[headerSize:], body) {
			t.Errorf("got %q %q %v, want %+v, %v", name, text, types, want, err)
		}
	})
}

func FuzzParseInitial(f *testing.F) {
	seed(f, &pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: []byte("n,,n=,r=abc")}, &pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256-PLUS", Data: []byte("p=tls-server-end-point,,")})
	f.Add([]byte("SCRAM-SHA-256\x00\xff\xff\xff\xff"))
	f.Add([]byte("SCRAM-SHA-256\x00\x7f\xff\xff\xffx"))
	f.Fuzz(func(t *testing.T, body []byte) {
		data, err := parseInitial(body)
		if err != nil {
			return
		}
		var want pgproto3.SASLInitialResponse
		if err := want.Decode(body); err != nil || string(want.Data) != data || want.AuthMechanism != mechanism {
			t.Errorf("got %q, want %+v, %v", data, want, err)
		}
	})
}

// FuzzPassword feeds what may come in place of a SASL message, in pieces.
func FuzzPassword(f *testing.F) {
	f.Add([]byte("p\x00\x00\x00\x08abcd"), uint8(0))
	f.Add([]byte("p\x00\x00\x00\x04"), uint8(2))
	f.Add([]byte("Q\x00\x00\x00\x05\x00"), uint8(9))
	f.Add([]byte("p\x7f\xff\xff\xff"), uint8(9))
	f.Add([]byte("p\x00\x00\x00\x03"), uint8(9))
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		s := &starter{in: newReader(&feed{in: in, n: int(piece) + 1})}
		body, err := s.password()
		if len(body) > maxPassword || err == nil && !bytes.HasPrefix(in, framed('p', body)) {
			t.Errorf("%q gave %q", in, body)
		}
	})
}

func FuzzNotification(f *testing.F) {
	seed(f, &pgproto3.NotificationResponse{PID: 7, Channel: "news", Payload: "secret"}, &pgproto3.NotificationResponse{})
	f.Add([]byte("\x00\x00\x00\x01news\x00secret"))
	f.Add([]byte("\x00\x00\x00\x01news\x00\x00x"))
	f.Fuzz(func(t *testing.T, body []byte) {
		channel, err := parseNotification(body)
		if err != nil {
			return
		}
		var want, got pgproto3.NotificationResponse
		if err := want.Decode(body); err != nil || want.Channel != string(channel) {
			t.Fatalf("got %q, want %+v, %v", channel, want, err)
		}
		out := withholdPayload([]byte("before"), framed('A', body), channel)[6:]
		if _, size, ok, err := headerOf(out); err != nil || !ok || size != len(out) {
			t.Fatalf("wrote %q", out)
		}
		if err := got.Decode(out[headerSize:]); err != nil || got.PID != want.PID || got.Channel != want.Channel || got.Payload != withheldPayload {
			t.Errorf("wrote %+v for %+v, %v", got, want, err)
		}
	})
}

func FuzzParameterStatus(f *testing.F) {
	seed(f, &pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"}, &pgproto3.ParameterStatus{})
	f.Add([]byte("client_encoding\x00UTF8"))
	f.Fuzz(func(t *testing.T, body []byte) {
		name, value, err := parseStatus(body)
		if err != nil {
			return
		}
		var want pgproto3.ParameterStatus
		if err := want.Decode(body); err != nil || want.Name != name || want.Value != value {
			t.Errorf("got %q %q, want %+v, %v", name, value, want, err)
		}
	})
}

// What looks for values in the texts of an error changes these only, and all of them.
func FuzzScanTexts(f *testing.F) {
	seed(f,
		&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "22P02", Message: "a secret", Detail: "secret", Hint: "secret", Where: "secret", Position: 7, File: "secret.c", Line: 3, Routine: "f"},
		&pgproto3.ErrorResponse{Severity: "ERROR", Code: "23505", SchemaName: "secret", TableName: "secret", ColumnName: "secret", ConstraintName: "secret", DataTypeName: "secret", InternalQuery: "select 'secret'"},
	)
	f.Add([]byte{0})
	f.Add([]byte("Msecret"))
	f.Add([]byte("Zsecret\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m := framed('E', body)
		same, serr := scanTexts(nil, m, func(dst, s []byte) []byte { return append(dst, s...) })
		out, err := scanTexts(nil, m, func(dst, s []byte) []byte { return append(dst, bytes.ReplaceAll(s, []byte("secret"), []byte("x"))...) })
		if (err == nil) != (serr == nil) {
			t.Fatal(err, serr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(same, m) {
			t.Fatalf("%q became %q", m, same)
		}
		var got pgproto3.ErrorResponse
		if err := got.Decode(out[headerSize:]); err != nil {
			t.Fatalf("wrote %q: %v", out, err)
		}
		for _, text := range []string{got.Message, got.Detail, got.Hint, got.Where, got.InternalQuery, got.SchemaName, got.TableName, got.ColumnName, got.DataTypeName, got.ConstraintName} {
			if strings.Contains(text, "secret") {
				t.Errorf("shows %q", text)
			}
		}
	})
}

func FuzzFunctionResult(f *testing.F) {
	seed(f, &pgproto3.FunctionCallResponse{Result: []byte("secret")}, &pgproto3.FunctionCallResponse{}, &pgproto3.FunctionCallResponse{Result: []byte{}})
	f.Add([]byte{0xff, 0xff, 0xff, 0xfe})
	f.Add([]byte{0, 0, 0, 1})
	plan := redacting(f, "text")
	f.Fuzz(func(t *testing.T, body []byte) {
		value, err := parseResult(body)
		if err != nil {
			return
		}
		var want, got pgproto3.FunctionCallResponse
		if err := want.Decode(body); err != nil || !bytes.Equal(want.Result, value) || (want.Result == nil) != (value == nil) {
			t.Fatalf("got %q, want %+v, %v", value, want, err)
		}
		if value == nil {
			return
		}
		out := appendResult(nil, value, &running{result: plan.Columns[0]})
		if err := got.Decode(out[headerSize:]); err != nil || len(value) > 8 && bytes.Contains(got.Result, value) {
			t.Errorf("wrote %q for %q, %v", out, value, err)
		}
	})
}

// redacting is a plan for columns of these types: each but those named clear is masked.
func redacting(f testing.TB, types ...string) *mask.Plan {
	f.Helper()
	set, err := mask.Compile([]resource.MaskRule{{Targets: []string{"*"}, Columns: []string{"public.t.s"}, With: resource.Redact}}, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	var cols []hoop.Column
	for _, name := range types {
		col := hoop.Column{Type: &hoop.Type{OID: 25, Name: "text", Mod: -1}, Proven: true, Plain: true, Origins: []hoop.ColumnRef{{Schema: "public", Table: "t", Column: "s"}}}
		switch name {
		case "clear":
			col.Origins[0].Column = "a"
		case "json":
			col.Type = &hoop.Type{OID: 114, Name: "json", Mod: -1}
		case "char": // as long as a long value
			col.Type = &hoop.Type{OID: 1042, Name: "bpchar", Mod: 4 + longValue}
		}
		cols = append(cols, col)
	}
	return set.For(hoop.Identity{}, "pg").Plan(&hoop.Statement{Reads: []string{"public.t"}}, cols)
}

// What char(n) becomes has the length of the type, not that of the value.
func TestLongRow_Padded(t *testing.T) {
	l := newLongRow(headerSize+2+4+longValue+2, 1<<22, redacting(t, "char").Columns)
	m, err := (&pgproto3.DataRow{Values: [][]byte{append(bytes.Repeat([]byte("é"), longValue/2), "xx"...)}}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	n, done, err := l.take(m[headerSize:])
	if want := headerSize + 2 + 4 + longValue; n != len(m)-headerSize || !done || err != nil || l.size != want || len(l.out) != want {
		t.Errorf("%d bytes taken of %d, %v, %v: announced %d, gave %d, want %d", n, len(m)-headerSize, done, err, l.size, len(l.out), want)
	}
}

// A row that is taken in piece by piece becomes what it becomes as a whole.
func FuzzLongRow(f *testing.F) {
	add := func(piece uint8, values ...[]byte) {
		m, err := (&pgproto3.DataRow{Values: values}).Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m[headerSize:], piece)
	}
	add(0, []byte("clear"), []byte("secret"), []byte(`{"a": 1}`), []byte("clear as well"))
	add(6, nil, []byte("secret"), nil, nil)
	add(255, []byte{}, []byte{}, []byte{}, []byte{})
	add(3, []byte("x"))
	f.Add([]byte{0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe}, uint8(1))
	f.Add([]byte{0, 4, 0x7f, 0xff, 0xff, 0xff}, uint8(1))
	plan := redacting(f, "clear", "text", "json", "clear")
	f.Fuzz(func(t *testing.T, body []byte, piece uint8) {
		want, changed, werr := maskRow(nil, body, &running{plan: plan})
		l := newLongRow(headerSize+len(body), 1<<20, plan.Columns)
		var in, got []byte
		rest := body
		for {
			n, done, err := l.take(in)
			in = in[n:]
			if l.size > 0 {
				got = append(got, l.out...)
				l.out = l.out[:0]
			}
			switch {
			case err != nil && werr == nil:
				t.Fatalf("%q: %v", body, err)
			case err != nil:
				return
			case done:
				if len(in)+len(rest) > 0 || werr != nil || l.size != len(got) || !bytes.Equal(got, want) || l.masked != changed {
					t.Errorf("%q became %q (%d), want %q (%d), %v", body, got, l.masked, want, changed, werr)
				}
				return
			case len(rest) == 0:
				if werr == nil {
					t.Fatalf("%q is not enough", body)
				}
				return
			}
			next := min(len(rest), int(piece)+1)
			in, rest = append(in, rest[:next]...), rest[next:]
		}
	})
}
