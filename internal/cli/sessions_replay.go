package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/replay"
)

type sessionsReplayOptions struct {
	f        *Factory
	ID       string
	Speed    float64
	NoTiming bool
	timed    bool // --speed was given: wait in a pipe too
}

func newSessionsReplay(f *Factory, runF func(*sessionsReplayOptions) error) *cobra.Command {
	o := &sessionsReplayOptions{f: f}
	cmd := &cobra.Command{
		Use:   "replay ID",
		Short: "Replay what ran in a session and what the client saw",
		Long: `Replay a recording: statements, decisions and approvals, and the answers as the
client saw them, in the time it took. In a pipe there is no waiting
unless --speed asks for it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID, o.timed = args[0], cmd.Flags().Changed("speed")
			if !(o.Speed > 0) {
				return usagef("--speed must be above 0")
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().Float64Var(&o.Speed, "speed", 1, "`N` times as fast")
	cmd.Flags().BoolVar(&o.NoTiming, "no-timing", false, "do not wait between records")
	return cmd
}

func (o *sessionsReplayOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	body, err := c.Recording(ctx, o.ID)
	if err != nil {
		return err
	}
	defer body.Close()
	p := replay.Player{
		Out:   o.f.IO.Out,
		Style: replay.Style{Bold: o.f.IO.Bold, Dim: o.f.IO.Dim, Red: o.f.IO.Red, Yellow: o.f.IO.Yellow},
	}
	if (o.f.IO.OutTTY || o.timed) && !o.NoTiming {
		p.Speed = o.Speed
	}
	return p.Play(ctx, body)
}
