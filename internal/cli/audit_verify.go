package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type auditVerifyOptions struct {
	f          *Factory
	Dir        string
	Key        string
	Checkpoint string
	JSON       jsonFlag
}

func newAuditVerify(f *Factory, runF func(*auditVerifyOptions) error) *cobra.Command {
	o := &auditVerifyOptions{f: f}
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Verify an exported audit log, offline",
		Long: `Verify a folder that hoopctl audit export wrote: that every event and every recording
is what the gateway signed, none missing, added, changed or moved. It needs no gateway
and no network.

Give the log's public key as you got it by another way than the folder; without --key
the folder vouches only for itself. Give a checkpoint kept from an earlier export, and
the log must still contain all that it contained then.`,
		Example: `  hoopctl audit verify ./evidence --key clinic-gateway+1a2b3c4d+AbCd…
  hoopctl audit verify ./evidence --key log.pub --checkpoint ./2026-10/checkpoint`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			o.Dir = args[0]
			if runF != nil {
				return runF(o)
			}
			return o.run()
		},
	}
	cmd.Flags().StringVar(&o.Key, "key", "", "the log's public `KEY`, or the file that holds it")
	cmd.Flags().StringVar(&o.Checkpoint, "checkpoint", "", "a checkpoint `FILE` kept from earlier")
	addJSON[auditlog.Report](cmd, &o.JSON)
	return cmd
}

func (o *auditVerifyOptions) run() error {
	if st, err := os.Stat(o.Dir); err != nil || !st.IsDir() {
		return usagef("%s is no directory", o.Dir)
	}
	opt := auditlog.Options{}
	var err error
	if opt.Key, err = logKey(o.Key); err != nil {
		return err
	}
	if o.Checkpoint != "" {
		if opt.OldCheckpoint, err = os.ReadFile(o.Checkpoint); err != nil {
			return usagef("checkpoint: %v", err)
		}
	}
	rep, err := auditlog.Verify(os.DirFS(o.Dir), opt)
	if err != nil {
		return o.fault(err)
	}
	for _, w := range rep.Warnings {
		o.f.note("warning: " + w)
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, rep)
	}
	return o.report(rep)
}

// logKey is the key itself, or what the file of this name holds.
func logKey(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	b, err := os.ReadFile(s)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if errors.Is(err, fs.ErrNotExist) && strings.Count(s, "+") >= 2 {
		return s, nil
	}
	return "", hoop.Errorf(hoop.CodeInvalid, "key: %v", err).
		WithHint("a key looks like NAME+1a2b3c4d+AbCd…; hoopctl audit export prints the gateway's")
}

// fault says loudly that the folder is no evidence.
func (o *auditVerifyOptions) fault(err error) error {
	fmt.Fprintf(o.f.IO.ErrOut, "%s\n", o.f.IO.Red("VERIFICATION FAILED: this folder is not what the gateway signed."))
	var f *auditlog.Fault
	if !errors.As(err, &f) {
		return fmt.Errorf("verify %s: %w", o.Dir, err)
	}
	e := &hoop.Error{Code: hoop.CodeInternal, Message: f.Error()}
	return e.WithHint("keep the folder as it is, compare it with another copy, and export anew; nothing in it is proved")
}

func (o *auditVerifyOptions) report(r *auditlog.Report) error {
	key := "given with --key"
	if r.KeyFromFolder {
		key = "the folder's own: it vouches only for itself"
	}
	earlier := ""
	if r.OldSize > 0 {
		earlier = fmt.Sprintf("all %d events of the earlier checkpoint are there, unchanged", r.OldSize)
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return pairs(o.f.IO,
		"verified", "every event and recording is what the gateway signed",
		"log", r.Origin,
		"key", key,
		"events", n(r.Size),
		"root", r.Root,
		"earlier", earlier,
		"from", r.First.UTC().Format(time.RFC3339),
		"to", r.Last.UTC().Format(time.RFC3339),
		"sessions", fmt.Sprintf("%d ended, %d of them by a crash; %d open", r.Sessions, r.Recovered, r.Open),
		"recordings", fmt.Sprintf("%d, %d bytes", r.Recordings, r.RecordingBytes),
	)
}
