package main

import (
	"net"
	"sync"
	"time"
)

// delayRelay passes bytes on after a delay, each way, as distance does. Connections to
// it are accepted at once, so the round trip of TCP's own handshake is missing.
type delayRelay struct {
	l     net.Listener
	to    string
	delay time.Duration

	mu    sync.Mutex
	conns map[net.Conn]bool // nil when closed
	work  sync.WaitGroup
}

// delayQueue bounds what is on its way in one direction: 1,024 chunks of at most 64 KiB
// are 64 MiB, six times what 10 ms hold at 1 GB/s.
const (
	delayQueue = 1024
	delayChunk = 64 << 10
)

func newDelayRelay(to string, delay time.Duration) (*delayRelay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &delayRelay{l: l, to: to, delay: delay, conns: map[net.Conn]bool{}}
	d.work.Go(d.accept)
	return d, nil
}

// Addr is where it listens.
func (d *delayRelay) Addr() string { return d.l.Addr().String() }

// Close ends it and all connections, and waits.
func (d *delayRelay) Close() error {
	err := d.l.Close()
	d.mu.Lock()
	for c := range d.conns {
		c.Close()
	}
	d.conns = nil
	d.mu.Unlock()
	d.work.Wait()
	return err
}

func (d *delayRelay) accept() {
	for {
		c, err := d.l.Accept()
		if err != nil {
			return
		}
		d.work.Go(func() { d.carry(c) })
	}
}

func (d *delayRelay) carry(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", d.to)
	if err != nil {
		return
	}
	defer up.Close()
	if !d.keep(c, up) {
		return
	}
	defer d.forget(c, up)
	var wg sync.WaitGroup
	wg.Go(func() { d.pump(c, up) })
	d.pump(up, c)
	wg.Wait()
}

// pump copies from one side to the other, each chunk delay after it came. When either
// ends it closes both, the far one only after the last chunk.
func (d *delayRelay) pump(to, from net.Conn) {
	type chunk struct {
		due time.Time
		b   []byte
	}
	queue := make(chan chunk, delayQueue)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer to.Close()
		var err error
		for c := range queue {
			if err != nil {
				continue
			}
			time.Sleep(time.Until(c.due))
			if _, err = to.Write(c.b); err != nil {
				from.Close() // ends the loop below
			}
		}
	})
	for {
		b := make([]byte, delayChunk)
		n, err := from.Read(b)
		if n > 0 {
			queue <- chunk{time.Now().Add(d.delay), b[:n]}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	wg.Wait()
}

func (d *delayRelay) keep(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conns == nil {
		return false
	}
	for _, c := range conns {
		d.conns[c] = true
	}
	return true
}

func (d *delayRelay) forget(conns ...net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		delete(d.conns, c)
	}
}
