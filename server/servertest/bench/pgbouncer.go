package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

var errNoBouncer = errors.New("not installed (no pgbouncer on PATH)")

// startBouncer starts pgbouncer in session mode, where it is installed.
func startBouncer(ctx context.Context, e *env, delay time.Duration) (_ *path, err error) {
	if delay != 0 {
		return nil, errNotFar
	}
	bin, err := findBouncer()
	if err != nil {
		return nil, err
	}
	p := e.newPath()
	defer func() { err = closeOn(err, p) }()
	dir, err := e.mkdir("pgbouncer")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if err := p.setAddress(addr); err != nil {
		return nil, err
	}
	users := filepath.Join(dir, "users.txt")
	if err := os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", e.user, e.pass), 0o600); err != nil {
		return nil, err
	}
	ini := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(ini, []byte(bouncerINI(e, p, users)), 0o600); err != nil {
		return nil, err
	}
	args := []string{ini}
	if os.Geteuid() == 0 { // it refuses to stay root
		if err := giveAway(dir, ini, users); err != nil {
			return nil, err
		}
		args = []string{"-u", "nobody", ini}
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = clientEnv()
	proc, err := spawn("pooler", cmd)
	if err != nil {
		return nil, err
	}
	p.own(proc)
	return p, awaitPort(ctx, proc, addr)
}

func findBouncer() (string, error) {
	if p, err := exec.LookPath("pgbouncer"); err == nil {
		return p, nil
	}
	const sbin = "/usr/sbin/pgbouncer" // Debian's place, not always on PATH
	if _, err := os.Stat(sbin); err == nil {
		return sbin, nil
	}
	return "", errNoBouncer
}

func bouncerINI(e *env, p *path, users string) string {
	return fmt.Sprintf(`[databases]
%s = host=%s port=%d
[pgbouncer]
listen_addr = %s
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = session
max_client_conn = 2000
default_pool_size = 1000
ignore_startup_parameters = extra_float_digits
server_tls_sslmode = disable
log_connections = 0
log_disconnections = 0
`, p.database, e.pg.Host, e.pg.Port, p.host, p.port, users)
}

// giveAway makes files, and the way to them, readable for nobody.
func giveAway(dir string, files ...string) error {
	u, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	for _, f := range append(files, dir) {
		if err := os.Chown(f, uid, -1); err != nil {
			return err
		}
	}
	// Others may pass through the folder of all paths, not list it.
	return os.Chmod(filepath.Dir(dir), 0o711)
}

// awaitPort returns when addr accepts connections.
func awaitPort(ctx context.Context, proc *process, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		if listens(ctx, addr) {
			return nil
		}
		select {
		case <-proc.done:
			return fmt.Errorf("%s ended before it was ready: %s", proc.name(), proc.errs)
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen at %s: %w", proc.name(), addr, ctx.Err())
		case <-retry.C:
		}
	}
}
