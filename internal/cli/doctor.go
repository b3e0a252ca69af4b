package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/config"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type doctorOptions struct {
	f    *Factory
	JSON jsonFlag
}

// check is one thing the doctor looked at, as `hoopctl doctor --json` shows it.
type check struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, warning, failed, skipped
	Detail string `json:"detail"`
	Fix    string `json:"fix"`
}

// maxSkew is how far the clock may be off before tokens and certificates suffer.
const maxSkew = 30 * time.Second

func newDoctor(f *Factory, runF func(*doctorOptions) error) *cobra.Command {
	o := &doctorOptions{f: f}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what hoopctl needs, and say how to mend it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	addJSON[check](cmd, &o.JSON)
	return cmd
}

func (o *doctorOptions) run(ctx context.Context) error {
	checks := o.examine(ctx)
	failed := 0
	for _, c := range checks {
		if c.State == "failed" {
			failed++
		}
	}
	if err := o.show(checks); err != nil {
		return err
	}
	if failed > 0 {
		return hoop.Errorf(hoop.CodeUnavailable, "%s", plural(failed, "check failed", "checks failed"))
	}
	return nil
}

func (o *doctorOptions) show(checks []check) error {
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, checks)
	}
	paint := map[string]func(string) string{
		"ok": o.f.IO.Green, "warning": o.f.IO.Yellow, "failed": o.f.IO.Red, "skipped": o.f.IO.Dim,
	}
	for _, c := range checks {
		if !o.f.IO.OutTTY {
			t := newTable("", "", "", "")
			t.add(text(c.Name), text(c.State), text(c.Detail), text(c.Fix))
			if err := t.writeTSV(o.f.IO); err != nil {
				return err
			}
			continue
		}
		state := paint[c.State](fmt.Sprintf("%-7s", c.State))
		fmt.Fprintf(o.f.IO.Out, "%s  %-11s  %s\n", state, c.Name, c.Detail)
		if c.Fix != "" {
			fmt.Fprintf(o.f.IO.Out, "%22s  fix: %s\n", "", c.Fix)
		}
	}
	return nil
}

// examine makes all checks; those that need what failed before are skipped.
func (o *doctorOptions) examine(ctx context.Context) []check {
	s, err := o.f.Settings()
	if err != nil {
		return []check{o.verdict("settings", "", err)}
	}
	checks := []check{{"settings", "ok", fmt.Sprintf("%s, from the %s; %s", s.Gateway, s.GatewayFrom, settingsFile(s)), ""}}
	checks = append(checks, o.reachable(ctx, s))
	if checks[1].State == "ok" {
		checks = append(checks, o.certificate(ctx, s))
	} else {
		checks = append(checks, skipped("certificate"))
	}
	if s := checks[2].State; s == "ok" || s == "warning" {
		checks = append(checks, o.gateway(ctx)...)
	} else {
		checks = append(checks, skipped("gateway"), skipped("clock"), skipped("sign-in"))
	}
	return append(checks, o.keyring(), o.psql())
}

func settingsFile(s *config.Settings) string {
	if _, err := os.Stat(s.Path()); err != nil {
		return "no config file at " + s.Path()
	}
	return "config file " + s.Path()
}

func skipped(name string) check { return check{name, "skipped", "needs the one above", ""} }

// verdict is ok with this detail, or failed with err and its hint.
func (o *doctorOptions) verdict(name, detail string, err error) check {
	if err == nil {
		return check{name, "ok", detail, ""}
	}
	err = o.f.explain(err)
	c := check{name, "failed", err.Error(), ""}
	if e := (*hoop.Error)(nil); errors.As(err, &e) {
		c.Fix = e.Hint
	}
	return c
}

func (o *doctorOptions) reachable(ctx context.Context, s *config.Settings) check {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	began := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Host())
	if err == nil {
		err = conn.Close()
	}
	return o.verdict("network", fmt.Sprintf("%s answers after %s", s.Host(), time.Since(began).Round(time.Millisecond)), err)
}

func (o *doctorOptions) certificate(ctx context.Context, s *config.Settings) check {
	conf, err := o.f.TLS()
	if err != nil {
		return o.verdict("certificate", "", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{Config: conf.Clone()}).DialContext(ctx, "tcp", s.Host())
	if err != nil {
		return o.verdict("certificate", "", err)
	}
	defer conn.Close()
	cert := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	c := check{"certificate", "ok", "good until " + cert.NotAfter.Format("2006-01-02") + ", trusted by " + trustedBy(s), ""}
	if left := cert.NotAfter.Sub(o.f.Now()); left < 7*24*time.Hour {
		c.State, c.Fix = "warning", "have the gateway's certificate renewed"
	}
	return c
}

func trustedBy(s *config.Settings) string {
	if s.CAFile != "" {
		return s.CAFile
	}
	return "the system"
}

// gateway checks what answers, its clock, and the sign-in.
func (o *doctorOptions) gateway(ctx context.Context) []check {
	c, err := o.f.API()
	if err != nil {
		return []check{o.verdict("gateway", "", err), skipped("clock"), skipped("sign-in")}
	}
	v, err := c.Version(ctx)
	if err != nil {
		return []check{o.verdict("gateway", "", err), skipped("clock"), skipped("sign-in")}
	}
	checks := []check{{"gateway", "ok", "hoop-gateway " + v.Version, ""}, o.clock(ctx, c)}
	me, err := c.Me(ctx)
	return append(checks, o.verdict("sign-in", me.Identity.Subject, err))
}

// clock compares this machine's time with the Date of an answer (RFC 9110 §6.6.1),
// which has seconds only.
func (o *doctorOptions) clock(ctx context.Context, c *api.Client) check {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+api.PathVersion, nil)
	if err != nil {
		return o.verdict("clock", "", err)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return o.verdict("clock", "", err)
	}
	defer resp.Body.Close()
	there, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return check{"clock", "skipped", "the gateway's answers carry no date", ""}
	}
	skew := o.f.Now().Sub(there).Round(time.Second)
	if skew.Abs() > maxSkew {
		return check{"clock", "failed", fmt.Sprintf("this machine's clock differs from the gateway's by %s", hoop.Duration(skew)), "set the clock, and keep it by NTP"}
	}
	return check{"clock", "ok", "within " + maxSkew.String() + " of the gateway's", ""}
}

func (o *doctorOptions) keyring() check {
	store, err := o.f.Keyring()
	if err != nil {
		return o.verdict("keyring", "", err)
	}
	if err := store.Check(); err != nil {
		return check{"keyring", "warning", err.Error() + "; the sign-in is kept in " + store.Where(), "none needed; a desktop's keyring is used where there is one"}
	}
	return check{"keyring", "ok", "answers", ""}
}

func (o *doctorOptions) psql() check {
	path, err := exec.LookPath("psql")
	if err != nil {
		return check{"psql", "warning", "not on PATH", "install PostgreSQL's client (postgresql-client), or use any driver with the DSN"}
	}
	return check{"psql", "ok", path, ""}
}
