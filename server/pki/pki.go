// Package pki is the private certificate authority of a gateway that was given no
// certificate: it makes ca.pem once, keeps its key beside it, and issues the
// gateway's own certificate at every start.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"time"

	"github.com/hoopctl/hoopctl/server/journal"
)

// CAFile is the name of the authority's certificate in the data folder: what clients
// pass as --ca-file.
const CAFile = "ca.pem"

const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 90 * 24 * time.Hour
)

// Issue gives a certificate for hosts (names or IP addresses), signed by the
// authority in dir, which it makes when there is none: durably, as clients that were given
// ca.pem would trust no other. Keys are files of mode 0600.
func Issue(fsys journal.FS, dir string, now time.Time, hosts ...string) (tls.Certificate, error) {
	ca, key, err := authority(fsys, dir, now)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("private CA in %s: %w", dir, err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf := template("hoop-gateway", now, leafLife)
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else if h != "" {
			leaf.DNSNames = append(leaf.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der, ca.Raw}, PrivateKey: leafKey}, nil
}

// authority loads the CA of dir, or makes it.
func authority(fsys journal.FS, dir string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certFile, keyFile := filepath.Join(dir, CAFile), filepath.Join(dir, "keys", "ca.key")
	// Also where the files are there: a kill may have left them without being durable.
	if err := journal.MakeDir(fsys, filepath.Dir(keyFile)); err != nil {
		return nil, nil, err
	}
	certPEM, err := journal.ReadFile(fsys, certFile)
	if errors.Is(err, fs.ErrNotExist) {
		return newAuthority(fsys, certFile, keyFile, now)
	}
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err := journal.ReadFile(fsys, keyFile)
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, nil, err
	}
	if now.After(pair.Leaf.NotAfter) {
		return nil, nil, fmt.Errorf("%s expired on %s; move it and %s away and start again", certFile, pair.Leaf.NotAfter.Format(time.DateOnly), keyFile)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("%s: want an ECDSA key", keyFile)
	}
	return pair.Leaf, key, nil
}

func newAuthority(fsys journal.FS, certFile, keyFile string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	tmpl := template("hoop-gateway private CA", now, caLife)
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.MaxPathLenZero = true, true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	// The key first: a certificate without a key would be found and fail for ever.
	if err := journal.WriteFile(fsys, keyFile, encoded("PRIVATE KEY", keyDER)); err != nil {
		return nil, nil, err
	}
	if err := journal.WriteFileMode(fsys, certFile, encoded("CERTIFICATE", der), 0o644); err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func template(name string, now time.Time, life time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-5 * time.Minute), // clocks differ
		NotAfter:     now.Add(life),
	}
}

func encoded(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
