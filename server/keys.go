package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hoopctl/hoopctl/server/journal"
)

// secretFile reads 32 secret bytes, which it makes when the file is not there: durably, as
// other keys would be made after a crash, and what was hashed with the former, or signed, be
// worth nothing.
func secretFile(fsys journal.FS, path string) ([]byte, error) {
	b, err := journal.ReadFile(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		b = make([]byte, 32)
		rand.Read(b) // never fails: crypto/rand
		return b, journal.WriteFile(fsys, path, b)
	}
	if err != nil {
		return nil, err
	}
	if len(b) != 32 {
		return nil, fmt.Errorf("%s: want 32 bytes, found %d; restore it from a backup", path, len(b))
	}
	return b, nil
}

// derived gives a key for another purpose than key's own.
func derived(key []byte, purpose string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}
