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
	Start    string
	Effects  []string
	Tables   []string
	Reason   string
	Renew    bool
	Glass    bool
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
with --wait, hoopctl does.

A grant can be narrower than the rule: --effects and --tables. One with --start begins
then, or with its approval, should that come later. With --renew, the grant in force ends
later instead, and the sessions that stand on it go on. In an emergency --break-glass
asks nobody, where an access rule was made for that: others are alerted at once, and
review it when it has ended.`,
		Example: `  hoopctl request pg-prod --duration 1h --reason "ticket 4711"
  hoopctl request pg-prod --effects read --tables 'clinic.*'
  hoopctl request pg-prod --start 22:00 --duration 2h --reason "nightly change"`,
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
	fl.StringVar(&o.Start, "start", "", "when it begins: `TIME` of day as in 22:00, RFC 3339, or in how long, as in 2h; left out: with the approval")
	fl.StringSliceVar(&o.Effects, "effects", nil, "only statements with these `EFFECTS`, as in read,infer; left out: all")
	fl.StringSliceVar(&o.Tables, "tables", nil, "only these `TABLES`, named as in SQL, as in 'clinic.*'; left out: all")
	fl.StringVar(&o.Reason, "reason", "", "why, for approvers and the audit log")
	fl.BoolVar(&o.Renew, "renew", false, "put off the end of the grant in force to --duration from now")
	fl.BoolVar(&o.Glass, "break-glass", false, "in an emergency: a grant at once, with --reason; it alerts, and is reviewed afterwards")
	fl.BoolVar(&o.Wait, "wait", false, "wait for the approval")
	addJSON[hoop.Request](cmd, &o.JSON)
	return cmd
}

func (o *requestOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	start, err := startTime(o.Start, o.f.Now())
	if err != nil {
		return err
	}
	scope, err := narrowed(o.Effects, o.Tables)
	if err != nil {
		return err
	}
	n := api.NewRequest{Target: o.Target, Duration: hoop.Duration(o.Duration), Reason: o.Reason, StartsAt: start, BreakGlass: o.Glass, Scope: scope}
	if o.Renew {
		if n.Renews, err = o.inForce(ctx, c); err != nil {
			return err
		}
	}
	a, err := c.NewRequest(ctx, n)
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

// inForce is the grant that is to be renewed: the one that sessions begin under, else the
// last to end of those whose sessions have all begun, and go on.
func (o *requestOptions) inForce(ctx context.Context, c *api.Client) (string, error) {
	targets, err := c.Targets(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range targets {
		if t.Name == o.Target && t.Grant != nil {
			return t.Grant.ID, nil
		}
	}
	grants, err := c.Grants(ctx, false)
	if err != nil {
		return "", err
	}
	var last hoop.Grant
	for _, g := range grants {
		if g.Target == o.Target && g.InForce(o.f.Now()) && g.ExpiresAt.After(last.ExpiresAt) {
			last = g
		}
	}
	if last.ID != "" {
		return last.ID, nil
	}
	return "", hoop.Errorf(hoop.CodeNotFound, "no grant for %s is in force, so there is none to renew", o.Target).
		WithHint("hoopctl request %s", o.Target)
}

// tell says where the request stands, on stdout: it is the answer.
func (o *requestOptions) tell(a api.RequestAnswer) error {
	kv := []string{"request", idOf(a.Request), "target", a.Request.Target, "state", string(a.Request.State)}
	if a.Grant != nil {
		kv = append(kv, "grant", a.Grant.ID)
		if a.Grant.StartsAt.After(o.f.Now()) {
			kv = append(kv, "starts", a.Grant.StartsAt.UTC().Format(time.RFC3339))
		}
		kv = append(kv, "expires", a.Grant.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return pairs(o.f.IO, kv...)
}

// startTime reads --start: a time of day, today or tomorrow, in the local zone; a full
// time; or how long from now.
func startTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	clock, err := time.Parse("15:04", s)
	if err != nil {
		return time.Time{}, usagef("--start %q: want a time of day (22:00), RFC 3339 (2026-03-01T22:00:00Z), or how long from now (2h)", s)
	}
	here := now.Local()
	t := time.Date(here.Year(), here.Month(), here.Day(), clock.Hour(), clock.Minute(), 0, 0, here.Location())
	if t.Before(now) {
		t = t.AddDate(0, 0, 1)
	}
	return t, nil
}

// narrowed is what --effects and --tables narrow something to. One that was given without
// a word, as by a variable that is not set, would narrow nothing, and is refused.
func narrowed(effects, tables []string) (hoop.Scope, error) {
	for flag, words := range map[string][]string{"--effects": effects, "--tables": tables} {
		if words != nil && len(words) == 0 {
			return hoop.Scope{}, hoop.Errorf(hoop.CodeInvalid, "%s names nothing", flag).WithHint("leave %s out where it is to narrow nothing", flag)
		}
	}
	s := hoop.Scope{Tables: tables}
	for _, e := range effects {
		s.Effects = append(s.Effects, hoop.Effect(e))
	}
	return s, nil
}
