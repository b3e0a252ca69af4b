package target

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/pgserver/pgservertest"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

var server *pgserver.Server

func TestMain(m *testing.M) { pgservertest.Main(m, &server, pgserver.Options{}) }

// declared is the test server as a target, changed by edit.
func declared(edit ...func(*resource.Target)) (*Dialer, hoop.Target) {
	t := &resource.Target{
		Meta: resource.Meta{Name: "pg"}, Type: "postgres", Address: server.Address(), Database: "postgres", TLS: resource.TLSDisable,
		Credential: resource.Credential{Username: server.User, Password: resource.SecretValue(server.Password)},
	}
	for _, e := range edit {
		e(t)
	}
	return New(func(string) (*resource.Target, bool) { return t, true }), t.Public()
}

func dial(t *testing.T, d *Dialer, target hoop.Target, params map[string]string) *pgconn.HijackedConn {
	t.Helper()
	c, err := d.Dial(t.Context(), target, target.Database, params)
	if err != nil {
		t.Fatal(errors.Unwrap(err), err)
	}
	t.Cleanup(func() { c.Conn.Close() })
	return c
}

// query runs a statement on a connection that was handed over and returns one value.
func query(t *testing.T, c *pgconn.HijackedConn, sql string) (value string) {
	t.Helper()
	c.Frontend.Send(&pgproto3.Query{String: sql})
	if err := c.Frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		msg, err := c.Frontend.Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch msg := msg.(type) {
		case *pgproto3.DataRow:
			value = string(msg.Values[0])
		case *pgproto3.ErrorResponse:
			t.Fatal(msg.Message)
		case *pgproto3.ReadyForQuery:
			return value
		}
	}
}

func TestDial_PassesParametersOn(t *testing.T) {
	d, target := declared()
	c := dial(t, d, target, map[string]string{"application_name": "psql", "hoop.user": "alice", "search_path": "a,b"})
	for setting, want := range map[string]string{"application_name": "psql", "hoop.user": "alice", "search_path": "a,b"} {
		if got := query(t, c, "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s: %q", setting, got)
		}
	}
	if c.PID == 0 || len(c.SecretKey) == 0 || c.TxStatus != 'I' || c.ParameterStatuses["server_version"] == "" {
		t.Errorf("handed over: %+v", c)
	}
}

// What the client asked for is its own mistake, and told in the target's words.
func TestDial_RefusedParameters(t *testing.T) {
	d, target := declared()
	for params, want := range map[[2]string]string{
		{"no_such", "1"}:                      `unrecognized configuration parameter "no_such"`,
		{"work_mem", "much"}:                  `invalid value for parameter "work_mem": "much"`,
		{"options", "-c max_connections=5"}:   `parameter "max_connections" cannot be changed without restarting the server`,
		{"default_transaction_isolation", ""}: `invalid value for parameter "default_transaction_isolation": ""`,
	} {
		_, err := d.Dial(t.Context(), target, "postgres", map[string]string{params[0]: params[1]})
		e := hoop.AsError(err)
		if err == nil || e.Code != hoop.CodeInvalid || e.Message != want || e.Hint == "" {
			t.Errorf("%q: %v, want %s", params, err, want)
		}
	}
}

// The deadline of the dial must not cut the connection later.
func TestDial_DeadlineEndsWithTheDial(t *testing.T) {
	d, target := declared()
	ctx, cancel := context.WithCancel(t.Context())
	c, err := d.Dial(ctx, target, "postgres", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Conn.Close()
	cancel()
	if got := query(t, c, "SELECT 1"); got != "1" {
		t.Error(got)
	}
}

// Whatever the gateway's environment and home hold, a target gets what it declares.
func TestDial_IgnoresTheEnvironment(t *testing.T) {
	home := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("HOME", home)
	write(".pgpass", "*:*:*:*:"+server.Password+"\n")
	write(".pg_service.conf", "[other]\nhost=127.0.0.2\nuser=mallory\n")
	write(".postgresql/postgresql.crt", "no certificate")
	write(".postgresql/postgresql.key", "no key")
	write(".postgresql/root.crt", "no certificate")
	for name, value := range map[string]string{
		"PGHOST": "127.0.0.2", "PGPORT": "1", "PGUSER": "mallory", "PGPASSWORD": "wrong", "PGDATABASE": "template1", "PGAPPNAME": "env",
		"PGSSLMODE": "verify-full", "PGSSLROOTCERT": filepath.Join(home, "none"), "PGOPTIONS": "-c work_mem=1234kB", "PGTZ": "Asia/Tokyo",
		"PGPASSFILE": filepath.Join(home, ".pgpass"), "PGTARGETSESSIONATTRS": "read-only", "PGCONNECT_TIMEOUT": "1", "PGREQUIREAUTH": "none",
		"PGCHANNELBINDING": "require", "PGSSLCERT": filepath.Join(home, "none"), "PGSSLKEY": filepath.Join(home, "none"), "PGSSLSNI": "0",
		"PGSSLNEGOTIATION": "direct", "PGMINPROTOCOLVERSION": "3.2", "PGSERVICEFILE": filepath.Join(home, ".pg_service.conf"),
	} {
		t.Setenv(name, value)
	}
	d, target := declared()
	c := dial(t, d, target, nil)
	for sql, want := range map[string]string{
		"SELECT current_user":       server.User,
		"SELECT current_database()": "postgres",
		"SHOW application_name":     "",
		"SHOW work_mem":             "4MB",
		"SHOW timezone":             "UTC",
	} {
		if got := query(t, c, sql); got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
	d, target = declared(func(t *resource.Target) { t.Credential.Password = resource.SecretValue("wrong") })
	if _, err := d.Dial(t.Context(), target, "postgres", nil); err == nil {
		t.Error("the password file signed in")
	}
	d, target = declared(func(t *resource.Target) { t.Credential.Password = resource.Secret{} })
	if _, err := d.Dial(t.Context(), target, "postgres", nil); err == nil {
		t.Error("signed in without a credential")
	}
}

// pgconn looks for the service before it looks at what it was given; that must be told.
func TestDial_TellsOfAServiceVariable(t *testing.T) {
	t.Setenv("PGSERVICE", "other")
	d, target := declared()
	_, err := d.Dial(t.Context(), target, "postgres", nil)
	if e := hoop.AsError(err); e.Code != hoop.CodeUnavailable || !strings.Contains(e.Hint, "PGSERVICE") {
		t.Error(err)
	}
}

func TestConnect_And_Check(t *testing.T) {
	d, target := declared()
	conn, err := d.Connect(t.Context(), target, "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var name string
	if err := conn.QueryRow(t.Context(), "SHOW application_name").Scan(&name); err != nil || name != "hoop-gateway" {
		t.Error(name, err)
	}
	if err := d.Check(t.Context(), target); err != nil {
		t.Error(err)
	}
	target.Databases = []string{"missing"}
	if err := d.Check(t.Context(), target); err == nil {
		t.Error("a database that is not there was not noticed")
	}
}

// Whoever answers for PostgreSQL may give one session's connection to another.
func TestConnect_RefusesPoolers(t *testing.T) {
	for name, change := range map[string]func(kind byte, body []byte) (byte, []byte){
		"a key of its own": func(kind byte, body []byte) (byte, []byte) {
			if kind == 'K' {
				body[3]++
			}
			return kind, body
		},
		"no parameters": func(kind byte, body []byte) (byte, []byte) {
			return 'E', []byte("SFATAL\x00C08P01\x00Munsupported startup parameter: hoop.session\x00\x00")
		},
	} {
		d, target := declared(func(r *resource.Target) { r.Address = between(t, change) })
		e := hoop.AsError(d.Check(t.Context(), target))
		if e == nil || e.Code != hoop.CodeUnavailable || !strings.Contains(e.Message, "is a connection pooler") || e.Hint == "" {
			t.Errorf("%s: %v", name, e)
		}
	}
	d, target := declared(func(r *resource.Target) {
		r.Address = between(t, func(kind byte, body []byte) (byte, []byte) { return kind, body })
	})
	if err := d.Check(t.Context(), target); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// between listens for connections to the server, and changes what that says.
func between(t *testing.T, change func(kind byte, body []byte) (byte, []byte)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		pg, err := net.Dial("tcp", server.Address())
		if err != nil {
			return
		}
		defer pg.Close()
		go func() {
			_, _ = io.Copy(pg, client)
			_ = pg.Close()
		}()
		for head := make([]byte, 5); ; {
			if _, err := io.ReadFull(pg, head); err != nil {
				return
			}
			body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
			if _, err := io.ReadFull(pg, body); err != nil {
				return
			}
			kind, body := change(head[0], body)
			msg := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
			if _, err := client.Write(append(msg, body...)); err != nil {
				return
			}
		}
	}()
	return l.Addr().String()
}

func TestDial_Errors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, c := range []struct {
		name     string
		edit     func(*resource.Target)
		database string
		want     hoop.Code
	}{
		{"wrong password", func(t *resource.Target) { t.Credential.Password = resource.SecretValue("hunter2") }, "postgres", hoop.CodeTargetAuth},
		{"wrong role", func(t *resource.Target) { t.Credential.Username = "mallory" }, "postgres", hoop.CodeTargetAuth},
		{"no credential", func(t *resource.Target) { t.Credential.Password = resource.SecretEnv("HOOP_TEST_UNSET") }, "postgres", hoop.CodeTargetAuth},
		{"down", func(t *resource.Target) { t.Address = closed.Addr().String() }, "postgres", hoop.CodeUnavailable},
		{"database not there", func(t *resource.Target) { t.Databases = []string{"missing"} }, "missing", hoop.CodeNoDatabase},
		{"database not listed", nil, "template1", hoop.CodeNoDatabase},
		{"no TLS at the server", func(t *resource.Target) { t.TLS = resource.TLSRequire }, "postgres", hoop.CodeUnavailable},
		{"no TLS at the server, verified", func(t *resource.Target) { t.TLS = resource.TLSVerifyFull }, "postgres", hoop.CodeUnavailable},
		{"unknown TLS mode", func(t *resource.Target) { t.TLS = "" }, "postgres", hoop.CodeUnavailable},
		{"no CA file", func(t *resource.Target) { t.TLS, t.CAFile = resource.TLSVerifyFull, "/none" }, "postgres", hoop.CodeUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, target := declared()
			if c.edit != nil {
				d, target = declared(c.edit)
			}
			_, err := d.Dial(t.Context(), target, c.database, nil)
			e := hoop.AsError(err)
			if err == nil || e.Code != c.want {
				t.Fatalf("got %v (%s), want %s", err, e.Code, c.want)
			}
			for _, secret := range []string{server.User, server.Password, "hunter2", "mallory", server.Address(), "HOOP_TEST_UNSET"} {
				if c.database != secret && strings.Contains(e.Message+e.Hint, secret) && !strings.Contains(e.Hint, "database is "+secret) {
					t.Errorf("%q tells %q", e.Message+" / "+e.Hint, secret)
				}
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), server.Password) {
				t.Errorf("the log gets a password: %v", err)
			}
			if e.Hint == "" {
				t.Error("no hint")
			}
		})
	}
	d := New(func(string) (*resource.Target, bool) { return nil, false })
	if _, err := d.Dial(t.Context(), hoop.Target{Name: "gone"}, "x", nil); hoop.AsError(err).Code != hoop.CodeNotFound {
		t.Error(err)
	}
}

func TestDial_Cancelled(t *testing.T) {
	// Accepts and says nothing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		cancel()
		if err == nil {
			<-t.Context().Done()
			c.Close()
		}
	}()
	d, target := declared(func(t *resource.Target) { t.Address = l.Addr().String() })
	if _, err := d.Dial(ctx, target, "postgres", nil); hoop.AsError(err).Code != hoop.CodeCancelled {
		t.Error(err)
	}
}

// admin runs SQL as the superuser.
func admin(t *testing.T, sql string, args ...any) (out string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if v, err := rows.Values(); err == nil && len(v) > 0 {
			out = fmt.Sprint(v[0])
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// serverFile writes a file as the server's own user.
func serverFile(t *testing.T, name string, content []byte) {
	t.Helper()
	path := filepath.Join(admin(t, "SHOW data_directory"), name)
	admin(t, "COPY (SELECT 1) TO PROGRAM 'umask 077; rm -f "+path+"; cat > "+path+"'") // one that reads nothing may break the pipe
	oid := admin(t, "SELECT lo_from_bytea(0, $1)", content)
	admin(t, "SELECT lo_export("+oid+", '"+path+"'), lo_unlink("+oid+")")
}

// withTLS gives the server a certificate for ip, and returns the file of its CA.
func withTLS(t *testing.T, ip net.IP) (caFile string) {
	t.Helper()
	cert, key := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "pg"}, IPAddresses: []net.IP{ip}})
	serverFile(t, "server.crt", cert)
	serverFile(t, "server.key", key)
	admin(t, "ALTER SYSTEM SET ssl = on")
	reload(t)
	return file(t, "ca.pem", cert)
}

// file writes a file of the gateway's.
func file(t *testing.T, name string, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate makes one that is its own CA, in PEM.
func certificate(t *testing.T, cert *x509.Certificate) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert.SerialNumber, cert.NotBefore, cert.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	cert.IsCA, cert.BasicConstraintsValid, cert.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// reload returns when the server has read its configuration again.
func reload(t *testing.T) {
	t.Helper()
	before := admin(t, "SELECT pg_conf_load_time()::text")
	admin(t, "SELECT pg_reload_conf()")
	for admin(t, "SELECT pg_conf_load_time()::text") == before {
		if t.Context().Err() != nil {
			t.Fatal("the server does not reload")
		}
	}
}

// signInBy gives the server a role named plain and a first line of pg_hba.conf, until
// undo is called.
func signInBy(t *testing.T, line string) (undo func()) {
	t.Helper()
	hba := admin(t, "SELECT pg_read_file('pg_hba.conf')")
	admin(t, "CREATE ROLE plain LOGIN PASSWORD 'plain-pw'")
	serverFile(t, "pg_hba.conf", []byte(line+"\n"+hba))
	reload(t)
	return func() {
		serverFile(t, "pg_hba.conf", []byte(hba))
		reload(t)
		admin(t, "DROP ROLE plain")
	}
}

// A target that takes a connection and says nothing has as long as it declares.
func TestDial_ConnectTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, target := declared(func(t *resource.Target) {
		t.Address, t.ConnectTimeout = l.Addr().String(), hoop.Duration(200*time.Millisecond)
	})
	_, err = d.Dial(t.Context(), target, "postgres", nil)
	if e := hoop.AsError(err); e.Code != hoop.CodeUnavailable || !strings.Contains(e.Message, "did not answer within 200ms") || e.Hint == "" {
		t.Error(err)
	}
}

func TestDial_TLS(t *testing.T) {
	caFile := withTLS(t, net.IPv4(127, 0, 0, 1))
	defer func() { admin(t, "ALTER SYSTEM RESET ssl"); reload(t) }()
	secured := func(mode resource.TLSMode, ca string) func(*resource.Target) {
		return func(t *resource.Target) { t.TLS, t.CAFile = mode, ca }
	}
	for _, mode := range []resource.TLSMode{resource.TLSVerifyFull, resource.TLSRequire} {
		ca := caFile
		if mode == resource.TLSRequire {
			ca = ""
		}
		d, target := declared(secured(mode, ca))
		c := dial(t, d, target, nil)
		if got := query(t, c, "SELECT ssl::text || version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); !strings.HasPrefix(got, "trueTLSv1.") {
			t.Errorf("%s: %s", mode, got)
		}
	}
	t.Run("a CA nobody knows", func(t *testing.T) {
		d, target := declared(secured(resource.TLSVerifyFull, ""))
		_, err := d.Dial(t.Context(), target, "postgres", nil)
		if e := hoop.AsError(err); e.Code != hoop.CodeUnavailable || !strings.Contains(e.Message, "certificate") {
			t.Error(err)
		}
	})
	t.Run("another address", func(t *testing.T) {
		d, target := declared(secured(resource.TLSVerifyFull, caFile), func(t *resource.Target) {
			t.Address = strings.Replace(t.Address, "127.0.0.1", "localhost", 1)
		})
		_, err := d.Dial(t.Context(), target, "postgres", nil)
		if e := hoop.AsError(err); e.Code != hoop.CodeUnavailable || !strings.Contains(e.Message, "certificate") {
			t.Error(err)
		}
	})
	t.Run("bound to the channel", func(t *testing.T) {
		d, target := declared(secured(resource.TLSVerifyFull, caFile))
		cfg, err := d.config(target, "postgres", nil)
		if err != nil {
			t.Fatal(err)
		}
		var sent bytes.Buffer
		build := cfg.BuildFrontend
		cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
			return build(r, &spy{w.(*tls.Conn), &sent})
		}
		conn, err := pgconn.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !bytes.Contains(sent.Bytes(), []byte("SCRAM-SHA-256-PLUS\x00")) || !bytes.Contains(sent.Bytes(), []byte("p=tls-server-end-point,,")) {
			t.Errorf("not bound: %q", sent.Bytes())
		}
	})
	t.Run("a certificate of ours", func(t *testing.T) {
		cert, key := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "plain"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		serverFile(t, "root.crt", cert)
		admin(t, "ALTER SYSTEM SET ssl_ca_file = 'root.crt'")
		defer signInBy(t, "hostssl all plain 127.0.0.1/32 cert")()
		defer admin(t, "ALTER SYSTEM RESET ssl_ca_file")
		own := func(t *resource.Target) {
			t.Credential = resource.Credential{Username: "plain"}
		}
		mine := func(cert, key string) func(t *resource.Target) {
			return func(t *resource.Target) { t.CertFile, t.KeyFile = cert, key }
		}
		certFile, keyFile := file(t, "own.pem", cert), file(t, "own.key", key)
		d, target := declared(own, secured(resource.TLSVerifyFull, caFile), mine(certFile, keyFile))
		if got := query(t, dial(t, d, target, nil), "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); got != "/CN=plain" {
			t.Errorf("signed in as %q", got)
		}
		_, other := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "plain"}})
		for name, c := range map[string]struct {
			edit func(*resource.Target)
			want hoop.Code
		}{
			"none":              {mine("", ""), hoop.CodeTargetAuth},
			"no file":           {mine("/none", keyFile), hoop.CodeUnavailable},
			"the key of others": {mine(certFile, file(t, "other.key", other)), hoop.CodeUnavailable},
		} {
			d, target := declared(own, secured(resource.TLSVerifyFull, caFile), c.edit)
			_, err := d.Dial(t.Context(), target, "postgres", nil)
			if e := hoop.AsError(err); err == nil || e.Code != c.want || e.Hint == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("a password in clear", func(t *testing.T) {
		defer signInBy(t, "host all plain 127.0.0.1/32 password")()
		plain := func(t *resource.Target) {
			t.Credential = resource.Credential{Username: "plain", Password: resource.SecretValue("plain-pw")}
		}
		d, target := declared(plain, secured(resource.TLSVerifyFull, caFile))
		dial(t, d, target, nil)
		for _, mode := range []resource.TLSMode{resource.TLSDisable, resource.TLSRequire} {
			d, target := declared(plain, secured(mode, ""))
			_, err := d.Dial(t.Context(), target, "postgres", nil)
			if hoop.AsError(err).Code != hoop.CodeTargetAuth {
				t.Errorf("%s: the password went in clear to a server nobody verified: %v", mode, err)
			}
		}
	})
}

func TestDial_TooMany(t *testing.T) {
	admin(t, "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 0")
	defer admin(t, "DROP ROLE few")
	d, target := declared(func(t *resource.Target) {
		t.Credential = resource.Credential{Username: "few", Password: resource.SecretValue("few")}
	})
	if _, err := d.Dial(t.Context(), target, "postgres", nil); hoop.AsError(err).Code != hoop.CodeTooMany {
		t.Error(err)
	}
}

// Connections are alike only as long as all that they are made with is.
func TestStamp_TellsWhatChanged(t *testing.T) {
	dir := t.TempDir()
	ca, secret := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "secret")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pem1, _ := certificate(t, &x509.Certificate{})
	pem2, _ := certificate(t, &x509.Certificate{})
	write(ca, string(pem1))
	write(secret, "one")
	var now resource.Target
	d, target := declared(func(r *resource.Target) {
		r.TLS, r.CAFile, r.Credential.Password = resource.TLSVerifyFull, ca, resource.SecretFile(secret)
		r.Databases = []string{"other"}
		now = *r
	})
	d = New(func(string) (*resource.Target, bool) { return &now, true })
	seen := map[string]string{}
	stamp := func(after, database string) {
		t.Helper()
		s, err := d.Stamp(target, database)
		if err != nil {
			t.Fatal(after, err)
		}
		if again, err := d.Stamp(target, database); err != nil || again != s {
			t.Errorf("%s: %s, then %s %v", after, s, again, err)
		}
		if former, ok := seen[s]; ok {
			t.Errorf("%s looks like %s", after, former)
		}
		seen[s] = after
	}
	stamp("nothing", "postgres")
	stamp("another database", "other")
	write(secret, "two")
	stamp("another password", "postgres")
	write(ca, string(pem2))
	stamp("another authority", "postgres")
	now.Credential.Username = "someone"
	stamp("another user", "postgres")
	now.Address = "127.0.0.2:1"
	stamp("another address", "postgres")
	now.TLS, now.CAFile = resource.TLSRequire, ""
	stamp("other TLS", "postgres")
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	if s, err := d.Stamp(target, "postgres"); err == nil {
		t.Errorf("without a credential: %s", s)
	}
}
