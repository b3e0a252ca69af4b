package postgres

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
)

func FuzzParseStartup(f *testing.F) {
	f.Add(uint32(version30), []byte("user\x00u\x00database\x00d\x00options\x00-c a=b\x00\x00"))
	f.Add(uint32(version32), []byte("user\x00u\x00_pq_.x\x00y\x00\x00"))
	f.Add(uint32(3<<16|9), []byte("user\x00\x00\x00"))
	f.Add(uint32(2<<16), []byte("u"))
	f.Add(uint32(version30), []byte("user\x00u\x00"))
	f.Fuzz(func(t *testing.T, version uint32, body []byte) {
		st, err := parseStartup(version, body)
		if err != nil {
			return
		}
		if st.user == "" || st.version > version32 {
			t.Errorf("accepted %+v", st)
		}
		_ = st.check()
		if m := st.negotiate(nil); len(m) > 0 {
			if _, size, ok, err := headerOf(m); err != nil || !ok || size != len(m) {
				t.Errorf("NegotiateProtocolVersion %q", m)
			}
		}
	})
}

// What scans a row of COPY must leave it alone where nothing is found, and find a
// field whatever it holds.
func FuzzCopyRow(f *testing.F) {
	for _, s := range []string{"1\ta\\tb\t\\N\n", "\n", "\t\n", "a,\"b\"\"c\",\n", `"x` + "\n" + `y",`, `"a"b`, "x\\", ",,\n"} {
		f.Add([]byte(s), "a\tb")
	}
	f.Add([]byte("x\t\n"), "") // a last field that is empty is a field
	same := func(dst, s []byte) []byte { return append(dst, s...) }
	f.Fuzz(func(t *testing.T, row []byte, value string) {
		for _, c := range []copying{
			{format: copyText, delimiter: '\t'},
			{format: copyText, delimiter: '|'},
			{format: copyText, delimiter: 1},
			{format: copyCSV, delimiter: ',', quote: '"', escape: '"'},
			{format: copyCSV, delimiter: '\t', quote: '\'', escape: '\\'},
			{format: copyCSV, delimiter: ';', quote: '|', escape: ';'},
		} {
			out, changed, err := c.scanRow(nil, row, same)
			if err == nil && (changed != 0 || !bytes.Equal(out, row)) {
				t.Errorf("%q became %q", row, out)
			}
			written := map[copyFormat]func(dst, value []byte) []byte{copyText: c.escaped, copyCSV: c.quoted}[c.format]
			line := append(written([]byte{'x', c.delimiter}, []byte(value)), '\n')
			var fields []string
			if _, _, err := c.scanRow(nil, line, func(dst, s []byte) []byte { fields = append(fields, string(s)); return same(dst, s) }); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			if len(fields) != 2 || fields[1] != value {
				t.Errorf("%q holds %q, want %q", line, fields, value)
			}
		}
	})
}

func FuzzParseFunctionCall(f *testing.F) {
	for _, m := range []pgproto3.FunctionCall{
		{Function: 177, Arguments: [][]byte{[]byte("2"), nil}},
		{Function: 177, ArgFormatCodes: []uint16{1}, Arguments: [][]byte{{0, 0, 0, 2}, {0, 0, 0, 3}}, ResultFormatCode: 1},
		{Function: 1, ArgFormatCodes: []uint16{1, 0}, Arguments: [][]byte{{}, []byte("x")}},
	} {
		b, err := m.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[headerSize:])
	}
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		k, err := parseFunctionCall(body)
		if err != nil {
			return
		}
		var m pgproto3.FunctionCall
		if err := m.Decode(body); err != nil {
			t.Fatalf("accepted what pgproto3 does not: %v", err)
		}
		if m.Function != k.function || len(m.Arguments) != len(k.params) {
			t.Errorf("got %+v, want %+v", k, m)
		}
		for i, p := range k.params {
			if !bytes.Equal(p.Value, m.Arguments[i]) || (p.Value == nil) != (m.Arguments[i] == nil) {
				t.Errorf("argument %d is %q, want %q", i, p.Value, m.Arguments[i])
			}
		}
	})
}

func FuzzCheckOptions(f *testing.F) {
	for _, s := range []string{`-c a=b`, `-ca=b --c-d=e`, `-c a\ b=c\\`, `-c`, `\`, ` --hoop.user=x`, `-c HOOP.USER=x`, `-c role = x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkOptions(s, func(string, string) {}) != nil {
			return
		}
		for _, arg := range splitOptions(s) {
			if arg == "" {
				t.Errorf("%q gives an empty word", s)
			}
		}
	})
}

func FuzzParseVerifier(f *testing.F) {
	f.Add(verifierOf("secret"))
	f.Add("SCRAM-SHA-256$4096:AA==$AA==:AA==")
	f.Add("SCRAM-SHA-256$0:AAAAAAAAAAA=$AA==:AA==")
	f.Add("SCRAM-SHA-256$99999999999999999999:AA==$AA==:AA==")
	f.Add("md5abc")
	f.Fuzz(func(t *testing.T, s string) {
		creds, err := parseVerifier(s)
		if err == nil && (creds.Iters < 1 || len(creds.StoredKey) != 32 || len(creds.ServerKey) != 32) {
			t.Errorf("accepted %q", s)
		}
	})
}

func FuzzParseBind(f *testing.F) {
	for _, b := range []*pgproto3.Bind{
		{},
		{DestinationPortal: "p", PreparedStatement: "s", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{nil, {}, []byte("x")}, ResultFormatCodes: []int16{0, 1}},
		{ParameterFormatCodes: []int16{0, 1}, Parameters: [][]byte{[]byte("a"), []byte("b")}},
	} {
		m, err := b.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m[headerSize:])
	}
	f.Add([]byte("\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		portal, statement, params, err := parseBind(body)
		var want pgproto3.Bind
		werr := want.Decode(body)
		if err != nil {
			return // stricter than pgproto3 is fine
		}
		if werr != nil {
			t.Fatalf("accepted what pgproto3 refuses: %v", werr)
		}
		if portal != want.DestinationPortal || statement != want.PreparedStatement || len(params) != len(want.Parameters) {
			t.Fatalf("got %q %q %d, want %+v", portal, statement, len(params), want)
		}
		for i := range params {
			if !bytes.Equal(params[i].Value, want.Parameters[i]) || (params[i].Value == nil) != (want.Parameters[i] == nil) {
				t.Errorf("parameter %d: %q, want %q", i, params[i].Value, want.Parameters[i])
			}
		}
	})
}

func FuzzColumns(f *testing.F) {
	m, err := (&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
		{Name: []byte("a"), TableOID: 1, TableAttributeNumber: 2, DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1, Format: 1},
		{Name: []byte(""), DataTypeOID: 23},
	}}).Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m[headerSize:])
	f.Add([]byte{0xff, 0xff})
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		cols, err := columns(body, &catalog.Snapshot{})
		if err != nil {
			return
		}
		var want pgproto3.RowDescription
		if err := want.Decode(body); err != nil || len(want.Fields) != len(cols) {
			t.Fatalf("%d columns; pgproto3: %d, %v", len(cols), len(want.Fields), err)
		}
		for i, c := range cols {
			if c.Name != string(want.Fields[i].Name) || c.Proven {
				t.Errorf("column %d: %+v", i, c)
			}
		}
	})
}

func FuzzMaskRow(f *testing.F) {
	m, err := (&pgproto3.DataRow{Values: [][]byte{[]byte("clear"), []byte("secret"), nil}}).Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m[headerSize:])
	f.Add([]byte{0, 3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe})
	f.Add([]byte{0, 2})
	set, err := mask.Compile([]resource.MaskRule{{Targets: []string{"*"}, Columns: []string{"public.t.s"}, With: resource.Redact}}, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	text := &hoop.Type{OID: 25, Name: "text", Mod: -1}
	cols := []hoop.Column{
		{Type: text, Proven: true, Origins: []hoop.ColumnRef{{Schema: "public", Table: "t", Column: "a"}}},
		{Type: text, Proven: true, Origins: []hoop.ColumnRef{{Schema: "public", Table: "t", Column: "s"}}},
		{Type: text, Proven: true, Origins: []hoop.ColumnRef{{Schema: "public", Table: "t", Column: "b"}}},
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		plan := set.For(hoop.Identity{}, "pg").Plan(&hoop.Statement{Reads: []string{"public.t"}}, cols)
		out, changed, err := maskRow(nil, body, &running{plan: plan})
		if err != nil {
			return
		}
		var got, in pgproto3.DataRow
		if err := in.Decode(body); err != nil {
			t.Fatalf("accepted what pgproto3 refuses: %v", err)
		}
		if err := got.Decode(out[headerSize:]); err != nil || len(got.Values) != 3 {
			t.Fatalf("wrote %q: %v", out, err)
		}
		for _, i := range []int{0, 2} {
			if !bytes.Equal(got.Values[i], in.Values[i]) {
				t.Errorf("value %d: %q, want %q", i, got.Values[i], in.Values[i])
			}
		}
		if v := in.Values[1]; v != nil && (changed != 1 || len(v) > 3 && bytes.Contains(got.Values[1], v)) {
			t.Errorf("masked %q to %q, %d changed", v, got.Values[1], changed)
		}
	})
}

func FuzzWithhold(f *testing.F) {
	add := func(m *pgproto3.ErrorResponse) {
		b, err := m.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[headerSize:])
	}
	add(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "22P02", Message: "secret", Detail: "secret", Hint: "secret", Position: 7, File: "numutils.c", Routine: "pg_strtoint32"})
	add(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "SECRE", Message: "secret", ColumnName: "secret", TableName: "secret", File: "pl_exec.c", Routine: "exec_stmt_raise"})
	f.Add([]byte{0})
	f.Add([]byte("M"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m := append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(body))), body...)
		out, err := withhold(nil, m)
		if err != nil {
			return
		}
		var got pgproto3.ErrorResponse
		if err := got.Decode(out[headerSize:]); err != nil {
			t.Fatalf("wrote %q: %v", out, err)
		}
		if got.Message != "" && got.Message != withheldText || got.Detail != "" || got.Hint != "" || got.Where != "" || got.InternalQuery != "" {
			t.Errorf("shows %+v", got)
		}
	})
}

// FuzzReader feeds messages in pieces: what comes out must be what went in.
func FuzzReader(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x08abc\x00"), uint8(1))
	f.Add([]byte("Q\x00\x00\x00\x03"), uint8(3))
	f.Add([]byte("Q\xff\xff\xff\xff"), uint8(3))
	f.Add(append([]byte("d\x00\x01\x11\x70"), make([]byte, 70_000)...), uint8(255))
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		rd := newReader(&feed{in: in, n: int(piece) + 1})
		var out []byte
		for {
			_, size, ok, err := rd.header()
			if err != nil {
				return
			}
			if !ok || rd.buffered() < size {
				if _, err := rd.fill(); err != nil {
					break
				}
				continue
			}
			out = append(out, rd.bytes(size)...)
			rd.discard(size)
		}
		if !bytes.HasPrefix(in, out) || cap(rd.buf) > 4*max(len(in), bufferSize) {
			t.Errorf("%d of %d bytes, buffer of %d", len(out), len(in), cap(rd.buf))
		}
	})
}

type feed struct {
	net.Conn
	in []byte
	n  int
}

func (f *feed) Read(p []byte) (int, error) {
	if len(f.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(f.n, len(p))], f.in)
	f.in = f.in[n:]
	return n, nil
}

func (*feed) SetReadDeadline(time.Time) error { return nil }
