package server

import (
	"testing"

	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// A secret that was used is the secret after a kill or a power cut, at whatever moment: it
// is not made anew, nor torn.
func TestSecretFile_PowerCut(t *testing.T) {
	faultfs.Keeps(t, func(fsys *faultfs.FS) []byte {
		if journal.MakeDir(fsys, "/data/keys") != nil {
			return nil
		}
		b, err := secretFile(fsys, "/data/keys/mask.key")
		if err != nil {
			return nil
		}
		return b
	})
}
