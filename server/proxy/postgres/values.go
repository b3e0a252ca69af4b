package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/session"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// maxValue is how long a value may be that is looked at, in bytes; a longer one counts as
// any.
const maxValue = 1 << 20

// withParams gives what m does with the values that are bound to it. Most texts do the same
// with any.
func (c *conn) withParams(ctx context.Context, m *meaning, snap *catalog.Snapshot, params []hoop.Param) (*meaning, error) {
	if !m.analysis.Swayed {
		return m, nil
	}
	prepares := func(cmd sqlscan.Command) bool { return cmd.Prepare != "" }
	if slices.ContainsFunc(m.analysis.Commands, prepares) {
		if !slices.ContainsFunc(m.analysis.Commands, func(cmd sqlscan.Command) bool { return cmd.Execute != "" }) {
			return m, nil // its parameters get their values later
		}
		params = nil
	}
	return c.withValues(ctx, m, snap, valuesOf(params))
}

// withArguments does so for a prepared statement, with the arguments that command at of by
// executes it with; params are those of by.
func (c *conn) withArguments(ctx context.Context, m, by *meaning, at int, params []hoop.Param) (*meaning, error) {
	if !m.analysis.Swayed {
		return m, nil
	}
	snap, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	values, err := c.argumentsOf(ctx, by, at, params, snap)
	if err != nil {
		return nil, err
	}
	return c.withValues(ctx, m, snap, values)
}

func (c *conn) withValues(ctx context.Context, m *meaning, snap *catalog.Snapshot, values []sqlscan.Value) (*meaning, error) {
	parsed, err := c.proxy.cfg.Parser.Parse(ctx, m.text)
	if err != nil {
		return nil, err
	}
	c.define(ctx, parsed, snap)
	with := *m
	with.values = values
	if with.analysis, err = c.study(ctx, parsed, snap, sqlscan.Lineage{Params: m.types, Values: values}); err != nil {
		return nil, err
	}
	with.analysis.Swayed = true // with other values it may do something else
	return &with, nil
}

// meansAgain finds out what m does in a database that contains snap, with the same values.
func (c *conn) meansAgain(ctx context.Context, m *meaning, snap *catalog.Snapshot) (*meaning, error) {
	now, err := c.means(ctx, m.text, m.types, snap)
	if err != nil || m.values == nil || !now.analysis.Swayed {
		return now, err
	}
	return c.withValues(ctx, now, snap, m.values)
}

// valuesOf reads bound values; those that cannot be read count as any.
func valuesOf(params []hoop.Param) []sqlscan.Value {
	out := make([]sqlscan.Value, len(params))
	types := pgtype.NewMap()
	for i, p := range params {
		if p.Value == nil {
			out[i] = sqlscan.Value{Null: true, Known: true}
		} else if text, ok := session.Text(types, p); ok && len(p.Value) <= maxValue {
			out[i] = sqlscan.Value{Text: text, Known: true}
		}
	}
	return out
}
