package cli

import (
	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/tui"
)

func newSessions(f *Factory) *cobra.Command {
	list := &sessionsListOptions{f: f}
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "Browse sessions and their recordings",
		Long: `At a terminal, the session browser: enter replays a recording. In a pipe, the list of
sessions, as hoopctl sessions list prints it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !f.IO.Interactive() || list.JSON.set {
				return list.run(cmd.Context())
			}
			c, err := f.API()
			if err != nil {
				return err
			}
			return tui.RunSessions(cmd.Context(), tui.SessionsOptions{
				API: c, In: f.IO.In, Out: f.IO.Out, Color: f.IO.Color(), Now: f.Now, Limit: list.Limit,
			})
		},
	}
	list.flags(cmd)
	cmd.AddCommand(newSessionsList(f, nil), newSessionsShow(f, nil), newSessionsReplay(f, nil), newSessionsExport(f, nil), newSessionsHold(f, nil))
	return cmd
}
