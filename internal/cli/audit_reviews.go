package cli

import (
	"context"
	"slices"

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
	empty := "No emergency access that you may see waits for a review; hoopctl audit reviews --all lists those that were reviewed, too."
	if o.All {
		empty = "Nobody took emergency access that you may see."
	}
	if err := t.write(o.f.IO, empty); err != nil || !o.f.IO.OutTTY {
		return err
	}
	if i := slices.IndexFunc(items, func(g hoop.Grant) bool { return g.Review == nil }); i >= 0 {
		o.f.notef("hoopctl sessions list has what was done; then: hoopctl review %s --finding \"…\"", items[i].ID)
	}
	return nil
}
