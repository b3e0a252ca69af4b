package audit_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// Those who append wait for the consumers when much is under way, and the consumers
// must not wait for them.
func TestLog_AppendersAndConsumersDoNotWaitForEachOther(t *testing.T) {
	fsys := faultfs.New()
	j, err := journal.Open("/d/journal", journal.Options{FS: fsys, SegmentBytes: 2 << 10, BatchBytes: 2 << 10, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.Open(audit.Options{Dir: "/d/audit", Keys: "/d/keys", Origin: "x", Journal: j, FS: fsys, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for range 200 {
				if _, err := l.Append(&hoop.Event{Type: hoop.EventSignIn, Subject: fmt.Sprint(w)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if l.Size() != 1600 {
		t.Errorf("size %d", l.Size())
	}
	last := int64(0)
	for e, err := range l.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.Mono < last {
			t.Errorf("event %d: mono_ns %d after %d", e.Index, e.Event.Mono, last)
		}
		last = e.Event.Mono
	}
	if err := errors.Join(l.Close(), j.Close()); err != nil {
		t.Error(err)
	}
}
