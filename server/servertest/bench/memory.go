package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Metrics of the memory workload. Each is of a path that was started for it and had
// a few clients before.
const (
	memIdle    = "mem.idle"    // MiB, all processes
	memConns   = "mem.conns"   // MiB, with that many idle connections more
	memEach    = "mem.each"    // KiB for each of them, both ends together
	memDrain   = "mem.drain"   // MiB, peak while the masked result is read
	memStalled = "mem.stalled" // MiB, peak while its reader stands still
	memGrown   = "mem.gateway-drain-over-idle"
	memHeld    = "mem.gateway-stalled-over-idle" // MiB, of the gateway's end alone
)

const (
	stallTime  = 3 * time.Second
	settleTime = 20 * time.Second // at most
	steadyTime = 2 * time.Second  // without growth is enough
	steadyBy   = 512 << 10        // bytes
)

// warmClients connect at once before memory is looked at, so that workers which start
// by need have started.
const warmClients = 8

func (b *bench) memory(ctx context.Context, k kind) {
	b.note(k.name, workMemory, b.fresh(ctx, k, func(p *path) error { return b.idleMemory(ctx, k.name, p) }))
	b.note(k.name, workMemory, b.fresh(ctx, k, func(p *path) error { return b.peakMemory(ctx, k.name, p) }))
}

// fresh runs f with a path that nothing ran through before; not with one that has no
// processes of its own.
func (b *bench) fresh(ctx context.Context, k kind, f func(*path) error) error {
	if k.name == pathDirect {
		return nil
	}
	p, err := b.open(ctx, k, 0)
	if err != nil {
		return err
	}
	clients, err := connectMany(ctx, p, warmClients)
	closeAll(clients)
	if err == nil {
		err = f(p)
	}
	return errors.Join(err, p.Close())
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.Close()
	}
}

func (b *bench) idleMemory(ctx context.Context, name string, p *path) error {
	idle, err := settled(ctx, p, "")
	if err != nil {
		return err
	}
	b.results.set(name, memIdle, 0, mib(idle))
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	clients, err := connectMany(ctx, p, b.opts.Idle)
	defer func() { closeAll(clients) }()
	if err != nil {
		return fmt.Errorf("%d idle connections: %w", b.opts.Idle, err)
	}
	full, err := settled(ctx, p, "")
	if err != nil {
		return err
	}
	b.results.set(name, memConns, 0, mib(full))
	b.results.set(name, memEach, 0, float64(full-idle)/(1<<10)/float64(b.opts.Idle))
	return nil
}

func (b *bench) peakMemory(ctx context.Context, name string, p *path) error {
	idle, err := settled(ctx, p, "gateway")
	if err != nil {
		return err
	}
	for _, m := range []struct {
		all, gateway string
		run          func() error
	}{
		{memDrain, memGrown, func() error { _, err := drainOnce(ctx, p, maskedRows); return err }},
		{memStalled, memHeld, func() error { return stallOnce(ctx, p) }},
	} {
		if err := p.resetPeak(); err != nil {
			return err
		}
		if err := m.run(); err != nil {
			return err
		}
		_, all, err := p.memory("")
		if err != nil {
			return err
		}
		_, gateway, err := p.memory("gateway")
		if err != nil {
			return err
		}
		b.results.set(name, m.all, 0, mib(all))
		if gateway > 0 {
			b.results.set(name, m.gateway, 0, mib(gateway-idle))
		}
	}
	return nil
}

// connectMany opens n connections, eight at a time.
func connectMany(ctx context.Context, p *path, n int) ([]*client, error) {
	var mu sync.Mutex // guards what follows
	var clients []*client
	var failed error
	next := make(chan struct{}, n)
	for range n {
		next <- struct{}{}
	}
	close(next)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range next {
				c, err := connect(ctx, p)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					c.buf = nil // ours, not the path's
					clients = append(clients, c)
				}
				stop := failed != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	return clients, failed
}

// stallOnce reads a little of a large result, then nothing for stallTime.
func stallOnce(ctx context.Context, p *path) error {
	c, cancel, err := connectFor(ctx, p, runTime)
	if err != nil {
		return err
	}
	defer cancel()
	if err := c.stall(maskedRows); err != nil {
		return err
	}
	return wait(ctx, stallTime)
}

// settled is the memory once it has stopped growing, in bytes. A path that never does is
// taken as it is after settleTime.
func settled(ctx context.Context, p *path, role string) (int64, error) {
	const pause = 250 * time.Millisecond
	high, still := int64(0), time.Duration(0)
	for waited := time.Duration(0); ; waited += pause {
		now, _, err := p.memory(role)
		if err != nil {
			return 0, err
		}
		if still += pause; now > high+steadyBy {
			high, still = now, 0
		}
		if still >= steadyTime || waited >= settleTime {
			return now, nil
		}
		if err := wait(ctx, pause); err != nil {
			return 0, err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
