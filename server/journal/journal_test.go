package journal_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// quiet is for faults made on purpose.
var quiet = slog.New(slog.DiscardHandler)

// keeper is a consumer that keeps records in memory. What survives a crash is what it
// had at its last Sync.
type keeper struct {
	mu     sync.Mutex
	got    []string
	pos    journal.Pos
	synced []string
	at     journal.Pos // of synced
	fail   error
}

func (k *keeper) Apply(_ journal.Kind, pos journal.Pos, payload []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	if pos <= k.pos {
		return nil // seen before the crash
	}
	k.pos = pos
	k.got = append(k.got, string(payload))
	return nil
}

func (k *keeper) Sync() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.synced, k.at = append([]string(nil), k.got...), k.pos
	return nil
}

func (k *keeper) crash() *keeper {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &keeper{got: append([]string(nil), k.synced...), pos: k.at, synced: k.synced, at: k.at}
}

func open(t *testing.T, dir string, opt journal.Options, k *keeper) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	if k != nil {
		if err := j.Consume(k, journal.KindEvent); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func write(ctx context.Context, j *journal.Journal, s string) error {
	pos, err := j.Append(journal.KindEvent, []byte(s))
	if err != nil {
		return err
	}
	return j.Wait(ctx, pos)
}

func TestJournal_GivesRecordsInOrderOnce(t *testing.T) {
	dir := t.TempDir()
	k := &keeper{}
	var want []string
	for run := range 3 {
		j := open(t, dir, journal.Options{Log: quiet, SegmentBytes: 1 << 10}, k)
		for i := range 200 {
			s := fmt.Sprintf("run %d record %d", run, i)
			want = append(want, s)
			if _, err := j.Append(journal.KindEvent, []byte(s[:3]), []byte(s[3:])); err != nil {
				t.Fatal(err)
			}
			if i%7 == 0 {
				if err := j.Wait(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		k = k.crash() // after Close everything was synced
	}
	if diff := cmp.Diff(want, k.got); diff != "" {
		t.Error(diff)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil || len(left) > 2 {
		t.Errorf("segments left: %v, %v; want those behind to be removed", left, err)
	}
}

func TestJournal_ReplaysWithoutConsumers(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Log: quiet, SegmentBytes: 100}, nil)
	for i := range 50 {
		if err := write(t.Context(), j, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	k := &keeper{}
	j = open(t, dir, journal.Options{Log: quiet}, k)
	if len(k.got) != 50 {
		t.Errorf("replayed %d records, want 50: a segment was removed before its records had a consumer", len(k.got))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(journal.KindEvent); hoop.AsError(err).Code != hoop.CodeUnrecorded {
		t.Errorf("append after close: %v", err)
	}
}

// One fsync serves all who wait, and nobody waits for two.
func TestJournal_WaitersShareSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := faultfs.New()
		var syncs atomic.Int64
		fsys.Hook = func(op faultfs.Op, _ string) error {
			if op == faultfs.OpSync {
				syncs.Add(1)
				time.Sleep(time.Millisecond) // of the bubble's clock
			}
			return nil
		}
		j := open(t, "/j", journal.Options{Log: quiet, FS: fsys}, nil)
		syncs.Store(0)
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				if err := write(t.Context(), j, fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			})
		}
		start := time.Now()
		wg.Wait()
		if took := time.Since(start); took > 2*time.Millisecond {
			t.Errorf("32 waiters took %s, want at most two fsyncs of 1 ms", took)
		}
		if n := syncs.Load(); n > 2 {
			t.Errorf("%d fsyncs, want at most 2", n)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestJournal_SyncsWithoutWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := open(t, "/j", journal.Options{Log: quiet, FS: faultfs.New()}, nil)
		pos, err := j.Append(journal.KindEvent, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Millisecond)
		synctest.Wait()
		if j.Durable() >= pos {
			t.Error("synced at once, with nobody waiting")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if j.Durable() < pos {
			t.Error("not synced when half of the window had passed")
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestJournal_FailsClosedForGood(t *testing.T) {
	for _, tc := range []struct {
		name  string
		op    faultfs.Op
		cause error
	}{
		{"disk full", faultfs.OpWrite, syscall.ENOSPC},
		{"sync fails", faultfs.OpSync, syscall.EIO},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fsys := faultfs.New()
			var broken atomic.Bool
			fsys.Hook = func(op faultfs.Op, _ string) error {
				if op == tc.op && broken.Load() {
					return tc.cause
				}
				return nil
			}
			j := open(t, "/j", journal.Options{Log: quiet, FS: fsys}, nil)
			if err := write(t.Context(), j, "good"); err != nil {
				t.Fatal(err)
			}
			good := j.Durable()
			broken.Store(true)
			err := write(t.Context(), j, "bad")
			if hoop.AsError(err).Code != hoop.CodeUnrecorded || !errors.Is(err, tc.cause) {
				t.Fatalf("got %v, want an unrecorded error that wraps %v", err, tc.cause)
			}
			broken.Store(false) // the disk is well again; what it lost nobody knows
			if _, err := j.Append(journal.KindEvent, []byte("x")); hoop.AsError(err).Code != hoop.CodeUnrecorded {
				t.Errorf("append after the failure: %v", err)
			}
			if err := j.Wait(t.Context(), good); err != nil {
				t.Errorf("wait for what is durable: %v", err)
			}
			select {
			case <-j.Broken():
			default:
				t.Error("Broken is open")
			}
			if err := j.Close(); hoop.AsError(errors.Unwrap(err)).Code != hoop.CodeUnrecorded {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// stalling is a disk on which op takes until the channel is closed, once stall is set.
func stalling(op faultfs.Op) (fsys *faultfs.FS, stall *atomic.Bool, stalled chan struct{}) {
	fsys, stall, stalled = faultfs.New(), new(atomic.Bool), make(chan struct{})
	fsys.Hook = func(o faultfs.Op, _ string) error {
		if o == op && stall.Load() {
			<-stalled
		}
		return nil
	}
	return fsys, stall, stalled
}

// Whoever does not wait for records of their own is never further ahead of the disk than
// the window, however slow it is, and is not held up where the disk keeps up.
func TestJournal_RecentIsWithinTheWindow(t *testing.T) {
	for _, takes := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			const window = 50 * time.Millisecond
			fsys := faultfs.New()
			var slow atomic.Bool
			fsys.Hook = func(op faultfs.Op, _ string) error {
				if op == faultfs.OpSync && slow.Load() {
					time.Sleep(takes) // of the bubble's clock
				}
				return nil
			}
			j := open(t, "/j", journal.Options{Log: quiet, FS: fsys, SyncEvery: window}, nil)
			slow.Store(true)
			var at []time.Time
			var held time.Duration
			var ends []journal.Pos
			for range 2000 {
				pos, err := j.Append(journal.KindEvent, []byte("x"))
				if err != nil {
					t.Fatal(err)
				}
				at, ends = append(at, time.Now()), append(ends, pos)
				before := time.Now()
				if err := j.Recent(t.Context()); err != nil {
					t.Fatal(err)
				}
				held += time.Since(before)
				durable := j.Durable()
				for i, when := range at {
					if ends[i] > durable && time.Since(when) > window {
						t.Fatalf("an fsync of %s: went on %s after a record that is not durable", takes, time.Since(when))
					}
				}
				for len(ends) > 0 && ends[0] <= durable {
					at, ends = at[1:], ends[1:]
				}
				time.Sleep(time.Millisecond)
			}
			if takes < window/2 && held > 0 {
				t.Errorf("an fsync of %s: held up for %s", takes, held)
			}
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// So it is with a disk that never answers: they are refused when the journal gives it up.
func TestJournal_RecentIsRefusedWhereTheDiskStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys, stall, stalled := stalling(faultfs.OpSync)
		j := open(t, "/j", journal.Options{Log: quiet, FS: fsys}, nil)
		stall.Store(true)
		start := time.Now()
		for {
			if _, err := j.Append(journal.KindEvent, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := j.Recent(t.Context()); err != nil {
				if hoop.AsError(err).Code != hoop.CodeUnrecorded {
					t.Errorf("got %v", err)
				}
				break
			}
			if ahead := time.Since(start); ahead > 50*time.Millisecond {
				t.Fatalf("still goes on after %s", ahead)
			}
			time.Sleep(time.Millisecond)
		}
		close(stalled)
		_ = j.Close() // it failed
	})
}

// A disk that never answers makes nobody hang: neither those who wait, nor those whom
// the full batch holds back, nor Close.
func TestJournal_StalledSyncHangsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys, stall, stalled := stalling(faultfs.OpSync)
		j := open(t, "/j", journal.Options{Log: quiet, FS: fsys, BatchBytes: 1000}, nil)
		stall.Store(true)
		start := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				err := write(t.Context(), j, strings.Repeat("x", 300))
				if hoop.AsError(err).Code != hoop.CodeUnrecorded {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("gave up after %s, want 10 s", took)
		}
		if err := j.Close(); err == nil {
			t.Error("close of a stalled journal says all is well")
		}
		close(stalled) // the disk answers after all; nobody is told that it went well
		synctest.Wait()
		if err := j.Failed(); err == nil {
			t.Error("the failure was forgotten")
		}
	})
}

// With nobody waiting, a stalled disk is still noticed.
func TestJournal_StalledSyncIsNoticedInBatchedMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys, stall, stalled := stalling(faultfs.OpWrite)
		j := open(t, "/j", journal.Options{Log: quiet, FS: fsys}, nil)
		stall.Store(true)
		if _, err := j.Append(journal.KindEvent, []byte("x")); err != nil {
			t.Fatal(err)
		}
		<-j.Broken()
		if _, err := j.Append(journal.KindEvent, []byte("x")); hoop.AsError(err).Code != hoop.CodeUnrecorded {
			t.Errorf("got %v", err)
		}
		close(stalled)
		_ = j.Close()
	})
}

func TestJournal_WaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys, stall, stalled := stalling(faultfs.OpSync)
		j := open(t, "/j", journal.Options{Log: quiet, FS: fsys}, nil)
		stall.Store(true)
		gone := errors.New("the client is gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		if err := write(ctx, j, "x"); !errors.Is(err, gone) {
			t.Errorf("got %v, want the context's cause", err)
		}
		close(stalled)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestJournal_ConsumerThatCannotWriteFailsIt(t *testing.T) {
	k := &keeper{fail: syscall.ENOSPC}
	j := open(t, "/j", journal.Options{Log: quiet, FS: faultfs.New()}, k)
	if err := write(t.Context(), j, "x"); err != nil {
		t.Fatal(err) // durable in the journal, and replayed at the next start
	}
	<-j.Broken()
	if err := j.Failed(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if err := j.Applied(t.Context(), j.Durable()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("applied: %v", err)
	}
}

func TestJournal_RefusesRecordsThatAreTooLarge(t *testing.T) {
	j := open(t, "/j", journal.Options{Log: quiet, FS: faultfs.New()}, nil)
	defer func() { _ = j.Close() }()
	if _, err := j.Append(journal.KindEvent, make([]byte, journal.MaxRecord)); hoop.AsError(err).Code != hoop.CodeTooLarge {
		t.Errorf("got %v", err)
	}
	if err := write(t.Context(), j, "small"); err != nil {
		t.Errorf("the journal is of no use after a record that was too large: %v", err)
	}
}

// filled gives a journal folder with segments, closed in order, and its records.
func filled(t *testing.T, n int) (dir string, want []string) {
	dir = t.TempDir()
	j := open(t, dir, journal.Options{Log: quiet, SegmentBytes: 500}, nil)
	for i := range n {
		s := fmt.Sprintf("record %d", i)
		want = append(want, s)
		if err := write(t.Context(), j, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, want
}

func TestOpen_RefusesDamageAndNamesThePlace(t *testing.T) {
	src, _ := filled(t, 60)
	names, err := filepath.Glob(filepath.Join(src, "*.wal"))
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	refuse := func(t *testing.T, damage func(dir string) string) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(src)); err != nil {
			t.Fatal(err)
		}
		file := damage(dir)
		_, err := journal.Open(dir, journal.Options{Log: quiet})
		var corrupt *journal.CorruptError
		if !errors.As(err, &corrupt) || filepath.Base(corrupt.File) != file {
			t.Errorf("got %v, want damage in %s", err, file)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range names {
		base := filepath.Base(name)
		t.Run("a flipped bit in "+base, func(t *testing.T) {
			for range 20 {
				refuse(t, func(dir string) string {
					p := filepath.Join(dir, base)
					b, err := os.ReadFile(p)
					if err != nil {
						t.Fatal(err)
					}
					// The last mark of the last segment vouches for all before it, and
					// nothing for itself.
					n := len(b)
					if name == names[len(names)-1] {
						n -= 17
					}
					b[r.IntN(n)] ^= 1 << r.IntN(8)
					if err := os.WriteFile(p, b, 0o600); err != nil {
						t.Fatal(err)
					}
					return base
				})
			}
		})
	}
	t.Run("a missing segment", func(t *testing.T) {
		refuse(t, func(dir string) string {
			if err := os.Remove(filepath.Join(dir, filepath.Base(names[1]))); err != nil {
				t.Fatal(err)
			}
			return filepath.Base(names[2])
		})
	})
	t.Run("a segment cut short in the middle", func(t *testing.T) {
		refuse(t, func(dir string) string {
			if err := os.Truncate(filepath.Join(dir, filepath.Base(names[0])), 101); err != nil {
				t.Fatal(err)
			}
			return filepath.Base(names[0])
		})
	})
}

func TestOpen_DropsTornEnd(t *testing.T) {
	src, want := filled(t, 3) // one segment
	names, _ := filepath.Glob(filepath.Join(src, "*.wal"))
	whole, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(names[0])), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		k := &keeper{}
		j := open(t, dir, journal.Options{Log: quiet}, k)
		if len(k.got) > 3 || !slices.Equal(k.got, want[:len(k.got)]) {
			t.Fatalf("cut at %d: got %q", cut, k.got)
		}
		kept := append([]string{}, k.got...)
		if err := write(t.Context(), j, "after"); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again := k.crash()
		j = open(t, dir, journal.Options{Log: quiet}, again)
		if diff := cmp.Diff(append(kept, "after"), again.got); diff != "" {
			t.Fatalf("cut at %d: %s", cut, diff)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestJournal_PowerCut turns the power off at every operation of a small workload, and
// drops what was not synced: all of it, or parts. What was acknowledged must be found.
func TestJournal_PowerCut(t *testing.T) {
	const writers, each = 3, 12
	for cut := 1; ; cut++ {
		seed := uint64(cut)
		finished := powerCut(t, cut, false, nil, writers, each)
		powerCut(t, cut, true, nil, writers, each)
		powerCut(t, cut, false, rand.New(rand.NewPCG(seed, 1)), writers, each)
		powerCut(t, cut, true, rand.New(rand.NewPCG(seed, 2)), writers, each)
		if finished || t.Failed() {
			return
		}
	}
}

// powerCut runs the workload twice, each time cut at an operation, and then once more
// to the end. With kill, the first is ended by a kill -9, and not by the power. It
// reports whether the first run came to its end before the cut.
func powerCut(t *testing.T, cut int, kill bool, r *rand.Rand, writers, each int) (finished bool) {
	t.Helper()
	fsys := faultfs.New()
	k := &keeper{}
	acked := make(map[string]bool)
	for run := range 3 {
		switch run {
		case 0:
			fsys.CutAt(cut)
		case 1:
			fsys.CutAt(1 + cut%11) // while it is still busy with what the first left
		}
		ok := workload(t, fsys, k, fmt.Sprint(run), writers, each, acked)
		if run == 0 {
			finished = ok
		}
		if run == 2 && !ok {
			t.Errorf("cut at %d: the last run, without a cut, failed", cut)
		}
		if k = k.crash(); run == 0 && kill {
			fsys = fsys.Kill()
		} else {
			fsys = fsys.Crash(r)
		}
		// On a copy: the next run goes on from what this one left.
		looked, next := fsys.Kill(), fsys.Kill()
		kept(t, fmt.Sprintf("cut at %d, run %d", cut, run), looked, k.crash(), acked)
		fsys = next
	}
	return finished
}

// kept demands that what was acknowledged is in the journal, or with its consumer, once.
func kept(t *testing.T, when string, fsys *faultfs.FS, k *keeper, acked map[string]bool) {
	t.Helper()
	j, err := journal.Open("/data/journal", journal.Options{Log: quiet, FS: fsys})
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if err := j.Consume(k, journal.KindEvent); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	_ = j.Close()
	seen := make(map[string]bool)
	for _, s := range k.got {
		if seen[s] {
			t.Errorf("%s: %q came twice", when, s)
		}
		seen[s] = true
	}
	for s := range acked {
		if !seen[s] {
			t.Errorf("%s: %q was acknowledged and is lost", when, s)
		}
	}
}

func workload(t *testing.T, fsys *faultfs.FS, k *keeper, run string, writers, each int, acked map[string]bool) bool {
	j, err := journal.Open("/data/journal", journal.Options{Log: quiet, FS: fsys, SegmentBytes: 200})
	if err != nil {
		if !errors.Is(err, faultfs.ErrCut) {
			t.Fatalf("run %s: open: %v", run, err)
		}
		return false
	}
	if err := j.Consume(k, journal.KindEvent); err != nil {
		if !errors.Is(err, faultfs.ErrCut) {
			t.Fatalf("consume: %v", err)
		}
		_ = j.Close()
		return false
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				s := fmt.Sprintf("run %s writer %d record %d", run, w, i)
				if write(t.Context(), j, s) != nil {
					return
				}
				mu.Lock()
				acked[s] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return j.Close() == nil
}

// Segments that are done with go one at a time: where only the later of two were gone
// after a power cut, there would be a gap.
func TestJournal_PowerCutLeavesNoGap(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		fsys := faultfs.New()
		j := open(t, "/j", journal.Options{FS: fsys, Log: quiet, SegmentBytes: 100}, nil)
		for i := range 10 {
			if err := write(t.Context(), j, fmt.Sprint("before ", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		k := &keeper{}
		j = open(t, "/j", journal.Options{FS: fsys, Log: quiet}, k)
		fsys.CutAt(1 + r.IntN(40))
		acked := write(t.Context(), j, "after") == nil
		_ = j.Close()
		k = k.crash()
		j = open(t, "/j", journal.Options{FS: fsys.Crash(r), Log: quiet}, k)
		if want := 10; len(k.got) < want || acked && len(k.got) < want+1 {
			t.Errorf("got %q, acknowledged %v", k.got, acked)
		}
		_ = j.Close()
	}
}

// The cut of a torn end is durable before the next segment begins: otherwise a second
// power cut brings the end back, in the middle of the journal.
func TestOpen_TornEndStaysCut(t *testing.T) {
	fsys := faultfs.New()
	j := open(t, "/j", journal.Options{FS: fsys, Log: quiet}, nil)
	if err := write(t.Context(), j, "kept"); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := fsys.OpenFile("/j/00000001.wal", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("half a batch"), size); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		k := &keeper{}
		j = open(t, "/j", journal.Options{FS: fsys, Log: quiet}, k)
		if !slices.Equal(k.got, []string{"kept"}) {
			t.Errorf("got %q", k.got)
		}
		fsys = fsys.Crash(nil)
		_ = j.Close()
	}
}
