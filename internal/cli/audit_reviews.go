package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type auditReviewsOptions struct {
	f    *Factory
	All  bool
	JSON jsonFlag
}

func newAuditReviews(f *Factory, runF func(*auditReviewsOptions) error) *cobra.Command {
	o := &auditReviewsOptions{f: f}
	cmd := &cobra.Command{
		Use:   "reviews",
		Short: "List grants taken in an emergency that nobody has reviewed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.All, "all", false, "those that were reviewed too")
	addJSON[hoop.Grant](cmd, &o.JSON)
	return cmd
}

func (o *auditReviewsOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	items, err := c.Reviews(ctx, o.All)
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, items)
	}
	t := newTable("ID", "REVIEW", "TARGET", "OWNER", "STARTED", "ENDS", "REASON", "FINDING")
	for _, g := range items {
		state, finding := painted("open", o.f.IO.Yellow), "-"
		if g.Review != nil {
			state, finding = painted("by "+g.Review.By, o.f.IO.Green), g.Review.Finding
		}
		end := g.ExpiresAt
		if !g.RevokedAt.IsZero() {
			end = g.RevokedAt
		}
		t.add(text(g.ID), state, text(g.Target), text(g.Owner.Subject), o.f.when(g.StartsAt), o.f.when(end), text(g.Reason), text(finding))
	}
	return t.write(o.f.IO, "Nothing waits for a review.")
}
