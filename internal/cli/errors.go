package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hoopctl/hoopctl/internal/config"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// explain turns errors of the network into what a user can act on. Errors that
// carry a hint already pass.
func (f *Factory) explain(err error) error {
	var known *hoop.Error
	if errors.As(err, &known) {
		return f.explainSignIn(err, known)
	}
	if e := f.explainDir(err); e != nil {
		return e
	}
	var u *url.Error
	if !errors.As(err, &u) && !isNet(err) {
		return err
	}
	s, serr := f.Settings()
	if serr != nil {
		return err
	}
	if e := explainTLS(err, s); e != nil {
		return e
	}
	if e := explainNet(err, s); e != nil {
		return e
	}
	return err
}

// explainSignIn makes the advice to sign in fit: it does not help whoever has a token in
// the environment, and must name the gateway where a flag did.
func (f *Factory) explainSignIn(err error, e *hoop.Error) error {
	advice, run := strings.CutPrefix(e.Hint, "run ")
	if e.Code != hoop.CodeUnauthenticated || advice != "hoopctl login" {
		return err
	}
	s, serr := f.Settings()
	if serr != nil {
		return err
	}
	better := *e
	switch {
	case s.Token != "":
		better.Hint = "the token is that of HOOPCTL_TOKEN: have it renewed, or unset it and sign in (hoopctl login)"
	case s.GatewayFrom == config.FromFlag:
		better.Hint = "hoopctl login --gateway " + s.Gateway
		if s.CAFileFrom == config.FromFlag {
			better.Hint += " --ca-file " + s.CAFile
		}
	case !run:
		return err
	default:
		better.Hint = advice
	}
	return &better
}

// explainDir is about a config directory that cannot be used.
func (f *Factory) explainDir(err error) error {
	path := ""
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		path = p.Path
	case errors.As(err, &l):
		path = l.New
	}
	dir, derr := config.Dir(f.Getenv)
	if path == "" || derr != nil || path != dir && filepath.Dir(path) != dir && !strings.HasPrefix(dir, path+string(filepath.Separator)) {
		return nil
	}
	return config.NotWritable(dir, err)
}

func isNet(err error) bool {
	var op *net.OpError
	var ca x509.UnknownAuthorityError
	var v *tls.CertificateVerificationError
	return errors.As(err, &op) || errors.As(err, &ca) || errors.As(err, &v)
}

// explainTLS is about a certificate that is not taken.
func explainTLS(err error, s *config.Settings) error {
	var (
		unknown  x509.UnknownAuthorityError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		notTLS   tls.RecordHeaderError
		alert    tls.AlertError
		untrust  = hoop.Errorf(hoop.CodeUnavailable, "the certificate of %s is not trusted", s.Gateway)
		caTried  = "the certificate authorities of this system"
		caAdvice = "pass --ca-file F once with hoopctl login; `hoop-gateway dev` keeps its own in ca.pem in its data directory (./data/ca.pem)"
	)
	if s.CAFile != "" {
		caTried = s.CAFile
	}
	switch {
	case errors.As(err, &unknown):
		untrust.Message += ": it was not issued by " + caTried
		return untrust.WithHint("%s", caAdvice)
	case errors.As(err, &host):
		untrust.Message += ": " + host.Error()
		return untrust.WithHint("use a name the certificate has: hoopctl login --gateway https://NAME:PORT")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		untrust.Message += ": " + invalid.Error()
		return untrust.WithHint("check this machine's clock (hoopctl doctor), or have the certificate renewed")
	case errors.As(err, &invalid):
		untrust.Message += ": " + invalid.Error()
		return untrust.WithHint("%s", caAdvice)
	case errors.As(err, &notTLS), errors.As(err, &alert):
		return hoop.Errorf(hoop.CodeUnavailable, "%s does not speak TLS as a gateway does: %v", s.Gateway, errors.Unwrap(err)).
			WithHint("check the address, set by the %s", s.GatewayFrom)
	}
	return nil
}

// explainNet is about a gateway that does not answer.
func explainNet(err error, s *config.Settings) error {
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	down := func(why, hint string, args ...any) error {
		return hoop.Errorf(hoop.CodeUnavailable, "the gateway at %s cannot be reached: %s", s.Gateway, why).WithHint(hint, args...)
	}
	switch {
	case errors.As(err, &dns):
		return down("no such host "+dns.Name, "check the address, set by the %s; then the name service", s.GatewayFrom)
	case errors.Is(err, syscall.ECONNREFUSED):
		return down("nothing listens there", "is the gateway running? check the address, set by the %s; hoopctl doctor", s.GatewayFrom)
	case errors.Is(err, context.Canceled):
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return down("no answer in time", "check the network, a firewall or VPN in between, and the gateway; hoopctl doctor")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return down("the connection broke off", "try again; hoopctl doctor tells what is wrong")
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return down(op.Err.Error(), "check the network and the address, set by the %s; hoopctl doctor", s.GatewayFrom)
	}
	return nil
}

// readCA reads the certificate authorities of a PEM file.
func readCA(path string) (*x509.CertPool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, hoop.Errorf(hoop.CodeInvalid, "CA file: %v", err).
			WithHint("`hoop-gateway dev` keeps its own in ca.pem in its data directory (./data/ca.pem)")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, hoop.Errorf(hoop.CodeInvalid, "CA file %s holds no certificate in PEM form", path).
			WithHint("`hoop-gateway dev` keeps its own in ca.pem in its data directory (./data/ca.pem)")
	}
	return pool, nil
}
