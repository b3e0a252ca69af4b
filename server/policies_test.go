package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// A text that was kept before an event names it is there after a kill or a power cut.
func TestPolicies_PowerCut(t *testing.T) {
	text := func(i int) []byte { return fmt.Appendf(nil, `{"data":%d}`, i) }
	run := func(fsys *faultfs.FS, from int) (kept []int) {
		p := policies{fsys, "/data/policies"}
		for i := from; i < from+3; i++ {
			if p.keep(text(i)) == nil {
				kept = append(kept, i)
			}
		}
		return kept
	}
	whole := faultfs.New()
	run(whole, 0)
	for cut := 1; cut <= whole.Ops()+1; cut++ {
		for way := range 8 {
			chance := rand.New(rand.NewPCG(uint64(cut), uint64(way)))
			fsys := faultfs.New()
			fsys.CutAt(cut)
			kept := run(fsys, 0)
			if way%2 == 1 {
				fsys = fsys.Kill()
				fsys.CutAt(1 + chance.IntN(whole.Ops()))
				kept = append(kept, run(fsys, way%4)...) // the same texts, or others too
			}
			if way < 2 {
				chance = nil
			}
			p := policies{fsys.Crash(chance), "/data/policies"}
			for _, i := range kept {
				sum := sha256.Sum256(text(i))
				if got, err := p.text(hex.EncodeToString(sum[:])); err != nil || string(got) != string(text(i)) {
					t.Fatalf("cut at %d: text %d: %q, %v", cut, i, got, err)
				}
			}
		}
	}
}
