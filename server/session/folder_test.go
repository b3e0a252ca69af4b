package session_test

import (
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// folderKinds are the files of a whole gateway's data folder, by path, and where it is
// tested what happens when somebody changes them, or why it need not be.
var folderKinds = map[string]string{
	"journal/*.wal":         "TestTamper_DataFolder",
	"audit/checkpoint":      "TestTamper_DataFolder",
	"audit/sessions.json":   "TestTamper_DataFolder",
	"audit/tile/*/*":        "TestTamper_DataFolder",
	"audit/tile/*/*.p/*":    "TestTamper_DataFolder",
	"recordings/*.hrec":     "TestTamper_DataFolder",
	"keys/audit.key":        "TestTamper_DataFolder",
	"keys/audit.checkpoint": "TestTamper_DataFolder",
	"keys/recording.key":    "TestTamper_DataFolder",
	"policies/*.json":       "named by its SHA-256, which events name; TestBundle_TamperMatrix",
	"witness/*.checkpoint":  "TestServer_Memory",
	"keys/witness.key":      "TestServer_Memory",
	"keys/mask.key":         "no evidence: transforms",
	"keys/sign-in.key":      "no evidence: tokens and cookies",
	"hoop.db*":              "no evidence: requests, grants and sessions as people list them; the log has what happened",
	"ca.pem":                "no evidence: certificates",
	"keys/ca.key":           "no evidence: certificates",
	"gateway.lock":          "empty",
	"sink-*.position":       "no evidence: where copies came to",
	"notify/*.json":         "no evidence: who was told",
}

// Every file that a gateway leaves is of a kind whose change is thought about.
func TestDataFolder_KnownKinds(t *testing.T) {
	data := t.TempDir()
	g := servertest.Start(t, servertest.Options{Setup: setup, DataDir: data})
	if _, err := open(t, g, nil).Exec(t.Context(), "INSERT INTO scratch VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	g.Stop()
	seen := 0
	err := fs.WalkDir(os.DirFS(data), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for pattern := range folderKinds {
			if ok, err := path.Match(pattern, name); ok && err == nil {
				seen++
				return nil
			}
		}
		t.Errorf("%s: what if somebody changes it?", name)
		return nil
	})
	if err != nil || seen < 10 {
		t.Errorf("%d files, %v", seen, err)
	}
}
