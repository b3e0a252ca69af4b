package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/replay"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

type sessionsExportOptions struct {
	f      *Factory
	ID     string
	Format string
	Out    string
}

func newSessionsExport(f *Factory, runF func(*sessionsExportOptions) error) *cobra.Command {
	o := &sessionsExportOptions{f: f}
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Write a recording as asciicast, JSON, CSV, text, HTML or GIF",
		Long: `Write what ran in a session and what the client saw to a file, or to standard output.

  cast  asciicast v2, for asciinema and its like, with the real timing
  json  a record per line
  csv   the rows of every answer: statement, seconds, cells
  txt   what hoopctl sessions replay shows
  html  the same as a page, without scripts
  gif   a film, pauses cut short

Reading a recording is an event in the audit log.`,
		Example: `  hoopctl sessions export 0193f2a4c8d1 --format cast --out session.cast
  hoopctl sessions export 0193f2a4c8d1 --out session.gif`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ID = args[0]
			if o.Format == "" {
				o.Format = strings.TrimPrefix(filepath.Ext(o.Out), ".")
			}
			if !replay.KnownFormat(o.Format) {
				return usagef("--format: want one of %s", strings.Join(replay.Formats, ", "))
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "", strings.Join(replay.Formats, ", ")+"; left out, by the name of --out")
	cmd.Flags().StringVar(&o.Out, "out", "", "write to this `FILE`; left out, to standard output")
	return cmd
}

func (o *sessionsExportOptions) run(ctx context.Context) (err error) {
	var out io.Writer = o.f.IO.Out
	if o.Out == "" && o.Format == "gif" && o.f.IO.OutTTY {
		return usagef("a gif is nothing for a terminal: give --out FILE")
	}
	if o.Out != "" {
		if _, err := os.Lstat(o.Out); !errors.Is(err, fs.ErrNotExist) {
			return hoop.Errorf(hoop.CodeInvalid, "%s exists", o.Out).WithHint("name a file that does not exist yet")
		}
	}
	c, err := o.f.API()
	if err != nil {
		return err
	}
	body, err := c.Recording(ctx, o.ID)
	if err != nil {
		return err
	}
	defer body.Close()
	if o.Out != "" {
		f, err := os.OpenFile(o.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return usagef("%v", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	err = replay.Export(ctx, out, body, o.Format)
	if errors.Is(err, recording.ErrUnfinished) {
		o.f.note("the recording has no end yet: the session still runs, or its gateway stopped")
		return nil
	}
	if err != nil {
		return fmt.Errorf("export session %s: %w", o.ID, err)
	}
	return nil
}
