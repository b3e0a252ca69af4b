// Package command is hoop-gateway's command line: serve, dev, check, witness, policy,
// version.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/heap"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// IO is what a command reads from and writes to.
type IO struct {
	Out, Err io.Writer
}

// Main runs hoop-gateway and returns its exit code.
func Main(version string, args []string, stdio IO) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(version, stdio)
	root.SetArgs(args)
	started := false // or cobra refused the command, its flags or its arguments
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	e := (*hoop.Error)(nil)
	fmt.Fprintf(stdio.Err, "hoop-gateway: error: %v\n", err)
	if errors.As(err, &e) && e.Hint != "" {
		fmt.Fprintf(stdio.Err, "hoop-gateway: hint: %s\n", e.Hint)
	}
	if !started {
		return exitUsage
	}
	return exitFailed
}

func newRoot(version string, stdio IO) *cobra.Command {
	root := &cobra.Command{
		Use:           "hoop-gateway",
		Short:         "The gateway: every decision is made here, before a packet reaches a target",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          help,
	}
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newServe(version, stdio), newDev(version, stdio), newCheck(stdio), newWitness(stdio), newPolicy(stdio), newVersion(version, stdio))
	return root
}

// help is what a command that only has others below it does; an unknown one is a
// usage error, by its Args.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func newVersion(version string, stdio IO) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(stdio.Out, "hoop-gateway", version)
			return err
		},
	}
}

// needsConfig refuses arguments, and a command line without --config.
func needsConfig(file *string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if *file == "" {
			return errors.New("--config FILE is missing")
		}
		return cobra.NoArgs(cmd, args)
	}
}

func newServe(version string, stdio IO) *cobra.Command {
	var file string
	var accept bool
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run in production",
		Args:  needsConfig(&file),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := server.LoadConfig(file)
			if err != nil {
				return err
			}
			g, err := server.New(cmd.Context(), cfg, server.Options{Version: version, Log: logger(stdio), AcceptStore: accept})
			if err != nil {
				return err
			}
			return run(cmd.Context(), g, func() error {
				_, err := fmt.Fprintf(stdio.Out, "hoop-gateway is ready at %s\n", g.URL())
				return err
			})
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "gateway.yaml")
	acceptsStore(cmd, &accept)
	return cmd
}

func acceptsStore(cmd *cobra.Command, accept *bool) {
	cmd.Flags().BoolVar(accept, "accept-store", false, "run on a store that was put back from a copy, or on another one than before; the audit log says so")
}

// run serves until ctx ends, then stops in order. SIGHUP loads the resources again.
func run(ctx context.Context, g *server.Gateway, ready func() error) (err error) {
	defer func() { err = errors.Join(err, g.Close()) }()
	defer heap.Reserve()()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	if err := ready(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-hup:
			g.Reload(ctx)
		}
	}
}

func newCheck(stdio IO) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Validate configuration and resources, reach every target and identity provider, change nothing",
		Args:  needsConfig(&file),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := server.LoadConfig(file)
			if err != nil {
				return err
			}
			return server.Check(cmd.Context(), cfg, func(what string, err error) {
				if err != nil {
					fmt.Fprintf(stdio.Out, "FAILED  %s: %v\n", what, err)
					return
				}
				fmt.Fprintf(stdio.Out, "ok      %s\n", what)
			})
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "gateway.yaml")
	return cmd
}

func logger(stdio IO) *slog.Logger {
	return slog.New(slog.NewTextHandler(stdio.Err, &slog.HandlerOptions{Level: slog.LevelInfo}))
}
