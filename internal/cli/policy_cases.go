package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type policyCasesOptions struct {
	f    *Factory
	File string
	JSON jsonFlag
}

// newPolicyCases makes `policy test`.
func newPolicyCases(f *Factory, runF func(*policyCasesOptions) error) *cobra.Command {
	o := &policyCasesOptions{f: f}
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Have the gateway decide the cases of FILE, and fail where a decision is not the one wanted",
		Long: `Have the gateway decide the cases of FILE (docs/policy.md shows the form) by the
policy in force, and fail with status 1 where a decision is not the one wanted. A
case may begin with a statement (sql) in place of its effects (uses). Nothing runs.
For auditors and administrators; hoop-gateway policy test works offline.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File = args[0]
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	addJSON[api.PolicyOutcome](cmd, &o.JSON)
	return cmd
}

func (o *policyCasesOptions) run(ctx context.Context) error {
	file, err := os.Open(o.File)
	if err != nil {
		return usagef("%v", err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, api.MaxExplained+1))
	if err != nil {
		return fmt.Errorf("read policy cases: %w", err)
	}
	if len(b) > api.MaxExplained {
		return hoop.Errorf(hoop.CodeTooLarge, "%s is larger than %d bytes", o.File, api.MaxExplained).WithHint("split it")
	}
	c, err := o.f.API()
	if err != nil {
		return err
	}
	outcomes, err := c.TestPolicy(ctx, api.PolicyCases{Text: string(b)})
	if err != nil {
		return err
	}
	if o.JSON.set {
		err = o.f.writeJSON(o.JSON, outcomes)
	} else {
		err = o.print(outcomes)
	}
	if err != nil {
		return err
	}
	failed := 0
	for _, x := range outcomes {
		if !x.OK {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d cases failed", failed, len(outcomes))
	}
	return nil
}

// print says a line for each case, as hoop-gateway policy test does.
func (o *policyCasesOptions) print(outcomes []api.PolicyOutcome) error {
	for _, x := range outcomes {
		verdict, what := o.f.IO.Green("ok    "), string(x.Action)+" by "+x.Rule
		if !x.OK {
			verdict, what = o.f.IO.Red("FAILED"), x.Why
		}
		if _, err := fmt.Fprintf(o.f.IO.Out, "%s  %s: %s\n", verdict, iostreams.OneLine(x.Name), iostreams.OneLine(what)); err != nil {
			return err
		}
	}
	return nil
}
