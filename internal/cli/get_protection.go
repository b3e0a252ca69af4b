package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type getProtectionOptions struct {
	f    *Factory
	Name string
	JSON jsonFlag
}

func newGetProtection(f *Factory, runF func(*getProtectionOptions) error) *cobra.Command {
	o := &getProtectionOptions{f: f}
	cmd := &cobra.Command{
		Use:     "protection [TARGET/TABLE]",
		Aliases: []string{"protections"},
		Short:   "List what inherited protection",
		Long: `List the tables that protected data was copied into: every column of theirs is masked
for whom a mask rule applies to. Where it is *, code that the gateway cannot read may
have copied protected data anywhere on the target. For auditors and administrators;
hoopctl delete protection lifts one.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Name = args[0]
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	addJSON[hoop.Protection](cmd, &o.JSON)
	return cmd
}

func (o *getProtectionOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	items, err := c.Protections(ctx)
	if err != nil {
		return err
	}
	if o.Name != "" {
		items = slices.DeleteFunc(items, func(p hoop.Protection) bool { return protectionName(p) != o.Name })
		if len(items) == 0 {
			return hoop.Errorf(hoop.CodeNotFound, "there is no protection %s", o.Name).WithHint("hoopctl get protection lists them")
		}
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, items)
	}
	t := newTable("NAME", "SINCE", "BY SESSION")
	for _, p := range items {
		t.add(text(protectionName(p)), o.f.when(p.Since), text(p.By))
	}
	return t.write(o.f.IO, "Nothing inherited protection.")
}

func protectionName(p hoop.Protection) string { return p.Target + "/" + p.Table }
