package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type denyOptions struct {
	f      *Factory
	ID     int64
	Reason string
	JSON   jsonFlag
}

func newDeny(f *Factory, runF func(*denyOptions) error) *cobra.Command {
	o := &denyOptions{f: f}
	cmd := &cobra.Command{
		Use:     "deny ID",
		Short:   "Deny a request",
		Example: `  hoopctl deny 17 --reason "use the replica"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.ID, err = parseID(args[0]); err != nil {
				return err
			}
			if strings.TrimSpace(o.Reason) == "" {
				return hoop.Errorf(hoop.CodeInvalid, "a denial needs a reason").WithHint(`hoopctl deny %d --reason "…"`, o.ID)
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Reason, "reason", "", "why, for the requester and the audit log (needed)")
	addJSON[hoop.Request](cmd, &o.JSON)
	return cmd
}

func (o *denyOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	r, err := c.Deny(ctx, o.ID, o.Reason)
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, r)
	}
	o.f.notef("denied request %s", summary(r))
	return nil
}
