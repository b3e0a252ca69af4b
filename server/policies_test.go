package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
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

// A text that was changed while the gateway was down is named, where a bundle wants it
// and where the policy comes into force again; nothing is written over it.
func TestPolicies_Tampered(t *testing.T) {
	text := func(i int) []byte { return fmt.Appendf(nil, `{"data":%d}`, i) }
	revision := func(i int) string { sum := sha256.Sum256(text(i)); return hex.EncodeToString(sum[:]) }
	for way, change := range map[string]func(b []byte) []byte{
		"flip a bit": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"truncate":   func(b []byte) []byte { return b[:len(b)-1] },
		"empty":      func([]byte) []byte { return nil },
		"append":     func(b []byte) []byte { return append(b, '\n') },
		"reorder":    func(b []byte) []byte { return append(b[len(b)/2:], b[:len(b)/2]...) },
		"swap":       func([]byte) []byte { return text(1) },
	} {
		t.Run(way, func(t *testing.T) {
			p := policies{faultfs.New(), "/data/policies"}
			for i := range 3 {
				if err := p.keep(text(i)); err != nil {
					t.Fatal(err)
				}
			}
			changed := change(text(0))
			if err := journal.WriteFile(p.fs, p.file(revision(0)), changed); err != nil {
				t.Fatal(err)
			}
			_, err := p.text(revision(0))
			for what, err := range map[string]error{"reading": err, "keeping": p.keep(text(0))} {
				if err == nil || hoop.AsError(err).Code == hoop.CodeNotFound ||
					!strings.Contains(err.Error(), "policies/"+revision(0)+".json") || !strings.Contains(err.Error(), "was changed") {
					t.Errorf("%s: %v", what, err)
				}
			}
			if b, err := journal.ReadFile(p.fs, p.file(revision(0))); err != nil || !bytes.Equal(b, changed) {
				t.Errorf("it was written over: %q, %v", b, err)
			}
			if _, err := p.text(revision(2)); err != nil {
				t.Error(err)
			}
		})
	}
	p := policies{faultfs.New(), "/data/policies"}
	if _, err := p.text(revision(0)); hoop.AsError(err).Code != hoop.CodeNotFound {
		t.Errorf("a text that was dropped: %v", err)
	}
}
