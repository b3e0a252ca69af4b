package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type requestsOptions struct {
	f     *Factory
	State string
	Inbox bool
	JSON  jsonFlag
}

func newRequests(f *Factory, runF func(*requestsOptions) error) *cobra.Command {
	o := &requestsOptions{f: f}
	states := []string{string(hoop.Pending), string(hoop.Approved), string(hoop.Denied), string(hoop.Expired), string(hoop.Cancelled)}
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "List your requests and those you may decide",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.State != "" && !slices.Contains(states, o.State) {
				return usagef("unknown state %q; there are %v", o.State, states)
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.State, "state", "", "only those in this `STATE`: pending, approved, denied, expired, cancelled")
	cmd.Flags().BoolVar(&o.Inbox, "inbox", false, "only those that wait for you")
	addJSON[hoop.Request](cmd, &o.JSON)
	return cmd
}

func (o *requestsOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	items, err := c.Requests(ctx, api.RequestFilter{State: hoop.RequestState(o.State), Inbox: o.Inbox})
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, items)
	}
	if o.Inbox {
		return o.f.listInbox(items)
	}
	empty := "There are no requests that you may see; hoopctl request TARGET asks for access."
	if o.State != "" {
		empty = "No request that you may see is " + o.State + "; hoopctl requests lists all."
	}
	return o.f.listRequests(items, empty)
}

// listInbox prints what waits for me, and at a terminal how to decide it.
func (f *Factory) listInbox(items []hoop.Request) error {
	if err := f.listRequests(items, "Nothing waits for you; hoopctl requests lists what was decided."); err != nil {
		return err
	}
	if len(items) > 0 && f.IO.OutTTY {
		f.notef("hoopctl approve shows all that there is to know, and asks; hoopctl approve %[1]d does so for one; hoopctl deny %[1]d --reason \"…\" denies it", items[0].ID)
	}
	return nil
}

// listRequests prints requests as a table or in tab-separated fields.
func (f *Factory) listRequests(items []hoop.Request, empty string) error {
	t := newTable("ID", "STATE", "TARGET", "FROM", "ASKED", "EXPIRES", "WHAT", "OUTCOME")
	for _, r := range items {
		expires := cell{text: "-"}
		if r.State == hoop.Pending {
			expires = f.when(r.ExpiresAt)
		}
		t.add(text(idOf(r)), painted(string(r.State), f.stateColor(r.State)), text(r.Target), text(r.Requester.Subject),
			f.when(r.CreatedAt), expires, text(whatOf(r)), text(cmp.Or(outcomeOf(r), "-")))
	}
	return t.write(f.IO, empty)
}

// outcomeOf says who decided, and why; of what is open, how many have approved.
func outcomeOf(r hoop.Request) string {
	if r.State == hoop.Pending && len(r.Approvals) > 0 {
		return r.Progress()
	}
	return strings.TrimLeft(verdict(r), ": ")
}

func (f *Factory) stateColor(s hoop.RequestState) func(string) string {
	switch s {
	case hoop.Pending:
		return f.IO.Yellow
	case hoop.Approved:
		return f.IO.Green
	case hoop.Denied:
		return f.IO.Red
	}
	return f.IO.Dim
}

// whatOf says in a line what is asked for: a statement's text, or a grant's time and
// reason.
func whatOf(r hoop.Request) string {
	if r.Kind == hoop.RequestStatement {
		return cmp.Or(r.Statement, r.Shape) // once decided, the literals are gone
	}
	s := fmt.Sprintf("access for %s", r.Duration)
	if !r.Scope.IsZero() {
		s += " (" + r.Scope.String() + ")"
	}
	if r.Reason == "" {
		return s
	}
	return s + ": " + r.Reason
}
