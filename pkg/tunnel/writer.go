package tunnel

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxFrame is the most bytes of data in one frame that we send: a stream with much to
	// say lets others in between.
	maxFrame = 64 << 10
	// maxQueued is how much may wait while another write is on its way; streams with more
	// wait too.
	maxQueued = 256 << 10
	// maxControl is how much more than that may wait of frames that nobody can wait
	// with: answers to pings, windows, resets. Who makes us queue so many reads none.
	maxControl = 1 << 20
	// leadRounds is how many writes one caller does for others after its own.
	leadRounds = 2
	// maxAlone bounds how rarely a writer tries to share its write: every 64th time.
	maxAlone = 6
	// keptBuffer is the most that an idle tunnel keeps of a buffer for frames.
	keptBuffer = 16 << 10
)

// writer puts frames on the connection. Whoever has something to send while nobody
// else is sending sends it, without handing it to another goroutine; what others add
// meanwhile goes out in one write afterwards. Errors stick.
type writer struct {
	conn io.Writer
	wire *wire         // beneath conn; nil where there is none
	fail func(error)   // called once, with no lock held
	done atomic.Uint64 // pieces that were written
	room sync.Cond     // the queue was taken, or err is set
	mu   sync.Mutex    // guards what follows; room's too
	out  []byte        // frames not yet taken
	old  []byte        // room to use again
	lead bool          // somebody is writing
	err  error         //
	turn uint64        // how often those who wait for room were told to look again

	alone int // how often in a row letting others add to a write brought nothing
	rest  int // writes until that is tried again
}

var errFlood = errors.New("the other end makes us answer and reads nothing")

// frame queues a frame. Where lead is true the caller must call flush, after unlocking
// what it has locked. Where full is not 0 there was no room for the body and nothing
// was queued: the caller gives it to awaitRoom, and tries again.
func (w *writer) frame(h header, body []byte) (lead bool, full uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return false, 0 // the streams tell it
	}
	if len(w.out) >= maxQueued {
		if body != nil {
			return false, w.turn + 1
		}
		if len(w.out) >= maxQueued+maxControl {
			w.failLocked(errFlood)
			return false, 0
		}
	}
	w.out = append(appendHeader(w.out, h), body...)
	if w.lead {
		return false, 0
	}
	w.lead = true
	return true, 0
}

// flush writes the queue. It is for whom frame told to.
func (w *writer) flush() {
	w.mu.Lock()
	w.gatherLocked()
	for range leadRounds {
		if !w.writeLocked() {
			w.mu.Unlock()
			return
		}
	}
	w.mu.Unlock()
	// Others never stop: this caller has waited for them long enough.
	go w.flushAll()
}

func (w *writer) flushAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.writeLocked() {
	}
}

// gatherLocked lets those who are ready to run add their frames, so that they share a
// record, a system call and what these wake at the other end. Where nobody does, it is
// tried less and less. mu is held, but not while they run.
func (w *writer) gatherLocked() {
	if w.rest > 0 {
		w.rest--
		return
	}
	before := len(w.out)
	w.mu.Unlock()
	runtime.Gosched()
	w.mu.Lock()
	if len(w.out) > before {
		w.alone = 0
		return
	}
	w.alone = min(w.alone+1, maxAlone)
	w.rest = 1<<w.alone - 1
}

// writeLocked writes what is queued now; true says that more has come meanwhile. mu is
// held, but not while it writes.
func (w *writer) writeLocked() (more bool) {
	b := w.out
	w.out, w.old = w.old[:0], nil
	w.mu.Unlock()
	err := w.write(b)
	w.mu.Lock()
	if cap(b) <= keptBuffer || len(w.out) > 0 && cap(b) <= 2*maxQueued {
		w.old = b[:0]
	}
	if err != nil {
		w.failLocked(err)
	}
	w.room.Broadcast()
	if w.err == nil && len(w.out) > 0 {
		return true
	}
	w.lead = false
	return false
}

// maxRecord is what one TLS record carries (RFC 8446 §5.1).
const maxRecord = 16 << 10

// write writes b in pieces, so that whoever watches sees a slow connection get on.
func (w *writer) write(b []byte) error {
	for len(b) > 0 {
		piece := b[:min(len(b), maxFrame+headerSize)]
		b = b[len(piece):]
		if err := w.writePiece(piece); err != nil {
			return err
		}
		w.done.Add(1)
	}
	return nil
}

func (w *writer) writePiece(b []byte) error {
	if w.wire == nil || len(b) <= maxRecord {
		_, err := w.conn.Write(b)
		return err
	}
	w.wire.hold()
	_, err := w.conn.Write(b)
	return errors.Join(err, w.wire.release())
}

func (w *writer) failLocked(err error) {
	if w.err != nil {
		return
	}
	w.err = err
	w.out, w.old = nil, nil
	w.room.Broadcast()
	go w.fail(err)
}

// end makes all who wait and all who come learn err.
func (w *writer) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		w.out, w.old = nil, nil
	}
	w.room.Broadcast()
}

// awaitRoom returns when the queue was taken, or when wake was called since frame gave
// full.
func (w *writer) awaitRoom(full uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && len(w.out) >= maxQueued && full == w.turn+1 {
		w.room.Wait()
	}
}

// wake has those in awaitRoom look again.
func (w *writer) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn++
	w.room.Broadcast()
}

// drain returns when all that is queued was written, after d at the latest.
func (w *writer) drain(d time.Duration) {
	late := false
	timer := time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		late = true
		w.room.Broadcast()
	})
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && !late && (w.lead || len(w.out) > 0) {
		w.room.Wait()
	}
}

// busy tells how many pieces were written, and whether one is on its way.
func (w *writer) busy() (number uint64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done.Load(), w.lead
}
