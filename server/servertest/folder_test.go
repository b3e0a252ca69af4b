package servertest_test

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/audit/audittest"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// everything is a gateway with all that writes into its data folder, told where to send.
func everything(t *testing.T) (o servertest.Options, witnessed string) {
	t.Helper()
	told := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	t.Cleanup(told.Close)
	plain := httptest.NewServer(told.Config.Handler)
	t.Cleanup(plain.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: told.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "log.example")
	if err != nil {
		t.Fatal(err)
	}
	return servertest.Options{DataDir: filepath.Join(t.TempDir(), "data"), Config: func(c *server.Config) {
		c.Sinks = []server.SinkConfig{{Name: "otlp", OTLP: &server.OTLPConfig{URL: told.URL + "/v1/logs", CAFile: ca}}}
		c.Witness = &server.WitnessedConfig{Logs: []string{vkey}}
		c.Notify = []server.NotifyConfig{{Name: "hook", Webhook: &server.WebhookConfig{
			URL: plain.URL, Loopback: true, Secret: resource.SecretValue("0123456789abcdef0123456789abcdef"),
		}}}
	}}, skey
}

// work is a session with more than a tile of events, which stays.
func work(t *testing.T, g *servertest.Gateway) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	for range statements {
		if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

const statements = 200

// names are the files of a folder, by their kinds.
func names(t *testing.T, dir string) map[string][]string {
	t.Helper()
	of := make(map[string][]string)
	if err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		k, ok := audittest.Of(audittest.DataFolder, name)
		if !ok {
			t.Errorf("%s is of a kind that no matrix knows", name)
		}
		of[k.Name] = append(of[k.Name], name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return of
}

// A gateway that did everything has files of kinds that the tamper matrices know, as
// evidence or with the reason why not, and of each of these kinds. One of each kind, changed
// while the gateway is down: evidence that was changed is noticed, when the gateway starts or
// when its bundle is verified, and named; of all else nothing that was acknowledged depends.
func TestDataFolder_EveryKindIsTamperedWith(t *testing.T) {
	o, skey := everything(t)
	g := servertest.Start(t, o)
	o.PG = g.PG
	ended := work(t, g)
	early := servertest.Killed(t, g.DataDir)
	cosigned(t, g, skey)
	if err := ended.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Stop()
	g = servertest.Start(t, o) // a stop keeps what is derived from the log
	crashed := work(t, g)
	o.Resources = strings.Replace(servertest.Resources, "timeout: 30s", "timeout: 31s", 1)
	g.Reload(o.Resources, "")
	key, err := g.API("auditor").LogKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// A bundle leaves a checkpoint of all that there is, so that nothing goes on afterwards.
	if err := verified(t, g, key.Verifier, nil, 2); err != nil {
		t.Fatal(err)
	}
	o.DataDir = servertest.Killed(t, g.DataDir)
	_ = crashed.Close(t.Context())
	g.Stop()
	names(t, g.DataDir)

	g = servertest.Start(t, o) // which recovers the session that was killed
	running := work(t, g)
	if err := verified(t, g, key.Verifier, nil, 3); err != nil {
		t.Fatal(err)
	}
	now := servertest.Killed(t, g.DataDir)
	kept, err := os.ReadFile(filepath.Join(now, "audit", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	_ = running.Close(t.Context())
	g.Stop()

	of := names(t, now)
	for _, k := range audittest.DataFolder {
		if len(of[k.Name]) == 0 {
			t.Errorf("the gateway wrote no %s: it did not do everything, or that kind is none", k.Name)
		}
		for i, name := range of[k.Name] {
			if i > 0 && i != len(of[k.Name])-1 && k.Name != "recording" {
				continue // one like the others
			}
			for way, change := range ways(now, early, name, of[k.Name]) {
				if k.Not != "" && (way == "roll back" || way == "swap") {
					continue
				}
				t.Run(name+"/"+way, func(t *testing.T) {
					t.Parallel()
					o := o
					o.DataDir = servertest.Killed(t, now)
					changed, err := change(o.DataDir)
					if err != nil {
						t.Fatal(err)
					}
					if !changed {
						return
					}
					started, err := judge(t, o, key.Verifier, kept)
					kind := k.Name
					_, before := os.Stat(filepath.Join(early, name))
					switch {
					case name == slices.Max(of["recording"]):
						kind = "recording that grew"
					case k.Name == "policy text" && before != nil:
						kind = "policy in force"
					}
					_, fine := harmless[kind+"/"+way]
					_, always := harmless[kind+"/*"]
					switch {
					case err != nil && started && k.Not != "":
						t.Errorf("evidence depends on it: %v", err)
					case err == nil && !fine && !always && k.Not == "":
						t.Error("not noticed")
					case err != nil && fine:
						t.Errorf("it does no harm, and yet: %v", err)
					case err != nil && !slices.ContainsFunc(append([]string{filepath.Base(name)}, k.Named...), func(word string) bool { return strings.Contains(err.Error(), word) }):
						t.Errorf("it does not name the file: %v", err)
					}
				})
			}
		}
	}
}

// A store from before a revocation has the grant in force again: the gateway does not start on
// it, unless somebody says so, which the log has. So it is with one that was removed.
func TestDataFolder_StoreFromACopy(t *testing.T) {
	o := servertest.Options{DataDir: t.TempDir()}
	g := servertest.Start(t, o)
	o.PG = g.PG
	conn := work(t, g)
	must(t, conn.Close(t.Context()))
	g.Stop()
	old := servertest.Killed(t, o.DataDir)
	g = servertest.Start(t, o)
	grants, err := g.API("agent").Grants(t.Context(), false)
	must(t, err)
	_, err = g.API("agent").Revoke(t.Context(), grants[0].ID, "enough")
	must(t, err)
	g.Stop()

	o.DataDir = servertest.Killed(t, o.DataDir)
	b, err := os.ReadFile(filepath.Join(old, "hoop.db"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(o.DataDir, "hoop.db"), b, 0o600))
	if err := servertest.Refused(t, o.DataDir); err == nil || !strings.Contains(err.Error(), "put back from a copy") || !strings.Contains(hoop.AsError(err).Hint, "--accept-store") {
		t.Errorf("on the store of before: %v", err)
	}
	o.AcceptStore = true
	g = servertest.Start(t, o)
	body, err := g.API("auditor").Events(t.Context(), 0, 0)
	must(t, err)
	events, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil || !bytes.Contains(events, []byte("a store was accepted that is not as the gateway left it")) {
		t.Errorf("no event says that the store was accepted: %v", err)
	}
	g.Stop()
	o.AcceptStore = false
	servertest.Start(t, o).Stop()

	must(t, os.Remove(filepath.Join(o.DataDir, "hoop.db")))
	if err := servertest.Refused(t, o.DataDir); err == nil || !strings.Contains(err.Error(), "another one") {
		t.Errorf("without the store: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// harmless are changes of evidence after which everything that was acknowledged is there
// and verifies, with the reason; those of any way may be noticed all the same.
var harmless = map[string]string{
	"kept checkpoint/drop":      "it only says that the log was once as large; the journal and witnesses say so too",
	"kept checkpoint/roll back": "as above",
	"witness memory/drop":       "the log that it cosigned is told: TestTamper_Witness",
	"witness memory/roll back":  "as above",
	"recording that grew/*":     "the journal has its bytes, and writes them again",
	"policy in force/drop":      "written again before the first event names it",
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

// ways are the changes of a file among those of its kind. Each reports whether it changed
// anything.
func ways(now, early, name string, alike []string) map[string]func(dir string) (bool, error) {
	change := func(with func(b []byte) []byte) func(string) (bool, error) {
		return func(dir string) (bool, error) {
			b, err := os.ReadFile(filepath.Join(now, name))
			if err != nil || len(b) == 0 {
				return false, err
			}
			changed := with(bytes.Clone(b))
			return !bytes.Equal(b, changed), os.WriteFile(filepath.Join(dir, name), changed, 0o600)
		}
	}
	return map[string]func(string) (bool, error){
		"flip a bit": change(func(b []byte) []byte { b[len(b)/2] ^= 4; return b }),
		"truncate":   change(func(b []byte) []byte { return b[:len(b)/2] }),
		"empty":      change(func([]byte) []byte { return nil }),
		"drop":       func(dir string) (bool, error) { return true, os.Remove(filepath.Join(dir, name)) },
		"roll back": func(dir string) (bool, error) {
			b, err := os.ReadFile(filepath.Join(early, name))
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			return change(func([]byte) []byte { return b })(dir)
		},
		"swap": func(dir string) (bool, error) {
			other := alike[0]
			if other == name {
				other = alike[len(alike)-1]
			}
			b, err := os.ReadFile(filepath.Join(now, name))
			c, cerr := os.ReadFile(filepath.Join(now, other))
			if err := errors.Join(err, cerr); err != nil {
				return false, err
			}
			return !bytes.Equal(b, c), errors.Join(os.WriteFile(filepath.Join(dir, name), c, 0o600), os.WriteFile(filepath.Join(dir, other), b, 0o600))
		},
	}
}

// judge starts a gateway on a folder, and verifies its evidence if it started.
func judge(t *testing.T, o servertest.Options, key string, kept []byte) (started bool, err error) {
	t.Helper()
	g, err := servertest.Try(t, o)
	if err != nil {
		return false, err
	}
	defer g.Stop()
	if err := verified(t, g, key, kept, 3); err != nil {
		return true, fmt.Errorf("%w; the gateway's log: %s", err, g.Log.String())
	}
	return true, nil
}

// verified demands that a bundle of all that a gateway has verifies, against a checkpoint that
// was kept elsewhere, and has every result of so many sessions.
func verified(t *testing.T, g *servertest.Gateway, key string, kept []byte, sessions int64) error {
	t.Helper()
	ask := api.BundleAsk{Recordings: true}
	if kept != nil {
		v, err := note.NewVerifier(key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := auditlog.OpenCheckpoint(kept, v)
		if err != nil {
			t.Fatal(err)
		}
		ask.Since = c.Size
	}
	body, err := g.API("auditor").Bundle(t.Context(), ask)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	r, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: key, OldCheckpoint: kept})
	if err != nil {
		return err
	}
	if n := r.Events[hoop.EventResult]; n < sessions*statements {
		return fmt.Errorf("%d results are there, %d were acknowledged", n, sessions*statements)
	}
	return nil
}
