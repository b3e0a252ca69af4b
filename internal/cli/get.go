package cli

import "github.com/spf13/cobra"

// newGet has a command for each kind that can be looked at.
func newGet(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "Show what an administrator looks after",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGetProtection(f, nil))
	return cmd
}
