package cli

import (
	"github.com/spf13/cobra"
)

// NewRoot makes the command tree.
func NewRoot(f *Factory) *cobra.Command {
	root := &cobra.Command{
		Use:   "hoopctl",
		Short: "Reach databases through a hoop gateway",
		Long: `hoopctl reaches databases through a hoop gateway: it signs in, asks for a grant,
and gives a port on this machine. The gateway decides, records and masks.

  hoopctl login --gateway https://hoop.example:8443
  hoopctl connect pg-prod -- psql`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(f.IO.In)
	root.SetOut(f.IO.Out)
	root.SetErr(f.IO.ErrOut)
	pf := root.PersistentFlags()
	pf.StringVar(&f.flags.Gateway, "gateway", "", "the gateway's `URL` (HOOPCTL_GATEWAY)")
	pf.StringVar(&f.flags.CAFile, "ca-file", "", "trust the certificate authorities in this PEM `FILE` (HOOPCTL_CA_FILE)")
	root.AddGroup(
		&cobra.Group{ID: "sign-in", Title: "Sign in:"},
		&cobra.Group{ID: "reach", Title: "Reach targets:"},
		&cobra.Group{ID: "decide", Title: "Decide:"},
		&cobra.Group{ID: "examine", Title: "Examine:"},
		&cobra.Group{ID: "administer", Title: "Administer:"},
	)
	group := func(id string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("sign-in", newLogin(f, nil), newLogout(f), newWhoami(f, nil), newStatus(f, nil), newDoctor(f, nil))
	group("reach", newTargets(f, nil), newRequest(f, nil), newRequests(f, nil), newGrants(f, nil), newRevoke(f, nil), newConnect(f, nil), newAgent(f))
	group("decide", newApprove(f, nil), newDeny(f, nil), newReview(f, nil), newPolicy(f))
	group("examine", newSessions(f), newAudit(f))
	group("administer", newGet(f), newDelete(f))
	root.AddCommand(newVersion(f, nil), newCompletion(f))
	return root
}
