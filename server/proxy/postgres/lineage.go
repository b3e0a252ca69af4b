package postgres

import (
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/lineage"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// outputs remembers the lineage of the commands of a text, found when it is first asked
// for. Texts that mean the same share it.
type outputs struct {
	mu        sync.Mutex               // guards byCommand
	byCommand map[int][]lineage.Output // the slices are shared and must not be changed
}

// maxOrigins is how many origins one lineage may have to be remembered.
const maxOrigins = 500

// derive says of the columns that their description does not prove what they are
// computed from, where that is known. It is asked for only where it can matter: the
// statement reads something protected and nothing that its text does not show, or the
// target has decoys. A
// statement that stores values may have computed what RETURNING shows.
func (a *answerer) derive(e *expected, cols []hoop.Column, snap *catalog.Snapshot) {
	own := e.run.by.snap
	if !e.run.withheld && !e.run.run.Watches() || !e.run.stores && !slices.ContainsFunc(cols, func(c hoop.Column) bool { return !c.Proven }) {
		return
	}
	var out []lineage.Output
	if m, at := e.run.answers(e.tags); !e.run.opaque && own.Base().Version == snap.Version && m != nil && m.version == own.Version {
		out = a.outputs(m, at, own)
	}
	combine(cols, out, e.run.stores)
	for i, c := range cols {
		cols[i].Plain = c.Plain && (c.Proven || !converted(c, own))
	}
}

// converted reports whether what c derives from may have been made a value of another type
// on its way, as a UNION does without saying so: a name has the first 63 bytes of a text,
// and on which day a moment lies hangs on the time zone.
func converted(c hoop.Column, snap *catalog.Snapshot) bool {
	want := like(c.Type)
	return slices.ContainsFunc(c.Origins, func(o hoop.ColumnRef) bool {
		tables := snap.Lookup(o.Schema, o.Table)
		return len(tables) == 0 || slices.ContainsFunc(tables, func(t *catalog.Table) bool {
			col, ok := t.Column(o.Column)
			return !ok || !t.Temporary && like(typeOf(snap, col.Type, -1)) != want
		})
	})
}

// like is the OID of a type, without domains; texts without a length of their own, or with
// one, are all the same.
func like(t *hoop.Type) uint32 {
	for t.Kind == hoop.TypeDomain && t.Elem != nil {
		t = t.Elem
	}
	switch t.OID {
	case pgtype.VarcharOID, pgtype.BPCharOID:
		return pgtype.TextOID
	}
	return t.OID
}

// answers gives the text and the command in it whose rows command at answers with: its
// own, what it executes, or what its cursor was declared for. It is nil where that is
// not one.
func (r *running) answers(at int) (*meaning, int) {
	cmds := r.meaning.analysis.Commands
	if at >= len(cmds) {
		return nil, 0
	}
	switch cmd := cmds[at]; {
	case cmd.Fetch != "":
		if cur := r.fetches[at]; cur != nil {
			return cur.meaning, cur.at
		}
		return nil, 0
	case cmd.Execute != "":
		var only *meaning
		for _, x := range r.also {
			if x.at != at {
				continue
			}
			if only != nil || len(x.meaning.analysis.Commands) != 1 {
				return nil, 0
			}
			only = x.meaning
		}
		return only, 0
	}
	return r.meaning, at
}

// maxDefinition is how long a view's query may be to be followed, in bytes.
const maxDefinition = 256 << 10

// define parses the queries of views that the text may read, once for each snapshot.
// Those that cannot be parsed may show anything.
func (c *conn) define(ctx context.Context, p *pgparse.Parsed, snap *catalog.Snapshot) {
	for _, v := range lineage.Undefined(p, snap) {
		if len(v.Definition) > maxDefinition {
			continue
		}
		q, err := c.proxy.cfg.Parser.Parse(ctx, v.Definition)
		if err != nil {
			c.proxy.cfg.Log.WarnContext(ctx, "a view's definition is not understood", "view", v.Canonical(), "err", err)
			continue
		}
		if stmts := q.Tree.GetStmts(); len(stmts) == 1 && stmts[0].GetStmt() != nil {
			snap.Define(v, stmts[0].GetStmt())
		}
	}
}

// outputs gives the lineage of a command; nil where there is none.
func (c *conn) outputs(m *meaning, command int, snap *catalog.Snapshot) []lineage.Output {
	known := m.outputs
	known.mu.Lock()
	out, ok := known.byCommand[command]
	known.mu.Unlock()
	if ok {
		return out
	}
	parsed, err := c.proxy.cfg.Parser.Parse(c.ctx, m.text)
	if err != nil {
		return nil // it was parsed before, so this is a lack of time or memory: withhold
	}
	c.define(c.ctx, parsed, snap)
	out = lineage.Outputs(parsed, command, snap)
	size := 0
	for _, o := range out {
		size += 1 + len(o.Origins)
	}
	if size <= maxOrigins {
		known.mu.Lock()
		defer known.mu.Unlock()
		if known.byCommand == nil {
			known.byCommand = map[int][]lineage.Output{}
		}
		known.byCommand[command] = out
	}
	return out
}

// combine adds what lineage knows to what the description proves. Of two witnesses the
// stricter counts: where they contradict each other, neither proves the column, and
// lineage was wrong about the statement. stores says that what the description proves may
// be what the statement itself computes.
func combine(cols []hoop.Column, out []lineage.Output, stores bool) {
	agree := len(out) == len(cols)
	for i, c := range cols {
		if agree && c.Proven && out[i].Known && !slices.Contains(out[i].Origins, c.Origins[0]) {
			cols[i].Proven, cols[i].Plain, cols[i].Origins, agree = false, false, nil, false
		}
	}
	for i, c := range cols {
		switch {
		case c.Proven && stores:
			known := agree && out[i].Known
			cols[i].Plain, cols[i].Shaped = c.Plain && known && out[i].Plain, known && out[i].Shaped
		case !c.Proven && agree && out[i].Known:
			cols[i].Derived, cols[i].Origins, cols[i].Plain, cols[i].Shaped = true, out[i].Origins, out[i].Plain, out[i].Shaped
		}
	}
}
