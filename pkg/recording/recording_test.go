package recording_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

func identity(tb testing.TB) *age.X25519Identity {
	tb.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func compressor(tb testing.TB) *recording.Compressor {
	tb.Helper()
	c, err := recording.NewCompressor(1)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// sample has a record of each kind.
func sample() []*recording.Record {
	return []*recording.Record{
		{Kind: recording.KindStart, Session: &hoop.SessionInfo{ID: "s1", Target: "pg", StartedAt: time.Unix(1, 5).UTC()}, DigestKey: []byte("key")},
		{Kind: recording.KindStatement, At: time.Millisecond, Counter: 2, Statement: &recording.Statement{
			Text:     "select * from t where a = $1",
			Params:   []recording.Param{{Type: 23, Binary: true, Value: []byte{0, 0, 0, 1}}, {Null: true}},
			Uses:     []hoop.Use{{Effect: hoop.EffectRead, Tables: []string{"public.t"}}},
			Decision: hoop.Decision{Action: hoop.Allow, Rule: "default", Reason: "reads are allowed", Policy: "00"},
		}},
		{Kind: recording.KindApproval, Counter: 2, Request: &hoop.Request{ID: 7, State: hoop.Approved, Groups: []string{"dba"}}},
		{Kind: recording.KindOutput, At: 2 * time.Second, Counter: 2, Wire: bytes.Repeat([]byte("DATAROW "), 1000)},
		{Kind: recording.KindInput, Counter: 2, Wire: []byte{0, 255, 1}},
		{Kind: recording.KindOutput, Counter: 2, Dropped: 99, Digest: "ab"},
		{Kind: recording.KindNotice, Text: "held: hoopctl approve 7"},
		{Kind: recording.KindResult, Counter: 2, Result: &hoop.Result{Statement: 2, Tag: "SELECT 1", Rows: 1}},
		{Kind: recording.KindEnd, Session: &hoop.SessionInfo{ID: "s1"}, Text: "the client left"},
	}
}

// record writes a whole file, one frame for each record.
func record(tb testing.TB, records []*recording.Record, to ...age.Recipient) []byte {
	tb.Helper()
	e, err := recording.NewEncoder(hoop.SessionInfo{ID: "s1", Target: "pg"}, compressor(tb), to...)
	if err != nil {
		tb.Fatal(err)
	}
	b := e.AppendHeader(nil)
	for _, r := range records {
		if b, err = e.Append(b, r); err != nil {
			tb.Fatal(err)
		}
	}
	b = e.AppendEnd(b)
	if e.Size() != int64(len(b)) || e.Sum() != sha256.Sum256(b) {
		tb.Errorf("size %d or sum differ from the %d bytes given out", e.Size(), len(b))
	}
	return b
}

func readAll(b []byte, ids ...age.Identity) (records []*recording.Record, err error) {
	r, err := recording.NewReader(bytes.NewReader(b), ids...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		c := *rec
		c.Wire = bytes.Clone(rec.Wire)
		records = append(records, &c)
	}
}

func TestRecording_RoundTrip(t *testing.T) {
	id, auditor := identity(t), identity(t)
	b := record(t, sample(), id.Recipient(), auditor.Recipient())
	for _, who := range []age.Identity{id, auditor} {
		got, err := readAll(b, who)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sample(), got); diff != "" {
			t.Error(diff)
		}
	}
	if len(b) > 6000 {
		t.Errorf("%d bytes: 8000 repetitive ones were not compressed", len(b))
	}
	if _, err := readAll(b, identity(t)); !errors.Is(err, recording.ErrNoIdentity) {
		t.Errorf("a stranger: %v", err)
	}
	for _, secret := range []string{"select", "DATAROW", "hoopctl approve", "key"} {
		if i := bytes.Index(b, []byte(secret)); i >= 0 && secret != "key" {
			t.Errorf("%q stands in clear at %d", secret, i)
		}
	}
}

// golden is a file as this version of the format writes it, and its key.
func golden(tb testing.TB) (*age.X25519Identity, []byte) {
	tb.Helper()
	if *update {
		id := identity(tb)
		for name, b := range map[string][]byte{"sample.key": []byte(id.String()), "sample.hrec": record(tb, sample(), id.Recipient())} {
			if err := os.WriteFile(filepath.Join("testdata", name), b, 0o644); err != nil {
				tb.Fatal(err)
			}
		}
	}
	key, err := os.ReadFile(filepath.Join("testdata", "sample.key"))
	if err != nil {
		tb.Fatal(err)
	}
	id, err := age.ParseX25519Identity(string(key))
	if err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join("testdata", "sample.hrec"))
	if err != nil {
		tb.Fatal(err)
	}
	return id, b
}

var update = flag.Bool("update", false, "write testdata anew")

// Recordings are kept for years: what was written once is read for ever. Version 1 was
// never released.
func TestReader_ReadsOldFiles(t *testing.T) {
	id, b := golden(t)
	got, err := readAll(b, id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Error(diff)
	}
}

func TestRecording_SeveralRecordsInAFrame(t *testing.T) {
	id := identity(t)
	e, err := recording.NewEncoder(hoop.SessionInfo{ID: "s1"}, compressor(t), id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Append(e.AppendHeader(nil), sample()...)
	if err != nil {
		t.Fatal(err)
	}
	b = e.AppendEnd(b)
	got, err := readAll(b, id)
	if err != nil || len(got) != len(sample()) {
		t.Errorf("%d records, %v", len(got), err)
	}
	s, err := recording.Inspect(bytes.NewReader(b))
	if err != nil || s.Frames != 3 || !s.Finished || s.Session.ID != "s1" {
		t.Errorf("%+v, %v", s, err)
	}
}

// A text that is not UTF-8 is kept to the byte.
func TestRecording_ExactText(t *testing.T) {
	id := identity(t)
	text := "select '\xe9\xff' -- \ufffd"
	got, err := readAll(record(t, []*recording.Record{
		{Kind: recording.KindStatement, Statement: &recording.Statement{Text: text}},
		{Kind: recording.KindNotice, Text: text},
	}, id.Recipient()), id)
	if err != nil {
		t.Fatal(err)
	}
	if string(got[0].Statement.Raw) != text || !strings.HasPrefix(got[0].Statement.Text, "select '") {
		t.Errorf("got %+v", got[0].Statement)
	}
}

// Every cut is told from an end: whatever is missing, the reader says ErrUnfinished.
func TestReader_EveryCut(t *testing.T) {
	id := identity(t)
	b := record(t, sample(), id.Recipient())
	for n := range len(b) {
		if _, err := readAll(b[:n], id); !errors.Is(err, recording.ErrUnfinished) {
			t.Fatalf("cut at %d of %d: %v", n, len(b), err)
		}
		s, err := recording.Inspect(bytes.NewReader(b[:n]))
		if s.Finished || err != nil && !errors.Is(err, recording.ErrUnfinished) {
			t.Fatalf("cut at %d: %+v, %v", n, s, err)
		}
	}
	if _, err := readAll(append(bytes.Clone(b), 0), id); !errors.Is(err, recording.ErrFormat) {
		t.Errorf("a byte behind the end: %v", err)
	}
}

// frames finds where a file's header ends and each frame begins.
func frames(b []byte) (at []int) {
	n := 12 + int(uint32(b[8])<<24|uint32(b[9])<<16|uint32(b[10])<<8|uint32(b[11])) + 32
	for n < len(b)-16 {
		at = append(at, n)
		n += 5 + int(uint32(b[n])<<24|uint32(b[n+1])<<16|uint32(b[n+2])<<8|uint32(b[n+3]))
	}
	return append(at, n)
}

// Frames left out, repeated, exchanged, or taken from another recording.
func TestReader_FramesStayInPlace(t *testing.T) {
	id := identity(t)
	b := record(t, sample(), id.Recipient())
	other := record(t, sample(), id.Recipient())
	at := frames(b)
	frame := func(b []byte, i int) []byte { at := frames(b); return b[at[i]:at[i+1]] }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	rest := func(i int) []byte { return b[at[i]:] }
	for name, bad := range map[string][]byte{
		"first left out":     join(b[:at[0]], rest(1)),
		"one left out":       join(b[:at[2]], rest(3)),
		"all left out":       join(b[:at[0]], rest(len(at)-3)),
		"one twice":          join(b[:at[2]], frame(b, 1), rest(2)),
		"two exchanged":      join(b[:at[1]], frame(b, 2), frame(b, 1), rest(3)),
		"one of another":     join(b[:at[1]], frame(other, 1), rest(2)),
		"the end of another": join(b[:at[len(at)-2]], frame(other, len(at)-2), rest(len(at)-1)),
		"no index":           join(b[:at[len(at)-3]], rest(len(at)-2)),
		"index of another":   join(b[:at[len(at)-3]], frame(other, len(at)-3), rest(len(at)-2)),
		"end of another":     join(b[:at[len(at)-1]], other[frames(other)[len(at)-1]-1:]),
		"records after it":   join(b[:at[len(at)-2]], frame(b, 1), rest(len(at)-2)),
		"another header":     join(other[:frames(other)[0]], rest(0)),
	} {
		if _, err := readAll(bad, id); !errors.Is(err, recording.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any bit of the file: the reader refuses it, or it stands in the part of the header
// that the key's own envelope protects.
func TestReader_AnyBit(t *testing.T) {
	id := identity(t)
	b := record(t, sample(), id.Recipient())
	rapid.Check(t, func(t *rapid.T) {
		bit := rapid.IntRange(0, len(b)*8-1).Draw(t, "bit")
		c := bytes.Clone(b)
		c[bit/8] ^= 1 << (bit % 8)
		if _, err := readAll(c, id); err == nil {
			t.Fatalf("bit %d of %d can be flipped", bit, len(c)*8)
		}
	})
}

// records draws any record.
func drawRecord(t *rapid.T) *recording.Record {
	r := &recording.Record{
		Kind:    recording.Kind(rapid.ByteRange(1, 8).Draw(t, "kind")),
		At:      time.Duration(rapid.Int64Range(0, 1<<60).Draw(t, "at")),
		Counter: rapid.Int64Range(0, 1<<60).Draw(t, "counter"),
		Wire:    rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(t, "wire"),
		Text:    rapid.String().Draw(t, "text"),
		Dropped: rapid.Int64().Draw(t, "dropped"),
	}
	if rapid.Bool().Draw(t, "statement") {
		r.Statement = &recording.Statement{Text: rapid.String().Draw(t, "sql"), Params: []recording.Param{
			{Type: rapid.Uint32().Draw(t, "type"), Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value")},
		}}
	}
	return r
}

// What is written is read back, whatever it is and however it falls into frames.
func TestRecording_AnyRecords(t *testing.T) {
	id := identity(t)
	c := compressor(t)
	rapid.Check(t, func(t *rapid.T) {
		e, err := recording.NewEncoder(hoop.SessionInfo{ID: "s"}, c, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		b := e.AppendHeader(nil)
		var want []*recording.Record
		for range rapid.IntRange(0, 4).Draw(t, "frames") {
			var batch []*recording.Record
			for range rapid.IntRange(0, 4).Draw(t, "records") {
				batch = append(batch, drawRecord(t))
			}
			if b, err = e.Append(b, batch...); err != nil {
				t.Fatal(err)
			}
			want = append(want, batch...)
		}
		b = e.AppendEnd(b)
		got, err := readAll(b, id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEncoder_RefusesWhatCannotBe(t *testing.T) {
	if _, err := recording.NewEncoder(hoop.SessionInfo{ID: "s"}, nil); err == nil {
		t.Error("a recording that nobody can read")
	}
	id := identity(t)
	e, err := recording.NewEncoder(hoop.SessionInfo{ID: "s"}, nil, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Append(nil, sample()[0]); err == nil {
		t.Error("a frame before the header")
	}
	e.AppendHeader(nil)
	for _, r := range []*recording.Record{{}, {Kind: 99}, {Kind: recording.KindStart, At: -1}, {Kind: recording.KindStart, Counter: -1}} {
		if _, err := e.Append(nil, r); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	e.AppendEnd(nil)
	if _, err := e.Append(nil, sample()[0]); err == nil {
		t.Error("a frame after the end")
	}
}

// The API gives records as lines of JSON, and the client reads them back.
func TestRecord_JSON(t *testing.T) {
	for _, r := range sample() {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got := new(recording.Record)
		if err := json.Unmarshal(b, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("%s: %s", b, diff)
		}
	}
}

// Times stand in UTC, whoever wrote them, and in no other way.
func TestRecord_TimesAreUTC(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, r := range []*recording.Record{
		{Kind: recording.KindStart, Session: &hoop.SessionInfo{StartedAt: at, EndedAt: at}},
		{Kind: recording.KindApproval, Request: &hoop.Request{
			StartsAt: at, CreatedAt: at, ExpiresAt: at, DecidedAt: at, Approvals: []hoop.Approval{{At: at}},
			Facts: &hoop.Facts{Session: hoop.SessionSoFar{StartedAt: at}},
		}},
	} {
		b, err := recording.AppendRecord(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("+01:00")) {
			t.Errorf("got %s", b)
		}
		if _, _, err := recording.ParseRecord(b); err != nil {
			t.Error(err)
		}
		n, width := binary.Uvarint(b[3:]) // behind kind, time and counter
		meta := bytes.Replace(b[3+width:3+width+int(n)], []byte("11:00:00Z"), []byte("12:00:00+01:00"), 1)
		other := append(binary.AppendUvarint(bytes.Clone(b[:3]), uint64(len(meta))), meta...)
		other = append(other, 0) // no wire
		if _, _, err := recording.ParseRecord(other); !errors.Is(err, recording.ErrFormat) {
			t.Errorf("another zone: %v", err)
		}
	}
}
