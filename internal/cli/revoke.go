package cli

import (
	"context"

	"github.com/spf13/cobra"
)

type revokeOptions struct {
	f      *Factory
	ID     string
	Reason string
}

func newRevoke(f *Factory, runF func(*revokeOptions) error) *cobra.Command {
	o := &revokeOptions{f: f}
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "End a grant at once, with the sessions that stand on it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Reason, "reason", "", "why, for its owner and the audit log")
	return cmd
}

func (o *revokeOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	g, err := c.Revoke(ctx, o.ID, o.Reason)
	if err != nil {
		return err
	}
	o.f.notef("revoked grant %s of %s on %s", g.ID, g.Owner.Subject, g.Target)
	return nil
}
