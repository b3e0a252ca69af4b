package cli

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/internal/tui"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type approveOptions struct {
	f      *Factory
	ID     int64 // 0: the inbox
	Reason string
	Yes    bool
	JSON   jsonFlag
}

func newApprove(f *Factory, runF func(*approveOptions) error) *cobra.Command {
	o := &approveOptions{f: f}
	cmd := &cobra.Command{
		Use:   "approve [ID]",
		Short: "Approve a request, or open the inbox",
		Long: `Approve the request with this number. At a terminal hoopctl first shows what it
means and asks; in a script the number is explicit enough.

Without a number, the requests that wait for you: an inbox at a terminal, one keystroke
each; a list in a pipe.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) == 1 {
				if o.ID, err = parseID(args[0]); err != nil {
					return err
				}
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Reason, "reason", "", "why, for the requester and the audit log")
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	addJSON[hoop.Request](cmd, &o.JSON)
	return cmd
}

// parseID reads a request's number.
func parseID(s string) (int64, error) {
	id, err := strconv.ParseInt(strings.TrimPrefix(s, "#"), 10, 64)
	if err != nil || id <= 0 {
		return 0, hoop.Errorf(hoop.CodeInvalid, "%q is not the number of a request", s).WithHint("hoopctl requests --inbox lists those that wait for you")
	}
	return id, nil
}

func (o *approveOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	if o.ID == 0 {
		return o.inbox(ctx, c)
	}
	if o.f.IO.CanPrompt() && !o.Yes && !o.JSON.set {
		if err := o.confirm(ctx, c); err != nil {
			return err
		}
	}
	r, err := c.Approve(ctx, o.ID, o.Reason)
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, r)
	}
	o.f.note(approved(r))
	return nil
}

// approved says what an approval led to.
func approved(r hoop.Request) string {
	if r.Repeated {
		return "request " + summary(r) + "; " + r.Progress()
	}
	if r.State == hoop.Pending {
		return "approved request " + summary(r) + "; " + r.Progress()
	}
	what := "approved request " + summary(r)
	switch next := r.AskedNext(); {
	case next != "":
		what += "; it runs once, when others approve it too: asked now " + next
	case r.Kind == hoop.RequestStatement:
		what += "; it runs once, now"
	}
	return what
}

// summary says what a request is about in a line, without values.
func summary(r hoop.Request) string {
	s := fmt.Sprintf("%d of %s on %s: ", r.ID, r.Requester.Subject, r.Target)
	if r.Kind == hoop.RequestStatement {
		return iostreams.OneLine(s + strings.TrimRight(r.Shape, "; \n"))
	}
	return iostreams.OneLine(s + "access for " + r.Duration.String())
}

// confirm shows what the request means and asks.
func (o *approveOptions) confirm(ctx context.Context, c *api.Client) error {
	a, err := c.Request(ctx, o.ID, 0)
	if err != nil {
		return err
	}
	if a.Request.State != hoop.Pending {
		return hoop.Errorf(hoop.CodeConflict, "request %d is %s already%s", o.ID, a.Request.State, verdict(a.Request))
	}
	o.f.describe(o.f.IO.ErrOut, o.f.IO.Width(), a.Request)
	fmt.Fprintf(o.f.IO.ErrOut, "\nApprove request %d? [y/N] ", o.ID)
	line, err := readLine(ctx, bufio.NewReader(o.f.IO.In))
	if err != nil {
		return err
	}
	if s := strings.ToLower(strings.TrimSpace(line)); s != "y" && s != "yes" {
		return hoop.Errorf(hoop.CodeCancelled, "request %d was not approved and stays open", o.ID).
			WithHint("hoopctl deny %d --reason \"…\" denies it", o.ID)
	}
	return nil
}

// readLine reads an answer; the end of the input is an empty one. The read itself
// cannot be interrupted: when ctx ends, it is left behind for the end of the process.
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	got := make(chan string, 1)
	go func() {
		line, err := in.ReadString('\n')
		if err != nil {
			line = ""
		}
		got <- line
	}()
	select {
	case line := <-got:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// inbox lists what waits for me.
func (o *approveOptions) inbox(ctx context.Context, c *api.Client) error {
	if o.f.IO.Interactive() && !o.JSON.set {
		return tui.RunInbox(ctx, tui.InboxOptions{
			API: c, In: o.f.IO.In, Out: o.f.IO.Out, Color: o.f.IO.Color(), Now: o.f.Now, Describe: o.f.describe,
		})
	}
	items, err := c.Requests(ctx, api.RequestFilter{State: hoop.Pending, Inbox: true})
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, items)
	}
	return o.f.listInbox(items)
}
