package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// bench is one run of the tool.
type bench struct {
	opts    options
	env     *env
	pgbench string
	wide    drained          // the plain table's whole result, read directly
	paths   map[string]*path // open now
	results results
	meta    meta
}

// meta is what must be known to read the figures.
type meta struct {
	Date       time.Time `json:"date"`
	CPUs       int       `json:"cpus"`
	Go         string    `json:"go"`
	PostgreSQL string    `json:"postgresql"`
	LoadBefore string    `json:"load_before"`
	LoadAfter  string    `json:"load_after"`
	Gateway    string    `json:"gateway"`  // what its program says, which may be older than the source
	FsyncMicro float64   `json:"fsync_us"` // of the folder that recordings go to
}

// newBench starts PostgreSQL and fills it. The caller must Close it.
func newBench(ctx context.Context, opts options) (_ *bench, err error) {
	b := &bench{opts: opts, env: &env{user: role, pass: randomHex(16)}, paths: map[string]*path{}, results: results{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.pgbench, err = findPgbench(); err != nil {
		return nil, err
	}
	if b.env.bin, err = filepath.Abs(opts.Bin); err != nil {
		return nil, err
	}
	b.meta = meta{Date: time.Now().UTC(), CPUs: runtime.NumCPU(), Go: runtime.Version(), LoadBefore: loadAverage(), Gateway: gatewayVersion(ctx, b.env.bin)}
	if b.env.dir, err = os.MkdirTemp("", "hoop-bench-"); err != nil {
		return nil, err
	}
	if b.meta.FsyncMicro, err = fsyncTime(b.env.dir); err != nil {
		return nil, err
	}
	say("PostgreSQL: start, pgbench -i at scale %d, 2 tables of %d rows", opts.Scale, opts.Rows)
	if b.env.pg, err = startServer(ctx, opts); err != nil {
		return nil, err
	}
	if b.meta.PostgreSQL, err = serverVersion(ctx, b.env); err != nil {
		return nil, err
	}
	if err := load(ctx, b.env, b.pgbench, opts); err != nil {
		return nil, err
	}
	b.wide, err = drainOnce(ctx, b.env.newPath(), plainRows)
	return b, err
}

// Close stops everything and removes the folder.
func (b *bench) Close() error {
	err := b.closePaths()
	if b.env.pg != nil {
		err = errors.Join(err, b.env.pg.Stop())
	}
	if b.env.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.env.dir))
	}
	return err
}

func (b *bench) closePaths() error {
	var errs []error
	for name, p := range b.paths {
		errs = append(errs, p.Close())
		delete(b.paths, name)
	}
	return errors.Join(errs...)
}

// run measures everything that was asked for. What fails for one path is noted and
// the rest goes on.
func (b *bench) run(ctx context.Context) error {
	if b.wants(workCLI) {
		b.commandLine(ctx)
	}
	if b.wants(workCut) {
		b.cuts(ctx)
	}
	if b.wants(workMemory) {
		for _, k := range b.kinds() {
			if !k.runs(workMemory) {
				continue
			}
			say("%s: %s", workMemory, k.name)
			b.memory(ctx, k)
		}
	}
	for _, k := range b.kinds() {
		say("start: %s", k.name)
		p, err := b.open(ctx, k, 0)
		if err != nil {
			b.note(k.name, "start", err)
			continue
		}
		b.paths[k.name] = p
	}
	for round := range b.opts.Rounds {
		if err := b.round(ctx, round); err != nil {
			return err
		}
	}
	if b.wants(workDistance) {
		b.distance(ctx)
	}
	b.meta.LoadAfter = loadAverage()
	return errors.Join(ctx.Err(), b.closePaths())
}

// round runs each workload over all paths, one after the other, beginning with another
// path in each round.
func (b *bench) round(ctx context.Context, round int) error {
	open := b.ready()
	for _, w := range workloads() {
		if !b.wants(w.name) {
			continue
		}
		say("round %d of %d: %s", round+1, b.opts.Rounds, w.name)
		for i := range open {
			k := open[(i+round)%len(open)]
			if !k.runs(w.name) {
				continue
			}
			figures, err := w.run(ctx, b, b.paths[k.name])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			b.note(k.name, w.name, err)
			for key, v := range figures {
				b.results.set(k.name, key, round, v)
			}
		}
	}
	return nil
}

// open starts a path and makes sure that it is what it should be.
func (b *bench) open(ctx context.Context, k kind, delay time.Duration) (*path, error) {
	p, err := k.start(ctx, b.env, delay)
	if err != nil {
		return nil, err
	}
	return p, closeOn(check(ctx, p), p)
}

// kinds are the paths that were asked for.
func (b *bench) kinds() []kind {
	return slices.DeleteFunc(kinds(), func(k kind) bool { return !slices.Contains(b.opts.Paths, k.name) })
}

// ready are those of them that are open.
func (b *bench) ready() []kind {
	return slices.DeleteFunc(b.kinds(), func(k kind) bool { return b.paths[k.name] == nil })
}

func (b *bench) wants(workload string) bool { return slices.Contains(b.opts.Workloads, workload) }

// note keeps err for the report, once for each path and workload.
func (b *bench) note(path, workload string, err error) {
	if err == nil {
		return
	}
	say("%s: %s: %v", path, workload, err)
	b.results.fail(path, workload, err)
}

// megabytes is how much of the plain result d is: its rows as PostgreSQL sends them,
// whatever a mask has made of them, so that rates of paths compare.
func (b *bench) megabytes(d drained) float64 {
	return float64(b.wide.bytes) * float64(d.rows) / float64(b.wide.rows) / 1e6
}

// results are all figures: by path, by metric, by round.
type results struct {
	values   map[string]map[string]series
	failures []failure
}

// failure is what could not be measured.
type failure struct {
	Path     string `json:"path"`
	Workload string `json:"workload"`
	Error    string `json:"error"` // of the first time
	Times    int    `json:"times"`
}

func (r *results) set(path, key string, round int, v float64) {
	if r.values == nil {
		r.values = map[string]map[string]series{}
	}
	if r.values[path] == nil {
		r.values[path] = map[string]series{}
	}
	s := r.values[path][key]
	s.set(round, v)
	r.values[path][key] = s
}

// get is empty where nothing was measured.
func (r *results) get(path, key string) series { return r.values[path][key] }

func (r *results) fail(path, workload string, err error) {
	for i, f := range r.failures {
		if f.Path == path && f.Workload == workload {
			r.failures[i].Times++
			return
		}
	}
	r.failures = append(r.failures, failure{path, workload, err.Error(), 1})
}

// fsyncTime is the median time of an fsync in dir, in µs.
func fsyncTime(dir string) (float64, error) {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return math.NaN(), err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var times series
	for i := range 20 {
		if _, err := f.WriteString(strings.Repeat("x", 4<<10)); err != nil {
			return math.NaN(), err
		}
		begin := time.Now()
		if err := f.Sync(); err != nil {
			return math.NaN(), err
		}
		times.set(i, micro(time.Since(begin)))
	}
	return times.sum().Median, nil
}

// say tells on standard error what happens.
// gatewayVersion is what the program to be measured calls itself; "none" where there is none.
func gatewayVersion(ctx context.Context, bin string) string {
	out, err := exec.CommandContext(ctx, filepath.Join(bin, progGateway), "version").Output()
	if err != nil {
		return "none"
	}
	return strings.TrimSpace(string(out))
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }
