// Package keyring keeps what a sign-in leaves behind: in the operating system's
// keyring, or, where there is none, in a file that only its owner may read.
//
// Entries are keyed by gateway and config directory, so that identities in different
// config directories never meet. A value is in one place at a time: the file is
// asked first, and forgets what the keyring took over.
package keyring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/hoopctl/hoopctl/internal/config"
)

// Errors of Get.
var (
	ErrNotFound   = errors.New("nothing is kept for the gateway")
	ErrOutOfReach = errors.New("the keyring cannot be read") // beside ErrNotFound: there may be something
)

const (
	service  = "hoopctl"
	fileName = "credentials.json"
	// timeout bounds a call of the keyring, which may wait for a person to unlock it
	// or for a daemon that does not answer.
	timeout = 3 * time.Second
)

// Store keeps values. It may be used by several goroutines; several processes must
// agree on who writes (internal/login holds a lock).
type Store struct {
	dir  string
	ring backend
	warn func(string)

	mu   sync.Mutex
	dead error // guarded by mu: why the keyring is not asked again
}

// backend is what an operating system offers.
type backend interface {
	Get(service, user string) (string, error)
	Set(service, user, password string) error
	Delete(service, user string) error
}

// Options say where a Store keeps things.
type Options struct {
	Dir    string              // config directory
	Getenv func(string) string // os.Getenv
	Warn   func(string)        // told once per config directory that values are in a file
}

// New gives the store of a config directory. It calls no keyring yet.
func New(o Options) *Store {
	s := &Store{dir: o.Dir, warn: o.Warn, ring: system{}}
	s.dead = unusable(o.Getenv)
	return s
}

// unusable tells without calling it why there is no keyring here. go-keyring starts
// dbus-launch from PATH where there is no session bus, which leaves a stray daemon
// behind on hosts that have it; so it is not called then.
func unusable(getenv func(string) string) error {
	switch runtime.GOOS {
	case "darwin", "windows", "ios":
		return nil
	}
	if addr := getenv("DBUS_SESSION_BUS_ADDRESS"); addr != "" {
		if strings.HasPrefix(addr, "autolaunch:") {
			return errors.New("no session bus")
		}
		return nil
	}
	run := getenv("XDG_RUNTIME_DIR")
	if run == "" {
		return errors.New("no session bus")
	}
	if st, err := os.Stat(filepath.Join(run, "bus")); err != nil || st.Mode()&fs.ModeSocket == 0 {
		return errors.New("no session bus")
	}
	return nil
}

// Where says where values are kept: "keyring", or the path of the file.
func (s *Store) Where() string {
	if s.broken() == nil {
		return "keyring"
	}
	return s.path()
}

// Holds says where the value of gateway is, as Where does: one that a keyring could not
// take stays in the file, whatever the keyring does by now.
func (s *Store) Holds(gateway string) (string, error) {
	f, err := s.read()
	if err != nil {
		return "", err
	}
	if _, ok := f.Entries[gateway]; ok {
		return s.path(), nil
	}
	return s.Where(), nil
}

// Check asks the keyring whether it answers; nil when it does.
func (s *Store) Check() error {
	if err := s.broken(); err != nil {
		return err
	}
	_, err := s.call(func() (string, error) { return s.ring.Get(service, "check") })
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}

// Get gives what is kept for gateway; ErrNotFound when there is nothing.
func (s *Store) Get(gateway string) (string, error) {
	f, err := s.read()
	if err != nil {
		return "", err
	}
	if v, ok := f.Entries[gateway]; ok {
		return v, nil
	}
	if s.broken() != nil {
		return "", ErrNotFound
	}
	v, err := s.call(func() (string, error) { return s.ring.Get(service, s.user(gateway)) })
	if errors.Is(err, keyring.ErrNotFound) {
		return "", ErrNotFound
	}
	if err != nil { // whatever it has, it is out of reach: a new sign-in goes to the file
		return "", fmt.Errorf("%w: %w: %w", ErrNotFound, ErrOutOfReach, err)
	}
	return v, nil
}

// Set keeps value for gateway.
func (s *Store) Set(gateway, value string) error {
	if s.broken() == nil {
		_, err := s.call(func() (string, error) { return "", s.ring.Set(service, s.user(gateway), value) })
		if err == nil {
			return s.dropFromFile(gateway)
		}
	}
	return s.setInFile(gateway, value)
}

// Delete forgets what is kept for gateway; that nothing was kept is no error.
func (s *Store) Delete(gateway string) error {
	if err := s.dropFromFile(gateway); err != nil {
		return err
	}
	if s.broken() != nil {
		return nil
	}
	_, err := s.call(func() (string, error) { return "", s.ring.Delete(service, s.user(gateway)) })
	if errors.Is(err, keyring.ErrNotFound) || s.broken() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("forget the sign-in in the keyring: %w", err)
	}
	return nil
}

// user names an entry. A space is in no normalised gateway.
func (s *Store) user(gateway string) string { return gateway + " " + s.dir }

func (s *Store) broken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// call runs f with a time-out. A keyring that fails otherwise than by not finding an
// entry is not asked again by this process; f may be left behind waiting for it.
func (s *Store) call(f func() (string, error)) (string, error) {
	type answer struct {
		v   string
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := f()
		done <- answer{v, err}
	}()
	t := time.NewTimer(timeout)
	defer t.Stop()
	var a answer
	select {
	case a = <-done:
	case <-t.C:
		a.err = fmt.Errorf("the keyring did not answer within %s", timeout)
	}
	if a.err != nil && !errors.Is(a.err, keyring.ErrNotFound) {
		s.mu.Lock()
		s.dead = a.err
		s.mu.Unlock()
	}
	return a.v, a.err
}

// file is credentials.json. That it exists says that its owner was told of it.
type file struct {
	Entries map[string]string `json:"entries"` // by gateway
}

func (s *Store) path() string { return filepath.Join(s.dir, fileName) }

func (s *Store) read() (file, error) {
	f := file{Entries: map[string]string{}}
	b, err := os.ReadFile(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("read the sign-in: %w", err)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("read the sign-in: %s is damaged; remove it and sign in again", s.path())
	}
	return f, nil
}

func (s *Store) write(f file) error {
	b, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	if err := config.WriteFile(s.path(), b); err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	return nil
}

func (s *Store) setInFile(gateway, value string) error {
	_, err := os.Stat(s.path())
	first := errors.Is(err, fs.ErrNotExist)
	f, err := s.read()
	if err != nil {
		return err
	}
	if f.Entries == nil {
		f.Entries = map[string]string{}
	}
	f.Entries[gateway] = value
	if err := s.write(f); err != nil {
		return err
	}
	if first && s.warn != nil {
		s.warn(fmt.Sprintf("no keyring here (%v): the sign-in is kept in %s, readable by you alone", s.broken(), s.path()))
	}
	return nil
}

func (s *Store) dropFromFile(gateway string) error {
	f, err := s.read()
	if err != nil {
		return err
	}
	if _, ok := f.Entries[gateway]; !ok {
		return nil
	}
	delete(f.Entries, gateway)
	return s.write(f)
}

// system is the keyring of the operating system.
type system struct{}

func (system) Get(service, user string) (string, error) { return keyring.Get(service, user) }
func (system) Set(service, user, pw string) error       { return keyring.Set(service, user, pw) }
func (system) Delete(service, user string) error        { return keyring.Delete(service, user) }
