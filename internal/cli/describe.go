package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// describe shows a request to whoever decides it: all that it means, nothing cut, and
// what decides most cases first: a short statement fits a terminal of 24 lines below the
// inbox. Lines have at most width columns; 0: as many as they need. Texts of others stand
// behind a bar, or indented where they go on, so that nothing in them can pass for ours.
func (f *Factory) describe(w io.Writer, width int, r hoop.Request) {
	s := &sheet{f.IO, w, width}
	line := func(name, value string) {
		if value != "" {
			s.words(f.IO.Dim(fmt.Sprintf("%-9s", name))+"  ", value)
		}
	}
	line("request", fmt.Sprintf("%d (%s), %s, expires %s", r.ID, r.Kind, r.State, relative(r.ExpiresAt.Sub(f.Now()))))
	line("from", nameOf(r.Requester)+kindOf(r.Requester)+" on "+r.Target)
	if r.Kind == hoop.RequestStatement {
		f.describeStatement(s, r)
	}
	if !strings.HasPrefix(r.Reason, "needs approval: ") { // what the effects say
		line("reason", r.Reason)
	}
	if r.Kind == hoop.RequestGrant {
		line("duration", r.Duration.String())
		line("renews", r.Renews)
		if !r.StartsAt.IsZero() {
			line("starts", f.clock(r.StartsAt)+" ("+relative(r.StartsAt.Sub(f.Now()))+")")
		}
		if !r.Scope.IsZero() {
			line("scope", r.Scope.String())
		}
	}
	by := "approval by " + approvers(r)
	if next := r.AskedNext(); next != "" {
		by += ", then " + next
	}
	if r.Rule != "" {
		by = r.Rule + ", " + by
	}
	line("rule", by)
	line("session", r.Session)
	for _, a := range r.Approvals {
		said := hoop.Named(a.Name, a.By) + " at " + f.clock(a.At)
		if a.Reason != "" {
			said += ": " + a.Reason
		}
		line(map[bool]string{true: "approved", false: "denied"}[a.Approve], said)
	}
}

// describeStatement is what a held statement means.
func (f *Factory) describeStatement(s *sheet, r hoop.Request) {
	title, text := "Would run, exactly this:", r.Statement
	if text == "" { // decided, held by another gateway, or not for this viewer
		title, text = "Without its values:", r.Shape
	}
	s.ours("")
	s.ours(f.IO.Bold(title))
	s.text(text)
	for i, p := range r.Params {
		s.exact(fmt.Sprintf("  $%d = ", i+1), iostreams.OneLine(p))
	}
	for _, x := range r.Executes {
		s.ours("  which runs what was prepared:")
		s.text(x)
	}
	if r.Hidden > 0 {
		s.ours(f.IO.Dim("  " + hoop.Counted(int64(r.Hidden), "value") + " masked for you; what runs has them in clear"))
	}
	s.ours(f.IO.Bold("Effects:"))
	for _, u := range r.Effects {
		s.item(u.Line())
	}
	if r.Facts != nil {
		f.describeFacts(s, *r.Facts)
	}
	if r.InTx && r.State == hoop.Pending && (r.Facts == nil || r.Facts.Pending) {
		s.ours(f.IO.Yellow("A transaction is open and keeps its locks while this waits."))
	}
}

// describeFacts is what the gateway found out for whoever decides.
func (f *Factory) describeFacts(s *sheet, x hoop.Facts) {
	line := func(name, value string) { s.words(fmt.Sprintf("  %-12s ", name), value) }
	s.ours(f.IO.Bold("What is known:"))
	line("session", fmt.Sprintf("%s from %s, %s, since %s: %s, %s, %s masked", cmp.Or(x.Session.Client, "an unnamed client"), x.Session.RemoteAddr,
		x.Session.Database, f.clock(x.Session.StartedAt), hoop.Counted(x.Session.Statements, "statement"), hoop.Counted(x.Session.Rows, "row"), hoop.Counted(x.Session.Masked, "cell")))
	if x.Pending {
		line("target", "being asked…")
		return
	}
	line("rows", x.Estimate.String())
	line("protected", columnsOf(x.Protected, x.More))
	line("transaction", x.Transaction)
	line("locks", x.Locks.String())
}

// columnsOf names columns, those of one table together.
func columnsOf(columns []hoop.ColumnRef, more bool) string {
	if len(columns) == 0 {
		return "no column of these tables"
	}
	var tables []string
	last := ""
	for _, c := range columns {
		if t := hoop.TableName(c.Schema, c.Table); t != last {
			tables, last = append(tables, t+": "+hoop.QuoteIdent(c.Column)), t
			continue
		}
		tables[len(tables)-1] += ", " + hoop.QuoteIdent(c.Column)
	}
	if more {
		tables = append(tables, "and others")
	}
	return strings.Join(tables, "; ")
}

func kindOf(id hoop.Identity) string {
	s := ""
	if id.Kind == hoop.Service && id.Owner != "" { // an agent has none
		s = ", a service account of " + id.Owner
	}
	if len(id.Chain) > 0 {
		s += ", on behalf of " + strings.Join(id.Chain, " of ")
	}
	return s
}
