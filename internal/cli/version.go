package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

type versionOptions struct {
	f    *Factory
	JSON jsonFlag
}

// versionInfo is what `hoopctl version --json` shows.
type versionInfo struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func newVersion(f *Factory, runF func(*versionOptions) error) *cobra.Command {
	o := &versionOptions{f: f}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of hoopctl",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run()
		},
	}
	addJSON[versionInfo](cmd, &o.JSON)
	return cmd
}

func (o *versionOptions) run() error {
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, versionInfo{o.f.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH})
	}
	_, err := fmt.Fprintf(o.f.IO.Out, "hoopctl %s\n", o.f.Version)
	return err
}
