package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// describe shows a request to whoever decides it: all that it means, nothing cut, and
// what decides most cases first: a short statement fits a terminal of 24 lines below the
// inbox. The statement stands alone on its lines, each behind a bar, so that no text in
// it can pass for ours.
func (f *Factory) describe(w io.Writer, r hoop.Request) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s  %s\n", f.IO.Dim(fmt.Sprintf("%-9s", name)), iostreams.OneLine(value))
		}
	}
	line("request", fmt.Sprintf("%d (%s), %s, expires %s", r.ID, r.Kind, r.State, relative(r.ExpiresAt.Sub(f.Now()))))
	line("from", nameOf(r.Requester)+kindOf(r.Requester)+" on "+r.Target)
	if r.Kind == hoop.RequestStatement {
		f.describeStatement(w, r)
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
	if r.Rule != "" {
		by = r.Rule + ", " + by
	}
	line("rule", by)
	line("session", r.Session)
	for _, a := range r.Approvals {
		line(map[bool]string{true: "approved", false: "denied"}[a.Approve], a.Name+" at "+f.clock(a.At)+": "+a.Reason)
	}
}

// describeStatement is what a held statement means.
func (f *Factory) describeStatement(w io.Writer, r hoop.Request) {
	title, text := "Would run, exactly this:", r.Statement
	if text == "" { // decided, held by another gateway, or not for this viewer
		title, text = "Without its values:", r.Shape
	}
	fmt.Fprintf(w, "\n%s\n", f.IO.Bold(title))
	bar := func(text string) {
		for l := range strings.SplitSeq(text, "\n") {
			fmt.Fprintf(w, "  │ %s\n", iostreams.Printable(l))
		}
	}
	bar(text)
	for i, p := range r.Params {
		fmt.Fprintf(w, "  $%d = %s\n", i+1, iostreams.OneLine(p))
	}
	for _, x := range r.Executes {
		fmt.Fprintf(w, "  which runs what was prepared:\n")
		bar(x)
	}
	if r.Hidden > 0 {
		fmt.Fprintf(w, "  %s\n", f.IO.Dim(counted(int64(r.Hidden), "value")+" masked for you; what runs has them in clear"))
	}
	fmt.Fprintf(w, "%s\n", f.IO.Bold("Effects:"))
	for _, u := range r.Effects {
		fmt.Fprintf(w, "  %s\n", iostreams.OneLine(effect(u)))
	}
	if r.Facts != nil {
		f.describeFacts(w, *r.Facts)
	}
	if r.InTx && r.State == hoop.Pending {
		fmt.Fprintf(w, "%s\n", f.IO.Yellow("A transaction is open and keeps its locks while this waits."))
	}
}

// describeFacts is what the gateway found out for whoever decides.
func (f *Factory) describeFacts(w io.Writer, x hoop.Facts) {
	line := func(name, value string) {
		fmt.Fprintf(w, "  %-12s %s\n", name, iostreams.OneLine(value))
	}
	fmt.Fprintf(w, "%s\n", f.IO.Bold("What is known:"))
	s := x.Session
	client := s.Client
	if client == "" {
		client = "an unnamed client"
	}
	line("session", fmt.Sprintf("%s, %s, since %s: %s, %s, %s masked", client, s.Database, f.clock(s.StartedAt),
		counted(s.Statements, "statement"), counted(s.Rows, "row"), counted(s.Masked, "cell")))
	if x.Pending {
		line("target", "being asked…")
		return
	}
	line("rows", x.Estimate.String())
	line("protected", columnsOf(x.Protected, x.More))
	line("transaction", x.Transaction)
	line("locks", x.Locks.String())
}

func columnsOf(columns []hoop.ColumnRef, more bool) string {
	if len(columns) == 0 {
		return "no column of these tables"
	}
	var names []string
	for _, c := range columns {
		names = append(names, c.String())
	}
	if more {
		names = append(names, "and others")
	}
	return strings.Join(names, ", ")
}

func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func kindOf(id hoop.Identity) string {
	s := ""
	if id.Kind == hoop.Service {
		s = ", a service account of " + id.Owner
	}
	if len(id.Chain) > 0 {
		s += ", on behalf of " + strings.Join(id.Chain, " of ")
	}
	return s
}

// effect is one effect in a line: what, on which tables, into which, why.
func effect(u hoop.Use) string {
	s := string(u.Effect)
	if len(u.Tables) > 0 {
		s += " on " + strings.Join(u.Tables, ", ")
	}
	if len(u.Into) > 0 {
		s += " into " + strings.Join(u.Into, ", ")
	}
	if len(u.Columns) > 0 {
		var c []string
		for _, x := range u.Columns {
			c = append(c, x.String())
		}
		s += " by " + strings.Join(c, ", ")
	}
	if u.Why != "" {
		s += ": " + u.Why
	}
	return s
}
