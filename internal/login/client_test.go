package login

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
)

// trusting is a client that trusts the certificates in a PEM.
func trusting(pem []byte) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}}
}
