package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/pkg/browser"
	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/config"
	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/internal/login"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type loginOptions struct {
	f              *Factory
	ServiceAccount string
	SecretFile     string
	TokenFile      string
	NoBrowser      bool
}

func newLogin(f *Factory, runF func(*loginOptions) error) *cobra.Command {
	o := &loginOptions{f: f}
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in at a gateway",
		Long: `Sign in at a gateway, and remember it with its certificate authority.

People sign in with a browser, on this machine or another: hoopctl prints an address
and a code. Programs sign in as a service account, with its secret or with a token of
the issuer it is declared with (Kubernetes, GitHub Actions), or with a token of the
gateway's own. Secret and token are in a file, which is read again whenever it is
needed; there is no prompt.`,
		Example: `  hoopctl login --gateway https://hoop.example:8443
  hoopctl login --ca-file ./data/ca.pem
  hoopctl login --service-account ci-agent --secret-file ./ci-agent.secret
  hoopctl login --service-account k8s-agent --token-file /var/run/secrets/tokens/hoop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			if err := o.check(cmd.Flags().Changed("service-account")); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.ServiceAccount, "service-account", "", "sign in as the service account `NAME`")
	fl.StringVar(&o.SecretFile, "secret-file", "", "`FILE` with the service account's secret")
	fl.StringVar(&o.TokenFile, "token-file", "", "`FILE` with a token that somebody else renews: the gateway's, or with --service-account its issuer's")
	fl.BoolVar(&o.NoBrowser, "no-browser", false, "do not open a browser")
	cmd.MarkFlagsMutuallyExclusive("secret-file", "token-file")
	return cmd
}

// check wants what a service account needs. An empty name is one that a script forgot.
func (o *loginOptions) check(service bool) error {
	switch {
	case service && o.ServiceAccount == "":
		return usagef("--service-account: the name is empty")
	case o.ServiceAccount != "" && o.SecretFile == "" && o.TokenFile == "":
		return usagef("--service-account needs --secret-file FILE, or --token-file FILE with its issuer's token")
	case o.ServiceAccount == "" && o.SecretFile != "":
		return usagef("--secret-file needs --service-account NAME")
	}
	return nil
}

func (o *loginOptions) run(ctx context.Context) error {
	src, err := o.f.Login()
	if err != nil {
		return err
	}
	if err := config.CheckWritable(src.Dir); err != nil { // before anybody signs in for nothing
		return err
	}
	if src.Env != "" {
		o.f.note("HOOPCTL_TOKEN is set and goes before this sign-in")
	}
	switch {
	case o.ServiceAccount != "" && o.TokenFile != "":
		err = src.Federated(ctx, o.ServiceAccount, o.TokenFile)
	case o.ServiceAccount != "":
		err = src.Service(ctx, o.ServiceAccount, o.SecretFile)
	case o.TokenFile != "":
		err = src.File(ctx, o.TokenFile, o.known)
	default:
		err = src.Device(ctx, o.show)
	}
	if err != nil {
		return err
	}
	if err := o.remember(); err != nil {
		return err
	}
	return o.greet(ctx)
}

// known asks the gateway whose token it is.
func (o *loginOptions) known(ctx context.Context, token string) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	with := *c
	with.Token = func(context.Context) (string, error) { return token, nil }
	with.Renew = nil
	_, err = with.Me(ctx)
	if e := (*hoop.Error)(nil); errors.As(err, &e) && e.Code == hoop.CodeUnauthenticated {
		return hoop.Errorf(hoop.CodeUnauthenticated, "%s does not take the token in %s: %s", c.Base, o.TokenFile, e.Message).
			WithHint("have whoever writes the file renew it; the sign-in that was here before stays")
	}
	return err
}

// remember writes what the flags said of the gateway to the config file, now that it
// has proved right.
func (o *loginOptions) remember() error {
	s, err := o.f.Settings()
	if err != nil {
		return err
	}
	file, err := config.Read(s.Dir)
	if err != nil {
		return err
	}
	if s.GatewayFrom == config.FromFlag {
		file.Gateway = s.Gateway
	}
	if s.CAFileFrom == config.FromFlag {
		file.CAFile = s.CAFile
	}
	return config.Write(s.Dir, file)
}

func (o *loginOptions) greet(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	me, err := c.Me(ctx)
	if err != nil {
		return err
	}
	o.f.notef("signed in at %s as %s", c.Base, nameOf(me.Identity))
	return nil
}

// show tells a person where to go, and takes them there where it can.
func (o *loginOptions) show(code login.Code) {
	s := o.f.IO
	fmt.Fprintf(s.ErrOut, "To sign in, open   %s\nand enter the code %s\n",
		iostreams.OneLine(code.URL), iostreams.OneLine(code.Code))
	if code.Complete != "" && code.Complete != code.URL {
		fmt.Fprintf(s.ErrOut, "or open            %s\n", iostreams.OneLine(code.Complete))
	}
	if !o.mayBrowse() {
		return
	}
	u := code.Complete
	if u == "" {
		u = code.URL
	}
	if err := o.f.Browse(u); err != nil {
		o.f.note("no browser could be opened here; any other device will do")
	}
}

// mayBrowse reports whether a person sits at a screen here.
func (o *loginOptions) mayBrowse() bool {
	if o.NoBrowser || !o.f.IO.ErrTTY || o.f.Getenv("CI") != "" {
		return false
	}
	if runtime.GOOS == "linux" || strings.HasSuffix(runtime.GOOS, "bsd") {
		return o.f.Getenv("DISPLAY") != "" || o.f.Getenv("WAYLAND_DISPLAY") != "" || o.f.Getenv("WSL_DISTRO_NAME") != ""
	}
	return true
}

// openBrowser starts a browser and does not wait for it: some stay in the foreground
// until the window is closed. What it prints is lost; it must not mix with ours.
func openBrowser(url string) error {
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	failed := make(chan error, 1)
	go func() { failed <- browser.OpenURL(url) }()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
