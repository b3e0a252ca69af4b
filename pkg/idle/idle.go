// Package idle gives a program's memory back to the system soon after it has had work,
// rather than when Go's collector next has a reason to look: a gateway with hundreds of
// connections that wait holds what they need, not what they once needed.
package idle

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	pace = time.Second
	// quiet is how many bytes a program allocates between two looks while it does nothing
	// but wait, keep connections alive and tell the time.
	quiet = 512 << 10
	// worth is how many bytes must have been allocated since memory was last given back.
	worth = 4 << 20
	// rounds is how often the collector runs in a row, at most. Each halves stacks that are
	// mostly unused, and the second empties what the first left in pools (sync.Pool).
	rounds = 4
	// again is the part of what the program holds that a round must have given back to be
	// worth another.
	again = 32
)

// Run gives memory back, whenever the program comes to rest, until ctx ends.
func Run(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	w := watch{allocated: allocated, held: held, giveBack: debug.FreeOSMemory}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.look()
		}
	}
}

// watch knows what was allocated at the last look, and when memory was last given back.
type watch struct {
	allocated  func() uint64
	held       func() uint64
	giveBack   func()
	last, done uint64
}

func (w *watch) look() {
	now := w.allocated()
	if now-w.last < quiet && now-w.done > worth {
		w.rest()
		now = w.allocated()
		w.done = now
	}
	w.last = now
}

// rest gives back what there is.
func (w *watch) rest() {
	before := w.held()
	for range rounds {
		w.giveBack()
		after := w.held()
		if after+before/again > before {
			return
		}
		before = after
	}
}

// allocated is the count of bytes allocated since the program began.
func allocated() uint64 { return read("/gc/heap/allocs:bytes") }

// held is how many bytes of the system's the program holds for objects and stacks.
func held() uint64 {
	return read("/memory/classes/total:bytes") - read("/memory/classes/heap/released:bytes")
}

func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
