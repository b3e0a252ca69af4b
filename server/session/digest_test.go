package session_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// The digest of a result follows from the recording: by the digests of the windows
// before it, which stand also where their bytes do not (pkg/recording/spec.md).
func TestSession_DigestsFollowFromTheRecording(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup})
	conn := open(t, g, nil)
	for _, sql := range []string{"SELECT 1", "SELECT repeat('x', 1000) FROM generate_series(1, 5000)", "SELECT name FROM patients"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Stop()
	r := recorded(t, g)
	var key, chain []byte
	digest := func(parts ...[]byte) []byte {
		m := hmac.New(sha256.New, key)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	windows, results := 0, 0
	for _, rec := range r {
		switch rec.Kind {
		case recording.KindStart:
			key = rec.DigestKey
		case recording.KindOutput:
			chain = digest(chain, digest(rec.Wire))
			windows++
		case recording.KindResult:
			if want := hex.EncodeToString(chain); rec.Result.Digest != want {
				t.Errorf("result of %d: digest %s, want %s", rec.Result.Statement, rec.Result.Digest, want)
			}
			results++
		}
	}
	if windows < 5 || results < 3 {
		t.Errorf("%d windows, %d results", windows, results)
	}
}

// What a client is told of a refused statement stands with that statement, not with the one
// before it, whose large answer would else take it along when bytes are kept no more.
func TestSession_RefusalsStandWithTheirStatement(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup})
	conn := open(t, g, nil)
	refused := map[string]string{ // with what the client is told
		"SELECT FROM WHERE":        "42601",
		"SELECT pg_read_file('x')": "42501",
		"SELECT pg_read_file($1)":  "42501",
	}
	run := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); state(err) != refused[sql] {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for sql := range refused {
		run("SELECT repeat('x', 100000) FROM generate_series(1, 30)")
		if strings.Contains(sql, "$1") {
			run(sql, "x")
		} else {
			run(sql)
		}
		run("SELECT 1")
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Stop()
	asked, found := map[int64]string{}, 0
	for _, rec := range recorded(t, g) {
		switch rec.Kind {
		case recording.KindStatement:
			asked[rec.Counter] = rec.Statement.Text
		case recording.KindOutput:
			want := refused[asked[rec.Counter]]
			for _, code := range refused {
				if said := bytes.Contains(rec.Wire, []byte("C"+code+"\x00")); said && code != want {
					t.Errorf("%s stands with %q", code, asked[rec.Counter])
				} else if said {
					found++
					break
				}
			}
		}
	}
	if found != len(refused) {
		t.Errorf("%d refusals are in the recording, want %d", found, len(refused))
	}
}

// What somebody was told who decided has a digest in the event, which follows from the
// recording, and tells other facts apart.
func TestSession_FactsOfADecisionFollowFromTheRecording(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	conn := open(t, a.Gateway, nil)
	for _, approve := range []bool{true, false} {
		done := exec(conn, hit)
		held := a.pending(1)[0]
		a.decide(held.ID, approve)
		if err := <-done; (err == nil) != approve {
			t.Error(err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	logged := map[int64]string{}
	for _, e := range events(t, a.Gateway) {
		if e.Type == hoop.EventApproval || e.Type == hoop.EventDenial {
			logged[e.Request] = detail(e, "facts_digest")
		}
	}
	a.Stop()
	var key []byte
	found := map[int64]bool{}
	for _, rec := range recorded(t, a.Gateway) {
		switch rec.Kind {
		case recording.KindStart:
			key = rec.DigestKey
		case recording.KindApproval:
			if recording.FactsDigest(key, rec.Request.Facts) == logged[rec.Request.ID] {
				found[rec.Request.ID] = true
			}
			other := *rec.Request.Facts
			other.Estimate.Rows++
			if recording.FactsDigest(key, &other) == logged[rec.Request.ID] {
				t.Error("other facts have the same digest")
			}
		}
	}
	if len(logged) != 2 || len(found) != 2 {
		t.Errorf("%d of %d digests are of facts in the recording", len(found), len(logged))
	}
}

// recorded are the records of the one session that a gateway had, which has stopped.
func recorded(t *testing.T, g *servertest.Gateway) (all []recording.Record) {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(g.DataDir, "keys", "recording.key"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(secret)))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(g.DataDir, "recordings", "*.hrec"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := recording.NewReader(f, id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		rec.Wire = slices.Clone(rec.Wire)
		all = append(all, *rec)
	}
}
