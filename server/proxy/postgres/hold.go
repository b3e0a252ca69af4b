package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/session"
)

// watchLimit is how much of the client's input is kept while nobody handles it. A
// client that sends more is not watched beyond that.
const watchLimit = 1 << 20

// watcher reads the client while the goroutine that should do so waits for something
// else, so that a client that leaves is noticed.
type watcher struct {
	c    *conn
	done sync.WaitGroup
	quit chan struct{}
}

// watch calls left when the client closes or terminates. Only stop may follow on the
// same goroutine as far as c.in is concerned.
func (c *conn) watch(left func(error)) *watcher {
	w := &watcher{c: c, quit: make(chan struct{})}
	limit := c.in.buffered() + watchLimit
	w.done.Go(func() {
		if err := isolate(func() error { return w.read(limit) }); err != nil {
			left(err)
		}
	})
	return w
}

// read reads on until the client leaves, which is an error, or the watcher is stopped.
func (w *watcher) read(limit int) error {
	for w.c.in.buffered() < limit {
		if w.c.terminates() {
			return errTerminated
		}
		if err := w.c.in.append(); err != nil {
			select {
			case <-w.quit:
				return nil
			default:
				return errTerminated
			}
		}
	}
	return nil
}

// stop ends the watcher; what it read is in c.in.
func (w *watcher) stop() {
	close(w.quit)
	_ = w.c.nc.SetReadDeadline(longAgo)
	w.done.Wait()
	_ = w.c.nc.SetReadDeadline(time.Time{})
	if w.c.ctx.Err() != nil {
		_ = w.c.nc.SetReadDeadline(longAgo) // interrupt may have been before us
	}
}

// terminates looks for a Terminate message behind the one in hand.
func (c *conn) terminates() bool {
	b := c.in.buf[c.in.r:c.in.w]
	for first := true; ; first = false {
		kind, size, ok, err := headerOf(b)
		if err != nil || !ok {
			return false
		}
		if kind == 'X' && !first {
			return true
		}
		if size > len(b) {
			return false
		}
		b = b[size:]
	}
}

// judge takes a statement through the line. While it is held the client is told,
// watched, and may cancel; ask says what those who decide are told. held says that people
// agreed to it.
func (c *conn) judge(ask session.Ask, confirm func(context.Context) error) (run *session.Run, held bool, err error) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	var w *watcher
	var left bool
	ask.Held = func(h session.Hold) error {
		c.mu.Lock()
		c.hold = cancel
		if c.early.Load() == isOvertaken {
			cancel(errCancelled())
		}
		c.mu.Unlock()
		if w == nil { // others may have been asked before
			w = c.watch(func(err error) {
				left = true
				cancel(err)
			})
		}
		return c.held(ctx, h)
	}
	ask.Confirm = func() error { return confirm(ctx) }
	run, err = c.sess.Judge(ctx, ask)
	if w == nil {
		return run, false, err
	}
	c.mu.Lock()
	c.hold = nil
	c.mu.Unlock()
	w.stop()
	switch why := context.Cause(ctx); {
	case err == nil:
		return run, true, nil
	case left:
		return nil, true, errTerminated
	case why != nil && c.ctx.Err() == nil:
		return nil, true, why // a CancelRequest
	}
	return nil, true, err
}

// ready gives the client the answers to what came before, and tells why the target would
// not run the statement, whoever agreed to it: an earlier message of its pipeline failed,
// or its transaction did.
func (c *conn) ready(ctx context.Context, m *meaning) error {
	if err := c.barrier(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.skipping: // where the client hears nothing
		return hoop.Errorf(hoop.CodeConflict, "an earlier message of the pipeline failed")
	case c.status == 'E' && !m.analysis.Exits():
		aborted := &stateError{state: "25P02", message: "current transaction is aborted, commands ignored until end of transaction block"}
		return hoop.Errorf(hoop.CodeConflict, "%s", aborted.message).Wrap(aborted)
	}
	return nil
}

// held tells the client the number of the approval that it waits for.
func (c *conn) held(ctx context.Context, h session.Hold) error {
	who := "someone in group " + strings.Join(h.Groups, ", ") + " other than you"
	if h.Count > 1 {
		who = fmt.Sprintf("%d people in group %s other than you", h.Count, strings.Join(h.Groups, ", "))
	}
	r := report{
		severity: "NOTICE", state: "00000",
		message: fmt.Sprintf("approval %d needed: %s", h.ID, strings.TrimPrefix(h.Reason, "needs approval: ")),
		hint: fmt.Sprintf("hoopctl approve %d (%s; expires in %s)", h.ID, who,
			hoop.Duration(time.Until(h.ExpiresAt).Round(time.Second))),
	}
	if h.InTx {
		r.detail = "a transaction is open: its locks are kept meanwhile, so there is a minute at most"
	}
	return c.tell(ctx, r)
}
