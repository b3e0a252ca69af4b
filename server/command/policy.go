package command

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/policy"
)

func newPolicy(stdio IO) *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Work with the policy, offline", Args: cobra.NoArgs, RunE: help}
	cmd.AddCommand(newPolicyTest(stdio), newPolicyShow(stdio))
	return cmd
}

// newPolicyTest is for a site's own CI: cases against resources, no gateway, no target.
func newPolicyTest(stdio IO) *cobra.Command {
	var resources []string
	var module string
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Decide the cases of FILE under the resources, and fail where a decision is not the one wanted",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			outcomes, err := server.TestPolicy(cmd.Context(), resources, module, args[0])
			if err != nil {
				return err
			}
			failed := 0
			for _, o := range outcomes {
				if o.Err != nil {
					failed++
					fmt.Fprintf(stdio.Out, "FAILED  %s: %v\n", o.Case.Name, o.Err)
					continue
				}
				fmt.Fprintf(stdio.Out, "ok      %s: %s by %s\n", o.Case.Name, o.Got.Action, o.Got.Rule)
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d cases failed", failed, len(outcomes))
			}
			return nil
		},
	}
	resourcesFlag(cmd, &resources)
	cmd.Flags().StringVar(&module, "module", "", "the site's own Rego module, as policy.module in gateway.yaml names it")
	return cmd
}

func resourcesFlag(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringArrayVar(to, "resources", []string{"resources.yaml"}, "what is declared; may be given several times")
}

// newPolicyShow is for whoever wants to read what decides, or to run `opa` on it.
func newPolicyShow(stdio IO) *cobra.Command {
	var resources []string
	var data bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the Rego module that decides, or with --data the data it decides by",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !data {
				_, err := io.WriteString(stdio.Out, policy.Shipped())
				return err
			}
			b, err := server.PolicyData(resources)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(stdio.Out, "%s\n", b)
			return err
		},
	}
	resourcesFlag(cmd, &resources)
	cmd.Flags().BoolVar(&data, "data", false, "print the resources and their index as JSON, without secrets")
	return cmd
}
