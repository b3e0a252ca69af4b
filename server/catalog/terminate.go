package catalog

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoBackend is for a backend that the database does not show: it has ended, another account
// owns it, or it lies behind something that changes addresses.
var ErrNoBackend = errors.New("the database shows no such backend")

// terminateTime bounds ending backends.
const terminateTime = 5 * time.Second

// ending is a backend that is to end.
type ending struct {
	pid  uint32
	port int        // where its client's connection comes from
	err  chan error // gets one value
}

// Terminate ends the backend of a connection from the address at, by pg_terminate_backend
// (PostgreSQL manual, Server Signaling Functions), which code cannot trap as it can a cancel
// (query_canceled in PL/pgSQL): it is signalled when Terminate returns. ctx bounds how long it
// waits for other questions to the database; those that are asked for meanwhile go together.
func (c *Catalog) Terminate(ctx context.Context, backend uint32, at net.Addr) error {
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return ErrNoBackend
	}
	e := &ending{pid: backend, port: tcp.Port, err: make(chan error, 1)}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.endings = append(c.endings, e)
		c.pollLocked() // it ends the connection that this may make
	}
	c.mu.Unlock()
	if closed {
		return errClosed
	}
	select {
	case err := <-e.err:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.work:
		defer func() { c.work <- struct{}{} }()
	}
	c.mu.Lock()
	all := c.endings
	c.endings, closed = nil, c.closed
	c.mu.Unlock()
	if closed {
		return errClosed
	}
	if len(all) > 0 {
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), terminateTime)
		defer cancel()
		was := c.conn
		met, err := c.terminate(asking, all)
		if err != nil && was != nil {
			met, err = c.terminate(asking, all) // that one was lost
		}
		for _, e := range all {
			if err == nil && !met[e.pid] {
				e.err <- ErrNoBackend
			} else {
				e.err <- err
			}
		}
	}
	return <-e.err // whoever took it has answered
}

// terminate signals backends, and tells which the database knows. The caller holds the work token.
func (c *Catalog) terminate(ctx context.Context, all []*ending) (met map[uint32]bool, err error) {
	var pids []int64
	var ports []int32
	for _, e := range all {
		pids, ports = append(pids, int64(e.pid)), append(ports, int32(e.port))
	}
	if err := c.connected(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = c.disconnect() // its state is not known any more
		}
	}()
	const sql = `select a.pid, pg_catalog.pg_terminate_backend(a.pid)
		from rows from (pg_catalog.unnest($1::pg_catalog.int8[]), pg_catalog.unnest($2::pg_catalog.int4[])) as e (pid, port)
		join pg_catalog.pg_stat_activity a on a.pid operator(pg_catalog.=) e.pid and a.client_port operator(pg_catalog.=) e.port`
	rows, err := c.conn.Query(ctx, sql, pids, ports)
	if err != nil {
		return nil, err
	}
	met = map[uint32]bool{}
	var pid int64
	var signalled bool
	_, err = pgx.ForEachRow(rows, []any{&pid, &signalled}, func() error {
		met[uint32(pid)] = met[uint32(pid)] || signalled // it may have been asked for twice
		return nil
	})
	return met, err
}
