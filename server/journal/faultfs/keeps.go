package faultfs

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Keeps fails the test where what run made is not what run gives after a kill or a power
// cut, at whatever operation. run opens what there is or makes it, and gives it; nil where
// that failed.
func Keeps(t *testing.T, run func(*FS) []byte) {
	t.Helper()
	whole := New()
	run(whole)
	for cut := 1; cut <= whole.Ops()+1; cut++ {
		for way := range 8 {
			chance := rand.New(rand.NewPCG(uint64(cut), uint64(way)))
			fsys := New()
			fsys.CutAt(cut)
			made := run(fsys)
			if way%2 == 1 {
				fsys = fsys.Kill()
				fsys.CutAt(1 + chance.IntN(whole.Ops()+1))
				if again := run(fsys); made == nil {
					made = again
				} else if again != nil && !bytes.Equal(again, made) {
					t.Fatalf("cut at %d: another one after a kill", cut)
				}
			}
			if way < 2 {
				chance = nil
			}
			again := run(fsys.Crash(chance))
			if again == nil || made != nil && !bytes.Equal(again, made) {
				t.Fatalf("cut at %d, way %d: it is gone: made %v, again %v", cut, way, made != nil, again != nil)
			}
		}
	}
}
