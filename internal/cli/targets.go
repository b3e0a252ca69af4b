package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/api"
)

type targetsOptions struct {
	f    *Factory
	JSON jsonFlag
}

func newTargets(f *Factory, runF func(*targetsOptions) error) *cobra.Command {
	o := &targetsOptions{f: f}
	cmd := &cobra.Command{
		Use:   "targets",
		Short: "List what you may reach, and how",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	addJSON[api.Target](cmd, &o.JSON)
	return cmd
}

func (o *targetsOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	targets, err := c.Targets(ctx)
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, targets)
	}
	t := newTable("NAME", "TYPE", "DATABASE", "APPROVAL", "REASON", "AT MOST", "GRANT ENDS")
	for _, x := range targets {
		ends := cell{text: "-"}
		if x.Grant != nil {
			ends = o.f.when(x.Grant.ExpiresAt)
			ends.paint = o.f.IO.Green
		}
		t.add(text(x.Name), text(x.Type), text(x.Database), text(x.Approval), text(x.Reason), cell{text: x.MaxDuration.String(), raw: x.MaxDuration.Text()}, ends)
	}
	return t.write(o.f.IO, "No target is open to you; an administrator declares access rules.")
}
