package pki

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

func TestIssue_SameAuthorityAtEveryStart(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	if _, err := Issue(journal.OS{}, dir, now, "localhost"); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, CAFile))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := Issue(journal.OS{}, dir, now, "gateway.example", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"gateway.example", "127.0.0.1"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "evil.example"}); err == nil {
		t.Error("the certificate is good for a host nobody named")
	}
	st, err := os.Stat(filepath.Join(dir, "keys", "ca.key"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("CA key: mode %v, %v; want 0600", st.Mode(), err)
	}
}

func TestIssue_ExpiredAuthorityIsAnError(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	if _, err := Issue(journal.OS{}, dir, now, "localhost"); err != nil {
		t.Fatal(err)
	}
	if _, err := Issue(journal.OS{}, dir, now.Add(caLife+time.Hour), "localhost"); err == nil {
		t.Error("an expired authority issued a certificate")
	}
}

// An authority that issued once is the authority after a kill or a power cut, at whatever
// moment, and one that was still being made stops no start.
func TestIssue_PowerCut(t *testing.T) {
	faultfs.Keeps(t, func(fsys *faultfs.FS) []byte {
		cert, err := Issue(fsys, "/data", time.Now(), "localhost")
		if err != nil {
			return nil
		}
		return cert.Certificate[1]
	})
}
