package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/api"
)

type sessionsHoldOptions struct {
	f      *Factory
	ID     string
	Reason string
	Lift   bool
}

func newSessionsHold(f *Factory, runF func(*sessionsHoldOptions) error) *cobra.Command {
	o := &sessionsHoldOptions{f: f}
	cmd := &cobra.Command{
		Use:   "hold ID --reason TEXT",
		Short: "Keep a recording beyond its time, or let it go again",
		Long: `Set a legal hold on a session's recording, so that it is not deleted when its time is
over; with --lift, end it. Both are events in the audit log. For auditors and
administrators.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Reason, "reason", "", "why; it goes into the audit log")
	cmd.Flags().BoolVar(&o.Lift, "lift", false, "end the hold")
	if err := cmd.MarkFlagRequired("reason"); err != nil {
		panic(err) // the flag is declared the line before
	}
	return cmd
}

func (o *sessionsHoldOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	set, err := c.Hold(ctx, o.ID, api.Hold{On: !o.Lift, Reason: o.Reason})
	if err != nil {
		return err
	}
	if o.Lift {
		o.f.notef("the recording of session %s is deleted when its time is over", o.ID)
	} else {
		o.f.notef("the recording of session %s is kept until the hold is lifted", o.ID)
	}
	if set.Waiting {
		o.f.notef("this is in the audit log and counts; the object store cannot be reached, and is told when it can")
	}
	return nil
}
