package audit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// rounds is how often a crash is tried; HOOP_CRASH_ROUNDS asks for more.
func rounds(t *testing.T, usual int) int {
	s := os.Getenv("HOOP_CRASH_ROUNDS")
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// load runs sessions side by side until something fails or all are done. It returns
// what was acknowledged, and the checkpoints seen.
func load(t *testing.T, fsys journal.FS, run string, acked map[string]bool) (checkpoints [][]byte) {
	g, err := start("/data", fsys)
	if err != nil {
		return nil
	}
	var mu sync.Mutex
	g.acked = func(what string) {
		mu.Lock()
		defer mu.Unlock()
		acked[what] = true
	}
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range 2 {
				if g.session(t.Context(), fmt.Sprintf("%s-%d-%d", run, w, i), 20) != nil {
					return
				}
				mu.Lock()
				checkpoints = append(checkpoints, g.log.Checkpoint())
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	_ = g.close()
	return append(checkpoints, g.log.Checkpoint())
}

// TestEvidence_PowerCut stops two runs at any operation: by a kill -9, after which all
// that was written is there and nothing of it durable, or by a power cut, which drops
// what was not synced, all of it or parts. The last is a power cut. After each, what was
// acknowledged is found, the log verifies, and contains every checkpoint that was ever given out.
func TestEvidence_PowerCut(t *testing.T) {
	whole := faultfs.New()
	load(t, whole, "whole", make(map[string]bool))
	n := whole.Ops()
	count := rounds(t, 60)
	for round := range count {
		r := rand.New(rand.NewPCG(uint64(round), 7))
		cuts := [2]int{1 + round*n/count + r.IntN(n/count+1), soon(r, n)}
		if r.IntN(2) == 0 {
			slices.Reverse(cuts[:])
		}
		chance := r
		if round%2 == 0 {
			chance = nil
		}
		kill := r.IntN(2) == 0
		fsys := faultfs.New()
		acked := make(map[string]bool)
		var checkpoints [][]byte
		for run, cut := range cuts {
			fsys.CutAt(cut)
			checkpoints = append(checkpoints, load(t, fsys, fmt.Sprintf("r%d", run), acked)...)
			if run == 0 && kill {
				fsys = fsys.Kill()
			} else {
				fsys = fsys.Crash(chance)
			}
			// On a copy: the next run goes on from what this one left.
			looked, next := fsys.Kill(), fsys.Kill()
			if err := check(t.Context(), "/data", looked, acked, checkpoints); err != nil {
				t.Fatalf("round %d, run %d, cuts at %v of %d, the first by kill %v, all lost %v: %v", round, run, cuts, n, kill, chance == nil, err)
			}
			fsys = next
		}
	}
}

// soon is a number up to n, small ones as often as large ones: a run that goes on after
// another is busy with what that left.
func soon(r *rand.Rand, n int) int {
	return 1 + r.IntN(1+min(n, 1<<(2+r.IntN(10))))
}

// A power cut at each operation of one session's run takes nothing that was acknowledged,
// where all is lost that was not synced.
func TestEvidence_PowerCutAnywhere(t *testing.T) {
	for finished, cut := false, 1; !finished && !t.Failed(); cut++ {
		fsys, acked := faultfs.New(), make(map[string]bool)
		fsys.CutAt(cut)
		var checkpoints [][]byte
		g, err := start("/data", fsys)
		if err == nil {
			g.acked = func(what string) { acked[what] = true }
			err = errors.Join(g.session(t.Context(), "a", 10), g.close())
			checkpoints = append(checkpoints, g.log.Checkpoint())
		}
		finished = err == nil
		if err := check(t.Context(), "/data", fsys.Crash(nil), acked, checkpoints); err != nil {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

// A power cut after an orderly end takes nothing: the journal has forgotten by then what the
// folders hold, whole tiles of the log among it.
func TestEvidence_PowerCutAfterTheEnd(t *testing.T) {
	fsys, acked := faultfs.New(), make(map[string]bool)
	g, err := start("/data", fsys)
	if err != nil {
		t.Fatal(err)
	}
	g.acked = func(what string) { acked[what] = true }
	if err := errors.Join(g.session(t.Context(), "a", 300), g.close()); err != nil {
		t.Fatal(err)
	}
	if size := g.log.Size(); size < 2*auditlog.TileWidth {
		t.Fatalf("%d events make no two whole tiles", size)
	}
	if err := check(t.Context(), "/data", fsys.Crash(nil), acked, [][]byte{g.log.Checkpoint()}); err != nil {
		t.Error(err)
	}
}

// The checkpoint beside the keys is durable when the journal has forgotten what came
// before: a folder that is rolled back afterwards, its journal taken away, is told.
func TestEvidence_PowerCutKeepsTheCheckpointBesideTheKeys(t *testing.T) {
	fsys := faultfs.New()
	run := func(id string) {
		t.Helper()
		g, err := start("/data", fsys)
		if err == nil {
			err = errors.Join(g.session(t.Context(), id, 150), g.close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run("a")
	early := files(t, fsys, "/data/audit")
	run("b")
	fsys = fsys.Crash(nil)
	for name := range files(t, fsys, "/data/audit") {
		if err := fsys.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name := range files(t, fsys, "/data/journal") {
		if err := fsys.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range early {
		if err := errors.Join(fsys.MkdirAll(filepath.Dir(name), 0o700), journal.WriteFile(fsys, name, b)); err != nil {
			t.Fatal(err)
		}
	}
	g, err := start("/data", fsys)
	if err == nil {
		_ = g.close()
	}
	if err == nil || !strings.Contains(err.Error(), "rolled back") {
		t.Errorf("got %v", err)
	}
}

// files gives the files below a folder, by name.
func files(t *testing.T, fsys journal.FS, dir string) map[string][]byte {
	t.Helper()
	names, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]byte)
	for _, name := range names {
		name = filepath.Join(dir, name)
		if _, err := fsys.ReadDir(name); err == nil {
			maps.Copy(found, files(t, fsys, name))
			continue
		}
		if found[name], err = journal.ReadFile(fsys, name); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// childVariable names the folder for a child that writes until it is killed.
const childVariable = "HOOP_CRASH_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		child(dir, os.Getenv(childVariable+"_RUN"))
		return
	}
	os.Exit(m.Run())
}

// child writes under load and tells on stdout what was acknowledged.
func child(dir, run string) {
	g, err := start(dir, journal.OS{})
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	var mu sync.Mutex
	g.acked = func(what string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(what)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; g.session(context.Background(), fmt.Sprintf("%s-%d-%d", run, w, i), 10) == nil; i++ {
			}
		})
	}
	wg.Wait()
}

// killsPerFolder is how many kills go on in one folder, whose evidence is looked at whole
// after each.
const killsPerFolder = 15

// TestEvidence_Kill kills a process that writes under load, again and again in the same
// folder. After each kill all that was acknowledged is found in a copy of the folder, the
// log there verifies, and contains the newest checkpoint of before.
func TestEvidence_Kill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var dir string
	var acked map[string]bool
	var checkpoint []byte
	total := 0
	r := rand.New(rand.NewPCG(3, 9))
	for round := range rounds(t, 30) {
		if round%killsPerFolder == 0 {
			dir, acked, checkpoint = t.TempDir(), make(map[string]bool), nil
		}
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), childVariable+"="+dir, fmt.Sprintf("%s_RUN=k%d", childVariable, round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := r.IntN(600); lines.Scan(); left-- {
			if strings.HasPrefix(lines.Text(), "failed") {
				t.Errorf("round %d: %s", round, lines.Text())
			}
			acked[lines.Text()] = true
			total++
			if left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the child came to its end")
		}
		newest, err := os.ReadFile(filepath.Join(dir, "audit", "checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		// In memory: the next child goes on from what this one left.
		found := folder(files(t, journal.OS{}, dir)).disk(t)
		if err := check(t.Context(), dir, found, acked, [][]byte{checkpoint, newest}); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		checkpoint = newest
	}
	t.Logf("%d acknowledged", total)
}
