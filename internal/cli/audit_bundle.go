package cli

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// bundle writes a bundle's archive under another name, and gives it its own when it is
// whole.
func (o *auditExportOptions) bundle(ctx context.Context) error {
	ask := api.BundleAsk{Recordings: !o.Bare, Size: o.Size}
	var err error
	if ask.From, err = timeFlag("from", o.From); err != nil {
		return err
	}
	if ask.To, err = timeFlag("to", o.To); err != nil {
		return err
	}
	if o.Checkpoint != "" {
		if ask.Since, err = checkpointSize(o.Checkpoint); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(o.Out); !errors.Is(err, fs.ErrNotExist) {
		return hoop.Errorf(hoop.CodeInvalid, "%s exists", o.Out).WithHint("name a file that does not exist yet")
	}
	c, err := o.f.API()
	if err != nil {
		return err
	}
	key, err := c.LogKey(ctx)
	if err != nil {
		return err
	}
	body, err := c.Bundle(ctx, ask)
	if err != nil {
		return err
	}
	defer body.Close()
	x := exported{File: o.Out, Key: key.Verifier}
	if x.Files, x.Bytes, err = saveZip(body, o.Out); err != nil {
		return hoop.Errorf(hoop.CodeUnavailable, "the export into %s is not complete: %v", o.Out, err).WithHint("export again")
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, x)
	}
	o.f.notef("exported %d files, %d bytes; verify them: hoopctl audit verify %s --key '%s'", x.Files, x.Bytes, o.Out, x.Key)
	o.f.note("keep the key apart from the file: it is what makes the file evidence")
	return pairs(o.f.IO, "file", x.File, "key", x.Key)
}

// saveZip writes r to name when it has come whole: an archive's directory is its end.
func saveZip(r io.Reader, name string) (files int, size int64, err error) {
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err == nil {
			err = os.Rename(part, name)
		}
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	if size, err = io.Copy(f, r); err != nil {
		return 0, 0, err
	}
	z, err := zip.NewReader(f, size)
	if err != nil {
		return 0, 0, err
	}
	return len(z.File), size, nil
}

// timeFlag reads a day, or a time as in RFC 3339.
func timeFlag(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usagef("--%s: want a day (2026-10-01) or a time (2026-10-01T08:00:00Z), got %q", name, s)
}

// checkpointSize reads how many events a checkpoint has: its second line (C2SP
// tlog-checkpoint). Whether it is genuine is for verify to tell.
func checkpointSize(file string) (int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, usagef("checkpoint: %v", err)
	}
	lines := strings.SplitN(string(b), "\n", 3)
	if len(lines) < 3 {
		return 0, usagef("checkpoint: %s is no checkpoint", file)
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 {
		return 0, usagef("checkpoint: %s is no checkpoint", file)
	}
	return n, nil
}
