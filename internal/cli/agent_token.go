package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type agentTokenOptions struct {
	f       *Factory
	For     time.Duration
	Targets []string
	Effects []string
	Tables  []string
	Name    string
	JSON    jsonFlag
}

func newAgentToken(f *Factory, runF func(*agentTokenOptions) error) *cobra.Command {
	o := &agentTokenOptions{f: f}
	cmd := &cobra.Command{
		Use:   "token --target TARGET",
		Short: "Give an agent a token, with less than you have",
		Long: `Start an agent on your behalf: print a token that is good for some targets, for a
while, and for no more than you may do yourself. It is shown this once.

The agent uses it as HOOPCTL_TOKEN. It has an identity of its own, and every event and
session of it names you as whom it acts for. It cannot approve or deny, administer, see
what others did, or start other agents; you cannot approve what it asks for. It ends
with your sign-in at the latest: hoopctl logout ends it, with its sessions.`,
		Example: `  HOOPCTL_TOKEN=$(hoopctl agent token --for 30m --target pg-prod) ./agent
  hoopctl agent token --for 8h --target pg-prod --effects read --tables 'clinic.*'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.For < time.Second {
				return usagef("--for must be a second at least")
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.DurationVar(&o.For, "for", 30*time.Minute, "how long at most, as in 30m or 8h")
	fl.StringSliceVar(&o.Targets, "target", nil, "the `TARGET` that it may reach; again for more")
	fl.StringSliceVar(&o.Effects, "effects", nil, "only these `EFFECTS`, and session; left out: all that you may")
	fl.StringSliceVar(&o.Tables, "tables", nil, "only these `TABLES`, names as in SQL, a part may be *; left out: all that you may")
	fl.StringVar(&o.Name, "name", "", "what people shall call it")
	if err := cmd.MarkFlagRequired("target"); err != nil {
		panic(err) // the flag is declared above
	}
	if err := cmd.RegisterFlagCompletionFunc("target", f.completeTargets); err != nil {
		panic(err)
	}
	addJSON[api.Agent](cmd, &o.JSON)
	return cmd
}

func (o *agentTokenOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	scope, err := narrowed(o.Effects, o.Tables)
	if err != nil {
		return err
	}
	ask := api.NewAgent{Name: o.Name, Targets: o.Targets, Duration: hoop.Duration(o.For), Scope: scope}
	asked := o.f.Now()
	a, err := c.NewAgent(ctx, ask)
	if err != nil {
		return err
	}
	what := "everything that you may do"
	if !a.Scope.IsZero() {
		what = a.Scope.String()
	}
	o.f.notef("%s (%s) acts for %s on %s until %s: %s", a.Name, a.Subject, strings.Join(a.Chain, " for "), strings.Join(a.Targets, ", "), a.ExpiresAt.Format(time.RFC3339), what)
	if a.ExpiresAt.Before(asked.Add(o.For - time.Minute)) {
		o.f.notef("that is sooner than --for %s: it ends with your sign-in", o.For)
	}
	o.f.notef("give it to the agent as HOOPCTL_TOKEN, with HOOPCTL_GATEWAY=%s; hoopctl logout ends it", c.Base)
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, a)
	}
	_, err = fmt.Fprintln(o.f.IO.Out, a.Token)
	return err
}
