package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type sessionsShowOptions struct {
	f    *Factory
	ID   string
	JSON jsonFlag
}

func newSessionsShow(f *Factory, runF func(*sessionsShowOptions) error) *cobra.Command {
	o := &sessionsShowOptions{f: f}
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one session",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	addJSON[hoop.SessionInfo](cmd, &o.JSON)
	return cmd
}

func (o *sessionsShowOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	s, err := c.Session(ctx, o.ID)
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, s)
	}
	ended := "still running"
	if !s.EndedAt.IsZero() {
		ended = s.EndedAt.UTC().Format(time.RFC3339)
	}
	return pairs(o.f.IO,
		"session", s.ID,
		"who", nameOf(s.Identity)+kindOf(s.Identity),
		"target", s.Target,
		"database", s.Database,
		"protocol", s.Protocol,
		"grant", s.Grant,
		"client", s.Client,
		"address", s.RemoteAddr,
		"started", s.StartedAt.UTC().Format(time.RFC3339),
		"ended", ended,
		"cause", string(s.Cause),
		"why", s.Why,
		"statements", strconv.FormatInt(s.Statements, 10),
		"rows", strconv.FormatInt(s.Rows, 10),
		"changed", strconv.FormatInt(s.Changed, 10),
		"bytes", strconv.FormatInt(s.Bytes, 10),
		"masked", strconv.FormatInt(s.Masked, 10),
	)
}
