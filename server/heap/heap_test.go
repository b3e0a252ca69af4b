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
	Reserve()
	once := goal(t)
	if once < 2*Room {
		t.Errorf("the heap may grow to %d bytes: want %d, which are those reserved and as many of garbage", once, 2*Room)
	}
	Reserve()
	if twice := goal(t); twice > once+Room {
		t.Errorf("the heap may grow to %d bytes after a second call, %d before it", twice, once)
	}
}
