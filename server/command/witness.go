package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/server"
)

func newWitness(stdio IO) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "witness --config FILE",
		Short: "Cosign the audit logs of gateways, and nothing else",
		Long: `Cosign the checkpoints of other gateways' audit logs (C2SP tlog-witness). The witness
remembers the newest one of each log, and refuses a log that was rolled back or shows
another history. Run it where those who run the gateways cannot reach.`,
		Args: needsConfig(&file),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := server.LoadWitnessConfig(file)
			if err != nil {
				return err
			}
			return server.ServeWitness(cmd.Context(), cfg, logger(stdio), func(url, key string) error {
				_, err := fmt.Fprintf(stdio.Out, "hoop-gateway witness is ready at %s, key %s\n", url, key)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "witness.yaml")
	return cmd
}
