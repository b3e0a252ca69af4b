package cli

import "github.com/spf13/cobra"

func newAudit(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Export the audit log, verify an export offline, follow the log",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditExport(f, nil), newAuditVerify(f, nil), newAuditTail(f, nil), newAuditReviews(f, nil))
	return cmd
}
