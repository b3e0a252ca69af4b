package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type sessionsListOptions struct {
	f     *Factory
	Limit int
	JSON  jsonFlag
}

func newSessionsList(f *Factory, runF func(*sessionsListOptions) error) *cobra.Command {
	o := &sessionsListOptions{f: f}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List sessions, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *sessionsListOptions) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&o.Limit, "limit", 50, "at most `N` sessions; 0: as many as the gateway gives")
	addJSON[hoop.SessionInfo](cmd, &o.JSON)
}

func (o *sessionsListOptions) run(ctx context.Context) error {
	if o.Limit < 0 {
		return usagef("--limit must not be negative")
	}
	c, err := o.f.API()
	if err != nil {
		return err
	}
	items, err := c.Sessions(ctx, o.Limit)
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, items)
	}
	t := newTable("ID", "TARGET", "WHO", "STARTED", "LASTED", "STATEMENTS", "ROWS", "MASKED")
	for _, s := range items {
		lasted := painted("running", o.f.IO.Green)
		if !s.EndedAt.IsZero() {
			d := s.EndedAt.Sub(s.StartedAt)
			lasted = cell{text: short(d), raw: d.Round(time.Millisecond).String()}
		}
		t.add(text(s.ID), text(s.Target), text(s.Identity.Subject), o.f.when(s.StartedAt), lasted,
			count(s.Statements), count(s.Rows), count(s.Masked))
	}
	return t.write(o.f.IO, "No sessions.")
}

func count(n int64) cell { return text(strconv.FormatInt(n, 10)) }
