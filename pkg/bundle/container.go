package bundle

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
)

// fault is a *auditlog.Fault that is not about an event.
func fault(file string, err error, format string, args ...any) error {
	return &auditlog.Fault{File: file, Index: -1, What: fmt.Sprintf(format, args...), Err: err}
}

const archive = "the archive"

// maxEntries bounds the files of an archive, against a directory without an end.
const maxEntries = 20_000_000

// container opens the archive and checks that it is the one that Writer makes of its
// files: so no bit of it says anything else, nothing stands before, between or behind
// the files, and no two tools can see different files in it.
func container(r io.ReaderAt, size int64) (*zip.Reader, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fault(archive, err, "it is cut short, or no bundle")
	}
	if len(z.File) > maxEntries {
		return nil, fault(archive, nil, "it has more than %d files", maxEntries)
	}
	same := &comparer{want: r, size: size}
	again := zip.NewWriter(same)
	seen := make(map[string]bool, len(z.File))
	for _, f := range z.File {
		if seen[f.Name] {
			return nil, fault(f.Name, nil, "the archive has it twice")
		}
		seen[f.Name] = true
		if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 {
			return nil, fault(f.Name, nil, "the archive has it in a form that bundles do not use")
		}
		dst, err := again.CreateRaw(header(f.Name, int64(f.UncompressedSize64), f.CRC32))
		if err != nil {
			return nil, fault(f.Name, err, "the archive's entry")
		}
		raw, err := f.OpenRaw()
		if err != nil {
			return nil, fault(f.Name, err, "the archive's entry")
		}
		_, err = io.Copy(dst, raw)
		if err == nil {
			err = again.Flush()
		}
		if err != nil {
			return nil, fault(f.Name, err, "the archive's entry")
		}
	}
	err = again.Close()
	if err == nil && same.at != size {
		err = errOther
	}
	if err != nil {
		return nil, fault(archive, err, "its directory")
	}
	return z, nil
}

var errOther = errors.New("it is not written as bundles are")

// comparer takes what is equal to want.
type comparer struct {
	want io.ReaderAt
	at   int64
	size int64
	buf  []byte
}

func (c *comparer) Write(b []byte) (int, error) {
	if int64(len(b)) > c.size-c.at {
		return 0, errOther
	}
	if cap(c.buf) < len(b) {
		c.buf = make([]byte, len(b))
	}
	got := c.buf[:len(b)]
	if _, err := c.want.ReadAt(got, c.at); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if !bytes.Equal(got, b) {
		return 0, errOther
	}
	c.at += int64(len(b))
	return len(b), nil
}
