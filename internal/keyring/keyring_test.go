package keyring

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zalando/go-keyring"
)

func noEnv(string) string { return "" }

// ring is a keyring in memory that can fail or hang.
type ring struct {
	m    map[string]string
	fail error
	hang chan struct{}
	n    int
}

func (r *ring) wait() error {
	r.n++
	if r.hang != nil {
		<-r.hang
	}
	return r.fail
}

func (r *ring) Get(s, u string) (string, error) {
	if err := r.wait(); err != nil {
		return "", err
	}
	v, ok := r.m[s+u]
	if !ok {
		return "", keyring.ErrNotFound
	}
	return v, nil
}

func (r *ring) Set(s, u, p string) error {
	if err := r.wait(); err != nil {
		return err
	}
	r.m[s+u] = p
	return nil
}

func (r *ring) Delete(s, u string) error {
	if err := r.wait(); err != nil {
		return err
	}
	if _, ok := r.m[s+u]; !ok {
		return keyring.ErrNotFound
	}
	delete(r.m, s+u)
	return nil
}

func newStore(t *testing.T, dir string, r *ring) (*Store, *[]string) {
	t.Helper()
	var said []string
	s := &Store{dir: dir, ring: r, warn: func(m string) { said = append(said, m) }}
	return s, &said
}

const gw = "https://localhost:8443"

func TestStore_Keyring(t *testing.T) {
	r := &ring{m: map[string]string{}}
	dir := t.TempDir()
	s, said := newStore(t, dir, r)
	if _, err := s.Get(gw); !errors.Is(err, ErrNotFound) {
		t.Fatalf("empty: got %v", err)
	}
	if err := s.Set(gw, "v"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(gw); err != nil || got != "v" {
		t.Fatalf("got %q, %v", got, err)
	}
	if got, err := s.Holds(gw); err != nil || got != "keyring" {
		t.Errorf("held in %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, fileName)); err == nil {
		t.Error("a file was written beside the keyring")
	}
	other, _ := newStore(t, t.TempDir(), r)
	if _, err := other.Get(gw); !errors.Is(err, ErrNotFound) {
		t.Error("another config directory sees the entry")
	}
	if err := s.Delete(gw); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(gw); err != nil {
		t.Errorf("second delete: %v", err)
	}
	if len(*said) != 0 {
		t.Errorf("said %q", *said)
	}
}

func TestStore_FileSaidOnce(t *testing.T) {
	dir := t.TempDir()
	r := &ring{fail: errors.New("the name org.freedesktop.secrets was not provided")}
	s, said := newStore(t, dir, r)
	if err := s.Set(gw, "one"); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(gw, "two"); err != nil {
		t.Fatal(err)
	}
	if r.n != 1 {
		t.Errorf("a broken keyring was asked %d times", r.n)
	}
	if len(*said) != 1 || !strings.Contains((*said)[0], dir) {
		t.Errorf("said %q, want the path, once", *said)
	}
	st, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", st, err)
	}

	again, said := newStore(t, dir, r)
	if got, err := again.Holds(gw); err != nil || got != filepath.Join(dir, fileName) {
		t.Errorf("held in %q, %v", got, err)
	}
	if got, err := again.Get(gw); err != nil || got != "two" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := again.Delete(gw); err != nil {
		t.Fatal(err)
	}
	if err := again.Set(gw, "three"); err != nil {
		t.Fatal(err)
	}
	if len(*said) != 0 {
		t.Errorf("another process said it again: %q", *said)
	}
}

func TestStore_KeyringTakesOver(t *testing.T) {
	dir := t.TempDir()
	r := &ring{m: map[string]string{}, fail: errors.New("locked")}
	s, _ := newStore(t, dir, r)
	if err := s.Set(gw, "old"); err != nil {
		t.Fatal(err)
	}
	r.fail = nil
	s, _ = newStore(t, dir, r)
	if err := s.Set(gw, "new"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil || strings.Contains(string(b), "old") {
		t.Errorf("the file still has it: %s, %v", b, err)
	}
	if got, err := s.Get(gw); err != nil || got != "new" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestStore_HangingKeyringTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &ring{m: map[string]string{}, hang: make(chan struct{})}
		s, said := newStore(t, t.TempDir(), r)
		if err := s.Set(gw, "v"); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(gw); err != nil || got != "v" {
			t.Errorf("got %q, %v", got, err)
		}
		if len(*said) != 1 || !strings.Contains((*said)[0], "did not answer") {
			t.Errorf("said %q", *said)
		}
		close(r.hang)
	})
}

// A keyring that was there and no longer answers: nothing is found, and it is said why.
func TestStore_OutOfReach(t *testing.T) {
	r := &ring{m: map[string]string{}}
	dir := t.TempDir()
	s, _ := newStore(t, dir, r)
	if err := s.Set(gw, "v"); err != nil {
		t.Fatal(err)
	}
	r.fail = errors.New("locked")
	s, _ = newStore(t, dir, r)
	_, err := s.Get(gw)
	if !errors.Is(err, ErrNotFound) || !errors.Is(err, ErrOutOfReach) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("got %v", err)
	}
}

func TestUnusable(t *testing.T) {
	if err := unusable(noEnv); err == nil {
		t.Error("no bus: want an error, and no call of the keyring")
	}
	dir := t.TempDir()
	run := func(k string) string { return map[string]string{"XDG_RUNTIME_DIR": dir}[k] }
	if err := os.WriteFile(filepath.Join(dir, "bus"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unusable(run); err == nil {
		t.Error("a bus that is no socket: want an error")
	}
	auto := func(string) string { return "autolaunch:" }
	if err := unusable(auto); err == nil {
		t.Error("autolaunch: want an error")
	}
	bus := func(k string) string { return map[string]string{"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}[k] }
	if err := unusable(bus); err != nil {
		t.Errorf("with a bus: got %v", err)
	}
}

func TestStore_DamagedFileIsNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := New(Options{Dir: dir, Getenv: noEnv})
	if _, err := s.Get(gw); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want that it is damaged", err)
	}
	if err := s.Set(gw, "v"); err == nil {
		t.Error("a damaged file was overwritten")
	}
}
