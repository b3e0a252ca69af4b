package journal_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// which of several operations of one kind, on one file or below one folder, the disk has.
type which func(nth int) bool

func none(int) bool       { return false }
func all(int) bool        { return true }
func first(n int) bool    { return n == 0 }
func notFirst(n int) bool { return n > 0 }

// ends are ways in which a run may end, the worst ones, none by chance: a kill -9, and power
// cuts that differ in what the disk has of what was not synced.
var ends = []struct {
	name                string
	came, written, gone which // names, writes of each file, names that were removed
}{
	{name: "kill -9"},
	{"all is lost", none, none, none},
	{"all is there", all, all, all},
	{"names came, without bytes", all, none, none},
	{"nothing was removed", all, all, none},
	{"bytes are lost", all, none, all},
	{"names are lost", none, all, none},
	{"files without their beginning", all, notFirst, all},
	{"files with no more than it", all, first, all},
	{"the first name to be removed stayed", all, all, notFirst},
}

// end ends a run in the nth way.
func end(fsys *faultfs.FS, n int) *faultfs.FS {
	how := ends[n]
	if how.came == nil {
		return fsys.Kill()
	}
	written, gone := make(map[string]int), 0
	return fsys.CrashWith(func(op faultfs.Op, name string) bool {
		switch op {
		case faultfs.OpRemove:
			gone++
			return how.gone(gone - 1)
		case faultfs.OpWrite, faultfs.OpCutFile:
			written[name]++
			return how.written(written[name] - 1)
		}
		return how.came(0)
	})
}

// A run ends anywhere, a start after it ends anywhere, each in every way; the next start
// finds what was acknowledged. No step is left to chance: one writer waits for each record.
func TestOpen_PowerCutTwice(t *testing.T) {
	for finished, cut := false, 1; !finished && !t.Failed(); cut++ {
		for n := range ends {
			fsys, k, acked := faultfs.New(), &keeper{}, make(map[string]bool)
			fsys.CutAt(cut)
			finished = workload(t, fsys, k, "1", 1, 4, acked)
			cutAgain(t, fmt.Sprintf("cut at %d, %s", cut, ends[n].name), end(fsys, n), k.crash(), acked)
		}
	}
}

// cutAgain cuts a start, which is to bring its consumer what the journal has, at each of its
// operations, and starts once more.
func cutAgain(t *testing.T, when string, fsys *faultfs.FS, k *keeper, acked map[string]bool) {
	t.Helper()
	for started, cut := false, 1; !started && !t.Failed(); cut++ {
		for n := range ends {
			next, k := fsys.Kill(), k.crash() // copies
			next.CutAt(cut)
			j, err := journal.Open("/data/journal", journal.Options{Log: quiet, FS: next})
			if err == nil {
				err = errors.Join(j.Consume(k, journal.KindEvent), j.Close())
			}
			if started = err == nil; !started && !errors.Is(err, faultfs.ErrCut) {
				t.Fatalf("%s: %v", when, err)
			}
			kept(t, fmt.Sprintf("%s, then at %d, %s", when, cut, ends[n].name), end(next, n), k.crash(), acked)
		}
	}
}
