package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/hoopctl/hoopctl/server/pgserver"
)

// findPgbench finds pgbench beside the server's programs, or on PATH.
func findPgbench() (string, error) {
	if dir, err := pgserver.BinDir(); err == nil {
		p := filepath.Join(dir, "pgbench")
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
			return p, nil
		}
	}
	p, err := exec.LookPath("pgbench")
	if err != nil {
		return "", errors.New("pgbench was not found beside initdb nor on PATH; on Debian it comes with postgresql")
	}
	return p, nil
}

// pgbenchRun is one run of pgbench.
type pgbenchRun struct {
	mode      string // simple, extended or prepared
	selects   bool   // -S; else the TPC-B-like script
	reconnect bool   // -C, a connection for each transaction
	clients   int
}

// args are pgbench's arguments. Tables are never vacuumed: what bench_history gathers
// is the same for all paths.
func (r pgbenchRun) args(p *path, seconds int) []string {
	a := []string{
		"-h", p.host, "-p", strconv.Itoa(p.port), "-U", p.user, "-n", "-M", r.mode,
		"-c", strconv.Itoa(r.clients), "-j", strconv.Itoa(min(r.clients, 2)), "-T", strconv.Itoa(seconds),
	}
	if r.selects {
		a = append(a, "-S")
	}
	if r.reconnect {
		a = append(a, "-C")
	}
	return append(a, p.database)
}

// pgbenchResult is what pgbench says of a run.
type pgbenchResult struct {
	Transactions int
	TPS          float64
}

func (r pgbenchRun) run(ctx context.Context, bin string, p *path, seconds int) (pgbenchResult, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+30*time.Second)
	defer cancel()
	cmd := exec.Command(bin, r.args(p, seconds)...)
	cmd.Env = clientEnv("PGPASSWORD="+p.password, "PGSSLMODE=disable", "PGGSSENCMODE=disable", "PGCONNECT_TIMEOUT=10")
	out, err := run(ctx, cmd)
	if err != nil {
		return pgbenchResult{}, err
	}
	return parsePgbench(out)
}

var (
	pgbenchTPS    = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \((?:without initial connection time|including reconnection times|excluding connections establishing)\)`)
	pgbenchCount  = regexp.MustCompile(`(?m)^number of transactions actually processed: ([0-9]+)`)
	pgbenchFailed = regexp.MustCompile(`(?m)^number of failed transactions: ([0-9]+)`)
)

// parsePgbench reads pgbench's report. A run with failed transactions is an error, as
// is one with none.
func parsePgbench(out string) (pgbenchResult, error) {
	figure, count := pgbenchTPS.FindStringSubmatch(out), pgbenchCount.FindStringSubmatch(out)
	switch {
	case count != nil && count[1] == "0":
		return pgbenchResult{}, errors.New("pgbench: no transaction ended in time")
	case figure == nil || count == nil:
		return pgbenchResult{}, fmt.Errorf("pgbench: no figures in %q", out)
	}
	if f := pgbenchFailed.FindStringSubmatch(out); f != nil && f[1] != "0" {
		return pgbenchResult{}, fmt.Errorf("pgbench: %s transactions failed", f[1])
	}
	var r pgbenchResult
	var err error
	if r.TPS, err = strconv.ParseFloat(figure[1], 64); err != nil {
		return r, fmt.Errorf("pgbench: %w", err)
	}
	if r.Transactions, err = strconv.Atoi(count[1]); err != nil {
		return r, fmt.Errorf("pgbench: %w", err)
	}
	return r, nil
}

// clientEnv is the environment of programs that we start: nothing of the caller's that
// would lead them elsewhere.
func clientEnv(more ...string) []string {
	env := []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir()}
	return append(env, more...)
}
