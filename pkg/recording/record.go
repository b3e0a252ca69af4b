package recording

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// meta is the part of a record that is JSON in the file.
type meta struct {
	Session   *hoop.SessionInfo `json:"session,omitempty"`
	DigestKey []byte            `json:"digest_key,omitempty"`
	Statement *Statement        `json:"statement,omitempty"`
	Request   *hoop.Request     `json:"request,omitempty"`
	Result    *hoop.Result      `json:"result,omitempty"`
	Text      string            `json:"text,omitempty"`
	Dropped   int64             `json:"dropped,omitempty"`
	Digest    string            `json:"digest,omitempty"`
}

// AppendRecord adds the encoding of r to dst:
//
//	1B kind | uvarint at, ns | uvarint counter | uvarint length | meta | uvarint length | wire
//
// Integers are base-128 varints (Protocol Buffers, "Base 128 Varints") in their
// shortest form; meta is empty or JSON as encoding/json writes it. There is exactly one
// encoding of a record, and ParseRecord refuses every other.
func AppendRecord(dst []byte, r *Record) ([]byte, error) {
	if !r.Kind.valid() {
		return nil, errKind
	}
	if r.At < 0 || r.Counter < 0 {
		return nil, fmt.Errorf("%s record: negative time or counter", r.Kind)
	}
	dst = append(dst, byte(r.Kind))
	dst = binary.AppendUvarint(dst, uint64(r.At))
	dst = binary.AppendUvarint(dst, uint64(r.Counter))
	// meta goes behind room for its length, and is moved where that is not needed.
	start := len(dst)
	dst = append(dst, make([]byte, binary.MaxVarintLen32)...)
	dst, err := appendMeta(dst, r)
	if err != nil {
		return nil, fmt.Errorf("%s record: %w", r.Kind, err)
	}
	m := dst[start+binary.MaxVarintLen32:]
	dst = binary.AppendUvarint(dst[:start], uint64(len(m)))
	dst = append(dst, m...)
	dst = binary.AppendUvarint(dst, uint64(len(r.Wire)))
	return append(dst, r.Wire...), nil
}

// appendMeta writes what every statement has without reflection, and leaves the rest to
// encoding/json. Both write the same.
func appendMeta(dst []byte, r *Record) ([]byte, error) {
	if r.Session != nil || r.DigestKey != nil || r.Request != nil || r.Text != "" || r.Dropped != 0 || r.Digest != "" {
		b, err := encodeMeta(r)
		return append(dst, b...), err
	}
	if r.Statement == nil && r.Result == nil {
		return dst, nil
	}
	dst = append(dst, '{')
	if st := r.Statement; st != nil {
		dst = st.appendJSON(append(dst, `"statement":`...))
		if r.Result != nil {
			dst = append(dst, ',')
		}
	}
	if r.Result != nil {
		dst = r.Result.AppendJSON(append(dst, `"result":`...))
	}
	return append(dst, '}'), nil
}

func (st *Statement) appendJSON(dst []byte) []byte {
	raw := st.Raw
	text := st.Text
	if !utf8.ValidString(text) {
		raw, text = []byte(text), strings.ToValidUTF8(text, "\uFFFD")
	}
	dst = hoop.JSONString(append(dst, `{"text":`...), text)
	if len(raw) > 0 {
		dst = hoop.JSONBytes(append(dst, `,"raw":`...), raw)
	}
	if st.Shape != "" {
		dst = hoop.JSONString(append(dst, `,"shape":`...), st.Shape)
	}
	if st.Secrets != 0 {
		dst = strconv.AppendInt(append(dst, `,"secrets":`...), int64(st.Secrets), 10)
	}
	for i := range st.Params {
		dst = st.Params[i].appendJSON(append(dst, separator(i, `,"params":[`)...))
	}
	if len(st.Params) > 0 {
		dst = append(dst, ']')
	}
	for i := range st.Uses {
		dst = st.Uses[i].AppendJSON(append(dst, separator(i, `,"effects":[`)...))
	}
	if len(st.Uses) > 0 {
		dst = append(dst, ']')
	}
	return append(st.Decision.AppendJSON(append(dst, `,"decision":`...)), '}')
}

// separator is what stands before element i of a list that begins with name.
func separator(i int, name string) string {
	if i == 0 {
		return name
	}
	return ","
}

func (p *Param) appendJSON(dst []byte) []byte {
	start := len(dst)
	if p.Type != 0 {
		dst = strconv.AppendUint(append(dst, `,"type":`...), uint64(p.Type), 10)
	}
	if p.Binary {
		dst = append(dst, `,"binary":true`...)
	}
	if p.Null {
		dst = append(dst, `,"null":true`...)
	}
	if len(p.Value) > 0 {
		dst = hoop.JSONBytes(append(dst, `,"value":`...), p.Value)
	}
	if p.Size != 0 {
		dst = strconv.AppendInt(append(dst, `,"size":`...), p.Size, 10)
	}
	if p.Secret {
		dst = append(dst, `,"secret":true`...)
	}
	if len(dst) == start {
		return append(dst, '{', '}')
	}
	dst[start] = '{' // in place of the first comma
	return append(dst, '}')
}

func encodeMeta(r *Record) ([]byte, error) {
	m := meta{inUTC(r.Session), r.DigestKey, r.Statement, requestInUTC(r.Request), r.Result, r.Text, r.Dropped, r.Digest}
	if st := r.Statement; st != nil && !utf8.ValidString(st.Text) {
		raw := *st
		raw.Raw, raw.Text = []byte(st.Text), strings.ToValidUTF8(st.Text, "\uFFFD")
		m.Statement = &raw
	}
	b, err := json.Marshal(&m)
	if err != nil || !bytes.Contains(b, []byte(`\ufffd`)) {
		return b, err
	}
	// encoding/json writes a byte that is not UTF-8 as the escape \ufffd, and the
	// character U+FFFD as itself: once through makes one of them.
	var clean meta
	if err := json.Unmarshal(b, &clean); err != nil {
		return nil, err
	}
	return json.Marshal(&clean)
}

// inUTC is the session with its times in UTC: the only form there is.
func inUTC(s *hoop.SessionInfo) *hoop.SessionInfo {
	if s == nil {
		return nil
	}
	c := *s
	c.StartedAt, c.EndedAt = c.StartedAt.UTC(), c.EndedAt.UTC()
	c.Identity = identityInUTC(c.Identity)
	return &c
}

// identityInUTC is an identity with its times in UTC.
func identityInUTC(id hoop.Identity) hoop.Identity {
	if id.Delegation != nil {
		d := *id.Delegation
		d.ExpiresAt = d.ExpiresAt.UTC()
		id.Delegation = &d
	}
	return id
}

// requestInUTC is a request with its times in UTC.
func requestInUTC(q *hoop.Request) *hoop.Request {
	if q == nil {
		return nil
	}
	c := *q
	for _, at := range []*time.Time{&c.StartsAt, &c.CreatedAt, &c.ExpiresAt, &c.DecidedAt} {
		*at = at.UTC()
	}
	c.Requester = identityInUTC(c.Requester)
	c.Approvals = slices.Clone(c.Approvals)
	for i := range c.Approvals {
		c.Approvals[i].At = c.Approvals[i].At.UTC()
	}
	if q.Facts != nil {
		facts := *q.Facts
		facts.Session.StartedAt = facts.Session.StartedAt.UTC()
		c.Facts = &facts
	}
	return &c
}

// ParseRecord takes the first record off b. Its Wire points into b.
func ParseRecord(b []byte) (r *Record, rest []byte, err error) {
	r, meta, rest, err := splitRecord(b)
	if err != nil {
		return nil, nil, err
	}
	if err := decodeMeta(r, meta); err != nil {
		return nil, nil, fmt.Errorf("%s record: %w", r.Kind, err)
	}
	return r, rest, nil
}

// splitRecord is ParseRecord that leaves the meta as it stands.
func splitRecord(b []byte) (r *Record, meta, rest []byte, err error) {
	p := parser{b: b}
	kind := Kind(p.byte())
	at, counter := p.uvarint(), p.uvarint()
	meta = p.bytes()
	wire := p.bytes()
	if p.failed || !kind.valid() || at > 1<<62 || counter > 1<<62 {
		return nil, nil, nil, fmt.Errorf("record: %w", ErrFormat)
	}
	r = &Record{Kind: kind, At: time.Duration(at), Counter: int64(counter)}
	if len(wire) > 0 {
		r.Wire = wire
	}
	return r, meta, p.b, nil
}

func decodeMeta(r *Record, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	var m meta
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	r.Session, r.DigestKey, r.Statement, r.Request = m.Session, m.DigestKey, m.Statement, m.Request
	r.Result, r.Text, r.Dropped, r.Digest = m.Result, m.Text, m.Dropped, m.Digest
	again, err := appendMeta(nil, r)
	if err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%w: not in canonical form", ErrFormat)
	}
	return nil
}

// parser reads fields off b; after a failure it gives zeros.
type parser struct {
	b      []byte
	failed bool
}

func (p *parser) byte() byte {
	if p.failed || len(p.b) == 0 {
		p.failed = true
		return 0
	}
	c := p.b[0]
	p.b = p.b[1:]
	return c
}

// uvarint refuses longer forms than needed: the last byte of those is zero.
func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.b)
	if p.failed || n <= 0 || n > 1 && p.b[n-1] == 0 {
		p.failed = true
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *parser) bytes() []byte {
	n := p.uvarint()
	if p.failed || n > uint64(len(p.b)) {
		p.failed = true
		return nil
	}
	v := p.b[:n:n]
	p.b = p.b[n:]
	return v
}
