// Package config finds hoopctl's settings: default < config file < environment <
// flag. It owns the config directory and the file in it; tokens are not its business
// (internal/keyring).
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// DefaultGateway is where `hoop-gateway dev` listens.
const DefaultGateway = "https://localhost:8443"

// fileName is the config file in the config directory.
const fileName = "config.yaml"

// Origin says where a setting came from.
type Origin string

// The origins, weakest first.
const (
	FromDefault Origin = "default"
	FromFile    Origin = "config file"
	FromEnv     Origin = "environment"
	FromFlag    Origin = "flag"
)

// File is the config file, config.yaml in the config directory.
type File struct {
	Gateway string `yaml:"gateway,omitempty"` // https://host:port
	CAFile  string `yaml:"ca_file,omitempty"` // absolute path of a PEM file
}

// Flags are what the command line says; empty means unsaid.
type Flags struct {
	Gateway string
	CAFile  string
}

// Settings are the settings in force.
type Settings struct {
	Dir     string // config directory; may not exist yet
	Gateway string // normalised: https://host or https://host:port
	CAFile  string // empty: the system's certificate authorities
	Token   string // of HOOPCTL_TOKEN, used as it is; empty: sign-in

	GatewayFrom Origin
	CAFileFrom  Origin
}

// Path is the config file.
func (s *Settings) Path() string { return filepath.Join(s.Dir, fileName) }

// Host is the gateway's host and port, for dialling.
func (s *Settings) Host() string {
	u, err := url.Parse(s.Gateway)
	if err != nil { // Load has parsed it
		return ""
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return u.Host
}

// Load finds the settings. getenv is os.Getenv. Errors about values
// are *hoop.Error of CodeInvalid.
func Load(getenv func(string) string, flags Flags) (*Settings, error) {
	dir, err := Dir(getenv)
	if err != nil {
		return nil, err
	}
	file, err := Read(dir)
	if err != nil {
		return nil, err
	}
	s := &Settings{Dir: dir, Token: strings.TrimSpace(getenv("HOOPCTL_TOKEN"))}
	s.Gateway, s.GatewayFrom = pick(DefaultGateway, file.Gateway, getenv("HOOPCTL_GATEWAY"), flags.Gateway)
	s.CAFile, s.CAFileFrom = pick("", file.CAFile, getenv("HOOPCTL_CA_FILE"), flags.CAFile)
	if s.Gateway, err = NormalizeGateway(s.Gateway); err != nil {
		return nil, hoop.Errorf(hoop.CodeInvalid, "gateway, from the %s: %v", s.GatewayFrom, err).
			WithHint("a gateway looks like %s", DefaultGateway)
	}
	if s.CAFile != "" {
		if s.CAFile, err = filepath.Abs(s.CAFile); err != nil {
			return nil, hoop.Errorf(hoop.CodeInvalid, "CA file %s: %v", s.CAFile, err)
		}
	}
	return s, nil
}

func pick(def, file, env, flag string) (string, Origin) {
	switch {
	case flag != "":
		return flag, FromFlag
	case env != "":
		return env, FromEnv
	case file != "":
		return file, FromFile
	}
	return def, FromDefault
}

// Dir is the config directory: HOOPCTL_CONFIG_DIR, or hoopctl below XDG_CONFIG_HOME
// (XDG Base Directory Specification; relative values are ignored as it demands), or
// below the system's usual place.
func Dir(getenv func(string) string) (string, error) {
	if d := getenv("HOOPCTL_CONFIG_DIR"); d != "" {
		abs, err := filepath.Abs(d)
		if err != nil {
			return "", fmt.Errorf("HOOPCTL_CONFIG_DIR: %w", err)
		}
		return abs, nil
	}
	if d := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "hoopctl"), nil
	}
	if runtime.GOOS == "windows" {
		if d := getenv("AppData"); d != "" {
			return filepath.Join(d, "hoopctl"), nil
		}
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "hoopctl"), nil
	}
	return "", hoop.Errorf(hoop.CodeInvalid, "no place for settings: HOME is not set").
		WithHint("set HOOPCTL_CONFIG_DIR to a directory of yours")
}

// Read reads the config file of dir; one that does not exist is empty.
func Read(dir string) (File, error) {
	var f File
	path := filepath.Join(dir, fileName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("read settings: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, hoop.Errorf(hoop.CodeInvalid, "%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: ")).
			WithHint("known settings are gateway and ca_file")
	}
	return f, nil
}

// Write replaces the config file of dir, unless it says the same already.
func Write(dir string, f File) error {
	if old, err := Read(dir); err == nil && old == f {
		return nil
	}
	b, err := yaml.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	if err := WriteFile(filepath.Join(dir, fileName), b); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// WriteFile writes a file that only its owner may read (0600), in a directory of the
// same kind (0700), whole or not at all: a crash leaves the old content.
func WriteFile(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // CreateTemp makes it 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// CheckWritable makes dir where it is missing, and says what to do where nothing can be
// kept in it.
func CheckWritable(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var tmp *os.File
		if tmp, err = os.CreateTemp(dir, ".writable-*"); err == nil {
			err = errors.Join(tmp.Close(), os.Remove(tmp.Name()))
		}
	}
	if err != nil {
		return NotWritable(dir, err)
	}
	return nil
}

// NotWritable is the error of a config directory in which err happened.
func NotWritable(dir string, err error) *hoop.Error {
	why := err.Error()
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		why = p.Err.Error()
	case errors.As(err, &l):
		why = l.Err.Error()
	}
	e := hoop.Errorf(hoop.CodeUnavailable, "nothing can be kept in the settings directory %s: %s", dir, why).
		WithHint("make it a directory that you may write, or set HOOPCTL_CONFIG_DIR to one")
	e.Err = err
	return e
}

// NormalizeGateway makes "localhost:8443" and "https://LOCALHOST:8443/" one: scheme
// and host in lower case, no path. Only https is taken: tokens never travel in clear.
func NormalizeGateway(s string) (string, error) {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", fmt.Errorf("%q is not a URL", s)
	}
	switch {
	case u.Scheme != "https":
		return "", fmt.Errorf("%q must begin with https://", s)
	case u.Hostname() == "":
		return "", fmt.Errorf("%q names no host", s)
	case u.User != nil:
		return "", errors.New("a gateway's address carries no user or password")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("%q must end after host and port", s)
	}
	host := strings.ToLower(u.Host)
	return "https://" + strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":"), nil
}
