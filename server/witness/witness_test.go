package witness_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
	"github.com/hoopctl/hoopctl/server/witness"
)

var quiet = slog.New(slog.DiscardHandler)

// openLog opens a log below dir.
func openLog(t *testing.T, dir string) (*audit.Log, func()) {
	t.Helper()
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.Open(audit.Options{Dir: filepath.Join(dir, "audit"), Keys: filepath.Join(dir, "keys"), Origin: "gw.example/audit", Journal: j, Log: quiet, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		if err := errors.Join(l.Close(), j.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return l, stop
}

func grow(t *testing.T, l *audit.Log, n int) {
	t.Helper()
	for range n {
		if _, err := l.Append(&hoop.Event{Type: hoop.EventSignIn, Subject: "alice"}); err != nil {
			t.Fatal(err)
		}
	}
}

// world is a witness with a server, of the log with a key.
type world struct {
	*witness.Server
	url  string
	http *http.Client
	opt  witness.Options
}

func newWorld(t *testing.T, key string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{opt: witness.Options{Dir: filepath.Join(dir, "w"), Key: filepath.Join(dir, "keys", "w.key"), Name: "w.example", Logs: []string{key}, Log: quiet}}
	w.restart(t)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != witness.Path {
			t.Errorf("called at %s", r.URL.Path)
		}
		w.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	w.url, w.http = srv.URL, srv.Client()
	return w
}

func (w *world) restart(t *testing.T) {
	t.Helper()
	var err error
	if w.Server, err = witness.New(w.opt); err != nil {
		t.Fatal(err)
	}
}

// keeper of a log with this witness; what it logs is in the buffer.
func (w *world) keeper(t *testing.T, e witness.Evidence, now func() time.Time) (*witness.Keeper, *bytes.Buffer) {
	t.Helper()
	out := new(bytes.Buffer)
	k, err := witness.NewKeeper(e, witness.KeeperOptions{
		Witnesses: []witness.Witness{{Name: "w", URL: w.url, Key: w.VerifierKey(), HTTP: w.http}},
		Log:       slog.New(slog.NewTextHandler(out, nil)), Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return k, out
}

func checkpoints(t *testing.T, l *audit.Log) (n int) {
	t.Helper()
	for e, err := range l.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.Type == hoop.EventCheckpoint {
			n++
		}
	}
	return n
}

func TestKeeper_CosignsAsTheLogGrows(t *testing.T) {
	l, _ := openLog(t, t.TempDir())
	w := newWorld(t, l.VerifierKey())
	k, out := w.keeper(t, l, nil)
	if !k.Cosigned().IsZero() {
		t.Error("cosigned before anybody was asked")
	}
	for round, n := range []int{1, 300, 0, 0, 700, 0} {
		grow(t, l, n)
		if round == 4 {
			w.restart(t) // it remembers
			k, out = w.keeper(t, l, nil)
		}
		k.Once(t.Context())
		if at := k.Cosigned(); time.Since(at) > time.Minute || out.Len() > 0 {
			t.Fatalf("round %d: cosigned at %s, %s", round, at, out)
		} else if !strings.Contains(at.String(), " m=") {
			t.Errorf("cosigned at %s, which a clock that is set back makes younger", at)
		}
	}
	// A log that grows by nothing but these records gets no more of them.
	if n := checkpoints(t, l); n != 3 {
		t.Errorf("%d cosignatures are on record, want 3", n)
	}
	made, err := l.Bundle(t.Context(), audit.BundleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := made.Write(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	verify := func(keys ...string) (*bundle.Report, error) {
		return bundle.Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), bundle.Options{Key: l.VerifierKey(), Witnesses: keys})
	}
	r, err := verify(w.VerifierKey())
	if err != nil || len(r.Cosignatures) != 1 || r.Cosignatures[0].Witness != "w.example" || r.Cosignatures[0].Size < 1000 {
		t.Errorf("the bundle: %v, %+v", err, r)
	}
	if _, err := verify(newWorld(t, l.VerifierKey()).VerifierKey()); err == nil {
		t.Error("another witness of the same name passes")
	}
	if r, err := verify(); err != nil || !strings.Contains(strings.Join(r.Warnings, " "), "--witness") {
		t.Errorf("without a key: %v, %+v", err, r)
	}
}

// A log that was rolled back, or went another way since, is not cosigned any more, and
// what was cosigned before does not get younger.
func TestKeeper_RollbackAndFork(t *testing.T) {
	for _, fork := range []bool{false, true} {
		t.Run(fmt.Sprint("fork=", fork), func(t *testing.T) {
			dir := t.TempDir()
			l, stop := openLog(t, dir)
			grow(t, l, 40)
			w := newWorld(t, l.VerifierKey())
			k, _ := w.keeper(t, l, nil)
			k.Once(t.Context())
			stop()
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			l, stop = openLog(t, dir)
			grow(t, l, 40)
			k, _ = w.keeper(t, l, nil)
			k.Once(t.Context())
			stop()

			l, _ = openLog(t, copied) // the whole data folder as it was
			if fork {
				grow(t, l, 90)
			}
			k, out := w.keeper(t, l, nil)
			k.Once(t.Context())
			want := "rolled back"
			if fork {
				want = "fork"
			}
			if !k.Cosigned().IsZero() || !strings.Contains(out.String(), want) {
				t.Errorf("cosigned at %s, %s", k.Cosigned(), out)
			}
		})
	}
}

// The quorum's age counts: of two that must, the older one.
func TestKeeper_Quorum(t *testing.T) {
	l, _ := openLog(t, t.TempDir())
	grow(t, l, 3)
	a, b := newWorld(t, l.VerifierKey()), newWorld(t, l.VerifierKey())
	list := []witness.Witness{{Name: "a", URL: a.url, Key: a.VerifierKey(), HTTP: a.http}, {Name: "b", URL: "http://127.0.0.1:1", Key: b.VerifierKey(), HTTP: b.http}}
	for quorum, want := range map[int]bool{1: true, 2: false} {
		k, err := witness.NewKeeper(l, witness.KeeperOptions{Witnesses: list, Quorum: quorum, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		k.Once(t.Context())
		if got := !k.Cosigned().IsZero(); got != want {
			t.Errorf("quorum %d of one that answers: %v", quorum, got)
		}
	}
	if _, err := witness.NewKeeper(l, witness.KeeperOptions{Witnesses: list, Quorum: 3}); err == nil {
		t.Error("three of two")
	}
	if _, err := witness.NewKeeper(l, witness.KeeperOptions{Witnesses: []witness.Witness{{Key: l.VerifierKey()}}}); err == nil {
		t.Error("a log's key passes for a witness's")
	}
}

// A witness that answers nonsense, another's signature, or a time of its own choosing.
func TestKeeper_HostileWitness(t *testing.T) {
	l, _ := openLog(t, t.TempDir())
	grow(t, l, 3)
	w := newWorld(t, l.VerifierKey())
	other := newWorld(t, l.VerifierKey())
	real := func() []byte {
		signed, _, _, err := l.Prove(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		line, err := other.Add(append([]byte("old 0\n\n"), signed...))
		if err != nil {
			t.Fatal(err)
		}
		return line
	}()
	for name, answer := range map[string]func(rw http.ResponseWriter){
		"nothing":         func(http.ResponseWriter) {},
		"nonsense":        func(rw http.ResponseWriter) { _, _ = rw.Write([]byte("— w.example AAAA\n")) },
		"another's":       func(rw http.ResponseWriter) { _, _ = rw.Write(real) },
		"two lines":       func(rw http.ResponseWriter) { _, _ = rw.Write(append(real, real...)) },
		"conflict":        func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusConflict); _, _ = rw.Write([]byte("x\n")) },
		"endless changes": func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusConflict); _, _ = rw.Write([]byte("2\n")) },
		"an error":        func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusTeapot) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { answer(rw) }))
			defer srv.Close()
			k, err := witness.NewKeeper(l, witness.KeeperOptions{
				Witnesses: []witness.Witness{{Name: "w", URL: srv.URL, Key: w.VerifierKey(), HTTP: srv.Client()}}, Log: quiet,
			})
			if err != nil {
				t.Fatal(err)
			}
			k.Once(t.Context())
			if !k.Cosigned().IsZero() {
				t.Error("it counts as cosigned")
			}
		})
	}
	ahead := func() time.Time { return time.Now().Add(-time.Hour) }
	k, out := w.keeper(t, l, ahead)
	k.Once(t.Context())
	if !k.Cosigned().IsZero() || !strings.Contains(out.String(), "clock") {
		t.Errorf("a witness an hour ahead: %s", out)
	}
}

func TestServer_Refuses(t *testing.T) {
	l, _ := openLog(t, t.TempDir())
	grow(t, l, 10)
	stranger, _ := openLog(t, t.TempDir()) // of the same name
	grow(t, stranger, 10)
	w := newWorld(t, l.VerifierKey())
	prove := func(l *audit.Log, old int64) (signed, proof string) {
		s, _, p, err := l.Prove(t.Context(), old)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range p {
			proof += h.String() + "\n"
		}
		return string(s), proof
	}
	foreign, _ := prove(stranger, 0)
	first, _ := prove(l, 0)
	post := func(body string) (int, string) {
		r := httptest.NewRecorder()
		w.ServeHTTP(r, httptest.NewRequest(http.MethodPost, witness.Path, strings.NewReader(body)))
		return r.Code, r.Body.String()
	}
	expect := func(name, body string, want int) {
		t.Helper()
		if got, text := post(body); got != want {
			t.Errorf("%s: got %d %q, want %d", name, got, text, want)
		}
	}
	expect("nonsense", "hello", http.StatusBadRequest)
	expect("no old size", first, http.StatusBadRequest)
	expect("another spelling", "old 00\n\n"+first, http.StatusBadRequest)
	expect("a hash that is none", "old 0\nAAAA\n\n"+first, http.StatusBadRequest)
	expect("64 hashes", "old 0\n"+strings.Repeat(strings.Repeat("A", 43)+"=\n", 64)+"\n"+first, http.StatusBadRequest)
	expect("an old size above", "old 11\n\n"+first, http.StatusBadRequest)
	expect("an unknown log", "old 0\n\n"+strings.Replace(first, "gw.", "xx.", 1), http.StatusNotFound)
	expect("another's signature", "old 0\n\n"+foreign, http.StatusForbidden)
	expect("a changed size", "old 0\n\n"+strings.Replace(first, "\n10\n", "\n11\n", 1), http.StatusForbidden)
	expect("too long", "old 0\n\n"+first+strings.Repeat("x", 100_000), http.StatusBadRequest)
	expect("a proof from nothing", "old 0\n"+strings.Repeat("A", 43)+"=\n\n"+first, http.StatusUnprocessableEntity)
	expect("the first", "old 0\n\n"+first, http.StatusOK)
	expect("the same again", "old 10\n\n"+first, http.StatusOK)
	grow(t, l, 10)
	second, proof := prove(l, 10)
	expect("no proof", "old 10\n\n"+second, http.StatusUnprocessableEntity)
	expect("a wrong proof", "old 10\n"+strings.Replace(proof, proof[:4], "AAAA", 1)+"\n"+second, http.StatusUnprocessableEntity)
	if code, text := post("old 0\n\n" + second); code != http.StatusConflict || text != "10\n" {
		t.Errorf("a wrong old size: %d %q", code, text)
	}
	expect("with its proof", "old 10\n"+proof+"\n"+second, http.StatusOK)
	if code, text := post("old 10\n\n" + first); code != http.StatusConflict || text != "20\n" {
		t.Errorf("rolled back: %d %q", code, text)
	}
	w.restart(t)
	if code, text := post("old 10\n\n" + first); code != http.StatusConflict || text != "20\n" {
		t.Errorf("rolled back after a restart: %d %q", code, text)
	}
	r := httptest.NewRecorder()
	if w.ServeHTTP(r, httptest.NewRequest(http.MethodGet, witness.Path, nil)); r.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.Code)
	}
}

// A witness that cannot remember does not cosign, and one that has lost its memory, or
// finds it changed, does not start.
func TestServer_Memory(t *testing.T) {
	l, _ := openLog(t, t.TempDir())
	grow(t, l, 10)
	signed, _, _, err := l.Prove(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	body := append([]byte("old 0\n\n"), signed...)
	w := newWorld(t, l.VerifierKey())
	if _, err := w.Add(body); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(w.opt.Dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := witness.New(w.opt); err == nil {
		t.Error("it starts with a changed memory")
	}
	if err := os.Remove(w.opt.Key); err != nil {
		t.Fatal(err)
	}
	if _, err := witness.New(w.opt); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("it makes a new key over an old memory: %v", err)
	}
	opt := w.opt
	opt.Logs = append(opt.Logs, opt.Logs[0])
	opt.Dir, opt.Key = t.TempDir(), filepath.Join(t.TempDir(), "k")
	if _, err := witness.New(opt); err == nil {
		t.Error("two logs of one name")
	}
}

// A kill or a power cut at any operation: whatever was cosigned is remembered, by the
// same witness.
func TestServer_PowerCut(t *testing.T) {
	l, _ := openLog(t, t.TempDir())
	var bodies [][]byte
	for i := range 4 {
		grow(t, l, 10)
		old := int64(10 * i)
		signed, _, proof, err := l.Prove(t.Context(), old)
		if err != nil {
			t.Fatal(err)
		}
		b := fmt.Appendf(nil, "old %d\n", old)
		for _, h := range proof {
			b = fmt.Appendf(b, "%s\n", h)
		}
		bodies = append(bodies, append(append(b, '\n'), signed...))
	}
	opt := witness.Options{Dir: "/w/logs", Key: "/keys/w.key", Name: "w.example", Logs: []string{l.VerifierKey()}, Log: quiet}
	// run has everything cosigned until something fails; it gives how many events were.
	run := func(fsys *faultfs.FS) (cosigned int, key string) {
		opt.FS = fsys
		s, err := witness.New(opt)
		if err != nil {
			return 0, ""
		}
		for i, b := range bodies {
			_, err := s.Add(b)
			if err == nil {
				cosigned, key = 10*(i+1), s.VerifierKey()
				continue
			}
			if cosigned > 0 {
				if _, err := s.Add(b); err == nil {
					t.Error("it cosigns after a failure, and nobody knows what it remembers")
				}
				break
			}
		}
		// The newest again, as a gateway asks that did not grow: nothing is written.
		newest := append([]byte("old 40\n\n"), bodies[3][bytes.Index(bodies[3], []byte("\n\n"))+2:]...)
		if _, err := s.Add(newest); err == nil {
			cosigned, key = 40, s.VerifierKey()
		}
		return cosigned, key
	}
	// remembers demands that a witness that starts again knows what it cosigned.
	remembers := func(when string, fsys *faultfs.FS, cosigned int, key string) {
		t.Helper()
		opt.FS = fsys
		again, err := witness.New(opt)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if cosigned == 0 {
			return
		}
		if again.VerifierKey() != key {
			t.Fatalf("%s: another key", when)
		}
		r := httptest.NewRecorder()
		again.ServeHTTP(r, httptest.NewRequest(http.MethodPost, witness.Path, bytes.NewReader(bodies[0])))
		known, err := strconv.Atoi(strings.TrimSpace(r.Body.String()))
		if r.Code != http.StatusConflict || err != nil || known < cosigned {
			t.Fatalf("%s: %d events were cosigned, and it answers %d %q", when, cosigned, r.Code, r.Body)
		}
	}
	whole := faultfs.New()
	if n, _ := run(whole); n != 40 {
		t.Fatal(n)
	}
	for cut := 1; cut <= whole.Ops()+1; cut++ {
		for way := range 8 {
			chance := rand.New(rand.NewPCG(uint64(cut), uint64(way)))
			kill := way%2 == 1
			fsys := faultfs.New()
			fsys.CutAt(cut)
			cosigned, key := run(fsys)
			if kill {
				// On a copy: the next run goes on from what this one left.
				remembers(fmt.Sprintf("cut at %d, after the kill", cut), fsys.Kill(), cosigned, key)
				fsys = fsys.Kill()
				fsys.CutAt(1 + chance.IntN(whole.Ops()))
				if n, k := run(fsys); n > 0 {
					if key != "" && k != key {
						t.Fatalf("cut at %d: the witness that goes on has another key", cut)
					}
					cosigned, key = max(cosigned, n), k
				}
			}
			if way < 2 {
				chance = nil
			}
			remembers(fmt.Sprintf("cut at %d, kill %v", cut, kill), fsys.Crash(chance), cosigned, key)
		}
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte("old 0\n\ngw\n1\nAAAA\n\n— gw AAAA\n"))
	s, err := witness.New(witness.Options{Dir: "/w", Key: "/k/w", Name: "w", FS: faultfs.New(), Log: quiet})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := s.Add(b); err == nil {
			t.Error("cosigned for nobody")
		}
	})
}

// exchange is a network without one.
type exchange func(*http.Request) (*http.Response, error)

func (f exchange) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A witness that is away is asked again soon, then less and less often, up to every minute.
func TestKeeper_AsksAgainSoonAfterAFailure(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, _ := openLog(t, dir)
		w, err := witness.New(witness.Options{Dir: filepath.Join(dir, "w"), Key: filepath.Join(dir, "wkeys", "w.key"), Name: "w.example", Logs: []string{l.VerifierKey()}, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		began := time.Now()
		var asked []int // seconds
		k, err := witness.NewKeeper(l, witness.KeeperOptions{Log: quiet, Witnesses: []witness.Witness{{
			Name: "w", URL: "https://w.example", Key: w.VerifierKey(), HTTP: &http.Client{Transport: exchange(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, int(time.Since(began)/time.Second))
				switch len(asked) {
				case 9, 11:
					rw := httptest.NewRecorder()
					w.ServeHTTP(rw, r)
					return rw.Result(), nil
				case 12:
					stop()
				}
				return nil, errors.New("nobody listens")
			})},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		k.Run(ctx)
		if want := []int{0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 244, 304}; !slices.Equal(asked, want) {
			t.Errorf("asked at %v, want %v", asked, want)
		}
		if k.Cosigned().IsZero() {
			t.Error("nothing is cosigned")
		}
	})
}
