package heap

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

// goal is the size of the heap, in bytes, at which the next collection ends.
func goal(t *testing.T) uint64 {
	t.Helper()
	runtime.GC()
	s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		t.Fatalf("%s is no number of bytes", s[0].Name)
	}
	return s[0].Value.Uint64()
}

func TestReserve(t *testing.T) {
	before := goal(t)
	release := Reserve()
	during := goal(t)
	release()
	after := goal(t)
	if during < before+Room {
		t.Errorf("the heap may grow to %d bytes, %d before: want %d more", during, before, Room)
	}
	if after > during-Room {
		t.Errorf("the heap may grow to %d bytes after the release, %d while reserved", after, during)
	}
}
