package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Exit codes.
const (
	ExitDone    = 0
	ExitFailed  = 1
	ExitUsage   = 2 // usage, or cancelled
	ExitDenied  = 3
	ExitSignIn  = 4
	ExitPending = 8
)

// ExitError ends hoopctl with a status and without a word: the command it ran has
// said what there is to say.
type ExitError struct{ Code int }

// Error is the status.
func (e *ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// Main runs hoopctl and gives its exit code.
func Main(version string, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return Run(ctx, NewFactory(version, iostreams.System(os.Getenv)), args)
}

// Run runs one command with what f offers, prints its error and gives the exit code.
func Run(ctx context.Context, f *Factory, args []string) int {
	root := NewRoot(f)
	root.SetArgs(args)
	started := false
	beforeRun(root, func() { started = true })
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitDone
	}
	if !started { // cobra refused the command, its flags or its arguments
		err = usage(cmd, err)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = hoop.Errorf(hoop.CodeCancelled, "interrupted")
	}
	err = f.explain(err)
	if e := (*ExitError)(nil); errors.As(err, &e) {
		return e.Code
	}
	f.print(err)
	return exitCode(err)
}

// beforeRun has f called before any command of the tree runs; cobra's own hooks come
// before it has checked which flags are required.
func beforeRun(cmd *cobra.Command, f func()) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(c *cobra.Command, args []string) error {
			f()
			return run(c, args)
		}
	}
	for _, c := range cmd.Commands() {
		beforeRun(c, f)
	}
}

// print says what went wrong and what to do next, on stderr. That people still have to
// decide is no error.
func (f *Factory) print(err error) {
	var e *hoop.Error
	if errors.As(err, &e) && e.Code == hoop.CodePending {
		f.note(err.Error())
	} else {
		fmt.Fprintf(f.IO.ErrOut, "hoopctl: error: %s\n", iostreams.Printable(err.Error()))
	}
	if e != nil && e.Hint != "" {
		fmt.Fprintf(f.IO.ErrOut, "hoopctl: hint: %s\n", iostreams.Printable(e.Hint))
	}
}

// note tells something on stderr that is no error.
func (f *Factory) note(text string) {
	fmt.Fprintf(f.IO.ErrOut, "hoopctl: %s\n", iostreams.Printable(text))
}

func (f *Factory) notef(format string, args ...any) { f.note(fmt.Sprintf(format, args...)) }

// usage makes err a mistake in how hoopctl was called.
func usage(cmd *cobra.Command, err error) error {
	e := &hoop.Error{Code: hoop.CodeInvalid, Message: strings.SplitN(err.Error(), "\n", 2)[0]}
	return e.WithHint("%s --help", cmd.CommandPath())
}

// usagef is a mistake in how a command was called that the command itself found.
func usagef(format string, args ...any) error {
	return hoop.Errorf(hoop.CodeInvalid, format, args...)
}

func exitCode(err error) int {
	var e *hoop.Error
	if !errors.As(err, &e) {
		return ExitFailed
	}
	switch e.Code {
	case hoop.CodeInvalid, hoop.CodeCancelled:
		return ExitUsage
	case hoop.CodeDenied, hoop.CodeExpired, hoop.CodeRevoked:
		return ExitDenied
	case hoop.CodeUnauthenticated:
		return ExitSignIn
	case hoop.CodePending:
		return ExitPending
	}
	return ExitFailed
}
