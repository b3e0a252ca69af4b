package cli

import "github.com/spf13/cobra"

func newPolicy(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Ask the gateway what would happen to a statement, and why",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyExplain(f, nil), newPolicyCases(f, nil))
	return cmd
}
