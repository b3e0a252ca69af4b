package cli

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/agent"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type connectOptions struct {
	f        *Factory
	Targets  []string
	Port     int
	Rounds   int // of SCRAM
	Duration time.Duration
	Reason   string
	NoWait   bool
	Glass    bool
	Command  []string
	JSON     jsonFlag
}

// ready is a target that accepts connections, as `hoopctl connect --json` shows it.
type ready struct {
	Target    string    `json:"target"`
	Type      string    `json:"type"`
	Host      string    `json:"host"`
	Port      int       `json:"port"`
	User      string    `json:"user"`
	Password  string    `json:"password"`
	Database  string    `json:"database"`
	DSN       string    `json:"dsn"`
	Grant     string    `json:"grant"`
	ExpiresAt time.Time `json:"expires_at"`
}

func newConnect(f *Factory, runF func(*connectOptions) error) *cobra.Command {
	o := &connectOptions{f: f}
	cmd := &cobra.Command{
		Use:   "connect TARGET... [-- CMD ARG...]",
		Short: "Open a local port to a target",
		Long: `Open a port on this machine that leads to a target, and print its address.

Where there is no grant, connect asks for one and waits for its approval; with
--no-wait it leaves the request waiting and exits with status 8. The port and its
password are good as long as connect runs; connect ends with the grant (status 3). In an
emergency --break-glass asks nobody, as hoopctl request does, where there is no grant.

With -- CMD, CMD runs with PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE
and DATABASE_URL set, gets the signals that hoopctl gets, and its status is hoopctl's.
Of several targets CMD finds the first in these, and each in DATABASE_URL_NAME.`,
		Example: `  hoopctl connect pg-prod -- psql
  hoopctl connect pg-prod --reason "ticket 4711" --duration 30m
  hoopctl connect pg-prod --json`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: f.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(args, cmd.ArgsLenAtDash()); err != nil {
				return err
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&o.Port, "port", 0, "listen on this `PORT`, further targets on those after it; 0 takes any")
	fl.IntVar(&o.Rounds, "scram-iterations", agent.DefaultIterations,
		"rounds of hashing for each connection to the port, `N`; 1 is as safe, as the password is random, but some drivers refuse fewer than the default")
	fl.DurationVar(&o.Duration, "duration", 0, "how long a grant to ask for, as in 30m or 1h")
	fl.StringVar(&o.Reason, "reason", "", "why, for approvers and the audit log")
	fl.BoolVar(&o.Glass, "break-glass", false, "in an emergency: a grant at once, with --reason; it alerts, and is reviewed afterwards")
	fl.BoolVar(&o.NoWait, "no-wait", false, "do not wait for an approval: exit with status 8")
	addJSON[ready](cmd, &o.JSON)
	return cmd
}

// parse tells targets from the command after --.
func (o *connectOptions) parse(args []string, dash int) error {
	o.Targets = args
	if dash >= 0 {
		o.Targets, o.Command = args[:dash], args[dash:]
	}
	switch {
	case len(o.Targets) == 0:
		return usagef("no target before --")
	case dash >= 0 && len(o.Command) == 0:
		return usagef("no command after --")
	case len(o.Command) > 0 && o.JSON.set:
		return usagef("--json and a command exclude each other: the output is the command's")
	case o.Duration < 0:
		return usagef("--duration must not be negative")
	case o.Glass && o.Reason == "":
		return usagef("--break-glass needs --reason")
	case o.Port < 0 || o.Port+len(o.Targets)-1 > 65535:
		return usagef("--port must be within 0 and 65535")
	case o.Rounds < 1 || o.Rounds > agent.MaxIterations:
		return usagef("--scram-iterations must be within 1 and %d", agent.MaxIterations)
	}
	seen := map[string]bool{}
	for _, t := range o.Targets {
		if seen[t] {
			return usagef("target %s is named twice", t)
		}
		seen[t] = true
	}
	return nil
}

func (o *connectOptions) run(ctx context.Context) error {
	if len(o.Command) > 0 {
		if _, err := exec.LookPath(o.Command[0]); err != nil {
			return hoop.Errorf(hoop.CodeInvalid, "%v", err).WithHint("what comes after -- is run as it is: a program, by its name in PATH or its path, and its arguments")
		}
	}
	c, err := o.f.API()
	if err != nil {
		return err
	}
	targets, err := o.find(ctx, c)
	if err != nil {
		return err
	}
	grants, err := o.grants(ctx, c, targets)
	if err != nil {
		return err
	}
	tun, err := o.f.Tunnel()
	if err != nil {
		return err
	}
	// Whatever ends connect, the ports close with it.
	defer tun.Close() //nolint:errcheck // there is nobody left to tell
	open, err := o.open(ctx, tun, targets, grants)
	if err != nil {
		return err
	}
	return o.serve(ctx, c, tun, open, grants)
}

// find looks the targets up, all before any grant is asked for.
func (o *connectOptions) find(ctx context.Context, c *api.Client) ([]api.Target, error) {
	all, err := c.Targets(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]api.Target{}
	for _, t := range all {
		byName[t.Name] = t
	}
	var found []api.Target
	for _, name := range o.Targets {
		t, ok := byName[name]
		if !ok {
			return nil, hoop.Errorf(hoop.CodeDenied, "no target %q is open to you", name).WithHint("hoopctl targets lists those that are")
		}
		if t.Type != "postgres" {
			return nil, hoop.Errorf(hoop.CodeUnsupported, "this hoopctl does not connect to targets of type %q", t.Type)
		}
		found = append(found, t)
	}
	return found, nil
}

// open listens for each target.
func (o *connectOptions) open(ctx context.Context, tun Tunnel, targets []api.Target, grants []hoop.Grant) ([]ready, error) {
	var open []ready
	for i, t := range targets {
		port := o.Port
		if port > 0 {
			port += i
		}
		ep, err := tun.Listen(ctx, agent.Target{Name: t.Name, Protocol: t.Type, Iterations: o.Rounds}, port)
		if err != nil {
			return nil, err
		}
		r := ready{
			Target: t.Name, Type: t.Type, Host: ep.Host, Port: ep.Port, User: ep.User, Password: ep.Password,
			Database: t.Database, Grant: grants[i].ID, ExpiresAt: grants[i].ExpiresAt.UTC(),
		}
		r.DSN = r.dsn()
		open = append(open, r)
	}
	return open, nil
}

// dsn is a URL as libpq and every driver takes it. TLS would protect nothing on the
// way to this machine's own port, which has no certificate.
func (r ready) dsn() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(r.User, r.Password),
		Host: net.JoinHostPort(r.Host, strconv.Itoa(r.Port)), Path: "/" + r.Database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// serve says what is open, or runs the command, until something ends it.
func (o *connectOptions) serve(ctx context.Context, c *api.Client, tun Tunnel, open []ready, grants []hoop.Grant) error {
	// The command may outlive an interrupt that is meant for it, and the watch with it.
	watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	ended := make(chan error, 1)
	w := &grantWatch{f: o.f, api: c, grants: grants}
	watching.Go(func() { ended <- w.run(watchCtx) })

	if len(o.Command) > 0 {
		return o.exec(open, ended)
	}
	if err := o.announce(open); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		tun.Drain(lastWords)
		return err
	}
}

// lastWords is how long the gateway has to cut sessions and tell their clients why: it
// needs a second.
const lastWords = 3 * time.Second

// announce prints the addresses, one line each.
func (o *connectOptions) announce(open []ready) error {
	for _, r := range open {
		if o.JSON.set {
			line, err := compactJSON(o.JSON, r)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(o.f.IO.Out, "%s\n", line); err != nil {
				return err
			}
			continue
		}
		o.f.notef("%s is ready until %s (%s); Ctrl-C closes it", r.Target, o.f.clock(r.ExpiresAt), relative(r.ExpiresAt.Sub(o.f.Now())))
		if _, err := fmt.Fprintln(o.f.IO.Out, r.DSN); err != nil {
			return err
		}
	}
	return nil
}
