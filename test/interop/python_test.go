package interop

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// second is what the reader in python/, which was written from the specifications and
// shares no code with ours, finds of a bundle.
type second struct {
	Refused    string
	Size       int64
	Root       string
	Events     map[hoop.EventType]int64
	Sessions   int64
	Recovered  int64
	Open       int64
	Policies   int
	Recordings []recorded
}

// recorded is what a reader finds of a recording.
type recorded struct {
	Session    string
	SHA256     string
	Frames     uint64
	Finished   bool
	Kinds      map[string]int
	Records    string `json:"records_sha256"`
	Length     int64
	Statements int64
	Marks      [][4]int64
}

// python asks the second reader about each line. The distribution's Python is taken,
// whatever else is on PATH.
func python(t *testing.T, lines []string, arguments ...string) []second {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", append([]string{"-B", "python/verify.py", "../../pkg"}, arguments...)...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, failed.String())
	}
	var found []second
	for line := range bytes.Lines(out) {
		var f second
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		found = append(found, f)
	}
	if len(found) != len(lines) {
		t.Fatalf("%d answers to %d questions", len(found), len(lines))
	}
	return found
}

const sample = `
	CREATE TABLE patients (id int PRIMARY KEY, name text, ssn text);
	INSERT INTO patients VALUES (1, 'Ada <é>', '123-45-6789'), (2, 'Bob', NULL);
	CREATE TABLE notes (id int, txt text, raw bytea);`

const sampleMasks = `
---
kind: MaskRule
name: identifiers
spec: {targets: [pg-prod], columns: [public.patients.ssn], with: redact}
`

// worked runs a session with everything that a recording has records of.
func worked(t *testing.T, g *servertest.Gateway) *pgx.Conn {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, g.Connect("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	must := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	must("SELECT id, name, ssn FROM patients WHERE name <> $1 /* <é\u2028> */", "nobody")
	must("INSERT INTO notes VALUES ($1, $2, $3)", 1, nil, bytes.Repeat([]byte{0, 255}, 1<<20))
	if _, err := conn.CopyFrom(ctx, pgx.Identifier{"notes"}, []string{"id", "txt"}, pgx.CopyFromSlice(1000, func(i int) ([]any, error) {
		return []any{i, strings.Repeat("n", i)}, nil
	})); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SELECT 1/0", "SELECT pg_read_file('/etc/passwd')", "SELEC"} {
		var failed *pgconn.PgError
		if _, err := conn.Exec(ctx, sql); !errors.As(err, &failed) {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	held := make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, "DELETE FROM notes")
		held <- err
	}()
	until(t, "somebody approves", func() bool {
		pending, err := g.API("dba").Requests(ctx, api.RequestFilter{State: hoop.Pending, Inbox: true})
		if err != nil || len(pending) == 0 {
			return false
		}
		_, err = g.API("dba").Approve(ctx, pending[0].ID, "<all> of them & more")
		return err == nil
	})
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	return conn
}

// exported writes a bundle of all that a gateway has, with its recordings.
func exported(t *testing.T, g *servertest.Gateway, dir string) (file, key string) {
	t.Helper()
	b, err := g.API("auditor").Bundle(t.Context(), api.BundleAsk{Recordings: true})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(b)
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "whole.zip")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := g.API("auditor").LogKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return file, k.Verifier
}

// ended waits until n sessions have ended in the log.
func ended(t *testing.T, g *servertest.Gateway, n int) {
	t.Helper()
	until(t, "sessions end", func() bool {
		list, err := g.API("auditor").Sessions(t.Context(), 100)
		done := 0
		for _, s := range list {
			if !s.EndedAt.IsZero() {
				done++
			}
		}
		return err == nil && done == n
	})
}

// found is what our reader finds of a recording.
func found(t *testing.T, b []byte, session, identity string) recorded {
	t.Helper()
	text, err := os.ReadFile(identity)
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	structure, err := recording.Inspect(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	sum, every := sha256.Sum256(b), sha256.New()
	f := recorded{
		Session: session, SHA256: hex.EncodeToString(sum[:]), Frames: structure.Frames, Finished: structure.Finished, Kinds: map[string]int{},
	}
	r, err := recording.NewReader(bytes.NewReader(b), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, recording.ErrUnfinished) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Kinds[rec.Kind.String()]++
		raw, err := recording.AppendRecord(nil, rec)
		if err != nil {
			t.Fatal(err)
		}
		every.Write(raw)
	}
	f.Records = hex.EncodeToString(every.Sum(nil))
	index, err := r.Index(int64(len(b)))
	if errors.Is(err, recording.ErrUnfinished) {
		index, err = r.ReadIndex()
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Length, f.Statements = int64(index.Length), index.Statements
	f.Marks = [][4]int64{}
	for _, m := range index.Marks {
		f.Marks = append(f.Marks, [4]int64{int64(m.Position.Frame), m.Position.Offset, int64(m.At), m.Statements})
	}
	return f
}

// members are the files of a bundle, in order.
func members(t *testing.T, file string) (names []string, data [][]byte) {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		names, data = append(names, f.Name), append(data, b)
	}
	return names, data
}

// The specifications say all that a second implementation needs: one that was written
// from them reads what a gateway with everything recorded, a killed one too, finds what
// ours finds, and refuses what ours refuses.
func TestPython_ReadsOurEvidence(t *testing.T) {
	dir := t.TempDir()
	options := servertest.Options{Setup: sample, Resources: servertest.Resources + sampleMasks, DataDir: filepath.Join(dir, "data"), Broken: true}
	g := servertest.Start(t, options)
	if err := worked(t, g).Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended(t, g, 1)
	file, key := exported(t, g, dir)
	identity := filepath.Join(g.DataDir, "keys", "recording.key")
	t.Run("tampered", func(t *testing.T) { tampered(t, file, key, identity) })

	conn := worked(t, g)
	// More than the recording keeps of one answer, and an answer behind it.
	for _, sql := range []string{"SELECT repeat('x', 1000000) FROM generate_series(1, 70)", "SELECT 1"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	killed := servertest.Killed(t, g.DataDir)
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Stop()
	options.DataDir, options.PG, options.Setup = killed, g.PG, ""
	g = servertest.Start(t, options)
	file, key = exported(t, g, dir)

	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Verify(f, st.Size(), bundle.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	want := second{
		Size: r.Size, Root: r.Root, Events: r.Events, Sessions: r.Sessions, Recovered: r.Recovered, Open: r.Open, Policies: r.Policies,
	}
	names, data := members(t, file)
	kinds := map[string]int{}
	for i, name := range names {
		if session, ok := strings.CutPrefix(name, "recordings/"); ok {
			one := found(t, data[i], strings.TrimSuffix(session, ".hrec"), identity)
			want.Recordings = append(want.Recordings, one)
			for k, n := range one.Kinds {
				kinds[k] += n
			}
		}
	}
	if r.Recovered != 1 || r.Sessions != 2 || len(want.Recordings) != 2 || len(kinds) != 7 {
		t.Errorf("the sample lacks something: %d sessions, %d recovered, records %v", r.Sessions, r.Recovered, kinds)
	}
	if diff := cmp.Diff(want, python(t, []string{file}, "bundles", key, identity)[0]); diff != "" {
		t.Errorf("(-ours +theirs):\n%s", diff)
	}
	t.Run("mutated", func(t *testing.T) { mutated(t, names, data, identity) })
}

// unsigned are files whose words only our own verifier knows.
var unsigned = []string{"README.txt", "report.html", "report.json"}

// tampered changes a bundle in every way, as somebody can who writes perfect archives:
// both verifiers refuse each.
func tampered(t *testing.T, file, key, identity string) {
	names, data := members(t, file)
	dir := t.TempDir()
	var ways, copies []string
	write := func(way string, b []byte) {
		t.Helper()
		ways, copies = append(ways, way), append(copies, filepath.Join(dir, fmt.Sprintf("%03d.zip", len(copies))))
		if err := os.WriteFile(copies[len(copies)-1], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	archive := func(way string, names []string, data [][]byte) {
		t.Helper()
		var out bytes.Buffer
		w := bundle.NewWriter(&out)
		for i, name := range names {
			if err := w.File(name, data[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		write(way, out.Bytes())
	}
	with := func(i int, b []byte) [][]byte {
		c := slices.Clone(data)
		c[i] = b
		return c
	}
	for i, name := range names {
		b := data[i]
		archive(name+"/drop", slices.Delete(slices.Clone(names), i, i+1), slices.Delete(slices.Clone(data), i, i+1))
		archive(name+"/twice under another name", append(slices.Clone(names), "x"+name), append(slices.Clone(data), b))
		j := (i + 1) % len(names)
		moved, order := slices.Clone(data), slices.Clone(names)
		moved[i], moved[j], order[i], order[j] = moved[j], moved[i], order[j], order[i]
		archive(name+"/reorder", order, moved)
		if slices.Contains(unsigned, name) {
			continue
		}
		for _, at := range []int{0, len(b) / 2, len(b) - 1} {
			c := bytes.Clone(b)
			c[at] ^= 1
			archive(fmt.Sprintf("%s/flip a bit of byte %d", name, at), names, with(i, c))
		}
		archive(name+"/truncate", names, with(i, b[:len(b)-1]))
		if lines := bytes.SplitAfter(b, []byte("\n")); name == auditlog.CheckpointFile {
			archive(name+"/sign twice", names, with(i, append(bytes.Clone(b), lines[len(lines)-2]...)))
		}
		archive(name+"/empty", names, with(i, nil))
		archive(name+"/append", names, with(i, append(bytes.Clone(b), '\n')))
		archive(name+"/swap", names, moved)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(6, 28))
	for range 20 {
		c, at := bytes.Clone(whole), random.IntN(len(whole))
		c[at] ^= 1 << random.IntN(8)
		write(fmt.Sprintf("the archive/flip a bit of byte %d", at), c)
	}
	write("the archive/append", append(bytes.Clone(whole), 0))
	write("the archive/truncate", whole[:len(whole)-1])
	for i, theirs := range python(t, copies, "bundles", key, identity) {
		b, err := os.ReadFile(copies[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: key}); err == nil {
			t.Errorf("%s: we accept it", ways[i])
		}
		if theirs.Refused == "" {
			t.Errorf("%s: they accept it", ways[i])
		}
	}
	t.Logf("%d copies", len(copies))
}

// mutated changes single events and records, as they stand in the log and in recordings:
// both readers take the same for their one form.
func mutated(t *testing.T, names []string, data [][]byte, identity string) {
	var plain []string // kind, then bytes
	for i, name := range names {
		if !strings.HasPrefix(name, "tile/entries/") {
			continue
		}
		for rest := data[i]; len(rest) > 0; {
			entry, after, err := auditlog.NextEntry(rest)
			if err != nil {
				t.Fatal(err)
			}
			plain, rest = append(plain, "event "+string(entry)), after
		}
	}
	for _, r := range everyRecord() {
		b, err := recording.AppendRecord(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, "record "+string(b))
	}
	text, err := os.ReadFile(identity)
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if !strings.HasPrefix(name, "recordings/") {
			continue
		}
		r, err := recording.NewReader(bytes.NewReader(data[i]), id)
		if err != nil {
			t.Fatal(err)
		}
		for {
			rec, err := r.Next()
			if err != nil {
				break
			}
			if b, err := recording.AppendRecord(nil, rec); err == nil && len(b) < 10_000 {
				plain = append(plain, "record "+string(b))
			}
		}
		r.Close()
	}
	random := rand.New(rand.NewPCG(6, 29))
	var cases []string
	for _, p := range plain {
		kind, b, _ := strings.Cut(p, " ")
		cases = append(cases, p)
		for range 50 {
			cases = append(cases, kind+" "+mutate(random, b))
		}
	}
	lines := make([]string, len(cases))
	for i, c := range cases {
		kind, b, _ := strings.Cut(c, " ")
		lines[i] = kind + " " + base64.StdEncoding.EncodeToString([]byte(b))
	}
	taken := map[bool]int{}
	for i, theirs := range python(t, lines, "judge") {
		kind, b, _ := strings.Cut(cases[i], " ")
		err := ours(kind, []byte(b))
		if taken[err == nil]++; (err == nil) != (theirs.Refused == "") {
			t.Errorf("%s %q: we say %v, they say %q", kind, b, err, theirs.Refused)
		}
	}
	if taken[true] < len(plain) || taken[false] < len(plain) {
		t.Errorf("%d taken, %d refused of %d: too few to tell", taken[true], taken[false], len(plain))
	}
	t.Logf("%d taken, %d refused", taken[true], taken[false])
}

func ours(kind string, b []byte) error {
	if kind == "event" {
		if len(b) > auditlog.MaxEvent {
			return errors.New("too long")
		}
		_, err := auditlog.Decode(b)
		return err
	}
	_, rest, err := recording.ParseRecord(b)
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes follow the record")
	}
	return err
}

// pieces are what stands in for something else: other ways to write the same, and near
// misses.
var pieces = []string{
	" ", "\n", "0", "-0", "1e3", "1.0", "00", "null", "true", "false", `""`, "[]", "{}", `\/`, `\u003c`, `\u003C`, "<", "\u2028", `\u2028`, "\x7f",
	`\u007f`, "é", `\u00e9`, "\xff", "\ufffd", `\ufffd`, `\ud800`, `\ud83d\ude00`, "😀", "Z", "+00:00", "+02:00", ".0Z", ".10Z", "0s", "60s", "1m", "1µs",
	"AA==", "AB==", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "4294967295", "4294967296", "0001-01-01T00:00:00Z",
	"2026-02-30T00:00:00Z", "2024-02-29T23:59:60Z", `"x":1,`, `"rows":0,`, `"Rows":1,`, `"request":0,`, `"details":[],`, `"result":null,`, "\x00", "\x80", "\x80\x00",
}

// mutate changes a piece of b.
func mutate(random *rand.Rand, b string) string {
	at := random.IntN(len(b) + 1)
	until := min(at+random.IntN(8), len(b))
	switch random.IntN(5) {
	case 0: // one bit
		c := []byte(b)
		c[min(at, len(c)-1)] ^= 1 << random.IntN(8)
		return string(c)
	case 1: // left out
		return b[:at] + b[until:]
	case 2: // twice
		return b[:until] + b[at:]
	}
	// In the place of a value, where there is one.
	tokens := []string{`:`, `,`, `{`, `[`, `"`}
	if i := strings.Index(b[at:], tokens[random.IntN(len(tokens))]); i >= 0 {
		at += i + 1
		if n := strings.IndexAny(b[at:], `,}]"`); n >= 0 && random.IntN(2) == 0 {
			until = at + n
		} else {
			until = at
		}
	}
	return b[:at] + pieces[random.IntN(len(pieces))] + b[max(at, until):]
}

// everyRecord has every field of every object that a record can have, more than any one
// session sees.
func everyRecord() []*recording.Record {
	at := time.Date(2026, 11, 28, 1, 2, 3, 40_000_000, time.UTC)
	id := hoop.Identity{
		Subject: "corp:1", Name: "A \"<&>\" \u2028é\x01\t", Email: "a@x", Kind: hoop.Human, Provider: "corp", Groups: []string{"a", "b"}, Owner: "o", Chain: []string{"c"},
	}
	use := hoop.Use{
		Effect: hoop.EffectDerive, Tables: []string{"a.b"}, Columns: []hoop.ColumnRef{{Schema: "a", Table: "b", Column: "*"}}, Into: []string{"c.d"}, Keeps: true, Why: "so",
	}
	nameless := id
	nameless.Groups, nameless.Kind = nil, hoop.Service
	none := id
	none.Groups = []string{}
	session := hoop.SessionInfo{
		ID: "s", Identity: id, Target: "t", Database: "d", Protocol: "postgres", Grant: "g", Client: "psql", RemoteAddr: "[::1]:5", Gateway: "gw", StartedAt: at,
		EndedAt: at.Add(time.Nanosecond), Why: "left", Statements: 1, Rows: 2, Bytes: 3, Masked: 4,
	}
	request := hoop.Request{
		ID: 7, Kind: hoop.RequestStatement, State: hoop.Approved, Requester: nameless, Target: "t", Reason: "r", Rule: "u", Groups: []string{"dba"}, Count: 2,
		Duration: hoop.Duration(90*time.Minute + 1500*time.Microsecond), Scope: hoop.Scope{Effects: []hoop.Effect{hoop.EffectRead}, Tables: []string{"a.*"}},
		StartsAt: at, BreakGlass: true, Renews: "g0", Session: "s", Statement: "DELETE", Params: []string{"1"}, Executes: []string{"x"}, Hidden: 3,
		Facts: &hoop.Facts{
			Pending: true, Session: hoop.SessionSoFar{Client: "psql", Database: "d", RemoteAddr: "r", StartedAt: at, Statements: 1, Rows: 2, Masked: 3}, Transaction: "none",
			Estimate: hoop.Estimate{Rows: 5, Known: true, What: "change", Why: "w"}, Protected: []hoop.ColumnRef{{Schema: "a", Table: "b", Column: "c"}}, More: true,
			Locks: hoop.Locks{Held: []hoop.Lock{{On: "a.b", Mode: "RowExclusiveLock"}}, More: true, Blocked: 1, Why: "w"},
		},
		Shape: "DELETE", Gateway: "gw", Effects: []hoop.Use{use}, Digest: "ab", InTx: true, CreatedAt: at, ExpiresAt: at.Add(time.Hour), DecidedAt: at.Add(time.Minute),
		DecisionWhy: "ok", Approvals: []hoop.Approval{{By: "b", Name: "B", Email: "b@x", Approve: true, Reason: "r", At: at}}, Grant: "g",
	}
	decision := hoop.Decision{
		Action: hoop.Approve, Effect: hoop.EffectDerive, Rule: "r", Reason: "for people", Approval: &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 1, Timeout: hoop.Duration(2500 * time.Millisecond)},
		Policy: "00", Observed: &hoop.Observed{Action: hoop.Deny, Effect: hoop.EffectRead, Rule: "o"}, CosignedWithin: hoop.Duration(20),
	}
	return []*recording.Record{
		{Kind: recording.KindStart, Session: &session, DigestKey: []byte("key")},
		{Kind: recording.KindStart, Session: &hoop.SessionInfo{Identity: nameless}},
		{Kind: recording.KindStart, Session: &hoop.SessionInfo{Identity: none}},
		{Kind: recording.KindStatement, At: 1 << 62, Counter: 1 << 62, Statement: &recording.Statement{
			Text: "select 'é'", Raw: []byte("select '\xe9'"), Shape: "select $1", Uses: []hoop.Use{use, {}}, Decision: decision,
			Params: []recording.Param{{}, {Type: 1<<32 - 1, Binary: true, Value: []byte{0, 255}}, {Null: true}, {Size: 1 << 40}},
		}},
		{Kind: recording.KindStatement, Statement: &recording.Statement{Text: "caf\xe9"}},
		{Kind: recording.KindStatement, Statement: &recording.Statement{Decision: hoop.Decision{Approval: &hoop.ApprovalRule{}}}},
		{Kind: recording.KindApproval, Request: &request},
		{Kind: recording.KindApproval, Request: &hoop.Request{Facts: &hoop.Facts{}}},
		{Kind: recording.KindResult, Counter: 2, Result: &hoop.Result{Statement: 2, Tag: "SELECT 1", SQLState: "22012", Rows: 1, Bytes: 2, Masked: 3, Digest: "ab"}},
		{Kind: recording.KindOutput, Dropped: 9, Digest: "ab"},
		{Kind: recording.KindInput, Wire: []byte{0, 1, 2}},
		{Kind: recording.KindNotice, Text: "held"},
		{Kind: recording.KindEnd},
	}
}
