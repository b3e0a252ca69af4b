package postgres

import (
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
		}
		if cur == nil {
			st.Opaque = true
			continue
		}
		st.Reads = merge(st.Reads, cur.meaning.analysis.Reads)
		st.Opaque = st.Opaque || cur.meaning.analysis.Opaque
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
// what people agreed to at DECLARE.
var onward = []hoop.Use{{
	Effect: hoop.EffectOpaque, Tables: []string{"*"},
	Why: "going on in a cursor that runs code, and settings, temporary objects or the catalog have changed since it was declared",
}}

// strayed reports whether that is so of the cursor of that name that m fetches from; cur
// is what it is known to be, which may be one that m declares itself.
func (c *conn) strayed(name string, cur *cursor, m *meaning) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, known := c.cursors.lookup(name, c.batch)
	if !known || last == nil || cur != nil && cur != last || len(beyond(last.meaning.analysis.Uses)) == 0 {
		return false
	}
	return last.lost || last.meaning.version != m.version || last.moved != c.moved
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
			cur := &cursor{meaning: m, at: i, lost: rolled, moved: c.moved}
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
