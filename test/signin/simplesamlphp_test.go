//go:build signin

package signin

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// simpleSAMLphp is a SimpleSAMLphp identity provider, on PHP's own server behind TLS.
type simpleSAMLphp struct {
	url string
	dir string
}

const phpConfig = `<?php
$config = [
    'baseurlpath' => '%[1]s/', 'certdir' => '%[2]s/', 'metadatadir' => '%[2]s/metadata/',
    'loggingdir' => '%[2]s/', 'datadir' => '%[2]s/', 'tempdir' => '%[2]s/tmp', 'logging.handler' => 'file', 'logging.level' => 7,
    'secretsalt' => 'only-for-this-test', 'auth.adminpassword' => 'unused-here', 'admin.checkforupdates' => false,
    'technicalcontact_email' => 'nobody@example.org', 'timezone' => 'UTC', 'language.default' => 'en',
    'enable.saml20-idp' => true, 'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
    'session.phpsession.savepath' => '%[2]s/tmp', 'session.cookie.secure' => true, 'session.cookie.samesite' => 'None',
    'store.type' => 'phpsession', 'production' => true, 'template.cache' => '%[2]s/tmp',
    'metadata.sources' => [['type' => 'flatfile'], ['type' => 'xml', 'file' => '%[2]s/sp.xml']],
];
`

const phpUsers = `<?php
$config = ['users' => [
    'exampleauth:UserPass',
    'jane:secret' => ['uid' => ['jane-0042'], 'displayName' => ['Jane Roe'], 'mail' => ['jane@example.org'], 'groups' => ['agents', 'staff']],
]];
`

const phpIDP = `<?php
$metadata['%[1]s/idp'] = [
    'host' => '__DEFAULT__', 'privatekey' => 'idp.key', 'certificate' => 'idp.crt', 'auth' => 'users',
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'authproc' => [3 => ['class' => 'saml:AttributeNameID', 'attribute' => 'uid', 'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent']],
];
`

func startSimpleSAMLphp(t *testing.T) *simpleSAMLphp {
	t.Helper()
	s := &simpleSAMLphp{dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	s.url = site(t, func(self string) http.Handler {
		p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
		direct := p.Director
		p.Director = func(r *http.Request) {
			host := r.Host
			direct(r)
			r.Host = host
		}
		return p
	})
	for _, d := range []string{"metadata", "tmp"} {
		must(t, os.MkdirAll(filepath.Join(s.dir, d), 0o700))
	}
	for file, text := range map[string]string{
		"config.php": fmt.Sprintf(phpConfig, s.url, s.dir), "authsources.php": phpUsers,
		"metadata/saml20-idp-hosted.php": fmt.Sprintf(phpIDP, s.url), "prepend.php": "<?php $_SERVER['HTTPS'] = 'on';\n",
		"sp.xml": `<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata"/>`,
	} {
		must(t, os.WriteFile(filepath.Join(s.dir, file), []byte(text), 0o600))
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	must(t, err)
	writePEM(t, filepath.Join(s.dir, "idp.crt"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(s.dir, "idp.key"), "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))

	php := exec.Command("php", "-S", addr, "-t", "/usr/share/simplesamlphp/www", "-d", "auto_prepend_file="+filepath.Join(s.dir, "prepend.php"),
		"-d", "session.save_path="+filepath.Join(s.dir, "tmp"))
	php.Env = append(os.Environ(), "SIMPLESAMLPHP_CONFIG_DIR="+s.dir)
	log, err := os.Create(filepath.Join(s.dir, "php.log"))
	must(t, err)
	php.Stdout, php.Stderr = log, log
	must(t, php.Start())
	t.Cleanup(func() {
		_ = php.Process.Kill()
		_ = php.Wait()
		if t.Failed() {
			for _, f := range []string{"php.log", "simplesamlphp.log"} {
				b, _ := os.ReadFile(filepath.Join(s.dir, f))
				t.Logf("%s:\n%s", f, b)
			}
		}
	})
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) { // a process that tells nobody when it is ready
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return s
		}
		if time.Since(begin) > time.Minute {
			t.Fatal("PHP's server did not start")
		}
	}
}

// provider is its entry in gateway.yaml.
func (s *simpleSAMLphp) provider() string {
	return fmt.Sprintf("    - {name: clinic, saml: {metadata_url: %q, ca_file: %q}}\n", s.url+"/saml2/idp/metadata.php", filepath.Join(dir, "ca.pem"))
}

// meet gives it the gateway's own metadata.
func (s *simpleSAMLphp) meet(t *testing.T, g *gateway) {
	t.Helper()
	resp, err := g.pageHTTP.Get(g.url + "/signin/saml/clinic/metadata")
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.dir, "sp.xml"), b, 0o600))
}

func TestProviders_SimpleSAMLphp(t *testing.T) {
	idp := startSimpleSAMLphp(t)
	g := startGateway(t, idp.provider())
	idp.meet(t, g)
	p := g.person()
	subject := ""
	for range 2 { // the same person twice
		p.login(func(page, code string) {
			b := g.browser()
			step := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			step(b.Open(t.Context(), page))
			step(b.Submit(t.Context(), "/device", url.Values{"user_code": {code}}))
			step(b.Open(t.Context(), b.Links()[0]))
			step(b.Submit(t.Context(), "?", url.Values{"username": {"jane"}, "password": {"secret"}}))
			step(b.Submit(t.Context(), g.url+"/signin/saml/clinic/acs", nil))
			if !strings.Contains(b.Text, "Jane Roe") {
				t.Errorf("page: %s", b.Text)
			}
			step(b.Submit(t.Context(), "/device/confirm", url.Values{"action": {"approve"}}))
		})
		out, err := p.run("whoami")
		if err != nil || !strings.Contains(out, "clinic:jane-0042") || !strings.Contains(out, "agents") || !strings.Contains(out, "staff") {
			t.Fatalf("whoami: %v\n%s", err, out)
		}
		if subject != "" && subject != out {
			t.Errorf("another person:\n%s\n%s", subject, out)
		}
		subject = out
	}
	// A second response to a request that was answered, as the back button sends it.
	p.login(func(page, code string) {
		b := g.browser()
		must(t, b.Open(t.Context(), page))
		must(t, b.Submit(t.Context(), "/device", url.Values{"user_code": {code}}))
		must(t, b.Open(t.Context(), b.Links()[0]))
		must(t, b.Submit(t.Context(), "?", url.Values{"username": {"jane"}, "password": {"secret"}}))
		form, _ := b.Form(g.url + "/signin/saml/clinic/acs")
		must(t, b.Post(t.Context(), g.url+"/signin/saml/clinic/acs", form))
		confirm := *b
		if err := b.Post(t.Context(), g.url+"/signin/saml/clinic/acs", form); err == nil {
			t.Error("the same response was taken twice")
		}
		must(t, confirm.Submit(t.Context(), "/device/confirm", url.Values{"action": {"approve"}}))
	})
}
