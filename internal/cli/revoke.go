package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/api"
)

type revokeOptions struct {
	f        *Factory
	ID       string
	Identity string
	Reason   string
}

func newRevoke(f *Factory, runF func(*revokeOptions) error) *cobra.Command {
	o := &revokeOptions{f: f}
	cmd := &cobra.Command{
		Use:   "revoke {ID | --identity SUBJECT}",
		Short: "End a grant at once, with the sessions that stand on it",
		Long: `End a grant at once, with the sessions that stand on it.

With --identity, an administrator ends all grants that somebody has or that were given on
their behalf, all their requests, sign-ins and live sessions. They can sign in again where the
identity provider lets them: disable them there, or take the service account out of the
resources.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.ID = args[0]
			}
			if (o.ID == "") == (o.Identity == "") {
				return usagef("want the ID of a grant, or --identity")
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Identity, "identity", "", "end all grants, sign-ins and sessions of this `SUBJECT`")
	cmd.Flags().StringVar(&o.Reason, "reason", "", "why, for its owner and the audit log")
	return cmd
}

func (o *revokeOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	if o.Identity != "" {
		done, err := c.Disable(ctx, api.Disable{Subject: o.Identity, Reason: o.Reason})
		if err != nil {
			return err
		}
		o.f.notef("ended all that %s had: grants %d, requests %d, sign-ins %d", done.Subject, done.Grants, done.Requests, done.SignIns)
		return nil
	}
	g, err := c.Revoke(ctx, o.ID, o.Reason)
	if err != nil {
		return err
	}
	o.f.notef("revoked grant %s of %s on %s", g.ID, g.Owner.Subject, g.Target)
	return nil
}
