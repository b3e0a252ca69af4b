package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hoopctl/hoopctl/server/journal"
)

// secretFile reads 32 secret bytes, which it makes when the file is not there.
func secretFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b = make([]byte, 32)
		rand.Read(b) // never fails: crypto/rand
		return b, journal.WriteFile(journal.OS{}, path, b)
	}
	if err != nil {
		return nil, err
	}
	if len(b) != 32 {
		return nil, fmt.Errorf("%s: want 32 bytes, found %d; restore it from a backup", path, len(b))
	}
	return b, nil
}
