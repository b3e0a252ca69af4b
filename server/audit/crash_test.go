package audit_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

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

// TestEvidence_PowerCut turns the power off at any operation and drops what was not
// synced: all of it, or parts. What was acknowledged is found, the log verifies, and
// contains every checkpoint that was ever given out.
func TestEvidence_PowerCut(t *testing.T) {
	whole := faultfs.New()
	load(t, whole, "whole", make(map[string]bool))
	n := whole.Ops()
	count := rounds(t, 60)
	for round := range count {
		seed := uint64(round)
		r := rand.New(rand.NewPCG(seed, 7))
		cut := 1 + round*n/count + r.IntN(n/count+1)
		chance := r
		if round%2 == 0 {
			chance = nil
		}
		fsys := faultfs.New()
		acked := make(map[string]bool)
		var checkpoints [][]byte
		for run := range 2 {
			fsys.CutAt(cut)
			checkpoints = append(checkpoints, load(t, fsys, fmt.Sprintf("r%d", run), acked)...)
			fsys = fsys.Crash(chance)
		}
		if err := check(t.Context(), "/data", fsys, acked, checkpoints); err != nil {
			t.Errorf("round %d, cut at %d of %d: %v", round, cut, n, err)
		}
	}
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

// TestEvidence_Kill kills a process that writes under load, again and again in the same
// folder.
func TestEvidence_Kill(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	acked := make(map[string]bool)
	r := rand.New(rand.NewPCG(3, 9))
	for round := range rounds(t, 30) {
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
			if left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the child came to its end")
		}
	}
	if err := check(t.Context(), dir, journal.OS{}, acked, nil); err != nil {
		t.Error(err)
	}
	t.Logf("%d acknowledged", len(acked))
}
