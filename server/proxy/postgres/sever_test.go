package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/session"
)

var errOver = hoop.Errorf(hoop.CodeRevoked, "the grant for pg was revoked").WithHint("hoopctl request pg")

// only gives the one connection that the gateway serves.
func (g *gateway) only() *conn {
	g.t.Helper()
	g.proxy.live.mu.Lock()
	defer g.proxy.live.mu.Unlock()
	for _, same := range g.proxy.live.conns {
		return same[0]
	}
	g.t.Fatal("there is no connection")
	return nil
}

// From the moment the session has ended nothing passes, in either direction, also where
// the goroutines of the connection have not heard of it yet.
func TestSever_NothingPassesOnceTheSessionHasEnded(t *testing.T) {
	g := setup(t, "create table n (i int)")
	g.connect()
	c := g.only()
	g.grants.end(errOver)
	if err := c.write([]byte("Q\x00\x00\x00\x1einsert into n values (1)\x00")); !errors.Is(err, errOver) {
		t.Errorf("to the target: %v", err)
	}
	c.writing.Lock()
	err := c.writeLocked([]byte("Z\x00\x00\x00\x05I"))
	c.writing.Unlock()
	if !errors.Is(err, errOver) && !errors.Is(err, errInterrupted) {
		t.Errorf("to the client: %v", err)
	}
	if err := g.ended(); !errors.Is(err, errOver) {
		t.Errorf("Serve: %v", err)
	}
}

// Sessions that are cut at once: whatever each does, its client is told why, and its
// process at the target ends.
func TestSever_Crowd(t *testing.T) {
	g := setup(t, "create table n (i int)")
	watch := g.direct()
	does := []string{"", "select pg_sleep(600)", "copy n from stdin", wideSeries, "begin; insert into n values (1)"}
	var told sync.WaitGroup
	for i := range 4 * len(does) {
		c := rawConn(t, g.dsn())
		sql := does[i%len(does)]
		if sql != "" {
			c.Frontend.Send(query(sql))
			check(t, c.Frontend.Flush())
		}
		if sql == wideSeries {
			continue
		}
		told.Go(func() {
			for {
				m, err := c.Frontend.Receive()
				e, failed := m.(*pgproto3.ErrorResponse)
				if err != nil || failed {
					if err != nil || e.Code != "57P01" || e.Severity != "FATAL" || e.Message != errOver.Message {
						t.Errorf("%q: got %+v, %v", sql, m, err)
					}
					return
				}
			}
		})
	}
	eventually(t, "they do what they should", func() bool {
		return g.stalled(watch) == 4 && g.backends(watch, "select pg_sleep") == 4 && g.backends(watch, "copy n") == 4 && g.atRest(watch) == 8
	})
	g.grants.end(errOver)
	told.Wait()
	eventually(t, "their processes end", func() bool { return g.backends(watch, "")+g.atRest(watch) == 0 })
	var rows int
	if err := watch.QueryRow(t.Context(), "select count(*) from n").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows were committed, %v", rows, err)
	}
}

// A COPY whose rows are computed with does not see the end of its connection: it is cancelled.
func TestSever_CopyThatComputes(t *testing.T) {
	g := setup(t, `create table n (i int); create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(600); return new; end';
		create trigger slow before insert on n for each row execute function slow()`)
	watch := g.direct()
	c := rawConn(t, g.dsn())
	c.Frontend.Send(query("copy n from stdin"))
	check(t, c.Frontend.Flush())
	if _, err := c.Frontend.Receive(); err != nil {
		t.Fatal(err)
	}
	c.Frontend.Send(&pgproto3.CopyData{Data: []byte("1\n2\n")})
	check(t, c.Frontend.Flush())
	eventually(t, "it computes", func() bool {
		var n int
		check(t, watch.QueryRow(t.Context(), "select count(*) from pg_stat_activity where wait_event = 'PgSleep'").Scan(&n))
		return n == 1
	})
	g.grants.end(errOver)
	eventually(t, "its process ends", func() bool { return g.backends(watch, "")+g.atRest(watch) == 0 })
}

// Code that goes on when its statement is cancelled outlasts neither the right to run it nor the
// client that runs it.
func TestSever_TrappedCancel(t *testing.T) {
	for what, end := range map[string]func(*gateway, *raw){
		"the right ends":    func(g *gateway, _ *raw) { g.grants.end(errOver) },
		"the client leaves": func(_ *gateway, c *raw) { _ = c.Conn.Close() },
	} {
		t.Run(what, func(t *testing.T) { trapped(t, end) })
	}
}

func trapped(t *testing.T, end func(*gateway, *raw)) {
	g := setup(t, `create table n (i int); create procedure stubborn() language plpgsql as $$
		begin
			loop
				begin
					perform pg_sleep(600);
				exception when query_canceled then
					insert into n values (1);
				end;
				commit;
			end loop;
		end $$`)
	watch := g.direct()
	c := rawConn(t, g.dsn())
	c.Frontend.Send(query("call stubborn()"))
	check(t, c.Frontend.Flush())
	eventually(t, "it runs", func() bool { return g.backends(watch, "call stubborn") == 1 })
	end(g, c)
	eventually(t, "its process ends", func() bool { return g.backends(watch, "")+g.atRest(watch) == 0 })
}

// translated is a connection whose other end sees another port of this one.
type translated struct{ net.Conn }

func (translated) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// A target that sees the gateway's connections come from elsewhere is sent a CancelRequest.
func TestSever_BehindNAT(t *testing.T) {
	g := setup(t, "")
	g.dial = func(ctx context.Context, params map[string]string) (*Upstream, error) {
		u, err := dialTest(ctx, shared.pg.DSN(g.target.Database), params)
		if err == nil {
			u.Conn = translated{u.Conn}
		}
		return u, err
	}
	watch := g.direct()
	c := rawConn(t, g.dsn())
	c.Frontend.Send(query("select pg_sleep(600)"))
	check(t, c.Frontend.Flush())
	eventually(t, "it runs", func() bool { return g.backends(watch, "select pg_sleep") == 1 })
	g.grants.end(errOver)
	eventually(t, "its process ends", func() bool { return g.backends(watch, "")+g.atRest(watch) == 0 })
}

// backends are the other ends of connections that end: they count how many do at once.
type backends struct {
	mu         sync.Mutex // guards what follows
	now, most  int
	order      []string
	ends, hung chan struct{} // one of them is about to end, and never does
}

// member is a session that is being cut, of which the target has nothing to do.
func (b *backends) member(t *testing.T, name string, status byte) *member {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	end, err := l.Accept()
	check(t, err)
	go func() {
		defer end.Close()
		_, _ = io.Copy(io.Discard, end)
		b.mu.Lock()
		b.now++
		b.most = max(b.most, b.now)
		b.order = append(b.order, name)
		b.mu.Unlock()
		if b.hung != nil {
			<-b.hung
		}
		b.ends <- struct{}{}
		b.mu.Lock()
		b.now--
		b.mu.Unlock()
	}()
	return &member{conn: &conn{up: &Upstream{HijackedConn: &pgconn.HijackedConn{Conn: nc}}, status: status}, over: make(chan struct{})}
}

// The target's processes end a few at a time, those first which keep something from others.
func TestSever_FewAtATime(t *testing.T) {
	c := newCrowd()
	b := &backends{ends: make(chan struct{})}
	var all []*member
	for i := range 5 * maxEnds {
		name, status := "at rest", byte('I')
		if i%2 == 1 {
			name, status = "in a transaction", 'T'
		}
		m := b.member(t, name, status)
		m.first = m.keeps()
		c.enter(m)
		all = append(all, m)
	}
	for _, m := range all {
		c.done(m.all)
	}
	for range all {
		for full := false; !full; { // as many have begun to end as may
			b.mu.Lock()
			full = b.now == maxEnds || len(b.order) == len(all)
			b.mu.Unlock()
		}
		<-b.ends
	}
	for _, m := range all {
		<-m.over
	}
	if b.most != maxEnds {
		t.Errorf("%d ended at once", b.most)
	}
	// Those of one turn tell the order among themselves to nobody.
	for i, name := range b.order {
		if half := len(all) / 2; name != "in a transaction" && i < half-maxEnds || name != "at rest" && i >= half+maxEnds {
			t.Errorf("%d: %s, of %q", i, name, b.order)
		}
	}
}

// A target that does not end its processes holds up nobody for longer than one of them.
func TestSever_ProcessesThatDoNotEnd(t *testing.T) {
	c := newCrowd()
	b := &backends{ends: make(chan struct{}, 20*maxEnds), hung: make(chan struct{})}
	begun := time.Now()
	var all []*member
	for range 20 * maxEnds {
		m := b.member(t, "at rest", 'I')
		c.enter(m)
		all = append(all, m)
	}
	for _, m := range all {
		c.done(m.all)
	}
	for _, m := range all {
		<-m.over
		if _, err := m.up.Conn.Write([]byte{0}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the connection is open: %v", err)
		}
	}
	if took := time.Since(begun); took < endsBy || took > 10*endsBy {
		t.Errorf("took %v", took)
	}
	close(b.hung)
	for range all {
		<-b.ends
	}
}

// atRest counts the backends that wait for their client to ask for something.
func (g *gateway) atRest(c *pgx.Conn) (n int) {
	g.t.Helper()
	err := c.QueryRow(context.Background(), `select count(*) from pg_stat_activity
		where datname = current_database() and application_name like 'hoopctl:%' and state like 'idle%'`).Scan(&n)
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// ending is a journal that has the session end, once, at the moment when an answer is on record
// and the client has not got it.
type ending struct {
	session.Journal
	end atomic.Pointer[func()]
}

func (j *ending) Wait(ctx context.Context, pos journal.Pos) error {
	err := j.Journal.Wait(ctx, pos)
	if end := j.end.Swap(nil); end != nil {
		(*end)()
	}
	return err
}

// A session that ends between the record of an answer and the answer itself is told why:
// nothing of a message is on its way.
func TestSever_BetweenRecordAndAnswer(t *testing.T) {
	g := setup(t, "")
	j := &ending{Journal: g.journal}
	g.adjust(func(l *session.Line) { l.Journal = j })
	c := rawConn(t, g.dsn())
	end := func() {
		g.grants.end(errOver)
		<-g.only().sess.Context().Done()
	}
	j.end.Store(&end)
	c.Frontend.Send(query("select 1"))
	check(t, c.Frontend.Flush())
	m, err := c.Frontend.Receive()
	if e, failed := m.(*pgproto3.ErrorResponse); !failed || e.Severity != "FATAL" || e.Message != errOver.Message {
		t.Errorf("got %+v, %v", m, err)
	}
}
