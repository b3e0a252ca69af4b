package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func env(m map[string]string) func(string) string {
	return func(k string) string { return m[k] }
}

func TestLoad_Precedence(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		name     string
		file     string
		env      string
		flag     string
		want     string
		wantFrom Origin
	}{
		{"default", "", "", "", DefaultGateway, FromDefault},
		{"file over default", "gateway: https://file:1\n", "", "", "https://file:1", FromFile},
		{"environment over file", "gateway: https://file:1\n", "https://env:2", "", "https://env:2", FromEnv},
		{"flag over all", "gateway: https://file:1\n", "https://env:2", "flag:3", "https://flag:3", FromFlag},
	} {
		t.Run(tc.name, func(t *testing.T) {
			write(t, dir, tc.file)
			s, err := Load(env(map[string]string{"HOOPCTL_CONFIG_DIR": dir, "HOOPCTL_GATEWAY": tc.env}), Flags{Gateway: tc.flag})
			if err != nil {
				t.Fatal(err)
			}
			if s.Gateway != tc.want || s.GatewayFrom != tc.wantFrom {
				t.Errorf("got %s from %s, want %s from %s", s.Gateway, s.GatewayFrom, tc.want, tc.wantFrom)
			}
		})
	}
}

func write(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoad_CAFileIsAbsolute(t *testing.T) {
	s, err := Load(env(map[string]string{"HOOPCTL_CONFIG_DIR": t.TempDir(), "HOOPCTL_CA_FILE": "ca.pem"}), Flags{})
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(s.CAFile) || s.CAFileFrom != FromEnv {
		t.Errorf("got %q from %s", s.CAFile, s.CAFileFrom)
	}
}

func TestDir(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"own variable", map[string]string{"HOOPCTL_CONFIG_DIR": "/c", "XDG_CONFIG_HOME": "/x"}, "/c"},
		{"XDG", map[string]string{"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/hoopctl"},
		{"a relative XDG path is ignored", map[string]string{"XDG_CONFIG_HOME": "x", "HOME": "/h"}, "/h/.config/hoopctl"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Dir(env(tc.env))
			if err != nil || got != tc.want {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
	if _, err := Dir(env(nil)); err == nil {
		t.Error("no HOME: want an error")
	}
}

func TestRead_UnknownFieldNamesFileAndLine(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "gateway: https://a\ngatewy: https://b\n")
	_, err := Read(dir)
	if err == nil || !strings.Contains(err.Error(), fileName) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v, want file and line", err)
	}
}

func TestWrite_RoundTripAndMode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	want := File{Gateway: "https://a:1", CAFile: "/ca.pem"}
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil || got != want {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, fileName): 0o600} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != mode {
			t.Errorf("%s: got mode %v, want %v", path, st.Mode().Perm(), mode)
		}
	}
}

func TestNormalizeGateway(t *testing.T) {
	for in, want := range map[string]string{
		"localhost:8443":           "https://localhost:8443",
		"https://Hoop.Example/":    "https://hoop.example",
		"https://hoop.example:443": "https://hoop.example",
		"https://[::1]:8443":       "https://[::1]:8443",
	} {
		if got, err := NormalizeGateway(in); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"http://localhost:8443", "https://", "https://u:p@host", "https://host/path", "https://host?x=1", "file:///etc/passwd"} {
		if got, err := NormalizeGateway(in); err == nil {
			t.Errorf("%s: got %q, want an error", in, got)
		}
	}
}
