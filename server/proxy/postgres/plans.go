package postgres

import (
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/server/mask"
)

// tellPlan tells, where e is about to give a plan that is withheld, why that is so, and what
// to do: its text cannot.
func (a *answerer) tellPlan(e *expected) {
	commands := e.run.meaning.analysis.Commands
	withheld := slices.ContainsFunc(e.run.plan.Columns, func(t *mask.Transform) bool { return t != nil && t.Rule == mask.Unproven })
	if !withheld || e.tags >= len(commands) || !commands[e.tags].Explain {
		return
	}
	r := report{
		severity: "NOTICE", state: "00000",
		message: "the plan is withheld: it is not known what it may tell of",
		detail:  "plans of views, temporary and system tables, of functions that are users' or volatile, and those with ANALYZE, BUFFERS and the like can carry protected values",
		hint:    "EXPLAIN without options is shown where it is about ordinary tables with nothing protected",
	}
	if tables := e.run.run.Protected(); len(tables) > 0 {
		r.message = "the plan is withheld: it is about protected values of " + strings.Join(tables, ", ")
		r.detail = "the numbers in it, and which scans and joins are chosen, tell of stored values"
		r.hint = "ask somebody for it who may see these values, or EXPLAIN a query that reads other tables only"
	}
	a.keep()
	a.win = r.append(a.win)
}
