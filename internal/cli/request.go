package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type requestOptions struct {
	f        *Factory
	Target   string
	Duration time.Duration
	Reason   string
	Wait     bool
	JSON     jsonFlag
}

func newRequest(f *Factory, runF func(*requestOptions) error) *cobra.Command {
	o := &requestOptions{f: f}
	cmd := &cobra.Command{
		Use:   "request TARGET",
		Short: "Ask for a grant",
		Long: `Ask for a grant: access to a target for a time.

Where the access rule wants an approval, the request waits for it (exit status 8);
with --wait, hoopctl does.`,
		Example:           `  hoopctl request pg-prod --duration 1h --reason "ticket 4711"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Target = args[0]
			if o.Duration < 0 {
				return usagef("--duration must not be negative")
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.DurationVar(&o.Duration, "duration", 0, "how long, as in 30m or 1h; left out: what the rule allows, at most 1h")
	fl.StringVar(&o.Reason, "reason", "", "why, for approvers and the audit log")
	fl.BoolVar(&o.Wait, "wait", false, "wait for the approval")
	addJSON[hoop.Request](cmd, &o.JSON)
	return cmd
}

func (o *requestOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	a, err := c.NewRequest(ctx, api.NewRequest{Target: o.Target, Duration: hoop.Duration(o.Duration), Reason: o.Reason})
	if err != nil {
		return err
	}
	if o.Wait && a.Request.State == hoop.Pending {
		o.f.note(waitingFor(a.Request))
		if a, err = o.f.await(ctx, c, a.Request); err != nil {
			return err
		}
	}
	if o.JSON.set {
		if err := o.f.writeJSON(o.JSON, a.Request); err != nil {
			return err
		}
	} else if err := o.tell(a); err != nil {
		return err
	}
	return outcome(a)
}

// tell says where the request stands, on stdout: it is the answer.
func (o *requestOptions) tell(a api.RequestAnswer) error {
	kv := []string{"request", idOf(a.Request), "target", a.Request.Target, "state", string(a.Request.State)}
	if a.Grant != nil {
		kv = append(kv, "grant", a.Grant.ID, "expires", a.Grant.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return pairs(o.f.IO, kv...)
}
