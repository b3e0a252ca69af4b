package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
)

// policies keeps the text of every policy that was in force, named by its revision, so
// that an event's revision can be read years later.
type policies struct {
	fs  journal.FS
	dir string
}

func (p policies) file(revision string) string { return filepath.Join(p.dir, revision+".json") }

// keep makes the text durable, before an event names its revision.
func (p policies) keep(text []byte) error {
	sum := sha256.Sum256(text)
	revision := hex.EncodeToString(sum[:])
	if err := journal.MakeDir(p.fs, p.dir); err != nil {
		return fmt.Errorf("keep the policy's text: %w", err)
	}
	switch _, err := p.text(revision); {
	case err == nil:
		return nil
	case hoop.AsError(err).Code != hoop.CodeNotFound:
		return fmt.Errorf("keep the policy's text: %w", err)
	}
	if err := journal.WriteFile(p.fs, p.file(revision), text); err != nil {
		return fmt.Errorf("keep the policy's text: %w", err)
	}
	return nil
}

// text reads one. One that is not there is hoop.CodeNotFound; one that is not what its
// name says was changed, and is another error.
func (p policies) text(revision string) ([]byte, error) {
	if b, err := hex.DecodeString(revision); err != nil || len(b) != sha256.Size {
		return nil, hoop.Errorf(hoop.CodeNotFound, "%q is no policy revision", revision)
	}
	b, err := journal.ReadFile(p.fs, p.file(revision))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hoop.Errorf(hoop.CodeNotFound, "the text of policy %s is not kept", revision)
	}
	if err != nil {
		return nil, fmt.Errorf("read the policy's text: %w", err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != revision {
		return nil, hoop.Errorf(hoop.CodeConflict, "the text of policy %s was changed: policies/%s.json has the SHA-256 %x", revision, revision, sum).
			WithHint("put it back from a backup; where it is removed, bundles lack it, and whoever verifies one must know")
	}
	return b, nil
}
