package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is the part of a file system that evidence is written through: here, in
// server/record and in server/audit. Names are paths of the operating system. Its
// second implementation fails, stalls and forgets on purpose (package faultfs).
type FS interface {
	// OpenFile opens or creates a file as os.OpenFile does.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// MkdirAll makes a folder and its missing parents; what it made is durable after
	// SyncDir of each parent.
	MkdirAll(name string, perm fs.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
	// ReadDir lists the names in a folder, sorted.
	ReadDir(name string) ([]string, error)
	// SyncDir makes durable which files a folder names (fsync(2), "Calling fsync()
	// does not necessarily ensure that the entry in the directory … has also reached
	// disk").
	SyncDir(name string) error
}

// File is an open file of an FS.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the file's bytes and size durable.
	Sync() error
	Truncate(size int64) error
	// Size is the file's length in bytes.
	Size() (int64, error)
}

// OS is the operating system's file system.
type OS struct{}

type osFile struct{ *os.File }

// OpenFile implements FS.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// MkdirAll implements FS.
func (OS) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// ReadDir implements FS.
func (OS) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// SyncDir implements FS.
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return err
	}
	return d.Close()
}

func (f osFile) Sync() error { return datasync(f.File) }

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// MakeDir makes a folder and its missing parents, mode 0700, durably. Which files it names
// is durable too: an earlier run may have been killed before it synced them, and this one
// goes on from what it finds.
func MakeDir(fsys FS, dir string) error {
	existed := func(d string) bool {
		_, err := fsys.ReadDir(d)
		return err == nil
	}
	// At least the two folders above, for the same reason.
	folders := []string{dir, filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))}
	for d := folders[2]; !existed(d) && d != filepath.Dir(d); {
		d = filepath.Dir(d)
		folders = append(folders, d)
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range folders {
		if err := fsys.SyncDir(d); err != nil {
			return err
		}
	}
	return nil
}

// ReadFile gives a file's bytes.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, err
	}
	return b, nil
}

// WriteFile replaces a file, durably and at once: whoever opens it finds the old bytes
// or the new ones, after a crash too. Its mode is 0600.
func WriteFile(fsys FS, name string, b []byte) error { return WriteFileMode(fsys, name, b, 0o600) }

// WriteFileMode is WriteFile with a mode.
func WriteFileMode(fsys FS, name string, b []byte, mode fs.FileMode) error {
	tmp := name + ".tmp"
	f, err := fsys.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}
