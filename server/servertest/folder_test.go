package servertest_test

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/audit/audittest"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// A gateway that did everything has files of kinds that the tamper matrices know, as
// evidence or with the reason why not, and of each of these kinds.
func TestDataFolder_HasKnownFilesOnly(t *testing.T) {
	told := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	defer told.Close()
	plain := httptest.NewServer(told.Config.Handler)
	defer plain.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: told.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "log.example")
	if err != nil {
		t.Fatal(err)
	}
	g := servertest.Start(t, servertest.Options{Config: func(c *server.Config) {
		c.Sinks = []server.SinkConfig{{Name: "otlp", OTLP: &server.OTLPConfig{URL: told.URL + "/v1/logs", CAFile: ca}}}
		c.Witness = &server.WitnessedConfig{Logs: []string{vkey}}
		c.Notify = []server.NotifyConfig{{Name: "hook", Webhook: &server.WebhookConfig{
			URL: plain.URL, Loopback: true, Secret: resource.SecretValue("0123456789abcdef0123456789abcdef"),
		}}}
	}})
	conn, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	for range 200 { // more than a tile of events
		if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Fatal(err)
		}
	}
	cosigned(t, g, skey)
	g.Reload(strings.Replace(servertest.Resources, "timeout: 30s", "timeout: 31s", 1), "")
	running := t.TempDir()
	if err := os.CopyFS(running, os.DirFS(g.DataDir)); err != nil { // as kill -9 leaves it
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Stop()

	seen := make(map[string]bool)
	for _, dir := range []string{running, g.DataDir} {
		if err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			k, ok := audittest.Of(audittest.DataFolder, name)
			if !ok {
				t.Errorf("%s is of a kind that no matrix knows", name)
			}
			seen[k.Name] = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range audittest.DataFolder {
		if !seen[k.Name] {
			t.Errorf("the gateway wrote no %s: it did not do everything, or that kind is none", k.Name)
		}
		if k.Not != "" && k.Named != nil {
			t.Errorf("%s is evidence, and not", k.Name)
		}
	}
}

// cosigned has the gateway, as a witness, cosign the empty log of a key.
func cosigned(t *testing.T, g *servertest.Gateway, skey string) {
	t.Helper()
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	root, err := tlog.TreeHash(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := auditlog.Checkpoint{Origin: signer.Name(), Root: root}.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := g.HTTP().Post(g.URL+"/witness/add-checkpoint", "text/plain", bytes.NewReader(append([]byte("old 0\n\n"), signed...)))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
}
