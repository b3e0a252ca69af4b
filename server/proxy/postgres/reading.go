package postgres

import (
	"context"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/lineage"
	"github.com/hoopctl/hoopctl/server/mask"
)

// Reading is what a text does that a new connection would send alone. Nothing was sent.
type Reading struct {
	Statement *hoop.Statement
	Answers   []Answer // of the commands that answer with rows, or with data of COPY
	// Forbidden is why the text is refused whatever the rules say; nil where it is not.
	Forbidden error
	// Absent says which function the text calls that the target does not have, so that it
	// fails there; empty where it has all.
	Absent string

	conn    *conn
	meaning *meaning
	snap    *catalog.Snapshot // of meaning
}

// Answer is what is known of the rows of one command before the target has described them.
type Answer struct {
	Command int // in the text, from 0
	Plan    bool
	Copy    bool       // it is data of COPY, which the target does not describe
	Columns []Foreseen // nil: how many there are is not known
}

// Foreseen is a column of an answer. The target's description of it decides together with
// this, and is not there yet.
type Foreseen struct {
	// Column is the column where its description proves nothing.
	hoop.Column
	// Itself is the column where its description proves that its values are those of a
	// column of a table; nil where that cannot be.
	Itself *hoop.Column
}

// Read says what text would do in a database of target, as Serve finds it out. A text
// that does not parse is a *pgparse.SyntaxError; other errors are a *hoop.Error.
func (p *Proxy) Read(ctx context.Context, target hoop.Target, database, text string) (r *Reading, err error) {
	err = isolate(func() error {
		c := &conn{
			proxy: p, cat: p.cfg.Catalog(target, database), database: database, ctx: ctx,
			status: 'I', ddl: -1, blind: -1, adopted: -1, shadows: shadows{last: -1}, overlay: overlay{settled: -1, broken: -1},
		}
		r, err = c.read(text)
		return err
	})
	return r, err
}

func (c *conn) read(text string) (*Reading, error) {
	snap, err := c.snapshot(c.ctx)
	if err != nil {
		return nil, err
	}
	m, err := c.means(c.ctx, text, nil, snap)
	if err != nil {
		return nil, err
	}
	if m, snap, err = c.renew(c.ctx, m); err != nil {
		return nil, err
	}
	a := m.analysis
	r := &Reading{Absent: a.Absent, conn: c, meaning: m, snap: snap}
	if a.Forbidden != "" {
		r.Forbidden = forbidden(a)
		r.Statement = &hoop.Statement{Text: m.text, Shape: m.shape, Uses: a.Uses, Reads: a.Reads, Opaque: true, Verb: a.Verb, Database: c.database}
		return r, nil
	}
	own := map[string]bool{}
	for _, cmd := range a.Commands {
		if cmd.Prepare != "" {
			own[cmd.Prepare] = true
		}
		if cmd.Execute != "" && !own[cmd.Execute] {
			return nil, hoop.Errorf(hoop.CodeInvalid, "EXECUTE runs what a session has prepared, and there is no session here").
				WithHint("ask about the prepared statement itself")
		}
	}
	if r.Statement, _, err = c.statement(c.ctx, m, false, nil); err != nil {
		return nil, err
	}
	for i, cmd := range a.Commands {
		if !cmd.ReturnsRows && !cmd.CopyOut {
			continue
		}
		answer := Answer{Command: i, Plan: cmd.Explain, Copy: cmd.CopyOut}
		if cmd.Execute == "" && cmd.Fetch == "" {
			for _, o := range c.outputs(m, i, snap) {
				f := foreseen(o, snap)
				if answer.Copy {
					f.Itself = nil
				}
				answer.Columns = append(answer.Columns, f)
			}
		}
		r.Answers = append(r.Answers, answer)
	}
	return r, nil
}

// Uncovered gives the error with which Serve refuses the text since its answers could
// not be masked; nil where it does not. withheld says that it reads what is masked.
func (r *Reading) Uncovered(withheld bool, rules *mask.Rules) error {
	err := isolate(func() error {
		_, err := r.conn.copyPlan(r.meaning, r.snap, r.Statement, withheld, rules, func(cols []hoop.Column) *mask.Plan { return rules.Plan(r.Statement, cols) })
		return err
	})
	return err
}

func foreseen(o lineage.Output, snap *catalog.Snapshot) Foreseen {
	f := Foreseen{Column: hoop.Column{Name: o.Name, Type: anyText, Derived: o.Known, Origins: o.Origins, Plain: o.Plain, Shaped: o.Shaped}}
	f.Itself = itself(f.Column, snap)
	return f
}

// anyText is the type of values of which only the target knows it: one in which values
// are looked for, and that has room for a marker.
var anyText = &hoop.Type{OID: 25, Name: "text", Mod: -1}

// itself is the column of a table that, with its relatives, is all that c derives from.
func itself(c hoop.Column, snap *catalog.Snapshot) *hoop.Column {
	if len(c.Origins) == 0 {
		return nil
	}
	for _, o := range c.Origins {
		for _, t := range snap.Lookup(o.Schema, o.Table) {
			col, ok := t.Column(o.Column)
			if !ok {
				continue
			}
			all, proven := origins(snap, t.OID, col.Attr)
			if !proven || len(all) != len(c.Origins) || slices.ContainsFunc(all, func(o hoop.ColumnRef) bool { return !slices.Contains(c.Origins, o) }) {
				continue
			}
			return &hoop.Column{
				Name: c.Name, Type: typeOf(snap, col.Type, col.Mod), Proven: true, Plain: c.Plain, Origins: all, From: generatedFrom(snap, t.OID, all),
			}
		}
	}
	return nil
}
