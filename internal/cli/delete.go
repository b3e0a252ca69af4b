package cli

import "github.com/spf13/cobra"

// newDelete has a command for each kind that can be taken away over the API.
func newDelete(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete KIND NAME",
		Short: "Take away what an administrator looks after",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDeleteProtection(f, nil))
	return cmd
}
