package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// describe shows a request to whoever decides it: all that it means, nothing cut.
// The statement stands alone on its lines, each behind a bar, so that no text in it
// can pass for ours.
func (f *Factory) describe(w io.Writer, r hoop.Request) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s  %s\n", f.IO.Dim(fmt.Sprintf("%-9s", name)), iostreams.OneLine(value))
		}
	}
	line("request", fmt.Sprintf("%d (%s)", r.ID, r.Kind))
	line("state", string(r.State))
	line("from", nameOf(r.Requester)+kindOf(r.Requester))
	line("target", r.Target)
	line("reason", r.Reason)
	if r.Kind == hoop.RequestGrant {
		line("duration", r.Duration.String())
		if !r.StartsAt.IsZero() {
			line("starts", f.clock(r.StartsAt)+" ("+relative(r.StartsAt.Sub(f.Now()))+")")
		}
		if !r.Scope.IsZero() {
			line("scope", r.Scope.String())
		}
	}
	line("session", r.Session)
	line("rule", r.Rule)
	line("approvers", approvers(r))
	line("expires", f.clock(r.ExpiresAt)+" ("+relative(r.ExpiresAt.Sub(f.Now()))+")")
	for _, a := range r.Approvals {
		line(map[bool]string{true: "approved", false: "denied"}[a.Approve], a.Name+" at "+f.clock(a.At)+": "+a.Reason)
	}
	if r.Kind != hoop.RequestStatement {
		return
	}
	fmt.Fprintf(w, "\n%s\n", f.IO.Bold("Would run, exactly this:"))
	for l := range strings.SplitSeq(r.Statement, "\n") {
		fmt.Fprintf(w, "  │ %s\n", iostreams.Printable(l))
	}
	for i, p := range r.Params {
		fmt.Fprintf(w, "  $%d = %s\n", i+1, iostreams.OneLine(p))
	}
	fmt.Fprintf(w, "\n%s\n", f.IO.Bold("Effects:"))
	for _, u := range r.Effects {
		fmt.Fprintf(w, "  %s\n", iostreams.OneLine(effect(u)))
	}
	if r.InTx {
		fmt.Fprintf(w, "\n%s\n", f.IO.Yellow("A transaction is open and keeps its locks while this waits."))
	}
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
