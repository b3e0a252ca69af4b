package cli

import "github.com/spf13/cobra"

func newAudit(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List open reviews; export the audit log, verify an export offline, follow the log",
		Long: `Without a command, the grants taken in an emergency that nobody has reviewed, as
hoopctl audit reviews lists them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := (&auditReviewsOptions{f: f}).run(cmd.Context()); err != nil {
				return err
			}
			if f.IO.OutTTY {
				f.notef("hoopctl audit --help lists what else there is: verify, export, tail")
			}
			return nil
		},
	}
	cmd.AddCommand(newAuditExport(f, nil), newAuditVerify(f, nil), newAuditTail(f, nil), newAuditReviews(f, nil))
	return cmd
}
