package journal

import (
	"fmt"
	"runtime"
	"time"
)

// write is the writer: batch after batch until the journal is closed or has failed.
func (j *Journal) write() {
	defer close(j.written)
	defer close(j.queue)
	defer func() {
		if j.Failed() != nil {
			_ = j.file.Close() // what it says about a failed file changes nothing
		}
	}()
	for {
		b, last := j.take()
		if b == nil {
			return
		}
		if err := j.commit(b); err != nil {
			j.Fail(err)
			return
		}
		if last {
			return
		}
	}
}

// take waits for a batch to write; nil means that the journal has failed. The last
// batch ends with a mark of its own, which vouches for all before it.
func (j *Journal) take() (b *batch, last bool) {
	for {
		select {
		case <-j.wake:
		case <-j.timer.C:
		case <-j.broken:
			return nil, false
		}
		// Those whom the last batch woke are about to append their next record: without
		// this the first of them would get an fsync of its own and the others wait for
		// two (measured with 8 writers and an fsync of 1 ms: twice the records).
		runtime.Gosched()
		j.mu.Lock()
		if j.err != nil {
			j.mu.Unlock()
			return nil, false
		}
		b, last = j.current, j.closed
		if len(b.buf) == 0 && !last {
			j.mu.Unlock()
			continue
		}
		if last {
			b.buf = j.codec.appendMark(b.buf, b.base+Pos(len(b.buf)))
		}
		j.timer.Stop()
		j.flying = b
		next := new(batch)
		if n := len(j.spare); n > 0 {
			next, j.spare = j.spare[n-1], j.spare[:n-1]
		}
		next.base = b.base + Pos(len(b.buf))
		j.current = next
		j.room.Broadcast()
		j.mu.Unlock()
		return b, last
	}
}

// commit makes a batch durable, tells those who wait, and hands it to the applier.
func (j *Journal) commit(b *batch) error {
	watch := time.AfterFunc(j.opt.Timeout, func() {
		j.Fail(fmt.Errorf("writing the journal, or what is kept from it, took longer than %s", j.opt.Timeout))
	})
	defer watch.Stop()
	active := j.active()
	if active.size > 0 && active.size+int64(len(b.buf)) > j.opt.SegmentBytes {
		if err := j.startSegment(b.base); err != nil {
			return fmt.Errorf("start journal segment: %w", err)
		}
		active = j.active()
	}
	if _, err := j.file.WriteAt(b.buf, headerBytes+active.size); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	if !j.publish(b) {
		return nil
	}
	select {
	case j.queue <- b:
	case <-j.broken:
	}
	return nil
}

func (j *Journal) active() segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[len(j.segments)-1]
}

// publish wakes those who wait for a batch; false when the journal failed meanwhile,
// and they were told so.
func (j *Journal) publish(b *batch) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flying = nil
	if j.err != nil {
		return false
	}
	j.durable = b.base + Pos(len(b.buf))
	j.oldest.Store(0)
	if len(j.current.buf) > 0 {
		j.oldest.Store(j.current.since)
	}
	j.segments[len(j.segments)-1].size += int64(len(b.buf))
	if b.done != nil {
		close(b.done)
		b.done = nil
	}
	return true
}
