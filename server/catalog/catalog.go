// Package catalog knows what a target database contains: tables, columns, types,
// functions, triggers, inheritance. It loads them from pg_catalog over a connection
// of the gateway's own and hands out immutable snapshots.
//
// It owns the connection, over which backends are ended too, the polling for changes and
// the snapshot. What a name in a statement means is left to sqlscan.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Options of a Catalog.
type Options struct {
	// Connect opens a connection of the gateway's own to the database; it is called
	// again after a failure.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	Poll    time.Duration    // how often to look for changes; default 1 s
	Idle    time.Duration    // polling stops and the connection closes when nobody asked for so long; default 1 min
	Now     func() time.Time // default time.Now
	Log     *slog.Logger     // default: discards
}

// staleAfter is how many polls may fail or be late before a snapshot is no longer
// handed out.
const staleAfter = 3

// queryTimeout bounds a look for changes and a load.
const queryTimeout = 30 * time.Second

// Catalog keeps the snapshot of one database fresh. Its methods may be called
// concurrently.
type Catalog struct {
	opts Options
	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // the poller

	work chan struct{} // holds one token: whoever has it uses conn
	conn *pgx.Conn     // nil where not connected

	mu      sync.Mutex // guards what follows
	closed  bool
	polling bool
	asked   time.Time // last call of Snapshot
	checked time.Time // when snap was last known to be true
	expired time.Time // a snapshot from before is not handed out
	pending int       // backends that may yet commit changes, see Unsettled
	endings []*ending // that nobody has asked for yet
	snap    *Snapshot
	lastErr error // of the last try; nil after success
	retryAt time.Time
	backoff time.Duration
}

// New makes a Catalog; it connects at the first Snapshot. The caller must Close it.
func New(opts Options) *Catalog {
	if opts.Poll <= 0 {
		opts.Poll = time.Second
	}
	if opts.Idle <= 0 {
		opts.Idle = time.Minute
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	c := &Catalog{opts: opts, work: make(chan struct{}, 1)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.work <- struct{}{}
	return c
}

// Snapshot is what the database contained at most a few polls ago. Where that is not
// known it asks the database first, and fails with a *hoop.Error (CodeUnavailable)
// when it does not answer.
func (c *Catalog) Snapshot(ctx context.Context) (*Snapshot, error) {
	now := c.opts.Now()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, unavailable(errClosed)
	}
	c.asked = now
	c.pollLocked()
	if c.pending == 0 && c.snap != nil && c.checked.After(c.expired) && now.Sub(c.checked) < staleAfter*c.opts.Poll {
		defer c.mu.Unlock()
		return c.snap, nil
	}
	if c.lastErr != nil && now.Before(c.retryAt) {
		defer c.mu.Unlock()
		return nil, unavailable(c.lastErr)
	}
	c.mu.Unlock()
	return c.update(ctx, now, false)
}

// pollLocked has changes looked for. c.mu is held.
func (c *Catalog) pollLocked() {
	if !c.polling {
		c.polling = true
		c.wg.Go(c.poll)
	}
}

// Expire has whoever asks next wait for what the database contains now: something in it
// was just changed.
func (c *Catalog) Expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired = c.opts.Now()
}

const (
	// settleEvery is how often it is looked whether a backend has ended.
	settleEvery = 20 * time.Millisecond
	// settleTime is how long that is looked for: another may have its process id.
	settleTime = 10 * time.Minute
)

// Unsettled is for when nobody hears whether a backend commits what it has changed, as when
// its client has left while a COMMIT waits for a standby: until it has ended, whoever asks
// for a Snapshot has the database asked. Then settled is called, at once where the catalog is closed.
func (c *Catalog) Unsettled(backend uint32, settled func()) {
	c.mu.Lock()
	c.pending++
	c.mu.Unlock()
	c.after(func() {
		c.awaitEnd(backend)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pending--
		c.expired = c.opts.Now()
	}, settled)
}

// Prepared is for when a transaction was prepared that has changed the catalog, which nobody
// sees until somebody ends it, past the gateway maybe: ended is called once all have ended that
// are prepared in the database now, or the catalog is closed.
func (c *Catalog) Prepared(ended func()) {
	c.after(func() {
		var now []string
		const all = "select coalesce(array_agg(transaction::text), '{}') from pg_catalog.pg_prepared_xacts where database = pg_catalog.current_database()"
		c.await(c.ctx, c.opts.Poll, func(ctx context.Context) (bool, error) { return true, c.one(ctx, all, nil, &now) })
		c.await(c.ctx, c.opts.Poll, func(ctx context.Context) (bool, error) {
			var there bool
			err := c.one(ctx, "select exists (select from pg_catalog.pg_prepared_xacts where transaction::text = any ($1))", []any{now}, &there)
			return !there, err
		})
	}, ended)
}

// after calls then when wait has returned, in the background; at once where the catalog is closed.
func (c *Catalog) after(wait, then func()) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.pollLocked() // it ends the connection that wait makes
		c.wg.Go(func() {
			wait()
			then()
		})
	}
	c.mu.Unlock()
	if closed {
		then()
	}
}

// awaitEnd returns when a backend of the database's has ended, or the catalog is closed.
func (c *Catalog) awaitEnd(backend uint32) {
	ctx, cancel := context.WithTimeout(c.ctx, settleTime)
	defer cancel()
	c.await(ctx, settleEvery, func(ctx context.Context) (bool, error) {
		var there bool
		err := c.one(ctx, "select exists (select from pg_catalog.pg_stat_activity where pid = $1)", []any{int64(backend)}, &there)
		return !there, err
	})
}

// await asks the database again and again until it is so, or ctx ends.
func (c *Catalog) await(ctx context.Context, every time.Duration, is func(context.Context) (bool, error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		done, err := is(ctx)
		switch {
		case err == nil && done:
			return
		case err == nil:
			tick.Reset(every)
		case ctx.Err() == nil:
			c.opts.Log.Warn("not known whether others' transactions have ended", "error", err)
			tick.Reset(time.Second)
		}
	}
}

// one asks the database for one value.
func (c *Catalog) one(ctx context.Context, sql string, args []any, value any) (err error) {
	select {
	case <-c.work:
		defer func() { c.work <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	asking, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if err := c.connected(asking); err != nil {
		return err
	}
	if err = c.conn.QueryRow(asking, sql, args...).Scan(value); err != nil {
		_ = c.disconnect() // its state is not known any more
	}
	return err
}

// Refresh asks the database now, whatever is known.
func (c *Catalog) Refresh(ctx context.Context) (*Snapshot, error) {
	return c.update(ctx, c.opts.Now(), true)
}

// Close ends polling and the connection.
func (c *Catalog) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.wg.Wait()
	<-c.work
	defer func() { c.work <- struct{}{} }()
	return c.disconnect()
}

var errClosed = errors.New("the catalog is closed")

// unavailable says why there is no catalog, as far as whoever asks may know.
func unavailable(err error) error {
	e := &hoop.Error{
		Code: hoop.CodeUnavailable, Message: "the gateway cannot read the target's catalog, so it cannot judge statements",
		Hint: "try again; an administrator finds the cause in the gateway's log",
	}
	if why := (*hoop.Error)(nil); errors.As(err, &why) {
		e.Message, e.Hint = e.Message+": "+why.Message, why.Hint
	}
	return e.Wrap(err)
}

// update makes sure that the snapshot is true at since or later. Callers that come
// while another one asks the database use its answer, unless they force their own.
func (c *Catalog) update(ctx context.Context, since time.Time, force bool) (*Snapshot, error) {
	select {
	case <-c.work:
		defer func() { c.work <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, unavailable(errClosed)
	}
	c.mu.Lock()
	old, fresh := c.snap, !c.checked.Before(since)
	c.mu.Unlock()
	if old != nil && fresh && !force {
		return old, nil
	}
	asking, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()

	started := c.opts.Now()
	snap, err := c.read(asking, old)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // whoever asked went away, which says nothing about the database
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.lastErr = err
		c.backoff = min(max(2*c.backoff, 250*time.Millisecond), 10*time.Second)
		c.retryAt = c.opts.Now().Add(c.backoff)
		c.opts.Log.Error("catalog not read", "error", err, "retry_in", c.backoff)
		return nil, unavailable(err)
	}
	c.snap, c.checked, c.lastErr, c.backoff = snap, started, nil, 0
	return snap, nil
}

// read gives old when nothing changed, a new snapshot otherwise.
func (c *Catalog) read(ctx context.Context, old *Snapshot) (_ *Snapshot, err error) {
	if err := c.connected(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil { // its state is not known any more
			_ = c.disconnect()
		}
	}()
	if old != nil {
		version, err := readVersion(ctx, c.conn)
		if err != nil {
			return nil, err
		}
		if version == old.Version {
			return old, nil
		}
	}
	started := time.Now()
	snap, err := load(ctx, c.conn)
	if err != nil {
		return nil, err
	}
	c.opts.Log.Info("catalog loaded", "tables", len(snap.tables), "took", time.Since(started))
	return snap, nil
}

// connected connects where there is no connection; the caller holds the work token.
func (c *Catalog) connected(ctx context.Context) (err error) {
	if c.conn != nil && !c.conn.IsClosed() {
		return nil
	}
	if c.conn, err = c.opts.Connect(ctx); err != nil {
		c.conn = nil
		return fmt.Errorf("connect for the catalog: %w", err)
	}
	return nil
}

// disconnect closes the connection; the caller holds the work token.
func (c *Catalog) disconnect() error {
	if c.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn := c.conn
	c.conn = nil
	return conn.Close(ctx)
}

// poll looks for changes until nobody asked for a while or the catalog is closed.
func (c *Catalog) poll() {
	tick := time.NewTicker(c.opts.Poll)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		if c.idle() {
			return
		}
		if c.backingOff() {
			continue
		}
		// An error is kept and logged by update, and told to whoever asks next.
		_, _ = c.update(c.ctx, c.opts.Now(), false)
	}
}

// idle ends polling when nobody asked for a while, and reports whether it did.
func (c *Catalog) idle() bool {
	select {
	case <-c.work:
		defer func() { c.work <- struct{}{} }()
	default:
		return false // somebody is asking
	}
	c.mu.Lock()
	quiet := c.pending == 0 && c.opts.Now().Sub(c.asked) >= c.opts.Idle
	if quiet {
		c.polling = false
	}
	c.mu.Unlock()
	if quiet {
		_ = c.disconnect() // nothing is lost with it
	}
	return quiet
}

func (c *Catalog) backingOff() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastErr != nil && c.opts.Now().Before(c.retryAt)
}
