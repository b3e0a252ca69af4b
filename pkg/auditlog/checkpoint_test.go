package auditlog_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
)

// What was signed once is written once: a signed note has one form for its log's key.
func TestOpenCheckpoint_SignedTwice(t *testing.T) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "test.example/audit")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := auditlog.NewVerifier([]byte(vkey))
	if err != nil {
		t.Fatal(err)
	}
	c := auditlog.Checkpoint{Origin: "test.example/audit", Size: 12}
	once, err := c.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := auditlog.OpenCheckpoint(once, v); err != nil || got != c {
		t.Fatalf("got %+v, %v", got, err)
	}
	_, line, _ := bytes.Cut(once, []byte("\n\n"))
	other := []byte("— w.example AAAAAAA=\n")
	if _, err := auditlog.OpenCheckpoint(append(bytes.Clone(once), other...), v); err != nil {
		t.Errorf("with a witness's: %v", err)
	}
	for name, more := range map[string][]byte{"behind it": line, "behind a witness's": append(other, line...)} {
		if _, err := auditlog.OpenCheckpoint(append(bytes.Clone(once), more...), v); err == nil {
			t.Errorf("%s: a signature that stands there twice was taken", name)
		}
	}
}
