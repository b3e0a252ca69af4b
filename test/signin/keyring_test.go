//go:build signin

package signin

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

// TestKeyring runs itself again on a session bus of its own, with gnome-keyring
// unlocked on it: sign-in, renewal and sign-out keep what they keep in the keyring, and
// nothing in a file.
func TestKeyring(t *testing.T) {
	if os.Getenv(insideDir) == "" {
		self, err := os.Executable()
		must(t, err)
		cmd := exec.Command("dbus-run-session", "--", "sh", "-c",
			`printf 'a password\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$0" -test.run '^TestKeyring$' -test.v`, self)
		home := t.TempDir()
		cmd.Env = append(os.Environ(), insideDir+"="+dir, "HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_DATA_HOME="+home, "TMPDIR="+home)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestKeyring") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	g := startGateway(t, "    - {name: corp, oidc: {issuer: \"https://localhost:1\", client_id: hoop}}\n")
	p := g.person()
	talk := p.login(func(page, code string) {
		must(t, authtest.SignIn(t.Context(), g.pageHTTP, page+"?user_code="+code, "dana", true))
	})
	if strings.Contains(talk, "kept in") {
		t.Errorf("login says that it kept the sign-in in a file: %s", talk)
	}
	file := filepath.Join(p.dir, "credentials.json")
	kept := func() (k map[string]any) {
		t.Helper()
		v, err := keyring.Get("hoopctl", g.url+" "+p.dir)
		must(t, err)
		must(t, json.Unmarshal([]byte(v), &k))
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", file, err)
		}
		return k
	}
	before := kept()
	if out, err := p.run("whoami"); err != nil || !strings.Contains(out, "dana") {
		t.Fatalf("whoami: %v %s", err, out)
	}
	if out, err := p.run("status"); err != nil || !strings.Contains(out, "keyring") {
		t.Errorf("status: %v %s", err, out)
	}

	before["expiry"] = time.Now().Add(-time.Minute)
	b, err := json.Marshal(before)
	must(t, err)
	must(t, keyring.Set("hoopctl", g.url+" "+p.dir, string(b)))
	if out, err := p.run("whoami"); err != nil || !strings.Contains(out, "dana") {
		t.Fatalf("whoami after the access token ended: %v %s", err, out)
	}
	after := kept()
	for _, k := range []string{"access", "refresh"} {
		if after[k] == before[k] || after[k] == "" {
			t.Errorf("%s was not renewed in the keyring", k)
		}
	}

	if out, err := p.run("logout"); err != nil {
		t.Fatalf("logout: %v %s", err, out)
	}
	if _, err := keyring.Get("hoopctl", g.url+" "+p.dir); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("after logout: %v", err)
	}
	var exit *exec.ExitError
	if out, err := p.run("whoami"); !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("whoami after logout: %v %s", err, out)
	}
	p.env = []string{"HOOPCTL_TOKEN=" + after["access"].(string)}
	if out, err := p.run("whoami"); !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("the token of before: %v %s", err, out)
	}
}
