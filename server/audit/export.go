package audit

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
)

// Export writes a tar of an evidence folder (pkg/auditlog/spec.md) to w: the log up to
// now with a checkpoint of exactly that, every recording it commits to, encrypted as
// stored, the public key, and how to verify. The log goes on meanwhile.
func (l *Log) Export(ctx context.Context, w io.Writer) error {
	if err := l.settle(ctx); err != nil {
		return fmt.Errorf("export audit log: %w", err)
	}
	x := exporter{log: l, tar: tar.NewWriter(w), now: l.opt.Now().UTC().Truncate(time.Second)}
	if err := x.run(ctx); err != nil {
		return fmt.Errorf("export audit log: %w", err)
	}
	return nil
}

// exporter writes one evidence folder.
type exporter struct {
	log *Log
	tar *tar.Writer
	now time.Time
}

// freeze signs a checkpoint of the tree as it stands and gives both.
func (l *Log) freeze() (signed []byte, s snapshot, err error) {
	if err := l.lock(); err != nil {
		return nil, s, err
	}
	defer l.unlock()
	s, err = l.publishLocked()
	return l.Checkpoint(), s, err
}

func (x *exporter) run(ctx context.Context) error {
	signed, s, err := x.log.freeze()
	if err != nil {
		return err
	}
	if err := x.file(auditlog.ReadmeFile, []byte(auditlog.Readme)); err != nil {
		return err
	}
	if err := x.file(auditlog.KeyFile, []byte(x.log.key+"\n")); err != nil {
		return err
	}
	if err := x.file(auditlog.CheckpointFile, signed); err != nil {
		return err
	}
	if err := x.tiles(ctx, s); err != nil {
		return err
	}
	if err := x.recordings(ctx, s.edge.Size()); err != nil {
		return err
	}
	return x.tar.Close()
}

// tiles writes the tiles and entries: the full ones never change, the partial ones are
// in the snapshot.
func (x *exporter) tiles(ctx context.Context, s snapshot) error {
	for level := range auditlog.Levels(s.edge.Size()) {
		full, _ := auditlog.Widths(s.edge.Size(), level)
		for n := range full {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			paths := []string{auditlog.TilePath(level, n, auditlog.TileWidth)}
			if level == 0 {
				paths = append(paths, auditlog.EntriesPath(n, auditlog.TileWidth))
			}
			for _, path := range paths {
				b, err := journal.ReadFile(x.log.opt.FS, filepath.Join(x.log.opt.Dir, path))
				if err != nil {
					return err
				}
				if err := x.file(path, b); err != nil {
					return err
				}
			}
		}
	}
	partials := s.partials()
	for _, path := range sortedKeys(partials) {
		if err := x.file(path, partials[path]); err != nil {
			return err
		}
	}
	return nil
}

// recordings writes those that the first size events commit to.
func (x *exporter) recordings(ctx context.Context, size int64) error {
	if x.log.opt.Recordings == nil {
		return nil
	}
	for e, err := range x.log.Events(ctx, 0) {
		if err != nil {
			return err
		}
		if e.Index >= size {
			return nil
		}
		if r := e.Event.Record; r != nil && r.SHA256 != "" {
			if err := x.recording(ctx, e.Event.Session, r); err != nil {
				return fmt.Errorf("recording of session %s: %w", e.Event.Session, err)
			}
		}
	}
	return nil
}

// recording writes one; a missing one is left out, and the verifier says so.
func (x *exporter) recording(ctx context.Context, session string, want *hoop.Record) error {
	r, size, err := x.log.opt.Recordings.Raw(ctx, session)
	if err != nil {
		if hoop.AsError(err).Code == hoop.CodeNotFound {
			x.log.opt.Log.Error("audit: a recording that the log commits to is missing", "session", session, "size", want.Size)
			return nil
		}
		return err
	}
	defer func() { _ = r.Close() }()
	if err := x.header(auditlog.RecordingFile(session), size); err != nil {
		return err
	}
	_, err = io.CopyN(x.tar, r, size)
	return err
}

func (x *exporter) file(path string, b []byte) error {
	if err := x.header(path, int64(len(b))); err != nil {
		return err
	}
	_, err := x.tar.Write(b)
	return err
}

func (x *exporter) header(path string, size int64) error {
	return x.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Size: size, Mode: 0o600, ModTime: x.now, Format: tar.FormatPAX})
}

func sortedKeys(m map[string][]byte) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
