// Package faultfs is a file system for tests that forgets, fails and stalls on purpose.
//
// It lives in memory and knows, of each file and folder, what was made durable and what
// was only written. After a cut nothing works any more, and Crash gives the file system
// as a machine would find it after a power failure: what was synced is there; of the
// rest any part may be, whole or torn. Kill gives it as the next process finds it after a
// kill -9: all that was written is there, and still not durable.
//
// It can also leave out syncs on purpose, to show that tests notice (DropVariable).
package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/hoopctl/hoopctl/server/journal"
)

// ErrCut is returned by everything after the cut.
var ErrCut = errors.New("faultfs: the power is out")

// Op names what is about to be done.
type Op string

// The operations that change something.
const (
	OpCreate  Op = "create"
	OpMkdir   Op = "mkdir"
	OpWrite   Op = "write"
	OpCutFile Op = "truncate"
	OpSync    Op = "sync"
	OpSyncDir Op = "syncdir"
	OpRename  Op = "rename"
	OpRemove  Op = "remove"
)

// FS implements journal.FS. It is safe for concurrent use.
type FS struct {
	// Hook, when set, is called before each operation that changes something. It may
	// block; its error is the operation's.
	Hook func(op Op, name string) error

	mu      sync.Mutex
	names   map[string]*node // as programs see it
	durable map[string]*node // as the disk has it
	pending map[string][]change
	ops     int
	cut     int // the operation that fails, and all after it; 0: none
	off     bool
}

// node is a file or folder.
type node struct {
	dir     bool
	data    []byte
	durable []byte
	writes  []write
}

// write is a change of a file that was not synced: bytes at an offset, or with size
// set, a truncation to it.
type write struct {
	at   int64
	b    []byte
	size int64 // -1 where it is not a truncation
}

// change is a change of a folder that was not synced.
type change struct {
	remove, add string // either may be empty
	node        *node
}

// New gives an empty file system with the folder "/".
func New() *FS {
	root := &node{dir: true}
	return &FS{
		names:   map[string]*node{"/": root},
		durable: map[string]*node{"/": root},
		pending: make(map[string][]change),
	}
}

// CutAt turns the power off at the nth operation from now.
func (f *FS) CutAt(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = f.ops + n
}

// Ops is how many operations there were.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Crash turns the power off and gives what is found afterwards. Without a source of
// chance everything that was not synced is gone; with one, part of it.
func (f *FS) Crash(r *rand.Rand) *FS {
	return f.crash(
		func(changes []change) []change { return survivors(changes, r) },
		func(_ string, writes []write) []write { return torn(writes, r) },
	)
}

// CrashWith turns the power off and gives what is found afterwards, where of all that was
// not synced the disk has those operations, whole, of which reached says so: a test that
// leaves nothing to chance can ask for the worst of them. A rename is one.
func (f *FS) CrashWith(reached func(op Op, name string) bool) *FS {
	return f.crash(
		func(changes []change) (kept []change) {
			for _, c := range changes {
				if op, name := c.op(); reached(op, name) {
					kept = append(kept, c)
				}
			}
			return kept
		},
		func(name string, writes []write) (kept []write) {
			for _, w := range writes {
				if reached(w.op(), name) {
					kept = append(kept, w)
				}
			}
			return kept
		},
	)
}

// crash gives what is found where of a folder's changes and of a file's writes those
// reached the disk that the two choose.
func (f *FS) crash(folder func([]change) []change, file func(name string, writes []write) []write) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
	names := make(map[string]*node, len(f.durable))
	for name, n := range f.durable {
		names[name] = n
	}
	for _, dir := range sorted(f.pending) {
		for _, c := range folder(f.pending[dir]) {
			c.apply(names)
		}
	}
	after := &FS{names: make(map[string]*node), durable: make(map[string]*node), pending: make(map[string][]change)}
	for _, name := range sorted(names) { // parents first
		if name != "/" && after.names[filepath.Dir(name)] == nil {
			continue
		}
		n := names[name]
		data := slices.Clone(n.durable)
		for _, w := range file(name, n.writes) {
			data = w.apply(data)
		}
		n = &node{dir: n.dir, data: data, durable: slices.Clone(data)}
		after.names[name], after.durable[name] = n, n
	}
	return after
}

// survivors are the changes of a folder that reached the disk: none without a source of
// chance; with one the first few, as on a disk with a journal, or any.
func survivors(changes []change, r *rand.Rand) []change {
	switch {
	case r == nil:
		return nil
	case r.IntN(2) == 0:
		return changes[:r.IntN(len(changes)+1)]
	}
	var kept []change
	for _, c := range changes {
		if r.IntN(2) == 0 {
			kept = append(kept, c)
		}
	}
	return kept
}

// Kill ends the program, not the machine: what it gives has everything, durable or not,
// and open files of the program that was killed do nothing any more.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
	// Nothing is shared: what was killed may still be on its way out.
	copies := make(map[*node]*node)
	copied := func(n *node) *node {
		if n == nil {
			return nil
		}
		if copies[n] == nil {
			copies[n] = &node{dir: n.dir, data: slices.Clone(n.data), durable: slices.Clone(n.durable), writes: slices.Clone(n.writes)}
		}
		return copies[n]
	}
	next := &FS{names: make(map[string]*node), durable: make(map[string]*node), pending: make(map[string][]change)}
	for name, n := range f.names {
		next.names[name] = copied(n)
	}
	for name, n := range f.durable {
		next.durable[name] = copied(n)
	}
	for dir, changes := range f.pending {
		for _, c := range changes {
			next.pending[dir] = append(next.pending[dir], change{c.remove, c.add, copied(c.node)})
		}
	}
	return next
}

// torn are the writes of a file that reached the disk: none without a source of chance;
// with one some, and of some a part.
func torn(writes []write, r *rand.Rand) (kept []write) {
	if r == nil {
		return nil
	}
	for _, w := range writes {
		switch r.IntN(4) {
		case 0: // lost
			continue
		case 1: // torn
			if w.size < 0 {
				w.b = w.b[:r.IntN(len(w.b)+1)]
			}
		}
		kept = append(kept, w)
	}
	return kept
}

func (w write) op() Op {
	if w.size >= 0 {
		return OpCutFile
	}
	return OpWrite
}

func (w write) apply(data []byte) []byte {
	if w.size >= 0 {
		if w.size <= int64(len(data)) {
			return data[:w.size]
		}
		return append(data, make([]byte, w.size-int64(len(data)))...)
	}
	if end := w.at + int64(len(w.b)); end > int64(len(data)) && len(w.b) > 0 {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	if len(w.b) > 0 {
		copy(data[w.at:], w.b)
	}
	return data
}

// op is what a change did, and to which name.
func (c change) op() (Op, string) {
	switch {
	case c.add == "":
		return OpRemove, c.remove
	case c.remove != "":
		return OpRename, c.add
	case c.node.dir:
		return OpMkdir, c.add
	}
	return OpCreate, c.add
}

func (c change) apply(names map[string]*node) {
	if c.remove != "" {
		delete(names, c.remove)
	}
	if c.add != "" {
		names[c.add] = c.node
	}
}

func sorted[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// begin counts an operation, and fails it when the power is out. It returns with mu
// held when the error is nil.
func (f *FS) begin(op Op, name string) error {
	if f.Hook != nil {
		if err := f.Hook(op, name); err != nil {
			return &fs.PathError{Op: string(op), Path: name, Err: err}
		}
	}
	f.mu.Lock()
	f.ops++
	if f.off || f.cut > 0 && f.ops >= f.cut {
		f.off = true
		f.mu.Unlock()
		return ErrCut
	}
	return nil
}

func (f *FS) change(dir string, c change) {
	c.apply(f.names)
	f.pending[dir] = append(f.pending[dir], c)
}

// OpenFile implements journal.FS.
func (f *FS) OpenFile(name string, flag int, _ fs.FileMode) (journal.File, error) {
	name = filepath.Clean(name)
	f.mu.Lock()
	n, off := f.names[name], f.off
	parent := f.names[filepath.Dir(name)]
	f.mu.Unlock()
	switch {
	case off:
		return nil, ErrCut
	case n != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case n == nil && (flag&os.O_CREATE == 0 || parent == nil):
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case n == nil:
		if err := f.begin(OpCreate, name); err != nil {
			return nil, err
		}
		n = &node{}
		f.change(filepath.Dir(name), change{add: name, node: n})
		f.mu.Unlock()
	}
	h := &handle{fs: f, name: name, node: n}
	if flag&os.O_TRUNC != 0 && len(n.data) > 0 {
		if err := h.Truncate(0); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// MkdirAll implements journal.FS.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	name = filepath.Clean(name)
	f.mu.Lock()
	n := f.names[name]
	f.mu.Unlock()
	if n != nil {
		return nil
	}
	if err := f.MkdirAll(filepath.Dir(name), perm); err != nil {
		return err
	}
	if err := f.begin(OpMkdir, name); err != nil {
		return err
	}
	defer f.mu.Unlock()
	f.change(filepath.Dir(name), change{add: name, node: &node{dir: true}})
	return nil
}

// Rename implements journal.FS, within one folder.
func (f *FS) Rename(from, to string) error {
	from, to = filepath.Clean(from), filepath.Clean(to)
	if err := f.begin(OpRename, to); err != nil {
		return err
	}
	defer f.mu.Unlock()
	n := f.names[from]
	if n == nil || filepath.Dir(from) != filepath.Dir(to) {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	f.change(filepath.Dir(to), change{remove: from, add: to, node: n})
	return nil
}

// Remove implements journal.FS.
func (f *FS) Remove(name string) error {
	name = filepath.Clean(name)
	if err := f.begin(OpRemove, name); err != nil {
		return err
	}
	defer f.mu.Unlock()
	n := f.names[name]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if n.dir && len(f.list(name)) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: errors.New("directory not empty")}
	}
	f.change(filepath.Dir(name), change{remove: name})
	return nil
}

func (f *FS) list(dir string) []string {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	var names []string
	for name := range f.names {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	sort.Strings(names)
	return names
}

// ReadDir implements journal.FS.
func (f *FS) ReadDir(name string) ([]string, error) {
	name = filepath.Clean(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.names[name] == nil || !f.names[name].dir {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	return f.list(name), nil
}

// SyncDir implements journal.FS.
func (f *FS) SyncDir(name string) error {
	name = filepath.Clean(name)
	if err := f.begin(OpSyncDir, name); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if f.names[name] == nil {
		return &fs.PathError{Op: "syncdir", Path: name, Err: fs.ErrNotExist}
	}
	if dropped() {
		return nil
	}
	for _, c := range f.pending[name] {
		c.apply(f.durable)
	}
	delete(f.pending, name)
	return nil
}

// handle is an open file.
type handle struct {
	fs   *FS
	name string
	node *node
}

func (h *handle) ReadAt(b []byte, at int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.off {
		return 0, ErrCut
	}
	if at >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.node.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) WriteAt(b []byte, at int64) (int, error) {
	if err := h.fs.begin(OpWrite, h.name); err != nil {
		return 0, err
	}
	defer h.fs.mu.Unlock()
	h.change(write{at: at, b: slices.Clone(b), size: -1})
	return len(b), nil
}

func (h *handle) Truncate(size int64) error {
	if err := h.fs.begin(OpCutFile, h.name); err != nil {
		return err
	}
	defer h.fs.mu.Unlock()
	h.change(write{size: size})
	return nil
}

func (h *handle) change(w write) {
	h.node.data = w.apply(h.node.data)
	h.node.writes = append(h.node.writes, w)
}

func (h *handle) Sync() error {
	if err := h.fs.begin(OpSync, h.name); err != nil {
		return err
	}
	defer h.fs.mu.Unlock()
	if dropped() {
		return nil
	}
	for _, w := range h.node.writes {
		h.node.durable = w.apply(h.node.durable)
	}
	h.node.writes = nil
	return nil
}

func (h *handle) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return int64(len(h.node.data)), nil
}

func (h *handle) Close() error { return nil }
