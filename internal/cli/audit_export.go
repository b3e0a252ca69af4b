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

	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type auditExportOptions struct {
	f          *Factory
	Out        string
	From, To   string
	Checkpoint string
	Size       int64
	Bare       bool
	JSON       jsonFlag
}

// exported is what `hoopctl audit export --json` shows.
type exported struct {
	Dir   string `json:"dir,omitempty"`
	File  string `json:"file,omitempty"` // a bundle's
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
	Key   string `json:"key"` // the log's public key, as the gateway says
}

func newAuditExport(f *Factory, runF func(*auditExportOptions) error) *cobra.Command {
	o := &auditExportOptions{f: f}
	cmd := &cobra.Command{
		Use:   "export --out FILE.zip",
		Short: "Export evidence: a bundle of a stretch of time, or the whole log as a folder",
		Long: `Export evidence that hoopctl audit verify checks without the gateway.

To a FILE.zip: a bundle of the events from --from up to --to, with proofs, policy
texts, recordings, and a report that maps what happened to 45 CFR. The same range at
the same --size gives the same bytes.

To anything else: the whole log with its recordings, as a folder of files, which must
not exist or be empty.`,
		Example: `  hoopctl audit export --from 2026-10-01 --to 2026-11-01 --out october.zip
  hoopctl audit export --checkpoint september/checkpoint --without-recordings --out log.zip
  hoopctl audit export --out ./evidence`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Out, "out", "", "write to this `FILE.zip`, or folder")
	flags.StringVar(&o.From, "from", "", "events from this `TIME` on: 2026-10-01, or as in RFC 3339; UTC")
	flags.StringVar(&o.To, "to", "", "events before this `TIME`")
	flags.StringVar(&o.Checkpoint, "checkpoint", "", "prove that the log still contains the checkpoint in this `FILE`")
	flags.Int64Var(&o.Size, "size", 0, "the log as it was at this many `EVENTS`; 0: as it is")
	flags.BoolVar(&o.Bare, "without-recordings", false, "leave the recordings out")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is declared the line before
	}
	addJSON[exported](cmd, &o.JSON)
	return cmd
}

func (o *auditExportOptions) run(ctx context.Context) error {
	if bundle.IsZip(o.Out) {
		return o.bundle(ctx)
	}
	if o.From != "" || o.To != "" || o.Checkpoint != "" || o.Size != 0 || o.Bare {
		return usagef("--from, --to, --checkpoint, --size and --without-recordings are for a bundle: name a file that ends in .zip")
	}
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
