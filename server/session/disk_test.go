package session_test

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
	"github.com/hoopctl/hoopctl/server/servertest/claims"
)

// disk is the real file system until something happens to it.
type disk struct {
	journal.OS
	mu   sync.Mutex
	open func() error // what happens instead of these; nil: nothing
	data func() error
	sync func() error
}

func (d *disk) fault(f *func() error) error {
	d.mu.Lock()
	do := *f
	d.mu.Unlock()
	if do == nil {
		return nil
	}
	return do()
}

func (d *disk) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	if flag&(os.O_RDWR|os.O_CREATE) != 0 {
		if err := d.fault(&d.open); err != nil {
			return nil, err
		}
	}
	f, err := d.OS.OpenFile(name, flag, perm)
	return diskFile{f, d}, err
}

type diskFile struct {
	journal.File
	disk *disk
}

func (f diskFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.disk.fault(&f.disk.data); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f diskFile) Sync() error {
	if err := f.disk.fault(&f.disk.sync); err != nil {
		return err
	}
	return f.File.Sync()
}

// stalls is what a disk does that answers nothing before the channel is closed, and then
// does nothing more: the folder is gone by then.
func stalls(until chan struct{}) func() error {
	return func() error { <-until; return fs.ErrClosed }
}

// Whatever happens to the disk: no statement runs and no answer comes that is not on
// record, the client is told in PostgreSQL's way, nobody hangs, and after a restart
// everything that was acknowledged is there and verifies.
func TestSession_NothingRunsUnrecorded(t *testing.T) {
	fails := func(err error) func() error { return func() error { return err } }
	stalled := make(chan struct{})
	for name, break_ := range map[string]func(*disk){
		"full":           func(d *disk) { d.data = fails(syscall.ENOSPC) },
		"read-only":      func(d *disk) { d.open, d.data = fails(syscall.EROFS), fails(syscall.EROFS) },
		"a sync fails":   func(d *disk) { d.sync = fails(syscall.EIO) },
		"a sync stalls":  func(d *disk) { d.sync = stalls(stalled) },
		"a write stalls": func(d *disk) { d.data = stalls(stalled) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // those that stall wait for the journal's time-out
			d := &disk{}
			data := t.TempDir()
			g := servertest.Start(t, servertest.Options{Setup: setup, FS: d, DataDir: data, Broken: true})
			conn, reader := open(t, g, nil), open(t, g, nil)
			if _, err := conn.Exec(t.Context(), "INSERT INTO scratch VALUES (1)"); err != nil {
				t.Fatal(err)
			}
			d.mu.Lock()
			break_(d)
			d.mu.Unlock()
			refused := func(what string, err error) {
				t.Helper()
				var pg *pgconn.PgError
				if !errors.As(err, &pg) || pg.Code != "58030" || !strings.Contains(pg.Message, "cannot record") || !strings.Contains(pg.Hint, "administrator") {
					t.Errorf("%s: got %v", what, err)
				}
			}
			var both sync.WaitGroup
			both.Go(func() {
				_, err := conn.Exec(t.Context(), "INSERT INTO scratch VALUES (2)")
				refused("a write", err)
			})
			both.Go(func() {
				var n int
				err := reader.QueryRow(t.Context(), "SELECT count(*) FROM scratch").Scan(&n)
				refused("a read", err)
				if n != 0 {
					t.Error("the answer came unrecorded")
				}
			})
			both.Wait()
			_, err := pgx.Connect(t.Context(), g.Listen("agent", "pg-prod"))
			refused("a new session", err)
			if n := g.Count("SELECT count(*) FROM scratch WHERE x = 2"); n != 0 {
				t.Error("the statement ran unrecorded")
			}
			g.Stop()

			again := servertest.Start(t, servertest.Options{DataDir: data, PG: g.PG})
			if _, err := open(t, again, nil).Exec(t.Context(), "INSERT INTO scratch VALUES (3)"); err != nil {
				t.Fatalf("after a restart: %v", err)
			}
			if r := verified(t, again); r.Events["statement"] < 2 || r.Recovered == 0 {
				t.Errorf("after a restart: %+v", r)
			}
		})
	}
	t.Cleanup(func() { close(stalled) })
}

// A target whose record is batched goes on for the window, and no further: where the disk
// stalls, what comes behind is neither run nor answered, and refused when the journal gives
// the disk up, after 10 s.
func TestSession_BatchedGoesNoFurtherThanItsWindow(t *testing.T) {
	t.Parallel()
	stalled := make(chan struct{})
	t.Cleanup(func() { close(stalled) })
	d := &disk{}
	resources := strings.Replace(servertest.Resources, "  tls: disable\n", "  tls: disable\n  record: batched\n", 1)
	g := servertest.Start(t, servertest.Options{Setup: setup, Resources: resources, FS: d, Broken: true})
	conn := open(t, g, nil)
	d.mu.Lock()
	d.sync = stalls(stalled)
	d.mu.Unlock()
	began := time.Now()
	var last time.Duration // when the last write was acknowledged
	for n := int64(0); ; n++ {
		if _, err := conn.Exec(t.Context(), "INSERT INTO scratch VALUES (7)"); err != nil {
			if state(err) != "58030" {
				t.Errorf("got %v", err)
			}
			if ran := g.Count("SELECT count(*) FROM scratch WHERE x = 7"); ran > n+1 {
				t.Errorf("%d ran, and %d were acknowledged", ran, n)
			}
			break
		}
		last = time.Since(began)
	}
	if refused := time.Since(began); last > refused/2 {
		t.Errorf("acknowledged for %s, and refused after %s", last, refused)
	}
}

// The data of a COPY makes rows only with its end, and that waits until all of the data is
// on record: where the disk stalls in between, there are none.
func TestSession_CopiedDataIsOnRecordBeforeItCounts(t *testing.T) {
	stalled := make(chan struct{})
	t.Cleanup(func() { close(stalled) })
	d := &disk{}
	g := servertest.Start(t, servertest.Options{Setup: setup, FS: d, Broken: true})
	conn := open(t, g, nil)
	data, more := io.Pipe()
	go func() {
		_, _ = more.Write([]byte("7\n"))
		for g.Count("SELECT count(*) FROM pg_stat_progress_copy") == 0 { // the target takes data
		}
		d.mu.Lock()
		d.sync = stalls(stalled)
		d.mu.Unlock()
		_, _ = more.Write([]byte("8\n"))
		_ = more.Close()
	}()
	_, err := conn.PgConn().CopyFrom(t.Context(), data, "COPY scratch FROM STDIN")
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "58030" || !strings.Contains(pg.Message, "cannot record") {
		t.Errorf("got %v", err)
	}
	if n := g.Count("SELECT count(*) FROM scratch WHERE x IN (7, 8)"); n != 0 {
		t.Errorf("%d rows that are not on record", n)
	}
}

// verified exports a bundle as an auditor does, and verifies it.
func verified(t *testing.T, g *servertest.Gateway) *bundle.Report {
	t.Helper()
	key, err := g.API("auditor").LogKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := g.API("auditor").Bundle(t.Context(), api.BundleAsk{Recordings: true})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "bundle.zip"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(f, b)
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := bundle.Verify(f, n, bundle.Options{Key: key.Verifier})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Under load the disk dies at a random moment, round after round. After each, every row that
// PostgreSQL has was on record before it was written, every answer that a client has is on
// record, and the log verifies.
func TestSession_EveryWriteHasItsIntent(t *testing.T) {
	data := t.TempDir()
	var pg *pgserver.Server
	e := new(claims.Evidence)
	for round := range 3 {
		d := &disk{}
		g := servertest.Start(t, servertest.Options{Setup: claims.Schema, Resources: literal, FS: d, DataDir: data, PG: pg, Broken: true})
		pg = g.PG
		c := claims.New(round)
		c.Limit, c.After = 60+rand.IntN(200), func() {
			dead := func() error { return syscall.EIO }
			d.mu.Lock()
			defer d.mu.Unlock()
			d.open, d.data, d.sync = dead, dead, dead
		}
		dsn := g.Connect("agent", "pg-prod")
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				if err := c.Run(t.Context(), dsn, w, rand.New(rand.NewPCG(rand.Uint64(), 0))); err == nil {
					t.Error("a client came to its end")
				}
			})
		}
		all.Wait()
		g.Stop()

		again := servertest.Start(t, servertest.Options{DataDir: data, Resources: literal, PG: pg})
		found, err := c.Check(t.Context(), again.API("auditor"), pg.DSN("postgres"), e)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if statements, _ := c.Answers(); statements < 35 || found.Recovered == 0 || found.Rows < 10 {
			t.Errorf("round %d: %d statements, %+v", round, statements, found)
		}
		again.Stop()
	}
}
