package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// When a grant ends, the gateway tells the command in its own protocol and cuts it.
const (
	termAfter = 3 * time.Second  // it may take so long to end by itself
	killAfter = 10 * time.Second // and so long once it was asked to
)

// exec runs the command until it ends or a grant does.
func (o *connectOptions) exec(open []ready, ended <-chan error) error {
	cmd := exec.Command(o.Command[0], o.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.f.IO.In, o.f.IO.Out, o.f.IO.ErrOut
	cmd.Env = commandEnv(o.f.Environ(), open)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", o.Command[0], err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			return commandStatus(o.Command[0], err)
		case s := <-signals:
			o.forward(cmd.Process, s)
		case err := <-ended:
			return o.end(cmd, done, err)
		}
	}
}

// forward hands a signal on. What a terminal sends by Ctrl-C or Ctrl-\ has reached
// the command already, which is in the same foreground group.
func (o *connectOptions) forward(p *os.Process, s os.Signal) {
	if o.f.IO.InTTY && (s == os.Interrupt || s == syscall.SIGQUIT) {
		return
	}
	if err := p.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		o.f.notef("forward %s: %v", s, err)
	}
}

// end announces why connect ends and lets the command end by itself, which makes its
// status ours; after a while it asks it to, and then makes it, and the status is that
// of the grant's end.
func (o *connectOptions) end(cmd *exec.Cmd, done <-chan error, why error) error {
	if why != nil {
		o.f.print(o.f.explain(why))
	}
	term, kill := time.NewTimer(termAfter), time.NewTimer(termAfter+killAfter)
	defer term.Stop()
	defer kill.Stop()
	asked := false
	for {
		select {
		case err := <-done:
			if asked {
				return &ExitError{Code: exitCode(why)}
			}
			return commandStatus(o.Command[0], err)
		case <-term.C:
			asked = true
			o.forward(cmd.Process, syscall.SIGTERM)
		case <-kill.C:
			_ = cmd.Process.Kill() // fails only when it has ended
		}
	}
}

// commandStatus makes the command's status hoopctl's; 128 and the signal's number
// where a signal ended it, as shells have it.
func commandStatus(name string, err error) error {
	if err == nil {
		return nil
	}
	var e *exec.ExitError
	if !errors.As(err, &e) {
		return fmt.Errorf("run %s: %w", name, err)
	}
	if ws, ok := e.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return &ExitError{Code: 128 + int(ws.Signal())}
	}
	return &ExitError{Code: e.ExitCode()}
}

// misleading are variables of libpq (PostgreSQL manual, "Environment Variables") that
// would lead past PGHOST or spoil the plain local connection, and hoopctl's own token,
// which is nothing for the command.
var misleading = []string{
	"PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGREQUIRESSL", "PGSSLNEGOTIATION", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY",
	"PGCHANNELBINDING", "PGREQUIREAUTH", "PGGSSENCMODE", "PGREQUIREPEER", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS", "PGPASSFILE",
	"HOOPCTL_TOKEN",
}

// commandEnv is the environment of the command: ours, without what misleads, and with
// the usual variables of the first target and DATABASE_URL_NAME of each.
func commandEnv(environ []string, open []ready) []string {
	first := open[0]
	set := map[string]string{
		"PGHOST": first.Host, "PGPORT": strconv.Itoa(first.Port), "PGUSER": first.User, "PGPASSWORD": first.Password,
		"PGDATABASE": first.Database, "PGSSLMODE": "disable", "DATABASE_URL": first.DSN,
	}
	for _, r := range open {
		if len(open) > 1 {
			set["DATABASE_URL_"+variable(r.Target)] = r.DSN
		}
	}
	var env []string
	for _, kv := range environ {
		k, _, _ := strings.Cut(kv, "=")
		if _, ours := set[k]; !ours && !slices.Contains(misleading, k) {
			env = append(env, kv)
		}
	}
	for k, v := range set {
		env = append(env, k+"="+v)
	}
	slices.Sort(env[len(env)-len(set):])
	return env
}

// variable makes a target's name part of a variable's: PG_PROD of pg-prod.
func variable(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}
