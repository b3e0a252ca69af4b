package postgres

import (
	"context"
	"reflect"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// meaning is what a text does, as far as a snapshot of the catalog shows.
type meaning struct {
	parsed   *pgparse.Parsed
	analysis *sqlscan.Analysis
	version  string // of the snapshot
}

// understand analyses text. The error says that it cannot be judged, so nothing may be
// forwarded.
func (c *conn) understand(ctx context.Context, text string) (*meaning, error) {
	parsed, err := c.proxy.cfg.Parser.Parse(ctx, text)
	if err != nil {
		return nil, err
	}
	snap, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return &meaning{parsed, sqlscan.Analyze(parsed, snap), snap.Version}, nil
}

// snapshot is what the database contains; after this session's own DDL it asks anew.
func (c *conn) snapshot(ctx context.Context) (*catalog.Snapshot, error) {
	c.mu.Lock()
	stale := c.stale
	c.stale = false
	c.mu.Unlock()
	if !stale {
		return c.cat.Snapshot(ctx)
	}
	snap, err := c.cat.Refresh(ctx)
	if err != nil {
		c.mu.Lock()
		c.stale = true
		c.mu.Unlock()
	}
	return snap, err
}

// renewed analyses again when the catalog has changed since.
func (c *conn) renewed(ctx context.Context, m *meaning) (*meaning, error) {
	snap, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if snap.Version == m.version {
		return m, nil
	}
	return &meaning{m.parsed, sqlscan.Analyze(m.parsed, snap), snap.Version}, nil
}

// statement is what the session judges: what the text does, and what it does by way of
// statements that were prepared before.
func (c *conn) statement(ctx context.Context, m *meaning, tainted bool, params []hoop.Param) (*hoop.Statement, error) {
	a := m.analysis
	if a.Forbidden != "" {
		return nil, hoop.Errorf(hoop.CodeDenied, "%s", a.Forbidden).
			WithHint("no rule allows this through the gateway")
	}
	st := &hoop.Statement{
		Text: m.parsed.SQL, Shape: m.parsed.Shape, Params: params, Uses: a.Uses, Reads: a.Reads,
		Opaque: a.Opaque, Verb: a.Verb, Database: c.database,
	}
	if err := c.executed(ctx, a, st); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	st.InTx = c.status != 'I' || c.inBatchLocked()
	if c.shadowed || tainted || c.ddl >= 0 {
		st.Opaque = true
	}
	if tainted {
		st.Uses = append(slices.Clone(st.Uses), hoop.Use{
			Effect: hoop.EffectOpaque, Tables: []string{"*"}, Why: "code has run that may have replaced this prepared statement",
		})
	}
	return st, nil
}

// inBatchLocked reports whether something runs in the implicit transaction of the
// batch. c.mu is held.
func (c *conn) inBatchLocked() bool {
	return slices.ContainsFunc(c.queue, func(e *expected) bool { return e.kind == 'E' && e.batch == c.batch })
}

// executed adds to st what the statements do that a executes by name.
func (c *conn) executed(ctx context.Context, a *sqlscan.Analysis, st *hoop.Statement) error {
	own := map[string]bool{}
	for _, cmd := range a.Commands {
		if cmd.Prepare != "" {
			own[cmd.Prepare] = true // the analysis covers it
		}
		if cmd.Execute == "" || own[cmd.Execute] {
			continue
		}
		p, err := c.named(ctx, cmd.Execute)
		if err != nil {
			return err
		}
		m, err := c.renewed(ctx, p.meaning)
		if err != nil {
			return err
		}
		st.Uses = append(slices.Clone(st.Uses), m.analysis.Uses...)
		st.Reads = merge(st.Reads, m.analysis.Reads)
		st.Opaque = st.Opaque || m.analysis.Opaque || p.tainted
		// EXECUTE gives no parameters that the prepared text alone would not show, but an
		// approver and the record need the text.
		st.Shape += " -- " + m.parsed.Shape
		if p.tainted {
			st.Uses = append(st.Uses, hoop.Use{Effect: hoop.EffectOpaque, Tables: []string{"*"}, Why: "the prepared statement may have been replaced"})
		}
	}
	return nil
}

func merge(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// same returns a check that a held statement, once approved, still means what it did.
func (c *conn) same(m *meaning, tainted bool, st *hoop.Statement) func(context.Context) error {
	return func(ctx context.Context) error {
		c.mu.Lock()
		c.stale = true
		c.mu.Unlock()
		now, err := c.renewed(ctx, m)
		if err != nil {
			return err
		}
		if now == m {
			return nil
		}
		again, err := c.statement(ctx, now, tainted, st.Params)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(again.Uses, st.Uses) || !reflect.DeepEqual(again.Reads, st.Reads) || again.Opaque != st.Opaque {
			return hoop.Errorf(hoop.CodeDenied, "the catalog changed while the statement waited, and with it what the statement does").
				WithHint("run the statement again")
		}
		return nil
	}
}

// run judges what m does with params, and gives the statement to be forwarded.
func (c *conn) run(m *meaning, tainted bool, params []hoop.Param) (*running, error) {
	m, err := c.renewed(c.ctx, m)
	if err != nil {
		return nil, err
	}
	st, err := c.statement(c.ctx, m, tainted, params)
	if err != nil {
		return nil, err
	}
	run, err := c.judge(st, c.same(m, tainted, st))
	if err != nil {
		return nil, err
	}
	return &running{run: run, meaning: m, analysis: m.analysis, masks: run.Rules().Any(), withheld: run.Withheld(), commands: len(m.analysis.Commands)}, nil
}

// uncovered refuses answers that the gateway could not mask.
func (r *running) uncovered() error {
	if !r.withheld || !slices.ContainsFunc(r.analysis.Commands, func(cmd sqlscan.Command) bool { return cmd.CopyOut }) {
		return nil
	}
	return hoop.Errorf(hoop.CodeDenied, "COPY TO would deliver values that are masked for you").
		WithHint("use SELECT: its values are masked one by one")
}

// forwarded notes what a statement will have changed for those behind it; e was pushed
// and is sent next.
func (c *conn) forwarded(e *expected) {
	a := e.run.analysis
	c.shadowed = c.shadowed || a.Temp
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.DDL {
		c.ddl = e.batch
	}
	c.changeNamesLocked(e)
	for _, cmd := range a.Commands {
		if cmd.CopyIn {
			c.gate, c.gated = e, e
		}
	}
}
