package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/hoopctl/hoopctl/server/pgserver"
)

// The paths' names.
const (
	pathDirect  = "direct"
	pathTLS     = "relay-tls"
	pathYamux   = "relay-yamux"
	pathBouncer = "pgbouncer"
	pathBatched = "hoop-batched"
	pathStrict  = "hoop-strict"
	pathDetect  = "hoop-detect"
	pathReuse   = "hoop-reuse"
	pathOneHash = "hoop-reuse-1" // and one round of SCRAM

	// The same on a disk whose fsync takes slowFsync.
	pathBatchedSlow = "hoop-batched-1ms"
	pathStrictSlow  = "hoop-strict-1ms"
)

// slowFsync makes record: strict comparable between machines.
const slowFsync = time.Millisecond

// starter makes a path ready for clients. With a delay, all between its two ends is
// late by that, each way; a path without two ends refuses.
type starter func(ctx context.Context, e *env, delay time.Duration) (*path, error)

// kind is a path that can be measured.
type kind struct {
	name  string
	what  string
	start starter
	far   bool     // is measured with 20 ms between its two ends, too
	extra bool     // only when asked for
	only  []string // the workloads that it is for; nil: all
}

// runs reports whether the path is measured with that workload.
func (k kind) runs(workload string) bool { return k.only == nil || slices.Contains(k.only, workload) }

func kinds() []kind {
	return []kind{
		{name: pathDirect, what: "nothing between client and PostgreSQL", start: startDirect},
		{name: pathTLS, what: "two processes that copy, a TLS 1.3 connection for each client", start: startRelay(false), far: true},
		{name: pathYamux, what: "two processes that copy, default yamux in one TLS 1.3 connection", start: startRelay(true), far: true},
		{name: pathBouncer, what: "pgbouncer in session mode", start: startBouncer},
		{name: pathBatched, what: "hoopctl and hoop-gateway, record: batched", start: startHoop(hoopOptions{record: "batched"}), far: true},
		{name: pathStrict, what: "hoopctl and hoop-gateway, record: strict", start: startHoop(hoopOptions{record: "strict"})},
		{name: pathReuse, what: "as hoop-batched, connections to PostgreSQL are used again", start: startHoop(hoopOptions{record: "batched", reuse: true}), only: []string{"C8"}},
		{name: pathOneHash, what: "as hoop-reuse, hoopctl connect --scram-iterations 1", start: startHoop(hoopOptions{record: "batched", reuse: true, rounds: 1}), only: []string{"C8"}},
		{name: pathBatchedSlow, what: "as hoop-batched, an fsync takes 1 ms", start: startHoop(hoopOptions{record: "batched", fsync: slowFsync}), only: slowWorkloads()},
		{name: pathStrictSlow, what: "as hoop-strict, an fsync takes 1 ms", start: startHoop(hoopOptions{record: "strict", fsync: slowFsync}), only: slowWorkloads()},
		{name: pathDetect, what: "as hoop-batched, detectors on every text value", start: startHoop(hoopOptions{record: "batched", detect: true}), extra: true},
	}
}

// slowWorkloads are those that tell what waiting for the disk costs.
func slowWorkloads() []string { return []string{"P32", "L1"} }

func pathNames() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

func defaultPaths() []string {
	var names []string
	for _, k := range kinds() {
		if !k.extra {
			names = append(names, k.name)
		}
	}
	return names
}

// env is what paths are made from: the database and a folder for what they write.
type env struct {
	dir  string // empty folders of it are the paths' own
	bin  string // of hoopctl and hoop-gateway
	pg   *pgserver.Server
	user string // role of all clients; hoop-gateway's credential
	pass string
	made int // folders
}

// mkdir makes a new folder.
func (e *env) mkdir(name string) (string, error) {
	e.made++
	dir := filepath.Join(e.dir, fmt.Sprintf("%s-%d", name, e.made))
	return dir, os.Mkdir(dir, 0o700)
}

// path is one way to the database, open for clients.
type path struct {
	host           string
	port           int
	user, password string
	database       string
	processes      []*process // its own; not PostgreSQL, not the clients
	masks          bool       // the masked columns of the masked table are
	closers        []io.Closer
}

// newPath leads to PostgreSQL itself.
func (e *env) newPath() *path {
	return &path{host: e.pg.Host, port: e.pg.Port, user: e.user, password: e.pass, database: database}
}

func startDirect(_ context.Context, e *env, delay time.Duration) (*path, error) {
	if delay != 0 {
		return nil, errNotFar
	}
	return e.newPath(), nil
}

var errNotFar = errors.New("this path has no two ends that could be apart")

// own makes proc part of p.
func (p *path) own(proc *process) { p.processes = append(p.processes, proc) }

// delayed puts a relay with delay in front of addr, when there is one.
func (p *path) delayed(addr string, delay time.Duration) (string, error) {
	if delay == 0 {
		return addr, nil
	}
	d, err := newDelayRelay(addr, delay)
	if err != nil {
		return "", err
	}
	p.closers = append(p.closers, d)
	return d.Addr(), nil
}

func (p *path) setAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	p.host = host
	p.port, err = strconv.Atoi(port)
	return err
}

// Close stops the path's processes, those nearest to the client first.
func (p *path) Close() error {
	var errs []error
	for _, proc := range slices.Backward(p.processes) {
		errs = append(errs, proc.stop())
	}
	for _, c := range p.closers {
		errs = append(errs, c.Close())
	}
	p.processes, p.closers = nil, nil
	return errors.Join(errs...)
}

// closeOn closes p when it could not be made.
func closeOn(err error, p *path) error {
	if err == nil {
		return nil
	}
	return errors.Join(err, p.Close())
}

// cpu is the CPU time of the path's processes so far.
func (p *path) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, proc := range p.processes {
		t, err := cpuTime(proc.cmd.Process.Pid)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", proc.name(), err)
		}
		sum += t
	}
	return sum, nil
}

// memory is the resident memory of the processes with that role ("": all) and the
// peak since resetPeak, in bytes.
func (p *path) memory(role string) (now, peak int64, err error) {
	for _, proc := range p.processes {
		if role != "" && proc.role != role {
			continue
		}
		n, h, err := resident(proc.cmd.Process.Pid)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", proc.name(), err)
		}
		now, peak = now+n, peak+h
	}
	return now, peak, nil
}

func (p *path) resetPeak() error {
	for _, proc := range p.processes {
		if err := resetPeak(proc.cmd.Process.Pid); err != nil {
			return fmt.Errorf("%s: %w", proc.name(), err)
		}
	}
	return nil
}

// listens reports whether addr accepts connections.
func listens(ctx context.Context, addr string) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
