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
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type auditVerifyOptions struct {
	f          *Factory
	Dir        string
	Key        string
	Checkpoint string
	Witnesses  []string
	Missing    []string // revisions
	JSON       jsonFlag
}

func newAuditVerify(f *Factory, runF func(*auditVerifyOptions) error) *cobra.Command {
	o := &auditVerifyOptions{f: f}
	cmd := &cobra.Command{
		Use:   "verify FILE.zip|DIR",
		Short: "Verify exported evidence, offline",
		Long: `Verify what hoopctl audit export wrote, a bundle or a folder: that every event and
every recording is what the gateway signed, none missing, added, changed or moved; of a
bundle also its policy texts and its report. It needs no gateway and no network.

Give the log's public key as you got it by another way than the export; without --key
the export vouches only for itself. Give a checkpoint kept from an earlier export, and
the log must still contain all that it contained then.`,
		Example: `  hoopctl audit verify october.zip --key log.pub --checkpoint september/checkpoint
  hoopctl audit verify ./evidence --key clinic-gateway+1a2b3c4d+AbCd…
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
	cmd.Flags().StringArrayVar(&o.Witnesses, "witness", nil, "the public `KEY` of a witness that must have cosigned a bundle's log, or the file that holds it; may be given more than once")
	cmd.Flags().StringArrayVar(&o.Missing, "accept-missing-policy", nil, "verify a bundle without the text of this policy `REVISION`, which its gateway lost; may be given more than once")
	addJSON[bundle.Report](cmd, &o.JSON)
	return cmd
}

func (o *auditVerifyOptions) run() error {
	st, err := os.Stat(o.Dir)
	if err != nil || !st.IsDir() && !bundle.IsZip(o.Dir) {
		return usagef("%s is neither a folder nor a file that ends in .zip", o.Dir)
	}
	opt := auditlog.Options{}
	if opt.Key, err = logKey(o.Key); err != nil {
		return err
	}
	if o.Checkpoint != "" {
		if opt.OldCheckpoint, err = os.ReadFile(o.Checkpoint); err != nil {
			return usagef("checkpoint: %v", err)
		}
	}
	for i, w := range o.Witnesses {
		if o.Witnesses[i], err = logKey(w); err != nil {
			return err
		}
	}
	if st.IsDir() && len(o.Witnesses) > 0 {
		return usagef("--witness is for a bundle: a folder holds no cosignatures")
	}
	if st.IsDir() && len(o.Missing) > 0 {
		return usagef("--accept-missing-policy is for a bundle: a folder holds no policy texts")
	}
	rep := new(bundle.Report)
	if st.IsDir() {
		var log *auditlog.Report
		if log, err = auditlog.Verify(os.DirFS(o.Dir), opt); err == nil {
			rep.Report = *log
		}
	} else {
		rep, err = verifyZip(o.Dir, bundle.Options{Key: opt.Key, OldCheckpoint: opt.OldCheckpoint, Witnesses: o.Witnesses, AcceptMissing: o.Missing})
	}
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

func verifyZip(name string, opt bundle.Options) (*bundle.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return bundle.Verify(f, st.Size(), opt)
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
	var f *auditlog.Fault
	found := errors.As(err, &f)
	if !found && hoop.AsError(err).Code == hoop.CodeInvalid {
		return err // of the flags, not of the evidence
	}
	fmt.Fprintf(o.f.IO.ErrOut, "%s\n", o.f.IO.Red("VERIFICATION FAILED: this is not what the gateway signed."))
	if !found {
		return fmt.Errorf("verify %s: %w", o.Dir, err)
	}
	e := &hoop.Error{Code: hoop.CodeInternal, Message: f.Error()}
	return e.WithHint("keep it as it is, compare it with another copy, and export anew; nothing in it is proved")
}

func (o *auditVerifyOptions) report(r *bundle.Report) error {
	key := "given with --key"
	if r.KeyFromFolder {
		key = "the folder's own: it vouches only for itself"
	}
	earlier := ""
	if r.OldSize > 0 {
		earlier = fmt.Sprintf("all %d events of the earlier checkpoint are there, unchanged", r.OldSize)
	}
	span, covers, policies := "", "", ""
	recordings := fmt.Sprintf("%d, %d bytes", r.Recordings, r.RecordingBytes)
	if m := r.Bundle; m != nil {
		span = fmt.Sprintf("%d up to but without %d", m.First, m.End)
		covers = covered(m)
		if !m.Recordings {
			recordings = fmt.Sprintf("left out of this bundle, and so not verified: the %d that its events commit to", r.RecordingsLeftOut)
		}
		policies = fmt.Sprintf("%d texts, as events name them", r.Policies)
		if len(r.AcceptedMissing) > 0 {
			policies += "; missing, and accepted by --accept-missing-policy: " + strings.Join(r.AcceptedMissing, ", ")
		}
	}
	expired := ""
	if r.Expired > 0 {
		expired = fmt.Sprintf("%d expired, hash kept", r.Expired)
	}
	cosigned := ""
	for _, c := range r.Cosignatures {
		cosigned += fmt.Sprintf("%s at %d events, %s; ", c.Witness, c.Size, c.At.Format(time.RFC3339))
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return pairs(o.f.IO,
		"verified", "every event and recording here is what the gateway signed",
		"log", r.Origin,
		"key", key,
		"events", n(r.Size),
		"of them here", span,
		"covers", covers,
		"root", r.Root,
		"earlier", earlier,
		"cosigned by", strings.TrimSuffix(cosigned, "; "),
		"from", r.First.UTC().Format(time.RFC3339),
		"to", r.Last.UTC().Format(time.RFC3339),
		"sessions", fmt.Sprintf("%d ended, %d of them by a crash; %d open", r.Sessions, r.Recovered, r.Open),
		"recordings", recordings,
		"gone", expired,
		"policies", policies,
	)
}

// covered says of which time a bundle claims to have all events.
func covered(m *bundle.Manifest) string {
	from, to := "the log's first event", "its last"
	if !m.From.IsZero() {
		from = m.From.Format(time.RFC3339Nano)
	}
	if !m.To.IsZero() {
		to = "before " + m.To.Format(time.RFC3339Nano)
	}
	return "all events from " + from + " up to " + to
}
