package session

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/budget"
	"github.com/hoopctl/hoopctl/server/resource"
)

// Budgets counts the rows that everybody was given, over all sessions. What it fails to
// count must not be given.
type Budgets interface {
	Room(ctx context.Context, limits ...budget.Limit) (int64, error)
	Take(ctx context.Context, rows int64, limits ...budget.Limit) (bool, error)
	Add(ctx context.Context, rows int64, limits ...budget.Limit) error
	Draw(limits ...budget.Limit) *budget.Draw
}

// uncounted is the refusal of a gateway that cannot count.
func (l *Line) uncounted(ctx context.Context, err error) error {
	l.Log.LogAttrs(ctx, slog.LevelError, "what is given or compared cannot be counted", slog.Any("err", err))
	return &hoop.Error{
		Code: hoop.CodeUnavailable, Message: "what you are given cannot be counted, so it is not given",
		Hint: "try again; the gateway's log has the cause", Err: err,
	}
}

// allowance is an export budget as it applies to a session's identity.
type allowance struct {
	hoop.ExportBudget
	tables []resource.TablePattern
	// limits are those of the identity and of whom it acts for in the end: programs that
	// somebody starts share what that one has.
	limits []budget.Limit
	// cursors is what a row of a cursor may carry, by name; "" is of any cursor, which
	// code may have opened. Names without an entry carry nothing.
	cursors map[string]int64
}

// maxCursors is how many names of cursors are kept before any may mean any.
const maxCursors = 1000

// allowances are the export budgets of the session. A pattern that cannot be read names
// every table; the resources were checked when they were read.
func allowances(id hoop.Identity, t hoop.Target) []*allowance {
	who := principals(id)
	var out []*allowance
	for _, b := range t.Budgets {
		a := &allowance{ExportBudget: b, cursors: map[string]int64{}}
		for _, name := range b.Tables {
			p, err := resource.ParseTable(name)
			if err != nil {
				p = resource.TablePattern{Schema: resource.Part{Any: true}, Table: resource.Part{Any: true}}
			}
			a.tables = append(a.tables, p)
		}
		names := slices.Sorted(slices.Values(b.Tables))
		for _, subject := range who {
			a.limits = append(a.limits, budget.Limit{
				Key:  budget.Key{Principal: subject, Target: t.Name, Budget: strings.Join(names, ",")},
				Rows: b.Rows, Per: time.Duration(b.Per),
			})
		}
		out = append(out, a)
	}
	return out
}

// of gives those of the tables that the budget is about.
func (a *allowance) of(tables []string) []string {
	var out []string
	for _, t := range tables {
		if slices.ContainsFunc(a.tables, func(p resource.TablePattern) bool { return p.Match(t) }) {
			out = append(out, t)
		}
	}
	return out
}

// named gives the tables that the budget names, "*" where it names many.
func (a *allowance) named() []string {
	var out []string
	for _, p := range a.tables {
		if p.Schema.Any || p.Table.Any {
			return []string{"*"}
		}
		out = append(out, hoop.TableName(p.Schema.Name, p.Table.Name))
	}
	return out
}

// exports is what a statement takes from the session's budgets.
type exports struct {
	claims   []claim
	use      *hoop.Use // the effect export; nil where the statement stays within the budgets
	withheld bool      // errors must not show values any more
}

// claim is what a statement takes from one budget.
type claim struct {
	*allowance
	tables []string
	row    int64 // for each row of the answer
	once   int64 // for the statement: what it copies
	whole  bool  // any number; the approved statement counts as the whole budget
	over   bool  // it is a reason for the effect export
	draw   *budget.Draw
}

// exports weighs a statement against the session's budgets as they are now.
func (s *Session) exports(ctx context.Context, st *hoop.Statement) (*exports, error) {
	x := &exports{}
	for _, a := range s.allowances {
		c := a.claim(st)
		if len(c.tables) == 0 {
			continue
		}
		room, err := s.line.Budgets.Room(ctx, a.limits...)
		if err != nil {
			return nil, s.line.uncounted(ctx, err)
		}
		c.draw = s.line.Budgets.Draw(a.limits...)
		c.over = c.whole || c.row > room || c.once > room
		switch {
		case c.whole:
			x.because(c, "may deliver %s without a bound below its export budget of %d rows in %s", a.Rows, a.Per)
		case c.over:
			x.because(c, "would exceed the export budget of %[1]s, %[2]d rows in %[3]s", a.Rows, a.Per)
		}
		x.claims = append(x.claims, c)
		x.withheld = x.withheld || room == 0 && !c.over // an approved export may show what it fails on
	}
	return x, nil
}

func (x *exports) because(c claim, format string, rows int64, per hoop.Duration) {
	if x.use == nil {
		x.use = &hoop.Use{Effect: hoop.EffectExport}
	} else {
		x.use.Why += "; "
	}
	x.use.Tables = compact(append(x.use.Tables, c.tables...))
	x.use.Why += fmt.Sprintf(format, strings.Join(c.tables, ", "), rows, per)
}

// claim is what st takes from the budget; it has no tables where st has nothing to do
// with it.
func (a *allowance) claim(st *hoop.Statement) claim {
	c := claim{allowance: a, tables: a.of(st.Reads)}
	if !st.Measured {
		c.whole = len(c.tables) > 0 || st.Opaque
		if c.whole && len(c.tables) == 0 {
			c.tables = a.named()
		}
	}
	for _, carry := range st.Carries {
		tables := a.of(carry.Tables)
		if len(tables) == 0 {
			continue
		}
		c.tables = append(c.tables, tables...)
		switch {
		case carry.Rows == hoop.Whole:
			c.whole = true
		case carry.Copies:
			c.once += int64(carry.Rows)
		default:
			c.row += int64(carry.Rows)
		}
	}
	if slices.ContainsFunc(st.Uses, func(u hoop.Use) bool { return u.Effect == hoop.EffectOpaque }) {
		// What the code reads, and how much of it, nobody knows.
		c.tables, c.whole = append(c.tables, a.named()...), true
	}
	for _, name := range st.Fetches {
		if row := heavier(a.cursors[name], a.cursors[""]); row != 0 {
			c.tables = append(c.tables, a.named()...)
			c.row, c.whole = max(c.row, row), c.whole || row == hoop.Whole
		}
	}
	c.tables = compact(c.tables)
	return c
}

// begin counts what a statement that may run copies, and notes what its cursors carry.
func (x *exports) begin(ctx context.Context, l *Line, st *hoop.Statement) error {
	for _, c := range x.claims {
		c.opens(st)
		if c.over { // people or a rule agreed
			c.draw.Free()
		}
		if err := c.take(ctx, l, c.once); err != nil {
			return err
		}
	}
	return nil
}

// take counts rows; an error says that they must not be given.
func (c claim) take(ctx context.Context, l *Line, rows int64) error {
	if rows == 0 {
		return nil
	}
	ok, err := c.draw.Take(ctx, rows)
	switch {
	case err != nil:
		return l.uncounted(ctx, err)
	case !ok:
		return c.spent()
	}
	return nil
}

// opens notes what the cursors carry that st opens.
func (c claim) opens(st *hoop.Statement) {
	row := c.row
	if c.whole {
		row = hoop.Whole
	}
	names := st.Opens
	if len(c.cursors) >= maxCursors || c.whole && len(names) == 0 {
		names = []string{""} // code may have opened any
	}
	for _, name := range names {
		c.cursors[name] = heavier(c.cursors[name], row)
	}
}

// heavier is the larger of two weights of a row; hoop.Whole is the largest.
func heavier(a, b int64) int64 {
	if a == hoop.Whole || b == hoop.Whole {
		return hoop.Whole
	}
	return max(a, b)
}

func (c claim) spent() *hoop.Error {
	return hoop.Errorf(hoop.CodeLimitExceeded, "the export budget is used up: %d rows of %s in %s", c.Rows, strings.Join(c.tables, ", "), hoop.Duration(c.Per)).
		WithHint("wait, or send the statement again: as long as there is no room, a rule or an approver decides about it")
}

// Deliver counts n rows of the answer before they are released. An error says that the
// budget does not allow them, or that they cannot be counted: they must not reach the
// client, and the statement ends.
func (r *Run) Deliver(n int64) error {
	if r.exports == nil {
		return nil
	}
	s := r.session
	for _, c := range r.exports.claims {
		var err error
		if c.whole {
			if err = c.draw.Mark(s.ctx, c.Rows); err != nil {
				err = s.line.uncounted(s.ctx, err)
			}
		} else {
			err = c.take(s.ctx, s.line, n*c.row)
		}
		switch {
		case err != nil && s.ctx.Err() != nil: // the session ended for another reason
			return hoop.AsError(context.Cause(s.ctx))
		case err != nil:
			return err
		}
	}
	return nil
}

// adminShutdown is the SQLSTATE of a statement whose end was never seen.
const adminShutdown = "57P01"

// countEnd counts a row for an error, whose text can show the values of one, and gives back
// what was taken ahead. Where an error cannot be counted, the session ends before it is told.
func (r *Run) countEnd(state string) {
	if r.exports == nil || len(r.exports.claims) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.session.ctx), 10*time.Second)
	defer cancel()
	for _, c := range r.exports.claims {
		if err := c.draw.Close(ctx); err != nil {
			r.session.line.Log.WarnContext(ctx, "rows that were not given count", "session", r.session.info.ID, "err", err)
		}
		if state == "" || state == adminShutdown {
			continue
		}
		rows := max(c.row, 1)
		if c.whole {
			rows = c.Rows
		}
		if err := r.session.line.Budgets.Add(ctx, rows, c.limits...); err != nil {
			r.session.silence(r.session.line.uncounted(ctx, err))
		}
	}
}
