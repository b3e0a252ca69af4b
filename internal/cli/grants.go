package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type grantsOptions struct {
	f    *Factory
	All  bool
	JSON jsonFlag
}

func newGrants(f *Factory, runF func(*grantsOptions) error) *cobra.Command {
	o := &grantsOptions{f: f}
	cmd := &cobra.Command{
		Use:   "grants",
		Short: "List grants",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.All, "all", false, "those that ended too, and those of others that you may see")
	addJSON[hoop.Grant](cmd, &o.JSON)
	return cmd
}

func (o *grantsOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	items, err := c.Grants(ctx, o.All)
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, items)
	}
	t := newTable("ID", "STATE", "TARGET", "OWNER", "RULE", "STARTS", "ENDS", "REASON", "SCOPE")
	for _, g := range items {
		state := painted("ended", o.f.IO.Dim)
		switch {
		case g.InForce(o.f.Now()):
			state = painted("in force", o.f.IO.Green)
		case !g.RevokedAt.IsZero():
			state = painted("revoked", o.f.IO.Red)
		case g.StartsAt.After(o.f.Now()):
			state = painted("to come", o.f.IO.Yellow)
		}
		t.add(text(g.ID), state, text(g.Target), text(g.Owner.Subject), text(g.Rule), o.f.when(g.StartsAt), o.f.when(g.ExpiresAt), text(g.Reason), text(scopeOf(g)))
	}
	empty := "No grant of yours is in force; hoopctl targets lists what you may ask for, hoopctl grants --all those that ended."
	if o.All {
		empty = "There was no grant that you may see; hoopctl targets lists what you may ask for."
	}
	return t.write(o.f.IO, empty)
}

// scopeOf says what a grant is limited to, "-" where it is not.
func scopeOf(g hoop.Grant) string {
	s := "-"
	if !g.Scope.IsZero() {
		s = g.Scope.String()
	}
	if g.MaxUses > 0 {
		s += fmt.Sprintf(" (%d of %d sessions)", g.Uses, g.MaxUses)
	}
	return s
}
