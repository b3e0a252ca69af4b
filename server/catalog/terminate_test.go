package catalog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Backends end that are asked for, together where they are; no other one does, also where it
// has the process id that somebody asks for.
func TestTerminate(t *testing.T) {
	db, watch := database(t, "")
	c := newCatalog(t, db, Options{})
	var conns [4]*pgx.Conn
	for i := range conns {
		var err error
		if conns[i], err = pgx.Connect(t.Context(), server.DSN(db)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conns[i].Close(context.Background()) })
	}
	at := func(i int) net.Addr { return conns[i].PgConn().Conn().LocalAddr() }
	pid := func(i int) uint32 { return conns[i].PgConn().PID() }
	if err := c.Terminate(t.Context(), pid(3), at(0)); !errors.Is(err, ErrNoBackend) {
		t.Errorf("another's port: %v", err)
	}
	if err := c.Terminate(t.Context(), pid(3), &net.UnixAddr{Name: "/tmp/s", Net: "unix"}); !errors.Is(err, ErrNoBackend) {
		t.Errorf("a socket without ports: %v", err)
	}
	<-c.work // the database is being asked something
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			if err := c.Terminate(t.Context(), pid(i), at(i)); err != nil {
				t.Error(err)
			}
		})
	}
	brief, stop := context.WithCancelCause(t.Context())
	stop(errClosed)
	if err := c.Terminate(brief, pid(3), at(0)); !errors.Is(err, errClosed) {
		t.Errorf("who waits no longer: %v", err)
	}
	c.work <- struct{}{}
	all.Wait()
	for i := range 3 {
		if err := conns[i].Ping(t.Context()); err == nil {
			t.Errorf("%d lives", i)
		}
	}
	if err := conns[3].Ping(t.Context()); err != nil {
		t.Error(err)
	}
	// The connection for it is lost, and made anew.
	mustExec(t, watch, fmt.Sprintf("select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = current_database() and pid not in (pg_backend_pid(), %d)", pid(3)))
	if err := c.Terminate(t.Context(), pid(3), at(3)); err != nil || conns[3].Ping(t.Context()) == nil {
		t.Errorf("the last one lives: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Terminate(t.Context(), pid(3), at(3)); !errors.Is(err, errClosed) {
		t.Errorf("closed: %v", err)
	}
}
