package session_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// The digest of a result follows from the recording: by the digests of the windows
// before it, which stand also where their bytes do not (pkg/recording/spec.md).
func TestSession_DigestsFollowFromTheRecording(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup})
	conn := open(t, g, nil)
	for _, sql := range []string{"SELECT 1", "SELECT repeat('x', 1000) FROM generate_series(1, 5000)", "SELECT name FROM patients"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Stop()
	secret, err := os.ReadFile(filepath.Join(g.DataDir, "keys", "recording.key"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(secret)))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(g.DataDir, "recordings", "*.hrec"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r, err := recording.NewReader(f, id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var key, chain []byte
	digest := func(parts ...[]byte) []byte {
		m := hmac.New(sha256.New, key)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	windows, results := 0, 0
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch rec.Kind {
		case recording.KindStart:
			key = rec.DigestKey
		case recording.KindOutput:
			chain = digest(chain, digest(rec.Wire))
			windows++
		case recording.KindResult:
			if want := hex.EncodeToString(chain); rec.Result.Digest != want {
				t.Errorf("result of %d: digest %s, want %s", rec.Result.Statement, rec.Result.Digest, want)
			}
			results++
		}
	}
	if windows < 5 || results < 3 {
		t.Errorf("%d windows, %d results", windows, results)
	}
}
