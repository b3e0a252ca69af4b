// Command bench measures what the line costs: it starts a private PostgreSQL and lets
// pgbench and a raw reader run, interleaved within each round, directly, through
// relays that do nothing, through pgbouncer and through the real hoopctl and
// hoop-gateway with policy, masking, recording and audit on. Absolute figures depend on
// the machine and on what else runs there, so it prints ratios within a round and the
// CPU time of each path's own processes, and compares them with the bars.
//
// It is not a test and makes none fail. docs/performance.md says how to read it. All
// that it starts listens on loopback, lives in one temporary folder and ends with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == relayCommand {
		os.Exit(exit(relayMain(os.Args[2:])))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(exit(benchMain(ctx, os.Args[1:])))
}

func exit(err error) int {
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, new(*usageError)):
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	return 1
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

// options are the flags.
type options struct {
	Rounds    int           `json:"rounds"`
	Seconds   int           `json:"seconds"`  // of each timed run
	Rows      int           `json:"rows"`     // of the wide tables
	Scale     int           `json:"scale"`    // of pgbench
	Idle      int           `json:"idle"`     // connections in the memory workload
	Sessions  int           `json:"sessions"` // that are cut at once
	Causes    []string      `json:"causes"`   // of that
	Paths     []string      `json:"paths"`
	Workloads []string      `json:"workloads"`
	Bin       string        `json:"-"`
	JSON      bool          `json:"-"`
	Limit     time.Duration `json:"-"`
}

func parseFlags(args []string) (options, error) {
	o := options{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.IntVar(&o.Rounds, "rounds", 5, "how often everything is measured")
	fs.IntVar(&o.Seconds, "seconds", 2, "length of each timed run")
	fs.IntVar(&o.Rows, "rows", 1_000_000, "rows of about 100 bytes in the tables that are drained")
	fs.IntVar(&o.Scale, "scale", 10, "scale of pgbench's tables")
	fs.IntVar(&o.Idle, "idle", 500, "idle connections in the memory workload")
	fs.IntVar(&o.Sessions, "sessions", 1000, "live sessions in the cut workload")
	paths := fs.String("paths", strings.Join(defaultPaths(), ","), "what to measure, of "+strings.Join(pathNames(), ","))
	causes := fs.String("causes", strings.Join(cutNames(), ","), "why sessions are cut in the cut workload")
	workloads := fs.String("workloads", strings.Join(workloadNames(), ","), "what to run")
	fs.StringVar(&o.Bin, "bin", "bin", "folder of hoopctl and hoop-gateway")
	fs.BoolVar(&o.JSON, "json", false, "print JSON with every single figure instead of tables")
	fs.DurationVar(&o.Limit, "limit", time.Hour, "stop after this time, whatever is left to do")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, &usageError{err}
	}
	var err error
	if o.Paths, err = pick("-paths", *paths, pathNames()); err != nil {
		return o, err
	}
	if o.Workloads, err = pick("-workloads", *workloads, workloadNames()); err != nil {
		return o, err
	}
	if o.Causes, err = pick("-causes", *causes, cutNames()); err != nil {
		return o, err
	}
	switch {
	case fs.NArg() > 0:
		return o, &usageError{fmt.Errorf("unexpected argument %q", fs.Arg(0))}
	case o.Rounds < 1 || o.Seconds < 1 || o.Rows < 1000 || o.Scale < 1 || o.Idle < 1 || o.Sessions < cutAccounts*doings || o.Sessions > maxSessions:
		return o, &usageError{fmt.Errorf("-rounds, -seconds, -scale and -idle must be at least 1, -rows at least 1000, -sessions from %d to %d", cutAccounts*doings, maxSessions)}
	}
	return o, nil
}

// pick reads a comma-separated choice and gives it in the order of known.
func pick(name, list string, known []string) ([]string, error) {
	want := map[string]bool{}
	for _, w := range strings.Split(list, ",") {
		want[strings.TrimSpace(w)] = true
	}
	var out []string
	for _, k := range known {
		if want[k] {
			out = append(out, k)
			delete(want, k)
		}
	}
	for w := range want {
		return nil, &usageError{fmt.Errorf("%s: %q is none of %s", name, w, strings.Join(known, ","))}
	}
	return out, nil
}

func benchMain(ctx context.Context, args []string) (err error) {
	opts, err := parseFlags(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, opts.Limit)
	defer cancel()
	b, err := newBench(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	err = b.run(ctx) // stopped early, there is still something to tell
	if opts.JSON {
		return errors.Join(err, b.report().writeJSON(os.Stdout))
	}
	return errors.Join(err, b.report().writeText(os.Stdout))
}
