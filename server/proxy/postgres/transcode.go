package postgres

import (
	"encoding/binary"
	"errors"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// errBinary refuses binary values where texts are converted: which of them are texts is
// known to the target only.
func errBinary(cs *charset) error {
	return hoop.Errorf(hoop.CodeUnsupported, "binary values are not served while client_encoding is %s", cs.name).
		WithHint(hintEncoding)
}

// largeObjects are the functions that libpq calls by message with numbers and bytes,
// never texts (pg_proc.dat).
var largeObjects = map[uint32]bool{
	715: true, 952: true, 953: true, 954: true, 955: true, 956: true, 957: true, 958: true, 964: true, 1004: true,
	3170: true, 3171: true, 3172: true,
}

// fromClient gives a message of the client in UTF8. Data of COPY is not its matter.
func (cs *charset) fromClient(frame []byte) ([]byte, error) {
	kind := frame[0]
	f := fields{b: frame[headerSize:]}
	out, at := begin(nil, kind)
	var err error
	text := func() {
		var rest []byte
		s := f.cstring()
		if f.err != nil || err != nil {
			return
		}
		if out, rest, err = cs.decode(out, s); err == nil && len(rest) > 0 {
			err = cs.invalid(rest)
		}
		out = append(out, 0)
	}
	switch kind {
	case 'Q', 'E':
		text()
	case 'D', 'C':
		out = append(out, f.byte())
		text()
	case 'P':
		text()
		text()
	case 'B':
		text()
		text()
		out, err = cs.bindFromClient(out, &f, err)
	case 'F':
		if len(f.b) >= 4 && !largeObjects[binary.BigEndian.Uint32(f.b)] {
			return nil, errBinary(cs)
		}
	default:
		return frame, nil
	}
	if err != nil {
		return nil, err
	}
	if f.err != nil {
		return frame, nil // whoever reads it finds the same fault
	}
	return end(append(out, f.b...), at), nil
}

// bindFromClient converts a Bind message from its formats on.
func (cs *charset) bindFromClient(out []byte, f *fields, err error) ([]byte, error) {
	formats := func() {
		n := f.uint16()
		out = binary.BigEndian.AppendUint16(out, n)
		for range n {
			code := f.uint16()
			if f.err != nil {
				return
			}
			if code != 0 && err == nil {
				err = errBinary(cs)
			}
			out = binary.BigEndian.AppendUint16(out, code)
		}
	}
	formats()
	n := f.uint16()
	out = binary.BigEndian.AppendUint16(out, n)
	for range n {
		v := f.value()
		if f.err != nil || err != nil {
			return out, err
		}
		at := len(out)
		out = append(out, 0xff, 0xff, 0xff, 0xff)
		if v == nil {
			continue
		}
		var rest []byte
		if out, rest, err = cs.decode(out, v); err == nil && len(rest) > 0 {
			err = cs.invalid(rest)
		}
		binary.BigEndian.PutUint32(out[at:], uint32(len(out)-at-4))
	}
	formats()
	return out, err
}

// toClient appends a message in the client's encoding.
func (cs *charset) toClient(dst, m []byte) (out []byte, err error) {
	kind := m[0]
	f := fields{b: m[headerSize:]}
	if ascii(f.b) == len(f.b) && kind != 'D' && kind != 'T' {
		return append(dst, m...), nil
	}
	out, at := begin(dst, kind)
	text := func() {
		if err == nil {
			out, err = cs.encode(out, f.cstring())
			out = append(out, 0)
		}
	}
	switch kind {
	case 'T':
		out = append(out, f.b[:min(2, len(f.b))]...)
		for range f.uint16() {
			text()
			if len(f.b) < 18 {
				f.fail()
				break
			}
			if binary.BigEndian.Uint16(f.b[16:]) != 0 && err == nil {
				err = errBinary(cs) // of a binary cursor
			}
			out, f.b = append(out, f.b[:18]...), f.b[18:]
		}
	case 'D':
		out = append(out, f.b[:min(2, len(f.b))]...)
		for range f.uint16() {
			v := f.value()
			if f.err != nil || err != nil {
				break
			}
			at := len(out)
			out = append(out, 0xff, 0xff, 0xff, 0xff)
			if v == nil {
				continue
			}
			out, err = cs.encode(out, v)
			binary.BigEndian.PutUint32(out[at:], uint32(len(out)-at-4))
		}
	case 'E', 'N':
		for f.err == nil {
			code := f.byte()
			out = append(out, code)
			if code == 0 {
				break
			}
			text()
		}
	case 'A':
		out = append(out, f.b[:min(4, len(f.b))]...)
		f.uint32()
		text()
		text()
	case 'S':
		text()
		text()
	case 'C':
		text()
	case 'd':
		out, err = cs.encode(out, f.b)
		f.b = nil
	default: // nothing in it is text
		return append(dst, m...), nil
	}
	if err == nil {
		err = f.done()
	}
	return end(out, at), err
}

// writeIn sends to a client that has a charset, whole messages only. c.writing is held.
func (c *conn) writeIn(cs *charset, wire []byte) error {
	if len(c.half) > 0 {
		c.half = append(c.half, wire...)
		wire = c.half
	}
	var out []byte
	for {
		_, size, ok, err := headerOf(wire)
		if err != nil {
			return err
		}
		if !ok || size > len(wire) {
			break
		}
		next, err := cs.toClient(out, wire[:size])
		if err != nil {
			// The rest of the answer cannot be told, nor taken back at the target.
			c.told = true
			r := cut(err)
			r.detail = "what the statement did may have taken effect"
			_, werr := c.nc.Write(append(out, cs.lossy(r.append(nil))...))
			return errors.Join(err, werr)
		}
		out, wire = next, wire[size:]
	}
	c.half = append([]byte(nil), wire...)
	if len(out) == 0 {
		return nil
	}
	if _, err := c.nc.Write(out); err != nil {
		return errors.Join(errClientGone, err)
	}
	return nil
}

// lossy is wire, messages of the gateway's own, with a question mark for what has no
// equivalent.
func (cs *charset) lossy(wire []byte) []byte {
	out := append([]byte(nil), wire...)
	for rest := out; ; {
		_, size, ok, err := headerOf(rest)
		if !ok || err != nil || size > len(rest) {
			return out
		}
		for i := headerSize; i < size; i++ {
			if rest[i] >= 0x80 {
				rest[i] = '?'
			}
		}
		rest = rest[size:]
	}
}

// fromCopy gives a message of COPY data in UTF8. A character may go on in the next.
func (c *conn) fromCopy(cs *charset, frame []byte) ([]byte, error) {
	out, at := begin(nil, frame[0])
	if frame[0] != 'd' {
		rest := c.character
		c.character = nil
		if len(rest) > 0 && frame[0] == 'c' {
			return nil, cs.invalid(rest)
		}
		if frame[0] == 'f' {
			return cs.lossy(frame), nil
		}
		return frame, nil
	}
	data := frame[headerSize:]
	if len(c.character) > 0 {
		data = append(c.character, data...)
	}
	out, rest, err := cs.decode(out, data)
	if err != nil {
		return nil, err
	}
	c.character = append([]byte(nil), rest...)
	return end(out, at), nil
}

// copyFailure is a CopyFail message that says why the gateway ends the data.
func copyFailure(err error) []byte {
	m, at := begin(nil, 'f')
	return end(appendString(m, refusal(err).message), at)
}

// rawCopy reports whether a COPY of the text has data that are not in the client's
// encoding as a whole.
func rawCopy(p *pgparse.Parsed) bool {
	for _, raw := range p.Tree.GetStmts() {
		for _, o := range raw.GetStmt().GetCopyStmt().GetOptions() {
			d := o.GetDefElem()
			if d.GetDefname() == "encoding" || d.GetDefname() == "format" && strings.EqualFold(d.GetArg().GetString_().GetSval(), "binary") {
				return true
			}
		}
	}
	return false
}

// convertible refuses a statement whose data cannot be converted for the client.
func (c *conn) convertible(m *meaning) error {
	if cs := c.charset.Load(); cs != nil && m.rawCopy {
		return errBinary(cs)
	}
	return nil
}

// setsEncoding gives the client encoding that a text sets for the session and that is
// all it does; nil where it does anything else.
func setsEncoding(p *pgparse.Parsed) *string {
	if len(p.Tree.GetStmts()) != 1 {
		return nil
	}
	v := p.Tree.GetStmts()[0].GetStmt().GetVariableSetStmt()
	if v == nil || v.IsLocal || v.Name != "client_encoding" {
		return nil
	}
	value := ""
	switch v.Kind {
	case pg_query.VariableSetKind_VAR_SET_VALUE:
		if len(v.Args) != 1 || v.Args[0].GetAConst().GetSval() == nil {
			return nil
		}
		value = v.Args[0].GetAConst().GetSval().Sval
		if value == "" {
			return nil
		}
	case pg_query.VariableSetKind_VAR_RESET, pg_query.VariableSetKind_VAR_SET_DEFAULT:
	default:
		return nil
	}
	return &value
}

// change is one of the client's encoding, on its way.
type change struct {
	to *charset
	ok bool // guarded by conn.mu: the command that makes it has succeeded
}

// changes has ch wait for e's first command. c.mu need not be held: e is not queued yet.
func (e *expected) changes(ch *change) {
	if ch != nil {
		e.settles = append(e.settles, settling{0, func(ok bool) { ch.ok = ok }})
	}
}

// asUTF8 is what the target is sent in place of a SET client_encoding.
const asUTF8 = "SET client_encoding TO 'UTF8'"

// changes finds out whether m changes the client's encoding, which the target must not
// hear of. text is what it gets instead.
func (c *conn) changes(m *meaning) (to *change, text string, err error) {
	now := c.charset.Load()
	next := now
	switch {
	case m.encodes != nil && *m.encodes != "":
		if next, err = charsetOf(*m.encodes); err != nil {
			return nil, "", err
		}
		text = asUTF8
	case m.encodes != nil || resetsAll(m):
		next, text = c.begun, m.text // to UTF8, which is what the target's side began with
	}
	if next == now {
		return nil, text, nil
	}
	c.mu.Lock()
	open := c.status != 'I' || c.begunBatch
	c.mu.Unlock()
	if open || len(m.analysis.Commands) > 1 {
		return nil, "", hoop.Errorf(hoop.CodeUnsupported, "the client encoding can be changed outside transactions only, by a statement on its own").
			WithHint("set it when connecting (PGCLIENTENCODING), or commit first")
	}
	return &change{to: next}, text, nil
}

// translated is m as the target gets it: it sets UTF8 and is judged and recorded as
// what the client wrote.
func (c *conn) translated(m *meaning, text string) (*meaning, error) {
	if text == "" || text == m.text {
		return m, nil
	}
	inner, err := c.understand(c.ctx, text)
	if err != nil {
		return nil, err
	}
	own := *inner
	own.text, own.encodes = m.text, m.encodes
	return &own, nil
}

// tellEncoding tells the client of a change that has succeeded, ahead of ReadyForQuery,
// where PostgreSQL does.
func (a *answerer) tellEncoding(e *expected) {
	if e.change == nil {
		return
	}
	a.conn.mu.Lock()
	ok := e.change.ok
	a.conn.mu.Unlock()
	if !ok {
		return
	}
	a.keep()
	var at int
	a.win, at = begin(a.win, 'S')
	a.win = end(appendString(appendString(a.win, "client_encoding"), e.change.to.String()), at)
}

// encodingParse is the Parse message that the target gets in place of one for a SET
// client_encoding.
func (c *conn) encodingParse(name string, m *meaning) ([]byte, *meaning, error) {
	text := m.text
	if *m.encodes != "" {
		if _, err := charsetOf(*m.encodes); err != nil {
			return nil, nil, err
		}
		text = asUTF8
	}
	m, err := c.translated(m, text)
	if err != nil {
		return nil, nil, err
	}
	frame, at := begin(nil, 'P')
	return end(append(appendString(appendString(frame, name), text), 0, 0), at), m, nil
}

// changed makes a change that has succeeded, once all is quiet.
func (c *conn) changed(ch *change) error {
	if ch == nil {
		return nil
	}
	if err := c.barrier(c.ctx); err != nil {
		return errTerminated
	}
	c.mu.Lock()
	ok := ch.ok
	c.mu.Unlock()
	if ok {
		c.writing.Lock()
		c.charset.Store(ch.to)
		c.writing.Unlock()
	}
	return nil
}
