package record

import (
	"errors"
	"fmt"
	"io/fs"

	"filippo.io/age"

	"github.com/hoopctl/hoopctl/server/journal"
)

// loadIdentity reads the gateway's own key, or makes it where dir has no recordings yet.
func loadIdentity(fsys journal.FS, name, dir string) (*age.X25519Identity, error) {
	b, err := journal.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		if names, err := fsys.ReadDir(dir); err != nil || len(names) > 0 {
			return nil, errors.Join(err, fmt.Errorf("%s has recordings, and the key that opens them, %s, is missing", dir, name))
		}
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return nil, fmt.Errorf("make the key of recordings: %w", err)
		}
		if err := journal.WriteFile(fsys, name, []byte(id.String()+"\n")); err != nil {
			return nil, fmt.Errorf("keep the key of recordings: %w", err)
		}
		return id, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of recordings: %w", err)
	}
	id, err := age.ParseX25519Identity(trimLine(b))
	if err != nil {
		// The parser's error may quote the key.
		return nil, fmt.Errorf("read the key of recordings: %s does not hold an age identity", name)
	}
	return id, nil
}

func trimLine(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	return string(b)
}
