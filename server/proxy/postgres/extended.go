package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// prepared is a statement that has a name, "" included.
type prepared struct {
	meaning *meaning
	types   []uint32 // of parameters, as the client declared them
	// withheld: texts that come where the target parses it, or describes it, could show
	// what is masked.
	withheld bool
	dialect  string   // in which the target parsed it
	tainted  bool     // guarded by conn.mu: code may have replaced it
	told     []uint32 // guarded by conn.mu: types of parameters, as the target described them
}

// portal is a prepared statement bound to parameters.
type portal struct {
	run        *running
	generation int64 // of names, when it was bound
	moved      int64 // of the session, when it was bound, or executed last
	tuned      int64 // likewise

	forgotten bool   // guarded by conn.mu: the name may stand for something else
	asked     bool   // guarded by conn.mu: the target was asked to describe it
	fields    []byte // of the goroutine that reads the target: its RowDescription
}

// plainNames reports whether the names that a message has of statements and portals are in ASCII: in
// another encoding than UTF8 the target may write two others as one, and cut them elsewhere.
func plainNames(kind byte, body []byte) bool {
	f := fields{b: body}
	count := 0
	switch kind {
	case 'P', 'E':
		count = 1
	case 'B':
		count = 2
	case 'D', 'C':
		f.byte()
		count = 1
	}
	for range count {
		if slices.ContainsFunc(f.cstring(), func(b byte) bool { return b >= utf8.RuneSelf }) {
			return false
		}
	}
	return true
}

// parseParse reads a Parse message: name + text + 2B count + 4B types.
func parseParse(body []byte) (name, text string, types []uint32, err error) {
	f := fields{b: body}
	name, text = f.name(), string(f.cstring())
	n := int(f.uint16())
	if f.err != nil || len(f.b) != 4*n {
		return "", "", nil, errMalformed
	}
	types = make([]uint32, n)
	for i := range types {
		types[i] = f.uint32()
	}
	return name, text, types, nil
}

// parse analyses the text of a Parse message. What would be denied whatever the
// parameters is refused here.
func (c *conn) parse(frame, body []byte) error {
	name, text, types, err := parseParse(body)
	if err != nil {
		return c.refuse(protocolError("malformed Parse message"))
	}
	p := &prepared{types: types}
	e := &expected{kind: 'P'}
	overtaken := c.judging()
	m, err := c.understandWith(c.ctx, text, types)
	if err != nil {
		err = c.unjudged(text, nil, nil, err)
	}
	if err == nil && m.encodes != nil {
		if frame, m, err = c.encodingParse(name, m); err != nil {
			err = c.unjudged(text, nil, nil, err)
		}
	}
	if err == nil {
		p.meaning = m
		err = c.preview(p)
		e.withheld, e.parses = p.withheld, m
	}
	if err == nil {
		err = c.heard(c.ctx)
	}
	if overtaken() && err == nil {
		err = errCancelled()
	}
	if err != nil {
		return c.refuseName(name, err)
	}
	c.mu.Lock()
	p.dialect = c.dialect.read(c.batch, m, nil, nil)
	if c.pushLocked(e) {
		c.out = append(c.out, frame...)
		c.generation++
		d := c.prepared.define(name, p, e.batch)
		e.settles = append(e.settles, settling{0, func(ok bool) {
			d.settle(ok)
		}})
	}
	c.mu.Unlock()
	return nil
}

// refuseName refuses a Parse. In the target the unnamed statement lives on; here it
// does not, so that nobody mistakes it for the refused one.
func (c *conn) refuseName(name string, err error) error {
	if c.ctx.Err() != nil {
		return errTerminated
	}
	if name == "" {
		c.mu.Lock()
		c.generation++
		c.prepared.define(name, nil, c.batch).settle(true)
		c.mu.Unlock()
	}
	return c.refuse(err)
}

// preview asks the session about p before its parameters are known.
func (c *conn) preview(p *prepared) error {
	a := p.meaning.analysis
	for _, cmd := range a.Commands {
		if cmd.Execute != "" {
			return nil // what it executes is known at Bind
		}
	}
	st, _, err := c.statement(c.ctx, p.meaning, false, nil)
	if err == nil {
		var more bool
		if more, err = c.look(p.meaning, st); more {
			if p.meaning, err = c.renewed(c.ctx, p.meaning); err == nil {
				a = p.meaning.analysis
				st, _, err = c.statement(c.ctx, p.meaning, false, nil)
			}
		}
	}
	if err == nil && a.Parses != "" {
		err = hoop.Errorf(hoop.CodeDenied, "the target could run code when it parses this, before it is judged: %s", a.Parses).
			WithHint("send the values as parameters, or the statement in a Query message")
	}
	if err != nil {
		return c.unjudged(p.meaning.text, p.meaning, nil, err)
	}
	p.withheld, err = c.sess.Preview(c.ctx, st)
	return err
}

// named finds a prepared statement, after the target's answer where it hangs on that.
func (c *conn) named(ctx context.Context, name string) (*prepared, error) {
	for range 2 {
		c.mu.Lock()
		p, known := c.prepared.lookup(name, c.batch)
		c.mu.Unlock()
		if !known {
			if err := c.barrier(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if p == nil {
			break
		}
		return p, nil
	}
	return nil, &stateError{state: stateNoStatement, message: fmt.Sprintf("prepared statement %q does not exist", name)}
}

// bind judges a statement with its parameters and forwards the Bind message:
// portal + statement + 2B n + 2B formats + 2B n + values + 2B n + 2B result formats.
func (c *conn) bind(frame, body []byte) error {
	name, st, params, err := parseBind(body)
	if err != nil {
		return c.refuse(protocolError("malformed Bind message"))
	}
	p, err := c.named(c.ctx, st)
	if err == nil {
		err = c.bindTo(frame, name, p, params)
	}
	if errors.Is(err, errTerminated) || c.ctx.Err() != nil {
		return errTerminated
	}
	if err != nil {
		return c.refuse(err)
	}
	return nil
}

func (c *conn) bindTo(frame []byte, name string, p *prepared, params []hoop.Param) error {
	c.mu.Lock()
	tainted, generation, moved, tuned, told := p.tainted, c.generation, c.moved, c.tuned, p.told
	c.mu.Unlock()
	for i := range params {
		if i < len(p.types) {
			params[i].Type = p.types[i]
		}
		if params[i].Type == 0 && i < len(told) {
			params[i].Type = told[i]
		}
	}
	overtaken := c.judging()
	r, err := c.runPortal(name, p.meaning, tainted, p.dialect, params)
	if overtaken() && err == nil {
		r.end("", stateCanceled)
		err = errCancelled()
	}
	if err != nil {
		return err
	}
	if err := c.uncovered(r); err != nil {
		return c.disallowed(r, err)
	}
	if len(frame) > longMessage {
		for i := range params {
			params[i].Value = nil // judged and recorded: nobody needs it any more
		}
	}
	c.mu.Lock()
	e := &expected{kind: 'B', run: r}
	pushed := c.pushLocked(e)
	if pushed {
		d := c.portals.define(name, &portal{run: r, generation: generation, moved: moved, tuned: tuned}, e.batch)
		e.settles = append(e.settles, settling{0, func(ok bool) { endPortal(d.settle(ok)) }})
		c.coverLocked(e, name)
		c.dialect.opened = c.dialect.opened || name != "" && c.dialect.turns(p.meaning.analysis)
	}
	c.mu.Unlock()
	if !pushed {
		r.end("", "")
		return nil
	}
	return c.forward(frame)
}

// endPortal is for a portal that the target no longer has.
func endPortal(p *portal) {
	if p != nil {
		p.run.end(p.run.res.Tag, "")
	}
}

// parseBind copies what it returns, but for the values of a long message, which nobody
// else has.
func parseBind(body []byte) (portal, statement string, params []hoop.Param, err error) {
	f := fields{b: body}
	portal, statement = f.name(), f.name()
	formats := make([]bool, 0, 8)
	for range f.uint16() {
		formats = append(formats, f.uint16() == 1)
		if f.err != nil {
			return "", "", nil, f.err
		}
	}
	n := int(f.uint16())
	if f.err != nil || len(f.b) < 4*n || len(formats) > 1 && len(formats) != n {
		return "", "", nil, errMalformed
	}
	if len(body) <= longMessage {
		f.b = append([]byte(nil), f.b...)
	}
	params = make([]hoop.Param, n)
	for i := range params {
		params[i].Value = f.value()
		switch len(formats) {
		case 0:
		case 1:
			params[i].Binary = formats[0]
		default:
			params[i].Binary = formats[i]
		}
	}
	for range f.uint16() {
		f.uint16()
	}
	return portal, statement, params, f.done()
}

// bound finds a portal, after the target's answer where it hangs on that.
func (c *conn) bound(name string) (*portal, error) {
	for range 2 {
		c.mu.Lock()
		p, known := c.portals.lookup(name, c.batch)
		forgotten := known && p != nil && p.forgotten
		c.mu.Unlock()
		if !known {
			if err := c.barrier(c.ctx); err != nil {
				return nil, err
			}
			continue
		}
		if forgotten {
			return nil, &stateError{
				state: stateNoPortal, message: fmt.Sprintf("portal %q may stand for another statement now", name),
				hint: "bind it again; a cursor that was opened in SQL is read with FETCH",
			}
		}
		if p == nil {
			break
		}
		return p, nil
	}
	return nil, &stateError{state: stateNoPortal, message: fmt.Sprintf("portal %q does not exist", name)}
}

// parseNamed reads the body of Describe and of Close: 1B S (statement) or P (portal) +
// name.
func parseNamed(body []byte) (kind byte, name string, err error) {
	f := fields{b: body}
	kind, name = f.byte(), f.name()
	if f.done() != nil || kind != 'S' && kind != 'P' {
		return 0, "", errMalformed
	}
	return kind, name, nil
}

// describe forwards a Describe message.
func (c *conn) describe(frame, body []byte) error {
	kind, name, err := parseNamed(body)
	if err != nil {
		return c.refuse(protocolError("malformed Describe message"))
	}
	e := &expected{kind: 'D'}
	if kind == 'P' {
		p, err := c.bound(name)
		switch {
		case err == nil:
			e.portal = p
		case c.ctx.Err() != nil:
			return errTerminated
		}
		// A name that is not known here may be a cursor's, declared in SQL. Which columns it
		// has, or that there is none, is for the target to say; its rows come by FETCH.
	}
	if kind == 'S' && c.sess.Rules().Everything() {
		p, err := c.named(c.ctx, name)
		switch {
		case err == nil:
			e.described = p.meaning // what it executes or fetches is not looked for
		case c.ctx.Err() != nil:
			return errTerminated
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if kind == 'S' {
		var known bool
		e.asks, known = c.prepared.lookup(name, c.batch)
		e.withheld = !known && c.sess.Masks() || e.asks != nil && e.asks.withheld
	}
	if c.pushLocked(e) {
		c.out = append(c.out, frame...)
		if e.portal != nil {
			e.portal.asked = true
		}
	}
	return nil
}

func (c *conn) refuseOrEnd(err error) error {
	if c.ctx.Err() != nil {
		return errTerminated
	}
	return c.refuse(err)
}

// parseExecute reads the body of Execute: portal + 4B limit of rows, which is the
// target's business.
func parseExecute(body []byte) (portal string, err error) {
	f := fields{b: body}
	portal = f.name()
	f.uint32()
	return portal, f.done()
}

// execute forwards an Execute message. Where masks apply the target is asked first what
// the rows will be.
func (c *conn) execute(frame, body []byte) error {
	name, err := parseExecute(body)
	if err != nil {
		return c.refuse(protocolError("malformed Execute message"))
	}
	p, err := c.bound(name)
	cursor := false
	var unknown *stateError
	if errors.As(err, &unknown) && name != "" && c.mayFetch(name) {
		p, err = c.cursor(name)
		cursor = true
	}
	if err != nil {
		return c.refuseOrEnd(err)
	}
	if err := c.unchanged(p); err != nil {
		return c.refusePortal(p, err)
	}
	if bound, err := c.executable(p); !bound || err != nil {
		return err
	}
	ch, _, err := c.changes(p.run.meaning)
	if err != nil {
		return c.refusePortal(p, err)
	}
	c.changing = ch
	e := &expected{kind: 'E', portal: p, run: p.run, once: cursor}
	e.changes(ch)
	if c.describeFirst(name, p); !c.push(e) {
		if cursor {
			p.run.end("", "")
		}
		return nil
	}
	c.forwarded(e)
	c.out = append(c.out, frame...)
	if p.run.held && c.gate == nil { // else its data is still to come
		return c.afterwards(p.run)
	}
	return nil
}

// refusePortal refuses an Execute, once what the portal was executed for before has ended.
func (c *conn) refusePortal(p *portal, err error) error {
	if c.barrier(c.ctx) != nil {
		return errTerminated
	}
	if c.isSkipping() {
		return nil // it is not executed at all
	}
	return c.refuse(c.disallowed(p.run, err))
}

// executable reports whether a portal may go on, and refuses it where the catalog has
// changed too much since it was bound.
func (c *conn) executable(p *portal) (bool, error) {
	if p.run.held {
		bound, err := c.steady(p.run)
		switch {
		case c.ctx.Err() != nil:
			return false, errTerminated
		case err != nil:
			return false, c.refuse(err)
		}
		return bound, nil
	}
	if !p.run.masks && len(beyond(p.run.uses)) == 0 {
		more, err := c.grown(c.ctx, p.run.meanings, p.run)
		switch {
		case c.ctx.Err() != nil:
			return false, errTerminated
		case err == nil && len(more) > 0:
			err = errGrown
		}
		if err != nil {
			return false, c.refusePortal(p, err)
		}
		return true, nil
	}
	err := c.unmoved(c.ctx, p.run)
	switch {
	case c.ctx.Err() != nil:
		return false, errTerminated
	case err != nil:
		return false, c.refusePortal(p, err)
	}
	return true, nil
}

// mayFetch reports whether Execute of a name that is no portal for sure is as good as FETCH:
// it may be a cursor, or a portal that gives rows and changes nothing that is kept account of.
func (c *conn) mayFetch(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, _ := c.portals.lookup(name, c.batch)
	if p == nil || len(p.run.also) > 0 {
		return p == nil
	}
	for _, m := range p.run.meanings {
		if a := m.analysis; len(a.Commands) != 1 || !a.Commands[0].ReturnsRows || c.movesLocked(m) || a.DDL {
			return false
		}
	}
	return true
}

// cursor judges an Execute of what may be a cursor that was opened in SQL, as the FETCH
// that it is. Where there is none, the target says so.
func (c *conn) cursor(name string) (*portal, error) {
	m, err := c.understand(c.ctx, "FETCH ALL FROM "+quoteName(name))
	if err != nil {
		return nil, err
	}
	r, err := c.run(m, false, nil)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &portal{run: r, generation: c.generation, moved: c.moved, tuned: c.tuned}, nil
}

// unchanged refuses a portal that does more than read, when what its functions and
// triggers find by name may have changed since it was judged; one whose tables of the session's own hold other columns'
// values than when it was judged, and one that executes another statement by name, when that name
// may stand for something else than when the portal was judged.
func (c *conn) unchanged(p *portal) error {
	c.mu.Lock()
	now := c.groundLocked()
	same, grew, moved, tuned := c.generation == p.generation, now.grew != p.run.by.ground.grew, now.moved != p.moved, c.tuned != p.tuned
	c.mu.Unlock()
	if p.run.masks && now != p.run.by.ground && p.run.meaning.copies != nil {
		return hoop.Errorf(hoop.CodeDenied, "tables, settings or temporary objects may have changed since COPY was bound, and with them what it copies").
			WithHint("send Bind and Execute of a COPY together")
	}
	if moved && len(beyond(p.run.uses)) > 0 {
		return hoop.Errorf(hoop.CodeDenied, "settings or temporary objects have changed since the portal was bound, and with them what it may do").
			WithHint("send Bind and Execute together")
	}
	looks := slices.ContainsFunc(p.run.st.Looks, func(l hoop.Look) bool {
		return slices.ContainsFunc(l.Columns, func(col hoop.ColumnRef) bool { _, ok := p.run.run.Rules().Protects(col); return ok })
	})
	if tuned && (looks || p.run.meaning.analysis.Cursors) {
		return hoop.Errorf(hoop.CodeDenied, "settings have changed since the portal was bound or read last, and with them what it compares").
			WithHint("bind it again")
	}
	mixed := now.mixed != p.run.by.ground.mixed && looks
	if (grew || mixed) && (p.run.readsOwn() || len(p.run.also) > 0) {
		return hoop.Errorf(hoop.CodeDenied, "temporary tables have changed since the portal was bound, and with them what its rows may hold").
			WithHint("send Bind and Execute together")
	}
	more, err := c.gains(p.run)
	if err != nil {
		return err
	}
	if more {
		return hoop.Errorf(hoop.CodeDenied, "what the transaction has open or set off would find other things than when the portal was bound").
			WithHint("send Bind and Execute together")
	}
	if p.run.meaning.analysis.Cursors && !maps.Equal(c.fetches(p.run.meaning), p.run.fetches) {
		return hoop.Errorf(hoop.CodeDenied, "cursors have changed since FETCH was bound, so it may read from another one").
			WithHint("send Bind and Execute of a FETCH together")
	}
	if same {
		return nil
	}
	if len(p.run.also) == 0 {
		return nil
	}
	return hoop.Errorf(hoop.CodeDenied, "statements were prepared since EXECUTE was bound, so it may run another one").
		WithHint("send Bind and Execute of an EXECUTE together")
}

// describeFirst asks the target to describe a portal that the client did not ask
// about, if its rows may have to be masked.
func (c *conn) describeFirst(name string, p *portal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.run.masks || p.asked || !c.pushLocked(&expected{kind: 'D', portal: p, injected: true}) {
		return
	}
	p.asked = true
	m, at := begin(c.out, 'D')
	c.out = end(appendString(append(m, 'P'), name), at)
}

// closeName forwards a Close message.
func (c *conn) closeName(frame, body []byte) error {
	kind, name, err := parseNamed(body)
	if err != nil {
		return c.refuse(protocolError("malformed Close message"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &expected{kind: 'C'}
	if !c.pushLocked(e) {
		return nil
	}
	c.out = append(c.out, frame...)
	if kind == 'S' {
		c.generation++
		d := c.prepared.define(name, nil, e.batch)
		e.settles = append(e.settles, settling{0, func(ok bool) { d.settle(ok) }})
		return nil
	}
	d := c.portals.define(name, nil, e.batch)
	e.settles = append(e.settles, settling{0, func(ok bool) { endPortal(d.settle(ok)) }})
	c.coverLocked(e, name)
	return nil
}
