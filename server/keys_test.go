package server

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// A secret that was used is the secret after a kill or a power cut, at whatever moment: it
// is not made anew, nor torn.
func TestSecretFile_PowerCut(t *testing.T) {
	run := func(fsys *faultfs.FS) []byte {
		if journal.MakeDir(fsys, "/data/keys") != nil {
			return nil
		}
		b, err := secretFile(fsys, "/data/keys/mask.key")
		if err != nil {
			return nil
		}
		return b
	}
	whole := faultfs.New()
	run(whole)
	for cut := 1; cut <= whole.Ops()+1; cut++ {
		for way := range 8 {
			chance := rand.New(rand.NewPCG(uint64(cut), uint64(way)))
			fsys := faultfs.New()
			fsys.CutAt(cut)
			key := run(fsys)
			if way%2 == 1 {
				fsys = fsys.Kill()
				fsys.CutAt(1 + chance.IntN(whole.Ops()+1))
				if again := run(fsys); key == nil {
					key = again
				} else if again != nil && !bytes.Equal(again, key) {
					t.Fatalf("cut at %d: another secret after a kill", cut)
				}
			}
			if way < 2 {
				chance = nil
			}
			again := run(fsys.Crash(chance))
			if again == nil || key != nil && !bytes.Equal(again, key) {
				t.Fatalf("cut at %d, way %d: the secret is gone: used %v, again %v", cut, way, key != nil, again != nil)
			}
		}
	}
}
