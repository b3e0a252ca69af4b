package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/session"
)

const (
	// windowSize is how much of an answer is gathered while the target has more.
	windowSize = 256 << 10
	// releaseSize is the most that is put on record, and released, at once.
	releaseSize = 1 << 20
)

// answerer is the goroutine that reads the target, masks, records and answers.
type answerer struct {
	*conn
	in     *reader      // what the target sends
	raw    int          // where in in.buf relayed bytes begin that are not in window yet
	win    []byte       // to the client, not released yet
	run    *running     // the last statement that win answers
	denied *session.Run // one behind it that was refused

	left     int         // bytes still to come of a message that is relayed in parts
	withheld bool        // the transaction has run a statement whose texts are withheld
	rows     *expected   // whose rows are coming; nil where that is to be found out
	row      []byte      // a masked row; its room is used again
	encoded  []byte      // a message in the client's encoding; the same
	mute     bool        // what is read is not for the client
	long     *longRow    // a masked row that is too long to be held; nil where there is none
	fatality error       // the target's last word was relayed: it has ended the connection
	kept     kept        // a tag that waits for the end of its transaction
	masks    *mask.Rules // in force when what is being read came; nil until they are asked for

	stopped chan struct{} // closed when loop has returned
}

func newAnswerer(c *conn) *answerer {
	return &answerer{conn: c, in: newReader(c.up.Conn), stopped: make(chan struct{})}
}

// loop relays until the target closes or something is wrong. It never returns nil.
func (a *answerer) loop() error {
	for {
		filled, err := a.in.fill()
		if err != nil {
			return a.upstreamError(err)
		}
		a.raw, a.masks = a.in.r, nil
		if err := a.messages(); err != nil {
			if ferr := a.flush(); ferr != nil && a.ctx.Err() == nil {
				return ferr
			}
			return err
		}
		if filled && a.pending() < windowSize && moreToRead(a.up.Conn) {
			a.keep()
			continue
		}
		if err := a.flush(); err != nil {
			return err
		}
	}
}

func (a *answerer) upstreamError(err error) error {
	if a.ctx.Err() != nil {
		return errInterrupted
	}
	if errors.Is(err, syscall.ETIMEDOUT) { // of keepalives
		return fmt.Errorf("%w: %w: %w", errSilent, errUpstreamGone, err)
	}
	return targetLeft(err)
}

func targetLeft(err error) error {
	return hoop.Errorf(hoop.CodeShuttingDown, "the target closed the connection").
		WithHint("connect again; the local port stays open").Because(hoop.CauseTarget).Wrap(errors.Join(errUpstreamGone, err))
}

// errInterrupted says that the connection was ended elsewhere.
var errInterrupted = errors.New("interrupted")

// messages handles what is in the buffer.
func (a *answerer) messages() error {
	a.conn.mu.Lock()
	a.settled = false
	a.conn.mu.Unlock()
	for {
		if a.long != nil {
			if over, err := a.longColumns(); !over || err != nil {
				return err
			}
			continue
		}
		if a.left > 0 {
			n := min(a.left, a.in.buffered())
			if n == 0 {
				return nil
			}
			a.relayed(n)
			a.left -= n
			continue
		}
		kind, size, ok, err := a.in.header()
		if err != nil {
			return a.fault("%v", err)
		}
		if !ok {
			return nil
		}
		if a.in.buffered() < size {
			streams, err := a.streams(kind, size)
			if !streams {
				return err
			}
			continue
		}
		if err := a.message(kind, a.in.bytes(size)); err != nil {
			return err
		}
		if a.pending() >= windowSize {
			if err := a.flush(); err != nil {
				return err
			}
		}
	}
}

// streams begins to relay a long message in parts where nobody needs it whole.
func (a *answerer) streams(kind byte, size int) (bool, error) {
	if size <= streamFrom {
		return false, nil
	}
	if e := a.head(); e != nil && e.looks != nil && size <= a.proxy.cfg.MaxRow {
		return false, nil
	}
	if a.charset.Load() != nil { // it is converted whole
		if size > a.proxy.cfg.MaxRow {
			return false, hoop.Errorf(hoop.CodeTooLarge, "a message of %d bytes must be converted to %s, the limit is %d", size, a.charset.Load(), a.proxy.cfg.MaxRow).
				WithHint(hintEncoding)
		}
		return false, nil
	}
	switch kind {
	case 'D':
		masked, err := a.masked()
		if err != nil {
			return false, err
		}
		if masked && size <= a.proxy.cfg.MaxRow {
			return false, nil
		}
		if err := a.run.row(); err != nil {
			return false, err
		}
		if masked {
			a.drop(headerSize)
			a.long = newLongRow(size, a.proxy.cfg.MaxRow, a.run.plan.Columns)
			return true, nil
		}
		a.run.gave(size)
	case 'd':
		if a.rules().Values() {
			if size > a.proxy.cfg.MaxRow {
				return false, tooLong(size, a.proxy.cfg.MaxRow)
			}
			return false, nil
		}
		e, err := a.copyOut()
		if err != nil {
			return false, err
		}
		e.run.gave(size - headerSize)
	default:
		if size > a.proxy.cfg.MaxRow {
			return false, a.fault("a message of type %q has %d bytes", kind, size)
		}
		return false, nil
	}
	a.left = size
	return true, nil
}

// tooLong refuses a row that must be masked and is too long for it.
func tooLong(size, limit int) error {
	return hoop.Errorf(hoop.CodeTooLarge, "a row of %d bytes must be masked, the limit is %d", size, limit).
		WithHint("select masked columns first, or fewer or shorter columns, for example with left(column, n)")
}

// fault is something that the target must not send.
func (a *answerer) fault(format string, args ...any) error {
	return hoop.Errorf(hoop.CodeInternal, "the target's answer does not fit what was asked").
		WithHint("see the gateway's log").Wrap(fmt.Errorf(format, args...))
}

// relayed passes on the next n bytes as they are, unless the client has an error in
// their place.
func (a *answerer) relayed(n int) {
	if a.mute {
		a.drop(n)
		return
	}
	a.in.r += n
}

// keep moves what was relayed into the window, before something else goes there or
// the buffer moves.
func (a *answerer) keep() {
	if len(a.win) == 0 && cap(a.win) <= keptSize && a.in.r-a.raw > keptSize {
		a.win = window()
	}
	a.win = append(a.win, a.in.buf[a.raw:a.in.r]...)
	a.raw = a.in.r
}

// drop takes the next n bytes out; what stands in their place may be appended to win.
func (a *answerer) drop(n int) {
	a.keep()
	a.in.r += n
	a.raw = a.in.r
}

func (a *answerer) pending() int { return len(a.win) + a.in.r - a.raw }

// flush puts the window on record and, once that allows, sends it to the client.
func (a *answerer) flush() error {
	wire := a.in.buf[a.raw:a.in.r]
	if len(a.win) > 0 {
		a.keep()
		wire = a.win
	}
	if len(wire) > 0 {
		if err := a.write(wire); err != nil {
			return err
		}
	}
	a.raw = a.in.r
	a.win, a.row, a.encoded = trim(a.win), trim(a.row), trim(a.encoded)
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	a.settled = true
	a.cond.Broadcast()
	return nil
}

func (a *answerer) write(wire []byte) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	for len(wire) > 0 {
		part := wire[:min(len(wire), releaseSize)]
		wire = wire[len(part):]
		if err := a.sess.Release(a.ctx, a.session(), part); err != nil {
			if a.ctx.Err() != nil {
				return errInterrupted
			}
			return err
		}
		if err := a.writeLocked(part); err != nil {
			return err
		}
		// Until the last byte is out, nothing else may be put in between.
		a.partial = a.left > 0 || a.long != nil && a.long.sent || len(wire) > 0
	}
	return nil
}

// message handles one message that is complete in the buffer.
func (a *answerer) message(kind byte, m []byte) error {
	if kind == 'D' {
		return a.dataRow(m)
	}
	a.rows = nil
	e := a.head()
	if e != nil && e.looks != nil && kind != 'A' {
		return a.looks(e, kind, m)
	}
	if a.charset.Load() != nil {
		a.mute = e != nil && e.unconverted && kind != 'N' && kind != 'A' && kind != 'S'
		defer func() { a.mute = false }()
	}
	switch kind {
	case 'd':
		if a.mute {
			a.drop(len(m))
			return nil
		}
		e, err := a.copyOut()
		if err != nil {
			return err
		}
		return a.copyRow(e, m)
	case 'c':
		a.relayed(len(m))
		return nil
	case 'N':
		return a.notice(m)
	case 'A', 'S':
		handle := a.notification
		if kind == 'S' {
			handle = a.parameterStatus
		}
		if a.kept.run != nil {
			return a.meanwhile(m, handle)
		}
		return handle(m)
	case 'E':
		return a.failure(m)
	}
	if e == nil {
		return a.fault("message of type %q while nothing was asked", kind)
	}
	if e.injected && e.kind != 'D' {
		return a.unseen(e, kind, m)
	}
	a.answers(e)
	if e.closes && kind == 'C' {
		a.drop(len(m))
		a.giveTag()
		return nil
	}
	switch kind {
	case 'Z':
		a.mute = false
		switch {
		case e.keeps:
			return a.between(e, m)
		case e.closes:
			a.giveTag()
		case e.unconverted:
			a.failed(m)
		}
		return a.ready(e, m)
	case '1':
		return a.done(e, 'P', m)
	case '2':
		return a.done(e, 'B', m)
	case '3':
		return a.done(e, 'C', m)
	case 't':
		a.relayed(len(m))
		a.parameters(e, m)
		return a.expect(e, 'D')
	case 'n', 'T':
		return a.description(e, kind, m)
	case 'C':
		return a.complete(e, m)
	case 'I':
		return a.ended(e, m, "")
	case 's':
		return a.done(e, 'E', m)
	case 'V':
		return a.functionResult(e, m)
	case 'G':
		return a.copyIn(e, m)
	case 'H':
		return a.copyBegins(e, m)
	}
	return a.fault("message of type %q (%d bytes)", kind, len(m))
}

// answers notes which statement is being answered.
func (a *answerer) answers(e *expected) {
	if e.run != nil {
		a.run, a.denied = e.run, nil
		a.withheld = a.withheld || e.run.withheld
	}
	a.withheld = a.withheld || e.withheld
}

// parameters notes of which types the parameters are, by a ParameterDescription: 2B count +
// 4B types. Those who decide can read binary values then.
func (a *answerer) parameters(e *expected, m []byte) {
	if e.asks == nil {
		return
	}
	f := fields{b: m[headerSize:]}
	types := make([]uint32, 0, 8)
	for range f.uint16() {
		types = append(types, f.uint32())
	}
	if f.done() != nil {
		return
	}
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	e.asks.told = types
}

func (a *answerer) expect(e *expected, kind byte) error {
	if e.kind != kind {
		return a.fault("answer to a message of type %q while one to %q is due", kind, e.kind)
	}
	return nil
}

// done relays the only answer to a message.
func (a *answerer) done(e *expected, kind byte, m []byte) error {
	if err := a.expect(e, kind); err != nil {
		return err
	}
	if e.ahead {
		a.drop(len(m))
	} else {
		a.relayed(len(m))
	}
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	if e.unconverted {
		a.fails = 'P' // PortalSuspended
	}
	if e.once {
		e.run.end("FETCH", "")
	}
	e.settle(-1, true)
	a.popLocked()
	return nil
}

// complete: CommandComplete, a tag + NUL.
func (a *answerer) complete(e *expected, m []byte) error {
	tag := string(bytes.TrimSuffix(m[headerSize:], []byte{0}))
	return a.ended(e, m, tag)
}

// ended relays the end of a command: of one among several in a Query message, or of an
// Execute.
func (a *answerer) ended(e *expected, m []byte, tag string) error {
	if e.run == nil || e.kind != 'Q' && e.kind != 'E' {
		return a.fault("end of a command while an answer to %q is due", e.kind)
	}
	keeps := e.keeps && !e.unconverted && (e.kind == 'E' || e.tags+1 >= e.run.commands)
	if keeps {
		a.keepTag(e, m, tag)
	} else {
		a.relayed(len(m))
	}
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	e.copying = false
	e.settle(e.tags, true)
	e.run.completed(e.tags, tag)
	e.tags++
	if e.kind == 'Q' {
		e.run.planned, e.run.plan, e.run.columns = false, nil, nil // rows of the next command have a description
		if e.tags < e.run.commands {
			return nil
		}
	}
	if !keeps {
		e.run.end(tag, "")
	}
	if e.kind == 'E' {
		e.settle(-1, !e.unconverted)
		if e.unconverted {
			a.fails = 'P'
		}
		a.popLocked()
	}
	return nil
}

// copyIn: CopyInResponse. The client may send data now.
func (a *answerer) copyIn(e *expected, m []byte) error {
	a.relayed(len(m))
	if e.run == nil || e.kind != 'Q' && e.kind != 'E' {
		return a.fault("COPY FROM STDIN while an answer to %q is due", e.kind)
	}
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	if a.gated != e {
		return a.fault("COPY FROM STDIN that the analysis did not see")
	}
	e.copying = true
	e.run.answered.in = true
	a.cond.Broadcast()
	return nil
}

// copyOut counts data of COPY TO STDOUT before it is released.
func (a *answerer) copyOut() (*expected, error) {
	e := a.head()
	if e == nil || e.run == nil || e.run.withheld && e.run.copied[e.tags] == 0 {
		return nil, a.fault("COPY data that was not asked for")
	}
	a.answers(e)
	if err := a.renewedWhole(e.run); err != nil {
		return nil, err
	}
	return e, e.run.row()
}

// ready: ReadyForQuery, 1B status. It ends a batch.
func (a *answerer) ready(e *expected, m []byte) error {
	if e.kind != 'Q' && e.kind != 'F' && e.kind != 'S' || len(m) != headerSize+1 {
		return a.fault("ReadyForQuery while an answer to %q is due", e.kind)
	}
	a.tellEncoding(e)
	a.relayed(len(m))
	if e.run != nil {
		e.run.end(e.run.res.Tag, e.run.res.SQLState)
	}
	a.idle.stir()
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	e.settle(-1, false)
	a.popLocked()
	a.status = m[headerSize]
	if a.shadows.ready(e, a.status == 'I') {
		a.overlay.discarded(e)
		if a.veils.discarded(e); a.adopted <= e.batch {
			a.adopted = -1
		}
	}
	if a.status == 'I' {
		a.overlay.ready(e)
		a.dialect.local = a.dialect.local && len(a.queue) > 0
		// The transaction is over, and with it its portals.
		a.portals.forget(endPortal)
		a.cursors.forget(func(*cursor) {})
		a.withheld = false
		a.past(e.batch)
		if len(a.queue) == 0 { // else what is on its way may have added some
			a.finds, a.lands, a.opaque = nil, nil, false
		}
		a.unlookLocked()
		if len(a.prepares) > 0 {
			a.cat.Prepared(a.beside.keep(a.prepares))
		}
		a.prepares = nil
		if a.ddl >= 0 && e.batch >= a.ddl {
			a.defined++
			a.restated, a.behind, a.filled, a.fresh = nil, nil, nil, fresh{}
			if a.ddl, a.joined, a.recoded, a.stale = -1, false, false, true; a.public {
				a.public = false
				a.cat.Expire()
			}
		}
		if len(a.queue) == 0 && (a.judged == nil || !a.judged.restates) {
			a.beside.close(a.conn)
		}
	}
	return nil
}
