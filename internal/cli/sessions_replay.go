package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/replay"
	"github.com/hoopctl/hoopctl/internal/tui"
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
client saw them. At a terminal, like a video: in the time it took, with keys to
pause, to go to a statement or a time, and to search; ? lists them. With
--no-timing, and in a pipe, all of it is printed; in a pipe --speed makes it wait.

Literals and parameters are shown of your own sessions; of those of others where a
GroupRole gives you that. Reading a recording is an event in the audit log.`,
		Example: `  hoopctl sessions replay 0193f2a4c8d1
  hoopctl sessions replay 0193f2a4c8d1 --speed 8
  hoopctl sessions replay 0193f2a4c8d1 --no-timing | less`,
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
	if o.f.IO.Interactive() && !o.NoTiming {
		info, err := c.Session(ctx, o.ID)
		if err != nil {
			return err
		}
		return tui.RunReplay(ctx, tui.ReplayOptions{
			API: c, In: o.f.IO.In, Out: o.f.IO.Out, Color: o.f.IO.Color(), Speed: o.Speed,
		}, info)
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
