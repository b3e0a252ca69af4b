package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/server/journal"
)

// tree is the folder of tiles and entries. Full tiles and bundles are written as they
// fill and never change; the partial ones are written with each checkpoint.
type tree struct {
	fs  journal.FS
	dir string

	mu     sync.Mutex // guards what follows
	edge   *auditlog.Edge
	bundle []byte          // entries behind the last full tile
	given  int64           // events up to which the journal gave any, since the start
	files  []string        // full files written and not yet synced; relative
	dirs   map[string]bool // folders whose names are not yet synced; relative
}

func newTree(fsys journal.FS, dir string) *tree {
	return &tree{fs: fsys, dir: dir, edge: new(auditlog.Edge), dirs: make(map[string]bool)}
}

func (t *tree) size() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.edge.Size()
}

// add appends an entry. One that is there already, from before a crash, is left alone.
func (t *tree) add(index int64, entry []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := t.edge.Size()
	t.given = index + 1
	if index < size {
		return nil
	}
	if index > size {
		return fmt.Errorf("the audit folder has %d events and the journal goes on with event %d: "+
			"the folder was rolled back, or is another log's", size, index)
	}
	t.bundle = auditlog.AppendEntry(t.bundle, entry)
	return t.edge.Add(tlog.RecordHash(entry), t.full)
}

// full writes a tile that has filled, and its bundle.
func (t *tree) full(level int, n int64, hashes []tlog.Hash) error {
	if level == 0 {
		if err := t.write(auditlog.EntriesPath(n, auditlog.TileWidth), t.bundle); err != nil {
			return err
		}
		t.bundle = t.bundle[:0]
	}
	return t.write(auditlog.TilePath(level, n, auditlog.TileWidth), auditlog.TileBytes(hashes))
}

func (t *tree) write(path string, b []byte) error {
	if err := writeWhole(t.fs, t.dir, path, b, t.dirs, false); err != nil {
		return err
	}
	t.files = append(t.files, path)
	return nil
}

// writeWhole writes a file below dir from its beginning, and notes in dirs which
// folders must be synced for it to be found.
func writeWhole(fsys journal.FS, dir, path string, b []byte, dirs map[string]bool, sync bool) error {
	name := filepath.Join(dir, filepath.FromSlash(path))
	if folder := filepath.Dir(name); !dirs[folder] {
		if err := fsys.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		for d := folder; ; d = filepath.Dir(d) {
			dirs[d] = true
			if d == filepath.Clean(dir) {
				break
			}
		}
	}
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.WriteAt(b, 0)
	if err == nil && sync {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// snapshot is a tree as it stood at one size, apart from the full files.
type snapshot struct {
	edge   *auditlog.Edge
	bundle []byte
	files  []string
	dirs   map[string]bool
}

// snapshot takes over the duty to sync what was written so far.
func (t *tree) snapshot() snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := snapshot{edge: t.edge.Clone(), bundle: append([]byte(nil), t.bundle...), files: t.files, dirs: t.dirs}
	t.files, t.dirs = nil, make(map[string]bool)
	return s
}

// peek is a snapshot to read by: who has it syncs nothing.
func (t *tree) peek() snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return snapshot{edge: t.edge.Clone(), bundle: append([]byte(nil), t.bundle...)}
}

// partials are the files of s that are not full, by path.
func (s snapshot) partials() map[string][]byte {
	p := make(map[string][]byte)
	size := s.edge.Size()
	for level := range auditlog.Levels(size) {
		n, width := auditlog.Widths(size, level)
		if width == 0 {
			continue
		}
		p[auditlog.TilePath(level, n, width)] = auditlog.TileBytes(s.edge.Partial(level))
		if level == 0 {
			p[auditlog.EntriesPath(n, width)] = s.bundle
		}
	}
	return p
}

// sync makes all files of s durable, the partial ones included, and then their names.
// The files of a checkpoint at size old are not touched: it must hold until the next.
func (s snapshot) sync(fsys journal.FS, dir string, old int64) error {
	partials := s.partials()
	for level := range auditlog.Levels(old) {
		n, width := auditlog.Widths(old, level)
		delete(partials, auditlog.TilePath(level, n, width))
	}
	for path, b := range partials {
		if err := writeWhole(fsys, dir, path, b, s.dirs, true); err != nil {
			return err
		}
	}
	for _, path := range s.files {
		f, err := fsys.OpenFile(filepath.Join(dir, filepath.FromSlash(path)), os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("sync %s: %w", path, err)
		}
		err = f.Sync()
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("sync %s: %w", path, err)
		}
	}
	for d := range s.dirs {
		if err := fsys.SyncDir(d); err != nil {
			return fmt.Errorf("sync %s: %w", d, err)
		}
	}
	return nil
}
