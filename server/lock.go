package server

import (
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// lockData takes the data folder for this process, whatever the store is: a second
// gateway would write into the same journal and the same log, and delete what the first
// still needs. The system ends the lock with the process, however that ends.
func lockData(dir string) (unlock func() error, err error) {
	held := flock.New(filepath.Join(dir, "gateway.lock"), flock.SetPermissions(0o600))
	switch ok, err := held.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock the data folder: %w", err)
	case !ok:
		return nil, hoop.Errorf(hoop.CodeConflict, "the data folder %s is in use by another gateway", dir).
			WithHint("stop the other one, or give each gateway a data_dir of its own")
	}
	return held.Unlock, nil
}
