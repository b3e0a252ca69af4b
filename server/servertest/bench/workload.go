package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// The workloads that are not timed runs of each path in each round.
const (
	workMemory   = "mem"
	workDistance = "distance"
	workCLI      = "cli"
)

// workload is what one path does once in a round.
type workload struct {
	name    string
	metrics []metric
	run     func(ctx context.Context, b *bench, p *path) (map[string]float64, error)
}

// metric is one figure of a workload.
type metric struct {
	key   string // in results: name of the workload, a full stop, and the figure
	title string // of its column
	unit  string
}

// The keys' endings. Every workload has cpu: µs of the path's processes for each
// transaction, or ms for each MB.
const (
	tps   = ".tps"
	cpu   = ".cpu"
	p50   = ".p50"   // µs
	p99   = ".p99"   // µs
	rate  = ".rate"  // MB/s
	first = ".first" // ms to the first kilobyte
)

func workloads() []workload {
	var all []workload
	for _, m := range []struct{ letter, mode string }{{"S", "simple"}, {"X", "extended"}, {"P", "prepared"}} {
		for _, clients := range []int{1, 8, 32} {
			all = append(all, pgbenchWork(fmt.Sprintf("%s%d", m.letter, clients), pgbenchRun{mode: m.mode, selects: true, clients: clients}))
		}
	}
	return append(all,
		pgbenchWork("T8", pgbenchRun{mode: "simple", clients: 8}),
		pgbenchWork("C8", pgbenchRun{mode: "simple", selects: true, reconnect: true, clients: 8}),
		latencyWork(),
		drainWork("drain", "first", plainRows),
		drainWork("maskdrain", "maskfirst", maskedRows),
	)
}

// workloadNames are all that -workloads knows.
func workloadNames() []string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	return append(names, workMemory, workDistance, workCLI, workCut)
}

func pgbenchWork(name string, r pgbenchRun) workload {
	return workload{
		name: name, metrics: []metric{{name + tps, name, "transactions/s"}},
		run: func(ctx context.Context, b *bench, p *path) (map[string]float64, error) {
			var out pgbenchResult
			used, err := p.using(func() (err error) {
				out, err = r.run(ctx, b.pgbench, p, b.opts.Seconds)
				return err
			})
			if err != nil {
				return nil, err
			}
			return map[string]float64{name + tps: out.TPS, name + cpu: used.per(float64(out.Transactions))}, nil
		},
	}
}

func latencyWork() workload {
	const name = "L1"
	return workload{
		name: name, metrics: []metric{{name + p50, "L1 p50", "µs"}, {name + p99, "L1 p99", "µs"}},
		run: func(ctx context.Context, b *bench, p *path) (map[string]float64, error) {
			length := time.Duration(b.opts.Seconds) * time.Second
			c, cancel, err := connectFor(ctx, p, length+runTime)
			if err != nil {
				return nil, err
			}
			defer cancel()
			var all []time.Duration
			used, err := p.using(func() (err error) {
				all, err = c.latencies(accounts*b.opts.Scale, length)
				return err
			})
			if err != nil {
				return nil, err
			}
			return map[string]float64{
				name + p50: micro(percentile(all, 0.5)), name + p99: micro(percentile(all, 0.99)),
				name + cpu: used.per(float64(len(all))),
			}, nil
		},
	}
}

func drainWork(name, firstName, sql string) workload {
	return workload{
		name: name, metrics: []metric{{name + rate, name, "MB/s"}, {name + first, firstName, "ms"}},
		run: func(ctx context.Context, b *bench, p *path) (map[string]float64, error) {
			var d drained
			used, err := p.using(func() (err error) {
				d, err = drainOnce(ctx, p, sql)
				return err
			})
			if err != nil {
				return nil, err
			}
			if d.rows != int64(b.opts.Rows) {
				return nil, fmt.Errorf("%d rows came, not %d", d.rows, b.opts.Rows)
			}
			mb := b.megabytes(d)
			return map[string]float64{
				name + rate: mb / d.total.Seconds(), name + first: micro(d.first) / 1e3, name + cpu: used.per(mb * 1e3),
			}, nil
		},
	}
}

// runTime bounds a run beyond its own length.
const runTime = 2 * time.Minute

// connectFor connects for at most that long; cancel closes the connection.
func connectFor(ctx context.Context, p *path, length time.Duration) (*client, func(), error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	c, err := connect(ctx, p)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return c, func() { c.Close(); cancel() }, nil
}

// drainOnce reads one result through a connection of its own.
func drainOnce(ctx context.Context, p *path, sql string) (drained, error) {
	c, cancel, err := connectFor(ctx, p, runTime)
	if err != nil {
		return drained{}, err
	}
	defer cancel()
	return c.drain(sql)
}

// spent is CPU time; of a path without processes of its own it is -1.
type spent time.Duration

// per is s over n in µs; NaN where there is none.
func (s spent) per(n float64) float64 {
	if s < 0 {
		return math.NaN()
	}
	return micro(time.Duration(s)) / n
}

// using is the CPU time that the path's processes use while f runs.
func (p *path) using(f func() error) (spent, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	if len(p.processes) == 0 {
		return -1, nil
	}
	after, err := p.cpu()
	return spent(after - before), err
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
