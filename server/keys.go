package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// secretFile reads 32 secret bytes, which it makes when the file is not there.
func secretFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newSecretFile(path)
	}
	if err != nil {
		return nil, err
	}
	if len(b) != 32 {
		return nil, fmt.Errorf("%s: want 32 bytes, found %d; restore it from a backup", path, len(b))
	}
	return b, nil
}

// newSecretFile writes the file whole or not at all: half a key would stop the next
// start.
func newSecretFile(path string) ([]byte, error) {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return nil, err
	}
	return b, os.Rename(tmp, path)
}
