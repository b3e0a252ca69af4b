package postgres

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/resource"
)

// eventually waits for what the target will show soon.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); !f(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 2 minutes", what)
		}
	}
}

// backends counts the target's backends of the gateway that run something like sql.
func (g *gateway) backends(c *pgx.Conn, sql string) (n int) {
	g.t.Helper()
	err := c.QueryRow(context.Background(), `select count(*) from pg_stat_activity
		where datname = current_database() and application_name like 'hoopctl:%' and state = 'active' and query like $1`, sql+"%").Scan(&n)
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

func TestCancel_ReachesItsOwnSessionOnly(t *testing.T) {
	g := setup(t, "")
	watch := g.direct()
	one, two := g.connect(), g.connect()
	result := make(chan error, 2)
	for _, c := range []*pgx.Conn{one, two} {
		go func() {
			_, err := c.Exec(context.Background(), "select pg_sleep(60)")
			result <- err
		}()
	}
	eventually(t, "both sleep", func() bool { return g.backends(watch, "select pg_sleep") == 2 })

	// A wrong secret is ignored, and so is a short message.
	for _, body := range [][]byte{binary.BigEndian.AppendUint32(nil, one.PgConn().PID()), append(binary.BigEndian.AppendUint32(nil, one.PgConn().PID()), 1, 2, 3, 4)} {
		c, err := net.Dial("tcp", g.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		m := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
		m = binary.BigEndian.AppendUint32(m, cancelRequest)
		if _, err := c.Write(append(m, body...)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	}
	// So is the right one that comes by another local port than the connection did.
	secret := one.PgConn().SecretKey()
	for user, password := range map[string]string{"": "", g.user: "another", "another": g.password} {
		c, theirs := net.Pipe()
		go func() {
			_, _ = c.Write(opening(cancelRequest, cancelBody(one.PgConn().PID(), secret))) // told by Begin
		}()
		if serve, err := g.proxy.Begin(t.Context(), theirs, user, verifierOf(password), g.target, nil); serve != nil || err != nil {
			t.Errorf("a cancel by another port: %v", err)
		}
	}
	if n := g.backends(watch, "select pg_sleep"); n != 2 {
		t.Errorf("%d sleep after a cancel with a wrong secret, or by another port", n)
	}
	check(t, one.PgConn().CancelRequest(t.Context()))
	if err := <-result; state(err) != "57014" {
		t.Errorf("cancelled: %v", err)
	}
	if n := g.backends(watch, "select pg_sleep"); n != 1 {
		t.Errorf("%d sleep after one was cancelled", n)
	}
	if n := len(g.audit.Of(hoop.EventCancel)); n != 1 {
		t.Errorf("%d cancels are on record", n)
	}
	check(t, two.PgConn().CancelRequest(t.Context()))
	<-result
}

// A cancel that comes while the gateway still judges is not lost: the statement does not
// run, nor does it ask for an approval that nobody waits for.
func TestCancel_WhileTheGatewayJudges(t *testing.T) {
	g := setup(t, "create table t (i int)")
	for _, action := range []hoop.Action{hoop.Allow, hoop.Approve} {
		for name, mode := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "parse": pgx.QueryExecModeExec, "bind": pgx.QueryExecModeCacheStatement} {
			t.Run(string(action)+" "+name, func(t *testing.T) {
				c := g.connect()
				const sql = "insert into t values (1)"
				if name == "bind" {
					_, err := c.Prepare(t.Context(), sql, sql)
					check(t, err)
				}
				judged, cancelled := make(chan struct{}), make(chan struct{})
				g.policy.on(action, hoop.EffectWrite)
				decide, once := g.policy.decide, sync.OnceFunc(func() { close(judged) })
				g.policy.mu.Lock()
				g.policy.decide = func(uses []hoop.Use) hoop.Decision {
					once()
					<-cancelled
					return decide(uses)
				}
				g.policy.mu.Unlock()
				result := make(chan error, 1)
				ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
				defer stop()
				go func() {
					err := runIn(ctx, c, mode, sql)
					result <- err
				}()
				<-judged
				check(t, c.PgConn().CancelRequest(t.Context()))
				close(cancelled)
				if err := <-result; state(err) != "57014" {
					t.Errorf("cancelled: %v", err)
				}
				g.policy.on(hoop.Allow, hoop.EffectWrite)
				var n int
				if err := c.QueryRow(t.Context(), "select count(*) from t", mode).Scan(&n); err != nil || n != 0 {
					t.Errorf("%d rows, %v", n, err)
				}
			})
		}
	}
}

// sendCancel sends the CancelRequest of c on a connection of its own; done is closed when
// the gateway has closed that.
func (g *gateway) sendCancel(c *raw) (done chan struct{}) {
	g.t.Helper()
	nc, err := net.Dial("tcp", g.addr.String())
	check(g.t, err)
	_, err = nc.Write(opening(cancelRequest, cancelBody(c.PID, c.SecretKey)))
	check(g.t, err)
	done = make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, nc) // it is closed, or reset
		_ = nc.Close()
	}()
	return done
}

// A cancel that comes before its statement, on a connection of its own, is not lost; one
// whose statement does not come in time is, and hits nothing else.
func TestCancel_OvertakesItsStatement(t *testing.T) {
	g := setup(t, "")
	for name, send := range map[string][]pgproto3.FrontendMessage{
		"simple":   msgs(query("select pg_sleep(20)")),
		"extended": msgs(parse("", "select pg_sleep(20)"), &pgproto3.Bind{}, execute("", 0), &pgproto3.Sync{}),
		"function": msgs(&pgproto3.FunctionCall{Function: 2626, Arguments: [][]byte{[]byte("20")}}), // pg_sleep
	} {
		t.Run(name, func(t *testing.T) {
			g.proxy.overtakes = time.Minute
			c := rawConn(t, g.dsn())
			done := g.sendCancel(c)
			eventually(t, "the cancel waits", func() bool {
				found := g.proxy.live.find(portOf(g.user, verifierOf(g.password)), c.PID, c.SecretKey)
				return found != nil && found.early.Load() == isAwaited
			})
			if got := c.exchange(step{send: send, ready: 1}); !strings.Contains(got, `"Code":"57014"`) {
				t.Errorf("it was not cancelled:\n%s", got)
			}
			<-done
			if got := c.exchange(step{send: msgs(query("select 'lives'")), ready: 1}); !strings.Contains(got, "SELECT 1") {
				t.Errorf("the next statement was hit:\n%s", got)
			}
			check(t, c.Conn.Close())
			check(t, g.ended())
		})
	}
	t.Run("too early", func(t *testing.T) {
		g.proxy.overtakes = overtakes
		c := rawConn(t, g.dsn())
		<-g.sendCancel(c)
		if got := c.exchange(step{send: msgs(query("select 'lives'")), ready: 1}); !strings.Contains(got, "SELECT 1") {
			t.Errorf("a statement after the cancel's end was hit:\n%s", got)
		}
	})
}

// A client that is gone takes its backend with it at once, long before its statement would
// end, whatever the backend was doing, and no other connection notices.
func TestVanish_BackendIsCancelledAndClosed(t *testing.T) {
	g := setup(t, flowSchema)
	watch := g.direct()
	alone := func(pid uint32) func() bool {
		return func() bool {
			var gone bool
			if err := watch.QueryRow(t.Context(), "select not exists (select from pg_stat_activity where pid = $1)", int(pid)).Scan(&gone); err != nil {
				t.Fatal(err)
			}
			return gone
		}
	}
	bystander := rawConn(t, g.dsn())
	bystander.Frontend.Send(query("select 'undisturbed', pg_sleep(1)"))
	check(t, bystander.Frontend.Flush())
	reset := func(c *raw) {
		check(t, c.Conn.(*net.TCPConn).SetLinger(0))
		check(t, c.Conn.Close())
	}
	hangUp := func(c *raw) { check(t, c.Conn.Close()) }
	sleeps := func(*raw) bool { return g.backends(watch, "select pg_sleep(60)") == 1 }
	for name, tt := range map[string]struct {
		send  pgproto3.FrontendMessage
		until func(*raw) bool
		leave func(*raw)
	}{
		"reset":            {query("select pg_sleep(60)"), sleeps, reset},
		"close":            {query("select pg_sleep(60)"), sleeps, hangUp},
		"terminate":        {query("select pg_sleep(60)"), sleeps, func(c *raw) { c.Frontend.Send(&pgproto3.Terminate{}); check(t, c.Frontend.Flush()); hangUp(c) }},
		"an answer unread": {query(wideSeries), func(*raw) bool { return g.stalled(watch) == 1 }, hangUp},
		"in COPY": {query("copy f from stdin"), func(c *raw) bool {
			m, err := c.Frontend.Receive()
			_, copying := m.(*pgproto3.CopyInResponse)
			return err == nil && copying
		}, hangUp},
		"in a transaction": {query("begin; delete from f; select pg_sleep(60)"), func(*raw) bool { return g.backends(watch, "begin; delete") == 1 }, hangUp},
		"idle":             {query("select 1"), func(c *raw) bool { return true }, reset},
	} {
		t.Run(name, func(t *testing.T) {
			c := rawConn(t, g.dsn())
			c.Frontend.Send(tt.send)
			check(t, c.Frontend.Flush())
			eventually(t, "it is under way", func() bool { return tt.until(c) })
			tt.leave(c)
			eventually(t, "its backend ends", alone(c.PID))
			check(t, g.ended())
		})
	}
	if out := bystander.exchange(step{ready: 1}); !strings.Contains(out, "undisturbed") || strings.Contains(out, "Error") {
		t.Errorf("another connection: %s", out)
	}
	var rows int
	check(t, watch.QueryRow(t.Context(), "select count(*) from f").Scan(&rows))
	if rows != 9 {
		t.Errorf("%d rows of 9 are left", rows)
	}
}

// wideSeries is an answer of a gigabyte.
const wideSeries = "select repeat('x', 1000) from generate_series(1, 1000000)"

// A client that closes its own half still gets what it asked for.
func TestHalfClose_AnswersStillCome(t *testing.T) {
	g := setup(t, "")
	c := rawConn(t, g.dsn())
	c.Frontend.Send(&pgproto3.Query{String: "select generate_series(1, 3000)"})
	check(t, c.Frontend.Flush())
	check(t, c.Conn.(*net.TCPConn).CloseWrite())
	rows := 0
	for {
		m, err := c.Frontend.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.(*pgproto3.DataRow); ok {
			rows++
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	if rows != 3000 {
		t.Errorf("%d rows", rows)
	}
	check(t, g.ended())
}

func TestSession_EndIsToldWithinASecond(t *testing.T) {
	end := hoop.Errorf(hoop.CodeExpired, "the grant for pg has ended").WithHint("hoopctl request pg")
	t.Run("idle", func(t *testing.T) {
		g := setup(t, "")
		c := rawConn(t, g.dsn())
		g.grants.end(end)
		m, err := c.Frontend.Receive()
		e, ok := m.(*pgproto3.ErrorResponse)
		if err != nil || !ok || e.Code != "57P01" || e.Severity != "FATAL" || e.Hint != "hoopctl request pg" {
			t.Errorf("got %+v, %v", m, err)
		}
		if err := g.ended(); !errors.Is(err, end) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Run("busy", func(t *testing.T) {
		g := setup(t, "")
		watch := g.direct()
		c := g.connect()
		result := make(chan error, 1)
		go func() {
			_, err := c.Exec(context.Background(), "select pg_sleep(60)")
			result <- err
		}()
		eventually(t, "it sleeps", func() bool { return g.backends(watch, "select pg_sleep") == 1 })
		began := time.Now()
		g.grants.end(end)
		if err := <-result; state(err) != "57P01" {
			t.Errorf("got %v", err)
		}
		eventually(t, "it ends", func() bool { return g.backends(watch, "select pg_sleep") == 0 })
		if took := time.Since(began); took > 20*time.Second { // how fast it is, a benchmark measures
			t.Errorf("took %v", took)
		}
	})
	t.Run("stalled reader", func(t *testing.T) {
		g := setup(t, "")
		watch := g.direct()
		c := rawConn(t, g.dsn())
		c.Frontend.Send(query(wideSeries))
		check(t, c.Frontend.Flush())
		eventually(t, "it is held back", func() bool { return g.stalled(watch) == 1 })
		began := time.Now()
		g.grants.end(end)
		if err := g.ended(); !errors.Is(err, end) {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(began); took > 20*time.Second { // how fast it is, a benchmark measures
			t.Errorf("took %v", took)
		}
	})
}

// stalled counts the backends that wait for their client to read.
func (g *gateway) stalled(c *pgx.Conn) (n int) {
	g.t.Helper()
	err := c.QueryRow(context.Background(), `select count(*) from pg_stat_activity
		where datname = current_database() and application_name like 'hoopctl:%' and wait_event = 'ClientWrite'`).Scan(&n)
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// writing counts the connections that write to their clients, or are about to.
func (g *gateway) writing() (n int) {
	g.proxy.live.mu.Lock()
	defer g.proxy.live.mu.Unlock()
	for _, same := range g.proxy.live.conns {
		for _, c := range same {
			if !c.writing.TryLock() {
				n++
				continue
			}
			c.writing.Unlock()
		}
	}
	return n
}

// A client that does not read holds the target back, not the gateway's memory, however
// much of its answer is still to come. What each costs is the slope between few such
// clients and many, so that what all share falls out. What the sockets hold is the
// system's.
func TestSlowReader_CostsNoMemory(t *testing.T) {
	const few, many, each = 8, 32, 500 << 10
	for name, tt := range map[string]struct {
		rules   []resource.MaskRule
		batched bool
		sql     string
	}{
		"clear, strict":   {sql: wideSeries},
		"masked, batched": {sql: "select ssn, repeat('x', 1000) from patients, generate_series(1, 1000000)", rules: maskRules(), batched: true},
		"COPY":            {sql: "copy (" + wideSeries + ") to stdout", batched: true},
		"one long value":  {sql: "select repeat('x', 30000000)"},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, maskSchema, tt.rules...)
			if tt.batched {
				g.batched()
			}
			watch := g.direct()
			all := make([]*raw, many)
			for i := range all {
				all[i] = rawConn(t, g.dsn())
			}
			for _, c := range all { // what all recordings share is there, too
				c.exchange(step{send: msgs(query("select ssn, repeat('x', 100000) from patients")), ready: 1})
			}
			stall := func(clients []*raw, n int) uint64 {
				for _, c := range clients {
					c.Frontend.Send(query(tt.sql))
					check(t, c.Frontend.Flush())
				}
				still, settled := 0, heap()
				eventually(t, "they are held back, and the heap has settled", func() bool {
					// Both ends wait for a moment now and then, before the sockets are full.
					if still++; g.stalled(watch) != n || g.writing() != n {
						still = 0
					}
					if still < 20 {
						return false
					}
					before := settled
					still, settled = 0, heap()
					return max(before, settled)-min(before, settled) < 256<<10
				})
				return settled
			}
			none := heap()
			one := stall(all[:1], 1)
			some := stall(all[1:few], few)
			slope := (int64(stall(all[few:], many)) - int64(some)) / (many - few)
			t.Logf("%d KiB for the first client that stalls, %d KiB for each of %d, and %d KiB for each more", (int64(one)-int64(none))>>10, (int64(some)-int64(none))/few>>10, few, slope>>10)
			if slope > each {
				t.Errorf("the heap grows by %d KiB for each", slope>>10)
			}
			if tt.rules != nil {
				m, err := all[0].Frontend.Receive() // RowDescription
				for n := 0; n < 1000 && err == nil; n++ {
					if row, ok := m.(*pgproto3.DataRow); ok && bytes.Contains(row.Values[0], []byte(marker)) {
						t.Fatal("the marker came through")
					}
					m, err = all[0].Frontend.Receive()
				}
				check(t, err)
			}
			for _, c := range all {
				check(t, c.Conn.Close())
				check(t, g.ended())
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestUpstreamGone_IsToldAs57P01(t *testing.T) {
	g := setup(t, "")
	watch := g.direct()
	c := rawConn(t, g.dsn())
	if _, err := watch.Exec(t.Context(), "select pg_terminate_backend($1)", c.PID); err != nil {
		t.Fatal(err)
	}
	m, err := c.Frontend.Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); err != nil || !ok || e.Code != "57P01" || e.Severity != "FATAL" {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err := c.Frontend.Receive(); err == nil {
		t.Errorf("a second farewell: %+v", m)
	}
	check(t, g.connect().Ping(t.Context())) // the port lives on
}

func TestHold_IsToldAndApproved(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			g := setup(t, flowSchema)
			g.policy.on(hoop.Approve, hoop.EffectUnboundedWrite)
			cfg, err := pgx.ParseConfig(g.dsn())
			if err != nil {
				t.Fatal(err)
			}
			notices := make(chan *pgconn.Notice, 10)
			cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices <- n }
			c, err := pgx.ConnectConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close(context.Background()) })
			run := func(answer hoop.Request) error {
				done := make(chan error, 1)
				go func() {
					done <- runIn(context.Background(), c, mode, "delete from f")
				}()
				n := <-notices
				r := <-g.grants.held
				if want := fmt.Sprintf("approval %d needed", r.ID); !strings.HasPrefix(n.Message, want) || !strings.HasPrefix(n.Hint, fmt.Sprintf("hoopctl approve %d ", r.ID)) {
					t.Errorf("notice %q, hint %q", n.Message, n.Hint)
				}
				answer.ID, answer.Digest = r.ID, cmp.Or(answer.Digest, r.Digest)
				g.grants.answer <- answer
				return <-done
			}
			err = run(hoop.Request{State: hoop.Denied, DecisionWhy: "not today", Approvals: []hoop.Approval{{Name: "Dora"}}})
			if state(err) != "42501" || !strings.Contains(err.Error(), "not today") {
				t.Errorf("denied: %v", err)
			}
			err = run(hoop.Request{State: hoop.Approved, Digest: "what somebody wrote into the store"})
			if state(err) != "42501" || !strings.Contains(err.Error(), "names another statement") {
				t.Errorf("approved as something else: %v", err)
			}
			left := func() (n int) {
				check(t, g.direct().QueryRow(t.Context(), "select count(*) from f").Scan(&n))
				return n
			}
			if left() == 0 {
				t.Error("it ran")
			}
			if err := run(hoop.Request{State: hoop.Approved}); err != nil {
				t.Errorf("approved: %v", err)
			}
			if n := left(); n != 0 {
				t.Errorf("%d rows are left", n)
			}
		})
	}
}

func TestHold_EndsWhenTheClientCancelsOrLeaves(t *testing.T) {
	g := setup(t, flowSchema)
	g.policy.on(hoop.Approve, hoop.EffectUnboundedWrite)
	t.Run("cancel", func(t *testing.T) {
		c := g.connect()
		done := make(chan error, 1)
		go func() {
			_, err := c.Exec(context.Background(), "delete from f", pgx.QueryExecModeSimpleProtocol)
			done <- err
		}()
		<-g.grants.held
		eventually(t, "the hold can be cancelled", func() bool {
			check(t, c.PgConn().CancelRequest(t.Context()))
			select {
			case err := <-done:
				if state(err) != "57014" {
					t.Errorf("got %v", err)
				}
				return true
			default:
				return false
			}
		})
		check(t, c.Ping(t.Context()))
		check(t, c.Close(t.Context()))
		check(t, g.ended())
	})
	for name, last := range map[string][]byte{"close": nil, "terminate": {'X', 0, 0, 0, 4}} {
		t.Run(name, func(t *testing.T) {
			c := rawConn(t, g.dsn())
			c.Frontend.Send(&pgproto3.Query{String: "delete from f"})
			check(t, c.Frontend.Flush())
			<-g.grants.held
			if last != nil {
				if _, err := c.Conn.Write(last); err != nil {
					t.Fatal(err)
				}
			} else {
				check(t, c.Conn.Close())
			}
			check(t, g.ended())
		})
	}
	t.Run("cancel, a moment after the approval", func(t *testing.T) {
		c := g.connect()
		again := false
		defer g.policy.around(func(decide func([]hoop.Use) hoop.Decision, uses []hoop.Use) hoop.Decision {
			if again { // what was approved is looked at once more
				check(t, c.PgConn().CancelRequest(t.Context()))
			}
			again = true
			return decide(uses)
		})()
		done := make(chan error, 1)
		go func() {
			_, err := c.Exec(context.Background(), "delete from f", pgx.QueryExecModeSimpleProtocol)
			done <- err
		}()
		r := <-g.grants.held
		g.grants.answer <- hoop.Request{ID: r.ID, State: hoop.Approved, Digest: r.Digest}
		if err := <-done; state(err) != "57014" {
			t.Errorf("got %v", err)
		}
		all := g.audit.Of(hoop.EventStatement)
		if e := all[len(all)-1]; e.Action != hoop.Deny || !strings.Contains(e.Reason, "was approved when nobody waited any more") {
			t.Errorf("on record: %s, %q", e.Action, e.Reason)
		}
		check(t, c.Close(t.Context()))
		check(t, g.ended())
	})
	t.Run("earlier results come first", func(t *testing.T) {
		c := rawConn(t, g.dsn())
		got := c.exchange(step{send: msgs(parse("", "select 41"), bind("", ""), execute("", 0), parse("", "delete from f"), bind("", ""), execute("", 0), syncMsg), until: "41"})
		if !strings.Contains(got, `"41"`) {
			t.Errorf("got %s", got)
		}
		check(t, c.Conn.Close())
		check(t, g.ended())
	})
	var n int
	check(t, g.direct().QueryRow(t.Context(), "select count(*) from f").Scan(&n))
	if n != 9 {
		t.Errorf("%d rows are left of 9", n)
	}
}

// While a statement waits, what was approved must stay what it does.
func TestHold_CatalogChangeRefuses(t *testing.T) {
	g := setup(t, flowSchema)
	g.policy.on(hoop.Approve, hoop.EffectUnboundedWrite)
	c := g.connect()
	done := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "delete from f", pgx.QueryExecModeSimpleProtocol)
		done <- err
	}()
	r := <-g.grants.held
	admin(t, g.target.Database, "create table g (i int references f on delete cascade)")
	g.grants.answer <- hoop.Request{ID: r.ID, State: hoop.Approved, Digest: r.Digest}
	if err := <-done; state(err) != "42501" {
		t.Errorf("got %v", err)
	}
}

// People have less time while a transaction keeps its locks, and the client hears so. How
// a statement is written leaves no trace in what an approval binds to; what it says does.
func TestHold_ShorterInATransaction(t *testing.T) {
	g := setup(t, flowSchema)
	g.policy.on(hoop.Approve, hoop.EffectUnboundedWrite)
	var notices []*pgconn.Notice
	cfg, err := pgx.ParseConfig(g.dsn())
	check(t, err)
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n) }
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	check(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	held := func(sql string) hoop.Request {
		done := make(chan error, 1)
		go func() {
			_, err := c.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
			done <- err
		}()
		r := <-g.grants.held
		g.grants.answer <- hoop.Request{ID: r.ID, State: hoop.Approved, Digest: r.Digest}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		return r
	}
	outside := held("delete from f")
	if _, err := c.Exec(t.Context(), "begin"); err != nil {
		t.Fatal(err)
	}
	inside := held("/* again */ DELETE  FROM f")
	if time.Duration(outside.Duration) != 2*time.Minute || outside.InTx || time.Duration(inside.Duration) != time.Minute || !inside.InTx {
		t.Errorf("outside %s (%v), inside %s (%v)", outside.Duration, outside.InTx, inside.Duration, inside.InTx)
	}
	if n := len(notices); n != 2 || notices[0].Detail != "" || !strings.Contains(notices[1].Detail, "a minute at most") {
		t.Errorf("notices: %+v", notices)
	}
	other := held("delete from f where 1 = 1")
	if outside.Digest != inside.Digest || other.Digest == inside.Digest || len(inside.Digest) != 64 {
		t.Errorf("digests %s, %s, of another statement %s", outside.Digest, inside.Digest, other.Digest)
	}
}

func TestStartup_InPieces(t *testing.T) {
	g := setup(t, "")
	for name, tt := range map[string]struct {
		version uint32
		params  string
		want    []string
	}{
		"3.0":            {version30, "", []string{"R"}},
		"3.2":            {version32, "", []string{"R"}},
		"3.99":           {3<<16 | 99, "", []string{`v {"Type":"NegotiateProtocolVersion","NewestMinorProtocol":196610,"UnrecognizedOptions":[]}`, "R"}},
		"unknown option": {version30, "_pq_.magic\x00on\x00", []string{`v {"Type":"NegotiateProtocolVersion","NewestMinorProtocol":196608,"UnrecognizedOptions":["_pq_.magic"]}`, "R"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", g.addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close() //nolint:errcheck // the test is over
			for _, code := range []uint32{gssEncRequest, sslRequest} {
				for _, b := range binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, code) {
					if _, err := c.Write([]byte{b}); err != nil {
						t.Fatal(err)
					}
				}
				answer := make([]byte, 1)
				if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 'N' {
					t.Fatalf("%q %v", answer, err)
				}
			}
			body := binary.BigEndian.AppendUint32(nil, tt.version)
			body = append(body, "user\x00"+g.user+"\x00"+tt.params+"\x00"...)
			for _, b := range append(binary.BigEndian.AppendUint32(nil, uint32(4+len(body))), body...) {
				if _, err := c.Write([]byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			f := pgproto3.NewFrontend(c, c)
			for _, want := range tt.want {
				m, err := f.Receive()
				if err != nil {
					t.Fatal(err)
				}
				got := "R"
				if _, ok := m.(*pgproto3.AuthenticationSASL); !ok {
					got = "v " + render(m)
				}
				if got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
}

func TestPsql_DoesWhatUsersDo(t *testing.T) {
	g := setup(t, flowSchema)
	run := func(in string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "psql", append([]string{"-X", "-v", "ON_ERROR_STOP=1", g.dsn()}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("psql %v %s: %v\n%s", args, in, err, out)
		}
		return string(out)
	}
	for in, want := range map[string]string{
		"\\d f\n\\dt\n\\df\n\\du\n\\dn":                                        "f_pkey",
		"select * from f order by i;":                                          "row 9",
		"\\copy f to /dev/stdout":                                              "9\trow 9",
		"\\copy empty from stdin\n1\n2\n\\.\nselect 'sum', sum(i) from empty;": "sum",
		"begin; savepoint a; select 1; rollback to a; commit;":                 "COMMIT",
		"\\set FETCH_COUNT 3\nselect * from f order by i;":                     "row 9",
		"listen n; notify n, 'psst';":                                          "psst",
		"\\conninfo\n\\encoding":                                               "UTF8",
		"select 1 as a \\gdesc\n":                                              "integer",
		"do $$ begin raise notice 'hi'; end $$;":                               "hi",
		"select 'ä€😀';":                                                        "ä€😀",
	} {
		if got := run(in); !strings.Contains(got, want) {
			t.Errorf("%s\ngave %s\nwant %q in it", in, got, want)
		}
	}
	const databases = "\\l" // which PostgreSQL's own psql cannot list where it is older than the server
	if exec.CommandContext(t.Context(), "psql", "-X", shared.pg.DSN("postgres"), "-c", databases).Run() == nil && !strings.Contains(run(databases), "template1") {
		t.Error("no list of databases")
	}
}

// What is refused before it is judged is on record too: a text that does not parse or
// is too much for the parser, what no rule may allow, and what the gateway cannot serve.
// The log has no literals.
func TestRefusal_IsOnRecord(t *testing.T) {
	g := setup(t, "")
	c := g.connect()
	deep := "select " + strings.Repeat("(", 20_000) + "1" + strings.Repeat(")", 20_000)
	texts := []string{
		"selec 'literal'", "select 'literal' from from", deep, "set hoop.user = 'literal'", "select set_config('hoop.user', 'literal', false)", "select '\xff'",
		"set client_encoding to 'literal'", "set client_encoding to 'mule_internal'", "execute nobody('literal')",
	}
	once := 0
	for _, sql := range texts {
		for name, mode := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeDescribeExec} {
			if name != "simple" && (sql == deep || strings.HasPrefix(sql, "execute")) {
				once++
				continue // it costs a worker each time; its description is what fails, before anything is to run
			}
			before := len(g.audit.Of(hoop.EventStatement))
			if err := runIn(t.Context(), c, mode, sql); state(err) == "" {
				t.Errorf("%.50s (%s): %v", sql, name, err)
			}
			all := g.audit.Of(hoop.EventStatement)[before:]
			if len(all) != 1 || all[0].Action != hoop.Deny || all[0].Reason == "" || len(all[0].Effects) == 0 || strings.Contains(fmt.Sprintf("%+v", all), "literal") {
				t.Errorf("%.50s (%s): the log has %+v", sql, name, all)
			}
		}
	}
	check(t, c.Close(t.Context()))
	check(t, g.ended())
	var got []string
	for _, rec := range g.records() {
		if rec.Kind == recording.KindStatement && rec.Statement.Decision.Action == hoop.Deny {
			got = append(got, rec.Statement.Text+string(rec.Statement.Raw))
		}
	}
	if len(got) != 2*len(texts)-once || got[0] != texts[0] || got[4] != deep {
		t.Errorf("%d statements are on record: %.100q", len(got), got)
	}
}
