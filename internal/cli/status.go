package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/login"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type statusOptions struct {
	f    *Factory
	JSON jsonFlag
}

// status is what `hoopctl status --json` shows.
type status struct {
	Gateway  string       `json:"gateway"`
	From     string       `json:"gateway_from"`
	Version  string       `json:"gateway_version"`
	Subject  string       `json:"subject"`
	SignedIn string       `json:"signed_in_by"`
	KeptIn   string       `json:"kept_in"`
	Grants   []hoop.Grant `json:"grants"`
	Waiting  int          `json:"requests_waiting"` // for somebody's approval
}

func newStatus(f *Factory, runF func(*statusOptions) error) *cobra.Command {
	o := &statusOptions{f: f}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the gateway, the sign-in and the grants in force",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	addJSON[status](cmd, &o.JSON)
	return cmd
}

func (o *statusOptions) run(ctx context.Context) error {
	st, err := o.collect(ctx)
	if err != nil && st.Gateway == "" {
		return err
	}
	if o.JSON.set {
		if jerr := o.f.writeJSON(o.JSON, st); jerr != nil {
			return jerr
		}
		return err
	}
	var grants []string
	for _, g := range st.Grants {
		grants = append(grants, g.Target+" until "+o.f.clock(g.ExpiresAt))
	}
	waiting := ""
	if st.Waiting > 0 {
		waiting = plural(st.Waiting, "request waits", "requests wait") + " for approval"
	}
	signedIn := "no"
	switch {
	case st.Version == "":
		signedIn = "unknown: the gateway does not answer"
	case st.Subject != "":
		signedIn = st.Subject + ", by " + st.SignedIn
	}
	if perr := pairs(o.f.IO,
		"gateway", st.Gateway+" (from the "+st.From+")",
		"version", st.Version,
		"signed in", signedIn,
		"kept in", st.KeptIn,
		"grants", strings.Join(grants, ", "),
		"waiting", waiting,
	); perr != nil {
		return perr
	}
	return err
}

// collect finds out as much as can be; the error is why not more.
func (o *statusOptions) collect(ctx context.Context) (status, error) {
	var st status
	s, err := o.f.Settings()
	if err != nil {
		return st, err
	}
	c, err := o.f.API()
	if err != nil {
		return st, err
	}
	st.Gateway, st.From = s.Gateway, string(s.GatewayFrom)
	v, err := c.Version(ctx)
	if err != nil {
		return st, err
	}
	st.Version = v.Version
	src, err := o.f.Login()
	if err != nil {
		return st, err
	}
	kept, err := src.Kept()
	if err != nil {
		return st, err
	}
	st.SignedIn = string(kept.Kind)
	if kept.Kind != login.Environment {
		store, err := o.f.Keyring()
		if err != nil {
			return st, err
		}
		if st.KeptIn, err = store.Holds(s.Gateway); err != nil {
			return st, err
		}
	}
	me, err := c.Me(ctx)
	if err != nil {
		return st, err
	}
	st.Subject = me.Identity.Subject
	if st.Grants, err = c.Grants(ctx, false); err != nil {
		return st, err
	}
	st.Waiting, err = waitingRequests(ctx, c, st.Subject)
	return st, err
}

// waitingRequests counts the requests of a subject that nobody has decided yet.
func waitingRequests(ctx context.Context, c *api.Client, subject string) (int, error) {
	items, err := c.Requests(ctx, api.RequestFilter{State: hoop.Pending})
	n := 0
	for _, r := range items {
		if r.Requester.Subject == subject && r.State == hoop.Pending {
			n++
		}
	}
	return n, err
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
