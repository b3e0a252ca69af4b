package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/server"
)

func newPolicy(stdio IO) *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Work with the policy, offline", Args: cobra.NoArgs, RunE: help}
	cmd.AddCommand(newPolicyTest(stdio))
	return cmd
}

// newPolicyTest is for a site's own CI: cases against resources, no gateway, no target.
func newPolicyTest(stdio IO) *cobra.Command {
	var resources []string
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Decide the cases of FILE under the resources, and fail where a decision is not the one wanted",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			outcomes, err := server.TestPolicy(cmd.Context(), resources, args[0])
			if err != nil {
				return err
			}
			failed := 0
			for _, o := range outcomes {
				if o.Err != nil {
					failed++
					fmt.Fprintf(stdio.Out, "FAILED  %s: %v\n", o.Case.Name, o.Err)
					continue
				}
				fmt.Fprintf(stdio.Out, "ok      %s: %s by %s\n", o.Case.Name, o.Got.Action, o.Got.Rule)
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d cases failed", failed, len(outcomes))
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&resources, "resources", []string{"resources.yaml"}, "what is declared; may be given several times")
	return cmd
}
