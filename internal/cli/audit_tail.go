package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/siem"
)

type auditTailOptions struct {
	f      *Factory
	Format string
	From   int64
	Follow bool
}

func newAuditTail(f *Factory, runF func(*auditTailOptions) error) *cobra.Command {
	o := &auditTailOptions{f: f}
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Stream the audit log's events, as JSON, CEF or OCSF",
		Long: `Stream events, one per line, for a SIEM or for reading. Each has its index in the log:
go on after the last one with --from. What is streamed is a copy; the log is the
evidence. Events carry no literals and no values.`,
		Example: `  hoopctl audit tail --format cef
  hoopctl audit tail --from 12000 --follow=false`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(siem.Formats, o.Format) {
				return usagef("--format: want one of %s", strings.Join(siem.Formats, ", "))
			}
			if o.From < 0 {
				return usagef("--from: want an index from 0")
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "json", strings.Join(siem.Formats, ", "))
	cmd.Flags().Int64Var(&o.From, "from", 0, "begin with the event of this `INDEX`")
	cmd.Flags().BoolVar(&o.Follow, "follow", true, "wait for what comes")
	return cmd
}

func (o *auditTailOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(o.f.IO.Out)
	next := o.From
	for {
		before := next
		if err := o.take(ctx, c, out, &next); err != nil {
			return errors.Join(err, out.Flush())
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if !o.Follow && next == before {
			return nil
		}
	}
}

// take writes what there is from next on.
func (o *auditTailOptions) take(ctx context.Context, c *api.Client, out io.Writer, next *int64) error {
	wait := time.Duration(0)
	if o.Follow {
		wait = 30 * time.Second
	}
	body, err := c.Events(ctx, *next, wait)
	if err != nil {
		return err
	}
	defer body.Close()
	sc := bufio.NewScanner(body)
	sc.Buffer(make([]byte, 0, 64<<10), 2*auditlog.MaxEvent+1024)
	for sc.Scan() {
		var e siem.Entry
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil || e.Event == nil || e.Index != *next {
			return fmt.Errorf("the gateway's answer is not event %d of the log", *next)
		}
		*next++
		b, err := siem.Encode(o.Format, e)
		if err != nil {
			return err
		}
		if o.Format != "cef" {
			b = iostreams.JSON(b)
		} else {
			b = []byte(iostreams.OneLine(string(b)))
		}
		if _, err := out.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return sc.Err()
}
