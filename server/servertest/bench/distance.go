package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// oneWay is the delay each way of the distance workload.
const oneWay = 10 * time.Millisecond

// Metrics of the distance workload.
const (
	farRate    = "distance.rate"    // MB/s of one stream
	farStalled = "distance.stalled" // the same beside a stream whose reader stands still
	farConnect = "distance.connect" // ms until a new connection is ready
	farTrips   = "distance.trips"   // round trips of it: what it takes longer than near by, over 20 ms
)

// farRows bounds what one stream reads: 30 MB take 3 s at 10 MB/s.
const farRows = 300_000

// distance starts the paths that have two ends again, 20 ms apart, and measures them in
// rounds. The paths near by are still open.
func (b *bench) distance(ctx context.Context) {
	far := map[string]*path{}
	defer func() {
		for name, p := range far {
			b.note(name, workDistance, p.Close())
		}
	}()
	for _, k := range b.ready() {
		if !k.far {
			continue
		}
		say("start 20 ms away: %s", k.name)
		p, err := b.open(ctx, k, oneWay)
		if err != nil {
			b.note(k.name, workDistance, err)
			continue
		}
		far[k.name] = p
	}
	for round := range b.opts.Rounds {
		say("round %d of %d: %s", round+1, b.opts.Rounds, workDistance)
		for _, k := range b.ready() {
			if p := far[k.name]; p != nil && ctx.Err() == nil {
				b.note(k.name, workDistance, b.distanceRound(ctx, round, k.name, p))
			}
		}
	}
}

func (b *bench) distanceRound(ctx context.Context, round int, name string, far *path) error {
	near, err := connectTime(ctx, b.paths[name])
	if err != nil {
		return err
	}
	away, err := connectTime(ctx, far)
	if err != nil {
		return err
	}
	b.results.set(name, farConnect, round, micro(away)/1e3)
	b.results.set(name, farTrips, round, float64(away-near)/float64(2*oneWay))
	alone, err := b.farRate(ctx, far)
	if err != nil {
		return err
	}
	b.results.set(name, farRate, round, alone)
	c, cancel, err := connectFor(ctx, far, runTime)
	if err != nil {
		return err
	}
	defer cancel()
	if err := c.stall(plainRows); err != nil {
		return err
	}
	beside, err := b.farRate(ctx, far)
	if err != nil {
		return err
	}
	b.results.set(name, farStalled, round, beside)
	return nil
}

func (b *bench) farRate(ctx context.Context, p *path) (float64, error) {
	d, err := drainOnce(ctx, p, fmt.Sprintf("%s LIMIT %d", plainRows, min(farRows, b.opts.Rows)))
	if err != nil {
		return 0, err
	}
	return b.megabytes(d) / d.total.Seconds(), nil
}

func connectTime(ctx context.Context, p *path) (time.Duration, error) {
	begin := time.Now()
	_, cancel, err := connectFor(ctx, p, runTime)
	if err != nil {
		return 0, err
	}
	took := time.Since(begin)
	cancel()
	return took, nil
}

// Metrics of the command line, of "paths" that are the programs' names.
const (
	progClient  = "hoopctl"
	progGateway = "hoop-gateway"

	cliCPU  = "cli.cpu"  // ms, user and system time of `hoopctl version`
	cliWall = "cli.wall" // ms
	cliSize = "cli.size" // MB of the program
)

// cliRuns is how often `hoopctl version` is run.
const cliRuns = 15

func (b *bench) commandLine(ctx context.Context) {
	for _, name := range []string{progClient, progGateway} {
		file := filepath.Join(b.env.bin, name)
		st, err := os.Stat(file)
		if err != nil {
			b.note(name, workCLI, err)
			continue
		}
		b.results.set(name, cliSize, 0, float64(st.Size())/1e6)
		if name == progClient {
			b.note(name, workCLI, b.versionTimes(ctx, name, file))
		}
	}
}

func (b *bench) versionTimes(ctx context.Context, name, file string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	var errs []error
	for i := range cliRuns {
		cmd := exec.Command(file, "version")
		cmd.Env = clientEnv("HOOPCTL_CONFIG_DIR=" + b.env.dir)
		begin := time.Now()
		if _, err := run(ctx, cmd); err != nil {
			errs = append(errs, err)
			break
		}
		b.results.set(name, cliWall, i, micro(time.Since(begin))/1e3)
		b.results.set(name, cliCPU, i, micro(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())/1e3)
	}
	return errors.Join(errs...)
}
