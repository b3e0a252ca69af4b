package audit

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/server/journal"
)

// Files in the keys folder.
const (
	keyFile    = "audit.key"
	anchorFile = "audit.checkpoint" // newest checkpoint that the journal no longer reaches behind
)

func (l *Log) checkpointName() string { return filepath.Join(l.opt.Dir, auditlog.CheckpointFile) }
func (l *Log) keyName() string        { return filepath.Join(l.opt.Keys, keyFile) }
func (l *Log) anchorName() string     { return filepath.Join(l.opt.Keys, anchorFile) }

// load reads key, checkpoint and tree as an earlier run left them.
func (l *Log) load() error {
	for _, dir := range []string{l.opt.Dir, l.opt.Keys} {
		if err := journal.MakeDir(l.opt.FS, dir); err != nil {
			return err
		}
	}
	skey, err := journal.ReadFile(l.opt.FS, l.keyName())
	if errors.Is(err, fs.ErrNotExist) {
		return l.create()
	}
	if err != nil {
		return fmt.Errorf("read the signing key: %w", err)
	}
	if err := l.useKey(strings.TrimSpace(string(skey))); err != nil {
		return err
	}
	return l.loadTree()
}

// create begins a log: the empty tree's checkpoint first, then the key, so that a key
// without a checkpoint always means that somebody removed it.
func (l *Log) create() error {
	if names, err := l.opt.FS.ReadDir(filepath.Join(l.opt.Dir, "tile")); err == nil && len(names) > 0 {
		return fmt.Errorf("%s has a log, and its signing key %s is missing", l.opt.Dir, l.keyName())
	}
	skey, _, err := note.GenerateKey(rand.Reader, l.opt.Origin)
	if err != nil {
		return fmt.Errorf("make the signing key: %w", err)
	}
	if err := l.useKey(skey); err != nil {
		return err
	}
	l.tree = newTree(l.opt.FS, l.opt.Dir)
	if err := l.sign(new(auditlog.Edge)); err != nil {
		return err
	}
	if err := journal.WriteFile(l.opt.FS, l.keyName(), []byte(skey+"\n")); err != nil {
		return fmt.Errorf("keep the signing key: %w", err)
	}
	return nil
}

func (l *Log) useKey(skey string) error {
	signer, err := note.NewSigner(skey)
	if err != nil {
		// The parser's error must not carry the key.
		return fmt.Errorf("%s does not hold a signing key for the log %q", l.keyName(), l.opt.Origin)
	}
	if signer.Name() != l.opt.Origin {
		return fmt.Errorf("the log is named %q, the configuration says %q: a log keeps its name", signer.Name(), l.opt.Origin)
	}
	public, err := verifierKey(skey)
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		return fmt.Errorf("the log's public key: %w", err)
	}
	derived, err := hkdf.Key(sha256.New, []byte(skey), nil, "hoop audit derived", sha256.Size)
	if err != nil {
		return fmt.Errorf("derive from the signing key: %w", err)
	}
	l.signer, l.verifier, l.key, l.derived = signer, v, public, derived
	return nil
}

// loadTree reads the tree that the checkpoint vouches for, and checks that it does.
func (l *Log) loadTree() error {
	b, err := journal.ReadFile(l.opt.FS, l.checkpointName())
	if err != nil {
		return fmt.Errorf("read checkpoint (the log has a key, so it must have one): %w", err)
	}
	if l.published, err = auditlog.OpenCheckpoint(b, l.verifier); err != nil {
		return fmt.Errorf("%s: %w", l.checkpointName(), err)
	}
	l.signed.Store(&b)
	kept, err := l.loadAnchor()
	if err != nil {
		return err
	}
	l.tree = newTree(l.opt.FS, l.opt.Dir)
	size := l.published.Size
	l.tree.edge, err = auditlog.LoadEdge(size, func(level int, n int64, width int) ([]byte, error) {
		return journal.ReadFile(l.opt.FS, filepath.Join(l.opt.Dir, auditlog.TilePath(level, n, width)))
	})
	if err != nil {
		return fmt.Errorf("read the tree of %s: %w", l.checkpointName(), err)
	}
	if root := l.tree.edge.Root(); root != l.published.Root {
		return fmt.Errorf("tile/: the tiles do not have the root that the checkpoint of %d events vouches for", size)
	}
	if err := l.loadBundle(size); err != nil {
		return err
	}
	return l.contains(kept)
}

// loadBundle reads the entries behind the last full tile.
func (l *Log) loadBundle(size int64) error {
	n, width := auditlog.Widths(size, 0)
	if width == 0 {
		return nil
	}
	path := auditlog.EntriesPath(n, width)
	b, err := journal.ReadFile(l.opt.FS, filepath.Join(l.opt.Dir, path))
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	rest := b
	for i, want := range l.tree.edge.Partial(0) {
		var entry []byte
		if entry, rest, err = auditlog.NextEntry(rest); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if tlog.RecordHash(entry) != want {
			return fmt.Errorf("%s: entry %d is not what its tile says", path, n*auditlog.TileWidth+int64(i))
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s: bytes after the last entry", path)
	}
	l.tree.bundle = b
	return nil
}

// loadAnchor reads the checkpoint kept beside the key, zero where there is none: the
// journal has all after that, so an older one in the folder means that it was rolled back.
func (l *Log) loadAnchor() (kept auditlog.Checkpoint, err error) {
	b, err := journal.ReadFile(l.opt.FS, l.anchorName())
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return kept, fmt.Errorf("read the kept checkpoint: %w", err)
	}
	if kept, err = auditlog.OpenCheckpoint(b, l.verifier); err != nil {
		return kept, fmt.Errorf("%s: %w", l.anchorName(), err)
	}
	if kept.Size > l.published.Size {
		return kept, fmt.Errorf("the audit folder was rolled back: its checkpoint has %d events, %s has %d",
			l.published.Size, l.anchorName(), kept.Size)
	}
	return kept, nil
}

// contains checks that the tree had the root of the kept checkpoint at its size.
func (l *Log) contains(kept auditlog.Checkpoint) error {
	if kept.Size == 0 {
		return nil
	}
	now := tlog.Tree{N: l.published.Size, Hash: l.published.Root}
	root, err := tlog.TreeHash(kept.Size, tlog.TileHashReader(now, &view{l, l.tree.peek()}))
	if err != nil {
		return fmt.Errorf("tile/: the tiles do not have the root that the checkpoint of %d events vouches for: read tree at %d events: %w",
			l.published.Size, kept.Size, err)
	}
	if root != kept.Root {
		return fmt.Errorf("the audit folder is a fork: %s is of another log at %d events", l.anchorName(), kept.Size)
	}
	return nil
}

// checkJournal notices a journal whose end is missing: it had every event before the
// folder did, and keeps the newest.
func (l *Log) checkJournal() error {
	switch given := l.tree.given; {
	case l.published.Size > 0 && l.opt.Journal.Fresh():
		return fmt.Errorf("the journal is missing: the audit folder has %d events, and the journal begins anew", l.published.Size)
	case given > 0 && given < l.published.Size:
		return fmt.Errorf("the journal's last segment was removed or cut: the audit folder has %d events, and the journal ends at %d",
			l.published.Size, given)
	}
	return nil
}

// anchor keeps the newest checkpoint beside the key.
func (l *Log) anchor() error {
	return journal.WriteFile(l.opt.FS, l.anchorName(), l.Checkpoint())
}

// publish makes the tree durable as it stands and signs a checkpoint of it, if it
// grew. After a failure nobody knows what is on the disk, so the journal fails too.
func (l *Log) publish() error {
	if err := l.lock(); err != nil {
		return err
	}
	defer l.unlock()
	if l.tree.size() == l.published.Size {
		return nil
	}
	_, err := l.publishLocked()
	return err
}

// publishLocked publishes and gives what it vouched for. The caller holds publishing.
func (l *Log) publishLocked() (snapshot, error) {
	s := l.tree.snapshot()
	old := l.published.Size
	if s.edge.Size() == old {
		return s, nil
	}
	err := s.sync(l.opt.FS, l.opt.Dir, old)
	if err == nil {
		err = l.sign(s.edge)
	}
	if err == nil {
		err = l.sweep(old, s.edge.Size())
	}
	if err != nil {
		l.opt.Journal.Fail(fmt.Errorf("publish checkpoint: %w", err))
	}
	return s, err
}

// sign writes the checkpoint of a tree whose files are durable.
func (l *Log) sign(e *auditlog.Edge) error {
	c := auditlog.Checkpoint{Origin: l.opt.Origin, Size: e.Size(), Root: e.Root()}
	b, err := c.Sign(l.signer)
	if err != nil {
		return err
	}
	if err := journal.WriteFile(l.opt.FS, l.checkpointName(), b); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	l.published = c
	l.signed.Store(&b)
	return nil
}

// sweep removes the partial files of an older checkpoint that the new one has no use
// for.
func (l *Log) sweep(old, size int64) error {
	for level := range auditlog.Levels(old) {
		n, width := auditlog.Widths(old, level)
		full, now := auditlog.Widths(size, level)
		if width == 0 || n == full && width == now {
			continue
		}
		paths := []string{auditlog.TilePath(level, n, width)}
		if level == 0 {
			paths = append(paths, auditlog.EntriesPath(n, width))
		}
		for _, path := range paths {
			name := filepath.Join(l.opt.Dir, path)
			if err := l.opt.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if n < full {
				// Its folder is empty now, unless a crash left an older file there.
				_ = l.opt.FS.Remove(filepath.Dir(name))
			}
		}
	}
	return nil
}
