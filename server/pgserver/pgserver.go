// Package pgserver starts a throwaway PostgreSQL from server binaries that are
// installed on this machine: for `hoop-gateway dev`, for tests, for benchmarks.
//
// It owns the cluster's folder and its process. It leaves to others what is in the
// database. PostgreSQL refuses to run as root, so where this process is root the
// server runs as the user "postgres" or, where there is none, "nobody".
package pgserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNotInstalled says that no server binaries were found, and what to install.
var ErrNotInstalled = errors.New("no PostgreSQL server binaries found (initdb, postgres) on PATH or in the usual distribution folders; on Debian or Ubuntu: apt-get install postgresql postgresql-client; on Fedora: dnf install postgresql-server; on macOS: brew install postgresql")

// Options of a throwaway server. The zero value is what tests want.
type Options struct {
	Dir      string            // where the cluster goes; "": a temporary folder, removed by Stop
	Settings map[string]string // postgresql.conf settings on top of the defaults
	Template *Template         // what the cluster is a copy of; nil: initdb makes one
}

// Server is a running PostgreSQL on a free loopback port. Its methods may be called
// concurrently.
type Server struct {
	Host     string // 127.0.0.1
	Port     int
	User     string // superuser
	Password string // random, SCRAM-SHA-256
	BinDir   string

	dir    string
	remove bool
	cmd    *exec.Cmd
	done   chan struct{} // closed when the process ended
}

// BinDir finds the folder of initdb and postgres: PATH first, then the distribution
// folders, newest version first. It fails with ErrNotInstalled.
func BinDir() (string, error) {
	candidates := []string{}
	if p, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			candidates = append(candidates, filepath.Dir(real))
		}
		candidates = append(candidates, filepath.Dir(p))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // PGDG on Fedora, RHEL
		"/usr/local/opt/postgresql*/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/pgsql/bin",
	} {
		found, _ := filepath.Glob(pattern)
		sort.Sort(sort.Reverse(sort.StringSlice(found)))
		candidates = append(candidates, found...)
	}
	for _, dir := range candidates {
		// A wrapper script that sits alone on PATH has no share folder beside it.
		if isFile(filepath.Join(dir, "initdb")) && isFile(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", ErrNotInstalled
}

func isFile(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.Mode().IsRegular()
}

// Start makes a cluster and starts it; it returns when the server answers. The
// caller must Stop it.
func Start(ctx context.Context, opts Options) (*Server, error) {
	bin, err := BinDir()
	if err != nil {
		return nil, err
	}
	cred, err := credential()
	if err != nil {
		return nil, err
	}
	s := &Server{Host: "127.0.0.1", User: "postgres", Password: randomHex(16), BinDir: bin, dir: opts.Dir}
	if s.dir == "" {
		base := ""
		if cred != nil && !passable(os.TempDir()) {
			base = "/tmp"
		}
		if s.dir, err = os.MkdirTemp(base, "hoop-pg-"); err != nil {
			return nil, err
		}
		s.remove = true
	} else if err = os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	if err := s.start(ctx, cred, &opts); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// passable reports whether any user may enter a folder: root's own TMPDIR may be closed to the
// server's.
func passable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

func (s *Server) start(ctx context.Context, cred *syscall.Credential, opts *Options) error {
	if cred != nil {
		if err := os.Chown(s.dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(s.dir, "data")
	initdb := func() error { return s.initdb(ctx, cred, data) }
	var err error
	if opts.Template != nil {
		err = opts.Template.put(s, data, cred, initdb)
	} else {
		err = initdb()
	}
	if err != nil {
		return err
	}

	// The port is free when chosen and may be taken when used: a few tries.
	for range 5 {
		if s.Port, err = freePort(); err != nil {
			return err
		}
		s.done = make(chan struct{})
		if err = s.launch(cred, data, opts.Settings); err != nil {
			return err
		}
		if err = s.waitReady(ctx); err == nil || !errors.Is(err, errEnded) {
			return err
		}
	}
	return err
}

func (s *Server) initdb(ctx context.Context, cred *syscall.Credential, data string) error {
	pwfile := filepath.Join(s.dir, "pw")
	if err := os.WriteFile(pwfile, []byte(s.Password+"\n"), 0o600); err != nil {
		return err
	}
	if cred != nil {
		if err := os.Chown(pwfile, int(cred.Uid), int(cred.Gid)); err != nil {
			return err
		}
	}
	initdb := s.command(ctx, cred, "initdb", "-D", data, "-U", s.User, "--pwfile", pwfile,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
	out, err := initdb.CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb in %s: %w: %s", s.dir, err, lastLine(out))
	}
	return os.Remove(pwfile)
}

func (s *Server) launch(cred *syscall.Credential, data string, settings map[string]string) error {
	args := []string{
		"-D", data, "-p", strconv.Itoa(s.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "logging_collector=off", "-c", "max_connections=200",
	}
	for k, v := range settings {
		args = append(args, "-c", k+"="+v)
	}
	cmd := s.command(context.Background(), cred, "postgres", args...)
	// A group of its own, so that Ctrl-C at a terminal reaches us first and we stop it
	// in order.
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr)
	logFile, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	started, done := make(chan error), s.done
	go func() {
		// The thread that starts the server waits for it: see dieWithParent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended stands in its log
			close(done)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.cmd = cmd
	return nil
}

var errEnded = errors.New("postgres ended while starting")

func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.done:
			out, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("%w: %s", errEnded, lastLine(out))
		case <-ctx.Done():
			return fmt.Errorf("wait for postgres on port %d: %w", s.Port, err)
		case <-tick.C:
		}
	}
}

// DSN is a connection URL for database as the superuser, without TLS.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", s.User, s.Password, s.Address(), database)
}

// Exec runs sql, which may be several statements, in database as the superuser.
func (s *Server) Exec(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, s.DSN(database))
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// Address is host:port.
func (s *Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// LogFile is the server's log.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "log") }

// Stop ends the server (fast shutdown, then by force; at once where its folder is a
// temporary one) and removes a temporary folder. It may be called twice. See the PostgreSQL
// manual, chapter "Shutting Down the Server".
func (s *Server) Stop() error {
	if s.cmd != nil && s.cmd.Process != nil {
		how := syscall.SIGINT
		if s.remove {
			how = syscall.SIGQUIT
		}
		_ = s.cmd.Process.Signal(how) // fails only when it has ended
		select {
		case <-s.done:
		case <-time.After(10 * time.Second):
			_ = s.cmd.Process.Signal(syscall.SIGQUIT)
			<-s.done
		}
	}
	if s.remove {
		return os.RemoveAll(s.dir)
	}
	return nil
}

func (s *Server) command(ctx context.Context, cred *syscall.Credential, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.BinDir, name), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	return cmd
}

// credential is who the server runs as: nobody special, unless we are root.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}
