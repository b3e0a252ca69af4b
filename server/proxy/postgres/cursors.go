package postgres

import (
	"context"
	"iter"
	"reflect"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// cursor is a cursor that was declared in SQL: command at of a text. Its rows are those
// of that moment. What is not known for sure has no entry, and FETCH from it is opaque.
type cursor struct {
	meaning *meaning
	at      int
	lost    bool  // guarded by conn.mu: the name may stand for another one
	moved   int64 // conn.moved, when it was declared
	tuned   int64 // conn.tuned, when it was declared, or read last; guarded by conn.mu
}

// fetched adds to st what cursors read that m fetches from.
func (c *conn) fetched(m *meaning, st *hoop.Statement) {
	if !m.analysis.Cursors {
		return
	}
	found := c.fetches(m)
	for i, cmd := range m.analysis.Commands {
		if cmd.Fetch == "" {
			continue
		}
		cur := found[i]
		switch {
		case cmd.Rewinds:
			st.Uses = append(slices.Clone(st.Uses), again(cur)...)
		case c.strayed(cmd.Fetch, cur, m):
			st.Uses = append(slices.Clone(st.Uses), onward...)
		default:
			st.Uses = slices.Concat(st.Uses, c.outgrown(cmd.Fetch))
		}
		st.Looks = slices.Concat(st.Looks, c.resumed(cmd.Fetch, cur, m))
		if cur == nil {
			st.Opaque = true
			continue
		}
		st.Reads = merge(st.Reads, cur.meaning.analysis.Reads)
		st.Opaque = st.Opaque || cur.meaning.analysis.Opaque
	}
}

// outgrown gives what going on in the cursor or portal of that name does beyond what it did
// when it was judged, where others have changed functions since.
func (c *conn) outgrown(name string) []hoop.Use {
	c.mu.Lock()
	src := c.sourceLocked(name)
	c.mu.Unlock()
	if src.all == nil {
		return nil
	}
	uses, err := c.grown(c.ctx, src.all, nil)
	if err != nil {
		return onward
	}
	return uses
}

// resumed gives what the cursor or portal of that name compares, which is cur where m declares it
// itself, once settings have changed since it was read last: what it calls may give other values
// by them, and texts be other times. So each change counts as if it were declared anew.
func (c *conn) resumed(name string, cur *cursor, m *meaning) (looks []hoop.Look) {
	c.mu.Lock()
	defer c.mu.Unlock()
	src := c.sourceLocked(name)
	if cur != nil && cur != src.cursor {
		src.tuned, src.all = c.tuned, func(yield func(int, *meaning) bool) { yield(-1, cur.meaning) }
	}
	if src.all == nil || src.tuned == c.tuned && !tunes(m.analysis) {
		return nil
	}
	for _, of := range src.all {
		looks = append(looks, of.looks(arguments{own: c.literals(of.text)}, false)...)
	}
	return looks
}

// tunes reports whether a text may change settings.
func tunes(a *sqlscan.Analysis) bool {
	return len(a.Settings) > 0 || slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool {
		return cmd.ResetAll || cmd.Discard || cmd.Tx == sqlscan.TxRollbackTo
	})
}

// tunedLocked notes that e may change settings, and which cursors and portals it reads. c.mu is
// held.
func (c *conn) tunedLocked(e *expected) {
	for _, m := range e.run.meanings {
		if tunes(m.analysis) {
			c.tuned++
		}
	}
	if e.portal != nil {
		e.portal.tuned = c.tuned
	}
	for _, m := range e.run.meanings {
		for _, cmd := range m.analysis.Commands {
			if cur, known := c.cursors.lookup(cmd.Fetch, c.batch); known && cur != nil {
				cur.tuned = c.tuned
			} else if p, known := c.portals.lookup(cmd.Fetch, c.batch); known && p != nil && cmd.Fetch != "" {
				p.tuned = c.tuned
			}
		}
	}
}

// again is what going back in a cursor does: PostgreSQL runs the query once more for rows
// that it had given, and with it the functions that it calls. Who agreed to DECLARE agreed
// to once.
func again(cur *cursor) []hoop.Use {
	if cur == nil {
		return []hoop.Use{{Effect: hoop.EffectOpaque, Tables: []string{"*"}, Why: "going back in a cursor that is not known"}}
	}
	uses := beyond(cur.meaning.analysis.Uses)
	for i, u := range uses {
		uses[i].Why = "going back in a cursor runs it again: " + u.Why
	}
	return uses
}

// onward is what going on in a cursor does whose code may find other things by now than
// what people agreed to when it was declared, or bound.
var onward = []hoop.Use{{
	Effect: hoop.EffectOpaque, Tables: []string{"*"},
	Why: "going on in a cursor that does more than read, and settings, temporary objects, prepared statements or the catalog have changed since it was declared",
}}

// goesOn reports whether m goes on in a cursor, or a portal, that does more than read; it
// waits for the target's answer where it hangs on that which one a name stands for.
func (c *conn) goesOn(ctx context.Context, m *meaning) (bool, error) {
	for _, cmd := range m.analysis.Commands {
		if cmd.Fetch == "" {
			continue
		}
		c.mu.Lock()
		_, cursor := c.cursors.lookup(cmd.Fetch, c.batch)
		_, portal := c.portals.lookup(cmd.Fetch, c.batch)
		c.mu.Unlock()
		if !cursor || !portal {
			if err := c.barrier(ctx); err != nil {
				return false, err
			}
		}
		c.mu.Lock()
		src := c.sourceLocked(cmd.Fetch)
		c.mu.Unlock()
		if src.runs {
			return true, nil
		}
	}
	return false, nil
}

// source is what FETCH reads from by a name: a cursor that was declared in SQL, or a portal
// that the protocol bound.
type source struct {
	cursor  *cursor
	runs    bool // it does more than read
	moves   bool // it changes what code finds by name
	lost    bool // the name may stand for another one
	version string
	moved   int64
	tuned   int64
	opened  bool // nothing is known of it: code may have opened it
	all     iter.Seq2[int, *meaning]
}

// sourceLocked finds it, by way of portals that fetch themselves. c.mu is held.
func (c *conn) sourceLocked(name string) source {
	for range maxNesting {
		if cur, known := c.cursors.lookup(name, c.batch); known && cur != nil {
			a := cur.meaning.analysis
			return source{cur, len(beyond(a.Uses)) > 0, moves(a), cur.lost, cur.meaning.version, cur.moved, cur.tuned, false, func(yield func(int, *meaning) bool) { yield(-1, cur.meaning) }}
		}
		p, known := c.portals.lookup(name, c.batch)
		if !known || p == nil {
			break
		}
		a := p.run.meaning.analysis
		if len(a.Commands) != 1 || a.Commands[0].Fetch == "" {
			changes := false
			for _, m := range p.run.meanings {
				changes = changes || moves(m.analysis)
			}
			other := len(p.run.also) > 0 && p.generation != c.generation // it would run another statement by that name
			return source{nil, other || len(beyond(p.run.uses)) > 0, other || changes, other || p.forgotten, p.run.meaning.version, p.moved, p.tuned, false, p.run.meanings}
		}
		name = a.Commands[0].Fetch
	}
	return source{moves: c.opaque, opened: true}
}

// movesLocked reports whether m changes what code finds by name, itself or by what it
// fetches. c.mu is held.
func (c *conn) movesLocked(m *meaning) bool { return c.movesBesideLocked(m, "") }

// strayed reports whether that is so of the cursor or portal of that name that m fetches
// from; cur is what it is known to be, which may be one that m declares itself.
func (c *conn) strayed(name string, cur *cursor, m *meaning) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	src := c.sourceLocked(name)
	switch {
	case cur != nil && cur != src.cursor:
		return false
	case src.opened, src.lost && !src.runs: // code may have put one of its own in the place of it
		return c.opaque && c.opening != c.moved
	case !src.runs:
		return false
	}
	return src.lost || src.version != m.version || src.moved != c.moved || c.movesBesideLocked(m, name)
}

// movesBesideLocked reports whether m changes what code finds by name otherwise than by
// going on in the cursor of that name. c.mu is held.
func (c *conn) movesBesideLocked(m *meaning, name string) bool {
	return moves(m.analysis) || slices.ContainsFunc(m.analysis.Commands, func(cmd sqlscan.Command) bool {
		return cmd.Fetch != "" && cmd.Fetch != name && c.sourceLocked(cmd.Fetch).moves
	})
}

// turned gives the use of a text that declares a cursor WITH HOLD over code while another may
// change what that finds: both run when the transaction ends, in no order. c.mu is held.
func (c *conn) turned(a *sqlscan.Analysis) (uses []hoop.Use) {
	holds := func(cmd sqlscan.Command) bool { return cmd.Holds }
	if !a.Has(hoop.EffectOpaque) || !slices.ContainsFunc(a.Commands, holds) {
		return nil
	}
	c.cursors.each(func(name string, cur *cursor) {
		first := cur.meaning.analysis
		if len(uses) == 0 && first.Commands[cur.at].Holds && (moves(first) || first.Has(hoop.EffectOpaque)) {
			uses = []hoop.Use{{
				Effect: hoop.EffectOpaque, Tables: []string{"*"},
				Why: "the cursor WITH HOLD " + hoop.QuoteIdent(name) + " may change settings when the transaction ends, before the code of this one runs",
			}}
		}
	})
	return uses
}

// gains reports whether a portal that goes on in cursors, changes what code finds or ends the
// transaction would be judged by more now than when it was bound: by what others were
// declared, or set off, or changed meanwhile.
func (c *conn) gains(r *running) (bool, error) {
	var all []*meaning
	for _, m := range r.meanings {
		a := m.analysis
		if !a.Cursors && !moves(a) && !hurries(a) {
			continue
		}
		now, _, err := c.renew(c.ctx, m)
		if err != nil {
			return false, err
		}
		all = append(all, now)
	}
	if len(all) == 0 {
		return false, nil
	}
	st := &hoop.Statement{}
	for _, m := range all {
		c.fetched(m, st)
	}
	for _, m := range all {
		redefined, err := c.redefined(c.ctx, m)
		if err != nil {
			return false, err
		}
		c.mu.Lock()
		st.Uses = slices.Concat(st.Uses, c.overtakes(m, nil, redefined), c.intercepts(m, nil))
		c.mu.Unlock()
	}
	return slices.ContainsFunc(st.Uses, func(u hoop.Use) bool {
		return !slices.ContainsFunc(r.st.Uses, func(was hoop.Use) bool { return reflect.DeepEqual(u, was) })
	}), nil
}

// fetches gives, by command of m, the cursors that it fetches from, as far as they are
// known and mean what they did when they were declared.
func (c *conn) fetches(m *meaning) map[int]*cursor {
	if !m.analysis.Cursors {
		return nil
	}
	out := map[int]*cursor{}
	own := map[string]*cursor{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, cmd := range m.analysis.Commands {
		switch {
		case cmd.Declare != "":
			own[cmd.Declare] = &cursor{meaning: m, at: i}
		case cmd.CloseCursor != "" || cmd.Tx != sqlscan.TxNone && cmd.Tx != sqlscan.TxBegin:
			return nil // a text that does it all by itself
		case cmd.Fetch == "":
		case own[cmd.Fetch] != nil:
			out[i] = own[cmd.Fetch]
		default:
			if cur, known := c.cursors.lookup(cmd.Fetch, c.batch); known && cur != nil && !cur.lost && cur.meaning.version == m.version {
				out[i] = cur
			}
		}
	}
	return out
}

// declaredLocked notes which cursors the commands of m open and close once they
// succeed; see changeNamesLocked. c.mu is held.
func (c *conn) declaredLocked(e *expected, outer int, m *meaning) {
	a := m.analysis
	rolled := slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool {
		return cmd.Tx != sqlscan.TxNone && cmd.Tx != sqlscan.TxBegin && cmd.Tx != sqlscan.TxSavepoint && cmd.Tx != sqlscan.TxRelease
	})
	if rolled || a.Has(hoop.EffectOpaque) && !m.bare || slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool { return cmd.CloseCursor == "*" }) {
		c.cursors.each(func(_ string, cur *cursor) { cur.lost = true })
	}
	for i, cmd := range a.Commands {
		at := i
		if outer >= 0 {
			at = outer
		}
		switch {
		case cmd.Declare != "":
			cur := &cursor{meaning: m, at: i, lost: rolled, moved: c.moved, tuned: c.tuned}
			d := c.cursors.define(cmd.Declare, cur, e.batch)
			e.settles = append(e.settles, settling{at, func(ok bool) { d.settle(ok) }})
		case cmd.CloseCursor != "" && cmd.CloseCursor != "*":
			d := c.cursors.define(cmd.CloseCursor, nil, e.batch)
			e.settles = append(e.settles, settling{at, func(ok bool) { d.settle(ok) }})
		}
	}
}

// coverLocked notes that the protocol gives a name to a portal, or takes it away: it is
// no longer that of a cursor. c.mu is held.
func (c *conn) coverLocked(e *expected, name string) {
	if len(c.cursors.slots) == 0 || name == "" {
		return
	}
	d := c.cursors.define(name, nil, e.batch)
	e.settles = append(e.settles, settling{0, func(ok bool) { d.settle(ok) }})
}
