package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

func newCompletion(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "completion {bash|zsh|fish|powershell}",
		Short: "Print the completion script of a shell",
		Example: `  source <(hoopctl completion bash)
  hoopctl completion zsh > "${fpath[1]}/_hoopctl"
  hoopctl completion fish > ~/.config/fish/completions/hoopctl.fish`,
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), f.IO.Out
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			default:
				return root.GenPowerShellCompletionWithDesc(out)
			}
		},
	}
}

// completeTargets offers the targets one may reach, if the gateway answers quickly.
func (f *Factory) completeTargets(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := f.API()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	targets, err := c.Targets(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, t := range targets {
		names = append(names, t.Name+"\t"+t.Type)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
