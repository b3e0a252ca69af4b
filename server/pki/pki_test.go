package pki

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestIssue_SameAuthorityAtEveryStart(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	if _, err := Issue(dir, now, "localhost"); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, CAFile))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := Issue(dir, now, "gateway.example", "127.0.0.1")
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
	if _, err := Issue(dir, now, "localhost"); err != nil {
		t.Fatal(err)
	}
	if _, err := Issue(dir, now.Add(caLife+time.Hour), "localhost"); err == nil {
		t.Error("an expired authority issued a certificate")
	}
}
