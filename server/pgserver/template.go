package pgserver

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Template is a cluster as initdb left it, kept in memory (some 8 MiB) for the servers that
// are started with it: they share one initdb, which takes most of the time that a start
// takes, and so the superuser's password and the system identifier. The zero value is
// empty: the first start fills it. It may be used concurrently.
type Template struct {
	mu       sync.Mutex
	password string
	files    []templateFile // folders before what is in them
}

type templateFile struct {
	path string // within the cluster's folder
	mode fs.FileMode
	size int64
	data []byte // without the zeros at its end
}

// put writes the cluster into the folder data, for cred; where there is none yet, initdb
// makes it there first.
func (t *Template) put(s *Server, data string, cred *syscall.Credential, initdb func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files == nil {
		if err := initdb(); err != nil {
			return err
		}
		t.password = s.Password
		return t.keep(data)
	}
	s.Password = t.password
	for _, f := range t.files {
		path := filepath.Join(data, f.path)
		if err := f.write(path); err != nil {
			return err
		}
		if cred != nil {
			if err := os.Chown(path, int(cred.Uid), int(cred.Gid)); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep reads the cluster. Its three databases hold the same files: each content is kept once.
func (t *Template) keep(data string) error {
	contents := map[[sha256.Size]byte][]byte{}
	var files []templateFile
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := templateFile{mode: info.Mode(), size: info.Size()}
		if f.path, err = filepath.Rel(data, path); err != nil {
			return err
		}
		if !d.IsDir() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			n := len(b)
			for n > 0 && b[n-1] == 0 {
				n--
			}
			sum := sha256.Sum256(b[:n])
			if contents[sum] == nil {
				contents[sum] = append([]byte{}, b[:n]...)
			}
			f.data = contents[sum]
		}
		files = append(files, f)
		return nil
	})
	if err == nil {
		t.files = files
	}
	return err
}

func (f *templateFile) write(path string) error {
	if f.mode.IsDir() {
		return os.Mkdir(path, f.mode.Perm())
	}
	if err := os.WriteFile(path, f.data, f.mode.Perm()); err != nil {
		return err
	}
	return os.Truncate(path, f.size)
}
