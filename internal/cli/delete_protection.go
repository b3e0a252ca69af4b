package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type deleteProtectionOptions struct {
	f      *Factory
	Name   string
	Reason string
}

func newDeleteProtection(f *Factory, runF func(*deleteProtectionOptions) error) *cobra.Command {
	o := &deleteProtectionOptions{f: f}
	cmd := &cobra.Command{
		Use:   "protection TARGET/TABLE --reason TEXT",
		Short: "Lift an inherited protection",
		Long: `Lift the protection that a table inherited when protected data was copied into it, as
hoopctl get protection lists it; for * quote the name: 'pg-prod/*'. Before you do, drop
the copy or declare a mask rule for it: what it still holds is shown from now on. It is
an event in the audit log. For administrators.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Reason, "reason", "", "why; it goes into the audit log")
	if err := cmd.MarkFlagRequired("reason"); err != nil {
		panic(err) // the flag is declared the line before
	}
	return cmd
}

func (o *deleteProtectionOptions) run(ctx context.Context) error {
	target, table, ok := strings.Cut(o.Name, "/")
	if !ok {
		return hoop.Errorf(hoop.CodeInvalid, "%s is no TARGET/TABLE", o.Name).WithHint("hoopctl get protection lists them")
	}
	c, err := o.f.API()
	if err != nil {
		return err
	}
	if err := c.Lift(ctx, api.Lift{Target: target, Table: table, Reason: o.Reason}); err != nil {
		return err
	}
	o.f.notef("%s is no longer protected by inheritance", o.Name)
	return nil
}
