package keyed

import (
	"context"
	"errors"
	"testing"
)

func TestLocks(t *testing.T) {
	var k Locks
	unlock, err := k.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := k.Lock(t.Context(), "b") // does not wait
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := k.Lock(ended, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("a lock that is held: %v", err)
	}
	next := make(chan error)
	go func() {
		unlock, err := k.Lock(t.Context(), "a")
		if err == nil {
			unlock()
		}
		next <- err
	}()
	unlock()
	if err := <-next; err != nil {
		t.Error(err)
	}
	other()
	if len(k.m) != 0 {
		t.Errorf("%d locks are left", len(k.m))
	}
}
