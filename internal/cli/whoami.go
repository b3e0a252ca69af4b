package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type whoamiOptions struct {
	f    *Factory
	JSON jsonFlag
}

// whoami is what `hoopctl whoami --json` shows.
type whoami struct {
	hoop.Identity
	Roles    []hoop.Role `json:"roles"`
	Literals bool        `json:"literals,omitempty"`
	Gateway  string      `json:"gateway"`
}

func newWhoami(f *Factory, runF func(*whoamiOptions) error) *cobra.Command {
	o := &whoamiOptions{f: f}
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Show who the gateway says you are",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	addJSON[whoami](cmd, &o.JSON)
	return cmd
}

func (o *whoamiOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	me, err := c.Me(ctx)
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, whoami{me.Identity, me.Roles, me.Literals, c.Base})
	}
	id, recordings := me.Identity, ""
	if me.Literals {
		recordings = "with literals and parameters"
	}
	return pairs(o.f.IO,
		"subject", id.Subject,
		"name", id.Name,
		"email", id.Email,
		"kind", string(id.Kind),
		"provider", id.Provider,
		"groups", strings.Join(id.Groups, ", "),
		"roles", joinRoles(me.Roles),
		"recordings", recordings,
		"owner", id.Owner,
		"on behalf of", strings.Join(id.Chain, " of "),
		"gateway", c.Base,
	)
}

func joinRoles(roles []hoop.Role) string {
	var s []string
	for _, r := range roles {
		s = append(s, string(r))
	}
	return strings.Join(s, ", ")
}

// nameOf names an identity to people: who it is, and by which subject the gateway
// knows it.
func nameOf(id hoop.Identity) string { return hoop.Named(id.Name, id.Subject) }
