package cli

import (
	"github.com/spf13/cobra"
)

func newLogout(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Revoke the sign-in and forget it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			src, err := f.Login()
			if err != nil {
				return err
			}
			if src.Env != "" {
				return usagef("you are signed in by HOOPCTL_TOKEN: unset it to sign out")
			}
			if err := src.Logout(cmd.Context()); err != nil {
				return err
			}
			f.notef("signed out at %s", src.Gateway)
			return nil
		},
	}
}
