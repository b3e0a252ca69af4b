package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/hoopctl/hoopctl/server/journal"
)

const (
	suffix = ".hrec"

	// maxOpen is how many files stay open between two frames.
	maxOpen = 256
	// gather is how many bytes of one file are gathered into one write.
	gather = 64 << 10
	// maxSpare is how many buffers to gather in are kept for the next files.
	maxSpare = 32
)

// A journal record of a recording is
//
//	1B length of the session's ID | ID | 8B offset in the file, big-endian | bytes
func appendPrefix(dst []byte, id string, at int64) []byte {
	dst = append(dst, byte(len(id)))
	dst = append(dst, id...)
	return binary.BigEndian.AppendUint64(dst, uint64(at))
}

var errPayload = errors.New("not a record of a recording")

func parsePayload(b []byte) (id string, at int64, data []byte, err error) {
	if len(b) < 1 || len(b) < 1+int(b[0])+8 {
		return "", 0, nil, errPayload
	}
	n := 1 + int(b[0])
	id, at = string(b[1:n]), int64(binary.BigEndian.Uint64(b[n:]))
	if !validID(id) || at < 0 {
		return "", 0, nil, errPayload
	}
	return id, at, b[n+8:], nil
}

// validID keeps a session's ID a plain file name.
func validID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// files is the journal's consumer: it writes recordings' bytes where they belong.
// Writing the same bytes again changes nothing.
type files struct {
	fs  journal.FS
	dir string

	mu      sync.Mutex
	open    map[string]*file
	dirty   map[string]bool // written since the last Sync
	created bool            // a file was made since the last Sync
	spare   [][]byte        // of files that were closed, for others to gather in

	// moved reports whether a recording whose file is not here may have been moved to a
	// store; nil: never.
	moved func(id string) bool
}

// file gathers bytes that follow one another.
type file struct {
	f   journal.File
	at  int64 // where buf belongs
	buf []byte
}

func newFiles(fsys journal.FS, dir string) *files {
	return &files{fs: fsys, dir: dir, open: make(map[string]*file), dirty: make(map[string]bool)}
}

func (s *files) name(id string) string { return filepath.Join(s.dir, id+suffix) }

// exists reports whether the session has a file, or one that cannot be looked at.
func (s *files) exists(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id] != nil || s.there(id)
}

// there reports whether a file lies there, or one that cannot be looked at.
func (s *files) there(id string) bool {
	f, err := s.fs.OpenFile(s.name(id), os.O_RDONLY, 0)
	if err == nil {
		_ = f.Close()
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// Apply implements journal.Consumer.
func (s *files) Apply(_ journal.Kind, _ journal.Pos, payload []byte) error {
	id, at, data, err := parsePayload(payload)
	if err != nil {
		return err
	}
	moved := at > 0 && s.moved != nil && s.moved(id) // before s.mu: it takes the recorder's
	s.mu.Lock()
	defer s.mu.Unlock()
	if moved && s.open[id] == nil && !s.there(id) {
		return nil // before a crash; a file with a hole would be worse than none
	}
	f, err := s.get(id)
	if err != nil {
		return fmt.Errorf("recording %s: %w", id, err)
	}
	s.dirty[id] = true
	if f.at+int64(len(f.buf)) != at || len(f.buf)+len(data) > gather {
		if err := f.flush(); err != nil {
			return fmt.Errorf("recording %s: %w", id, err)
		}
		f.at = at
	}
	if len(f.buf) == 0 && len(data) >= gather/2 {
		_, err := f.f.WriteAt(data, at)
		f.at = at + int64(len(data))
		if err != nil {
			return fmt.Errorf("recording %s: %w", id, err)
		}
		return nil
	}
	f.buf = append(f.buf, data...)
	return nil
}

func (f *file) flush() error {
	if len(f.buf) == 0 {
		return nil
	}
	_, err := f.f.WriteAt(f.buf, f.at)
	f.at += int64(len(f.buf))
	f.buf = f.buf[:0]
	return err
}

// get gives an open file, and closes another where too many are.
func (s *files) get(id string) (*file, error) {
	if f := s.open[id]; f != nil {
		return f, nil
	}
	for other, f := range s.open {
		if len(s.open) < maxOpen {
			break
		}
		if err := f.flush(); err != nil {
			return nil, err
		}
		// It stays dirty: Sync opens it again.
		if err := f.f.Close(); err != nil {
			return nil, err
		}
		delete(s.open, other)
	}
	f, err := s.fs.OpenFile(s.name(id), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		s.created = true
		f, err = s.fs.OpenFile(s.name(id), os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err != nil {
		return nil, err
	}
	s.open[id] = &file{f: f}
	if n := len(s.spare); n > 0 {
		s.open[id].buf, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	return s.open[id], nil
}

// flush writes what was gathered for a session, so that a reader finds it.
func (s *files) flush(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.open[id]; f != nil {
		return f.flush()
	}
	return nil
}

// Sync implements journal.Consumer. All files are closed: those that go on are opened
// again.
func (s *files) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.dirty {
		f, err := s.get(id)
		if err != nil {
			return fmt.Errorf("recording %s: %w", id, err)
		}
		if err := errors.Join(f.flush(), f.f.Sync()); err != nil {
			return fmt.Errorf("recording %s: %w", id, err)
		}
	}
	for id, f := range s.open {
		if err := f.f.Close(); err != nil {
			return fmt.Errorf("recording %s: %w", id, err)
		}
		if len(s.spare) < maxSpare && cap(f.buf) > 0 {
			s.spare = append(s.spare, f.buf)
		}
		delete(s.open, id)
	}
	if s.created {
		if err := s.fs.SyncDir(s.dir); err != nil {
			return fmt.Errorf("recordings: %w", err)
		}
	}
	s.created = false
	clear(s.dirty)
	return nil
}
