package cli

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type auditExportOptions struct {
	f    *Factory
	Out  string
	JSON jsonFlag
}

// exported is what `hoopctl audit export --json` shows.
type exported struct {
	Dir   string `json:"dir"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
	Key   string `json:"key"` // the log's public key, as the gateway says
}

func newAuditExport(f *Factory, runF func(*auditExportOptions) error) *cobra.Command {
	o := &auditExportOptions{f: f}
	cmd := &cobra.Command{
		Use:   "export --out DIR",
		Short: "Export the audit log with its recordings into a folder",
		Long: `Export the audit log and the recordings it commits to into a folder of files, which
hoopctl audit verify checks without the gateway. The folder must not exist, or be
empty.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.Out, "out", "", "write to this `DIR`")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is declared the line before
	}
	addJSON[exported](cmd, &o.JSON)
	return cmd
}

func (o *auditExportOptions) run(ctx context.Context) error {
	if err := emptyDir(o.Out); err != nil {
		return err
	}
	c, err := o.f.API()
	if err != nil {
		return err
	}
	key, err := c.LogKey(ctx)
	if err != nil {
		return err
	}
	body, err := c.Export(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := os.MkdirAll(o.Out, 0o700); err != nil {
		return usagef("%v", err)
	}
	x := exported{Dir: o.Out, Key: key.Verifier}
	if x.Files, x.Bytes, err = unpack(body, o.Out); err != nil {
		return hoop.Errorf(hoop.CodeUnavailable, "the export into %s is not complete: %v", o.Out, err).
			WithHint("remove %s and export again", o.Out)
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, x)
	}
	o.f.notef("exported %d files, %d bytes; verify them: hoopctl audit verify %s --key '%s'", x.Files, x.Bytes, o.Out, x.Key)
	o.f.note("keep the key apart from the folder: it is what makes the folder evidence")
	return pairs(o.f.IO, "dir", x.Dir, "key", x.Key)
}

// emptyDir finds that a directory is not there yet, or empty: evidence is not mixed
// with what was there.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usagef("%v", err)
	case len(entries) > 0:
		return hoop.Errorf(hoop.CodeInvalid, "%s is not empty", dir).WithHint("name a directory that does not exist yet")
	}
	return nil
}

// maxFiles bounds the files of an export, against an archive without an end.
const maxFiles = 20_000_000

var errArchive = errors.New("the gateway sent an archive that is not an export")

// unpack writes the files of a tar archive below dir and nowhere else: os.Root
// follows no path out of it, by ".." or by a link. Only plain files and directories
// are taken, each name once.
func unpack(r io.Reader, dir string) (files int, size int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, 0, err
	}
	defer root.Close()
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return files, size, fmt.Errorf("read the archive: %w", err)
		}
		if files++; files > maxFiles {
			return files, size, fmt.Errorf("%w: more than %d files", errArchive, maxFiles)
		}
		n, err := unpackOne(root, h, in)
		size += n
		if err != nil {
			return files, size, err
		}
		if h.Typeflag == tar.TypeDir {
			files--
		}
	}
	if files == 0 {
		return 0, 0, fmt.Errorf("%w: it is empty", errArchive)
	}
	return files, size, nil
}

func unpackOne(root *os.Root, h *tar.Header, r io.Reader) (int64, error) {
	name := path.Clean(h.Name)
	if !fs.ValidPath(name) || !filepath.IsLocal(filepath.FromSlash(name)) {
		return 0, fmt.Errorf("%w: it names %q", errArchive, h.Name)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return 0, root.MkdirAll(name, 0o700)
	case tar.TypeReg:
	default:
		return 0, fmt.Errorf("%w: %q is no plain file", errArchive, h.Name)
	}
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return 0, err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, r)
	if err == nil && n != h.Size {
		err = io.ErrUnexpectedEOF
	}
	return n, errors.Join(err, f.Close())
}
