package postgres

import (
	"context"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pglex"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// executedLooks gives the looks of a prepared statement that command at of by runs by name: its
// parameters may be any of the values there, and where these are not plain ones anything that is
// made of them.
func (c *conn) executedLooks(ctx context.Context, m, by *meaning, at int, params []hoop.Param) ([]hoop.Look, error) {
	if c.sess != nil && !c.sess.Compares() || len(m.analysis.Looks) == 0 {
		return nil, nil
	}
	a := arguments{own: c.literals(m.text)}
	var text pglex.Text
	if a.read = text.Read(by.text); a.read {
		for _, l := range text.Literals {
			a.given = append(a.given, hoop.Operand{Literal: -1, Text: by.text[l.Start:l.End], Array: true})
		}
	} else {
		snap, err := c.snapshot(ctx)
		if err != nil {
			return nil, err
		}
		given, err := c.argumentsOf(ctx, by, at, params, snap)
		if err != nil {
			return nil, err
		}
		for _, v := range given {
			if v.Known && !v.Null {
				a.given = append(a.given, hoop.Operand{Literal: -1, Text: v.Text, Array: true})
			}
		}
	}
	return m.looks(a, by.bare), nil
}

// looks gives the looks of m with the values that its parameters have; plain says that nothing is
// made of these.
func (m *meaning) looks(a arguments, plain bool) []hoop.Look {
	out := slices.Clone(m.analysis.Looks)
	for i := range out {
		bound := slices.ContainsFunc(out[i].Operands, func(op hoop.Operand) bool { return op.Param > 0 })
		out[i].Exact = out[i].Exact && (!bound || !a.read || plain)
		var unread bool
		out[i].Operands, unread = a.in(out[i].Operands)
		out[i].Many = out[i].Many || unread
		out[i].Listed, unread = a.in(out[i].Listed)
		out[i].Many = out[i].Many || unread
		out[i].Near, _ = a.in(out[i].Near)
		out[i].Between = a.ranges(out[i].Between)
	}
	return out
}

// arguments are what EXECUTE gives to a prepared statement.
type arguments struct {
	own   func(n int) (string, bool) // literals of that
	given []hoop.Operand
	read  bool // the values stand in the text as they are
}

// in gives operands of the prepared statement with the values that they can have; unread says
// that some may have others.
func (a *arguments) in(ops []hoop.Operand) (out []hoop.Operand, unread bool) {
	for _, op := range ops {
		switch {
		case op.Param > 0:
			unread = unread || !a.read
			for _, g := range a.given {
				g.Cast, g.Words = op.Cast, op.Words
				out = append(out, g)
			}
		case op.Literal >= 0:
			own, known := a.own(op.Literal)
			unread = unread || !known
			out = append(out, hoop.Operand{Literal: -1, Text: own, Array: op.Array, Words: op.Words, Cast: op.Cast})
		default:
			out = append(out, op)
		}
	}
	return out, unread
}

// maxRanges is how many ranges parameters are put into.
const maxRanges = 1000

// ranges gives those of the prepared statement with each value for each parameter.
func (a *arguments) ranges(list []hoop.Range) (out []hoop.Range) {
	for _, r := range list {
		lows, _ := a.in([]hoop.Operand{r.Low})
		highs, _ := a.in([]hoop.Operand{r.High})
		for _, low := range lows {
			for _, high := range highs {
				if len(out) < maxRanges {
					out = append(out, hoop.Range{Low: low, High: high, LowOpen: r.LowOpen, HighOpen: r.HighOpen})
				}
			}
		}
	}
	return out
}

// argumentsOf gives the values that command at of by gives to what it executes.
func (c *conn) argumentsOf(ctx context.Context, by *meaning, at int, params []hoop.Param, snap *catalog.Snapshot) ([]sqlscan.Value, error) {
	parsed, err := c.proxy.cfg.Parser.Parse(ctx, by.text)
	if err != nil {
		return nil, err
	}
	return sqlscan.Arguments(parsed, at, snap, valuesOf(params)), nil
}

// literals gives the literals of a text, as they stand there; it reads the text when it is first
// asked. Of a text that pglex does not read, which no number of a literal is of, they are the values.
func (c *conn) literals(sql string) func(n int) (string, bool) {
	var all []string
	read := false
	return func(n int) (string, bool) {
		if !read {
			read, all = true, c.readLiterals(sql)
		}
		if n >= len(all) {
			return "", false
		}
		return all[n], true
	}
}

func (c *conn) readLiterals(sql string) (all []string) {
	var text pglex.Text
	if text.Read(sql) {
		for _, l := range text.Literals {
			all = append(all, sql[l.Start:l.End])
		}
		return all
	}
	if p, err := c.proxy.cfg.Parser.Parse(c.ctx, sql); err == nil { // it was parsed before
		all = sqlscan.Constants(p)
	}
	return all
}
