// Package target dials the databases behind the gateway, with the credential that only
// the gateway has.
//
// It owns how a connection to a target is secured and signed in, and how a refusal is
// told. It leaves what goes over the connection to proxy/postgres and catalog. Nothing
// of the environment takes part: no PG* variable, no password or service file.
package target

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Timeout is how long a target has to accept a connection, sign-in included, where it
// declares nothing else.
const Timeout = 10 * time.Second

// keepAlive has a target that vanished noticed within a minute, also while nothing is
// said.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// Dialer dials targets. It may be used concurrently.
type Dialer struct {
	lookup    func(name string) (*resource.Target, bool)
	key       [32]byte // of stamps
	keep      credentials
	base      func() (*pgconn.Config, error) // baseConfig, parsed once
	keepAlive net.KeepAliveConfig
}

// New makes a Dialer of targets as they are declared; lookup is asked at each dial, so
// that a new credential counts from the next connection on.
func New(lookup func(name string) (*resource.Target, bool)) *Dialer {
	d := &Dialer{lookup: lookup, keepAlive: keepAlive}
	d.base = sync.OnceValues(func() (*pgconn.Config, error) { return pgconn.ParseConfig(baseConfig) })
	rand.Read(d.key[:]) // never fails: crypto/rand
	return d
}

// Stamp tells all that a connection depends on as it is now: address, credential, TLS
// and what their files hold. Connections of equal stamps are alike. It is keyed, and
// good for this Dialer only. Errors are those of Dial.
func (d *Dialer) Stamp(target hoop.Target, database string) (string, error) {
	cfg, err := d.config(target, database, nil)
	if err != nil {
		return "", err
	}
	t, _ := d.lookup(target.Name)
	mac := hmac.New(sha256.New, d.key[:])
	part := func(b []byte) { // the length first, so that parts cannot shift
		_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		_, _ = mac.Write(b)
	}
	for _, s := range []string{cfg.Host, strconv.Itoa(int(cfg.Port)), database, cfg.User, cfg.Password, string(t.TLS)} {
		part([]byte(s))
	}
	for _, file := range []string{t.CAFile, t.CertFile, t.KeyFile} {
		var b []byte
		if file != "" {
			if b, err = os.ReadFile(file); err != nil {
				return "", unavailable(target, err)
			}
		}
		part(b)
	}
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// Dial connects to a database of a target, signs in and hands the connection over,
// idle and with nothing buffered; the caller closes it. params are run-time parameters
// for the startup message. The error is a *hoop.Error; where the target itself
// refused, it wraps the *pgconn.PgError.
func (d *Dialer) Dial(ctx context.Context, target hoop.Target, database string, params map[string]string) (*pgconn.HijackedConn, error) {
	cfg, err := d.config(target, database, params)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, refused(ctx, target, database, cfg.ConnectTimeout, err)
	}
	if err := conn.SyncConn(ctx); err != nil {
		return nil, refused(ctx, target, database, cfg.ConnectTimeout, errors.Join(err, conn.Close(ctx)))
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		return nil, refused(ctx, target, database, cfg.ConnectTimeout, errors.Join(err, conn.Close(ctx)))
	}
	return hijacked, nil
}

// Connect opens a connection for the gateway's own questions, such as the catalog's;
// the caller closes it. Errors are those of Dial.
func (d *Dialer) Connect(ctx context.Context, target hoop.Target, database string) (*pgx.Conn, error) {
	own, err := d.config(target, database, map[string]string{"application_name": "hoop-gateway", "client_encoding": "UTF8"})
	if err != nil {
		return nil, err
	}
	cfg, err := pgx.ParseConfig(baseConfig)
	if err != nil {
		return nil, environment(err)
	}
	cfg.Config = *own
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, refused(ctx, target, database, cfg.ConnectTimeout, err)
	}
	// A pooler's key for cancelling is its own, since the process at the target changes.
	var pid int64
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_backend_pid()").Scan(&pid); err != nil {
		return nil, errors.Join(refused(ctx, target, database, cfg.ConnectTimeout, err), conn.Close(ctx))
	}
	if pid != int64(conn.PgConn().PID()) {
		return nil, errors.Join(pooled(target, nil), conn.Close(ctx))
	}
	return conn, nil
}

// Check signs in to each database that the target lists, and changes nothing.
func (d *Dialer) Check(ctx context.Context, target hoop.Target) error {
	for _, database := range append([]string{target.Database}, target.Databases...) {
		conn, err := d.Connect(ctx, target, database)
		if err != nil {
			return fmt.Errorf("database %s: %w", database, err)
		}
		if err := errors.Join(conn.Ping(ctx), conn.Close(ctx)); err != nil {
			return fmt.Errorf("database %s: %w", database, err)
		}
	}
	return nil
}

// baseConfig is what pgconn starts from; config replaces every field that counts. Each
// key stands here so that no environment variable or file is asked for it.
const baseConfig = "host=localhost port=5432 user=none password=none dbname=none sslmode=disable " +
	"sslnegotiation=postgres sslcertmode=disable sslrootcert='' sslcert='' sslkey='' sslpassword='' passfile='' connect_timeout=10 " +
	"target_session_attrs=any min_protocol_version=3.0 max_protocol_version=3.0 channel_binding=prefer require_auth=''"

// config builds the configuration of one connection.
func (d *Dialer) config(target hoop.Target, database string, params map[string]string) (*pgconn.Config, error) {
	t, ok := d.lookup(target.Name)
	if !ok {
		return nil, hoop.Errorf(hoop.CodeNotFound, "target %s is not declared any more", target.Name).
			WithHint("hoopctl targets lists those that are")
	}
	if !t.Public().HasDatabase(database) {
		return nil, noDatabase(target, database, nil)
	}
	host, port, err := splitAddress(t.Address)
	if err != nil {
		return nil, unavailable(target, err)
	}
	password, err := t.Credential.Password.Resolve()
	if t.CertFile != "" && t.Credential.Password.IsZero() {
		password, err = "", nil // the certificate is the credential
	}
	if err != nil {
		return nil, (&hoop.Error{
			Code: hoop.CodeTargetAuth, Message: fmt.Sprintf("the gateway has no credential for target %s", target.Name), Err: err,
		}).WithHint("tell an administrator: the secret that the target names cannot be read; the gateway's log has the cause")
	}
	secured, err := tlsConfig(t, host)
	if err != nil {
		return nil, unavailable(target, err)
	}
	base, err := d.base()
	if err != nil {
		return nil, environment(err)
	}
	cfg := base.Copy()
	cfg.Host, cfg.Port, cfg.Database = host, port, database
	cfg.User, cfg.Password = t.Credential.Username, password
	cfg.TLSConfig, cfg.Fallbacks = secured, nil
	if t.CertFile != "" {
		cfg.SSLCertMode = "allow" // pgconn takes the certificate out otherwise
	}
	cfg.RuntimeParams = maps.Clone(params)
	cfg.KerberosSrvName, cfg.KerberosSpn = "", ""
	cfg.ConnectTimeout = Timeout
	if t.ConnectTimeout > 0 {
		cfg.ConnectTimeout = time.Duration(t.ConnectTimeout)
	}
	cfg.DialFunc = (&net.Dialer{Timeout: cfg.ConnectTimeout, KeepAliveConfig: d.keepAlive}).DialContext
	// A password or its MD5 goes only to a server whose certificate was verified: anyone
	// else could ask for it and keep it. SCRAM shows it to nobody.
	if t.TLS != resource.TLSVerifyFull {
		cfg.RequireAuth = "scram-sha-256,none"
	}
	if derives(password) {
		s := signIn{keep: &d.keep, owner: target.Name + "\x00" + cfg.User, password: password}
		cfg.BuildFrontend = s.frontend
	}
	return cfg, nil
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(p, 10, 16)
	return host, uint16(n), err
}

// tlsConfig is nil for TLSDisable. A mode that is not known is the strictest. Files are
// read at each dial, so that a renewed certificate counts.
func tlsConfig(t *resource.Target, host string) (*tls.Config, error) {
	if t.TLS == resource.TLSDisable {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, InsecureSkipVerify: t.TLS == resource.TLSRequire}
	if t.CertFile != "" {
		own, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		cfg.Certificates = []tls.Certificate{own}
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate", t.CAFile)
		}
	}
	return cfg, nil
}
