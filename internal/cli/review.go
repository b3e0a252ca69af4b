package cli

import (
	"context"

	"github.com/spf13/cobra"
)

type reviewOptions struct {
	f       *Factory
	ID      string
	Finding string
}

func newReview(f *Factory, runF func(*reviewOptions) error) *cobra.Command {
	o := &reviewOptions{f: f}
	cmd := &cobra.Command{
		Use:   "review GRANT",
		Short: "Say what you found about a grant that was taken in an emergency",
		Long: `Say what you found about a grant that was taken with --break-glass, once it has ended.
hoopctl audit reviews lists those that wait. The finding goes to the audit log, for good.`,
		Example: `  hoopctl review g-7f3kq2 --finding "on-call restored the index; nothing else was read"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			if o.Finding == "" {
				return usagef("--finding is missing: what did you find?")
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Finding, "finding", "", "what was found")
	return cmd
}

func (o *reviewOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	g, err := c.Review(ctx, o.ID, o.Finding)
	if err != nil {
		return err
	}
	o.f.notef("reviewed grant %s of %s on %s", g.ID, g.Owner.Subject, g.Target)
	return nil
}
