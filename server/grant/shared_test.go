package grant_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/pgserver/pgservertest"
	"github.com/hoopctl/hoopctl/server/store"
)

var pg *pgserver.Server

func TestMain(m *testing.M) { pgservertest.Main(m, &pg, pgserver.Options{}) }

// twoGateways share a PostgreSQL store, in real time.
func twoGateways(t *testing.T) (a, b *bench) {
	t.Helper()
	url, r, l := pgservertest.NewDatabase(t, pg), newRules(), &auditLog{}
	a, b = start(t, openStore(t, url), r, l, "a"), start(t, openStore(t, url), r, l, "b")
	t.Cleanup(func() {
		for _, g := range []*bench{a, b} {
			g.Close()
			if err := g.store.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return a, b
}

// within waits for what is promised within a second; a machine that is busy with other
// tests gets longer.
func within[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s: not in time", what)
	}
	return v
}

func TestShared_RevocationByAnotherGatewayCuts(t *testing.T) {
	a, b := twoGateways(t)
	g := a.granted(alice, "open")
	ctx, detach := a.attach(g)
	defer detach()
	if _, err := b.Revoke(t.Context(), admin, g.ID, "stolen laptop"); err != nil {
		t.Fatal(err)
	}
	within(t, "cut", ctx.Done())
	wantCode(t, context.Cause(ctx), hoop.CodeRevoked, "stolen laptop")
}

func TestShared_ApprovalByAnotherGatewayIsSeen(t *testing.T) {
	a, b := twoGateways(t)
	r := a.ask(alice, "one")
	seen := make(chan hoop.Request, 1)
	go func() {
		got, err := a.Wait(t.Context(), alice, r.ID, time.Minute)
		if err != nil {
			t.Error(err)
		}
		seen <- got
	}()
	b.approve(bob, r.ID)
	if got := within(t, "approval", seen); got.State != hoop.Approved {
		t.Errorf("%+v", got)
	}
	if _, err := a.InForce(t.Context(), alice, "one"); err != nil {
		t.Error(err)
	}
}

// The exact text is known only where the statement is held, so nobody approves blind
// elsewhere. Denying is safe.
func TestShared_NobodyApprovesAStatementBlind(t *testing.T) {
	a, b := twoGateways(t)
	held := a.hold(alice)
	answer := a.await(t.Context(), held.ID)
	if r, err := b.Request(t.Context(), bob, held.ID); err != nil || r.Statement != "" || r.Gateway != "a" {
		t.Errorf("%+v, %v", r, err)
	}
	_, err := b.Approve(t.Context(), bob, held.ID, "")
	wantCode(t, err, hoop.CodeConflict, "held by the gateway https://a,", "--gateway https://a")
	if _, err := b.Deny(t.Context(), bob, held.ID, "no"); err != nil {
		t.Fatal(err)
	}
	if got := within(t, "denial", answer); got.err != nil || got.r.State != hoop.Denied {
		t.Errorf("%+v", got)
	}
}

func TestShared_AStartingGatewayLeavesOthersStatementsAlone(t *testing.T) {
	a, b := twoGateways(t)
	held := a.hold(alice)
	b.Close()
	b.Service = start(t, b.store, b.rules, b.log, "b").Service
	if got := a.request(held.ID); got.State != hoop.Pending {
		t.Fatalf("%+v", got)
	}
	a.Close()
	a.Service = start(t, a.store, a.rules, a.log, "a").Service
	if got := a.request(held.ID); got.State != hoop.Cancelled {
		t.Errorf("%+v", got)
	}
}

// Gateways whose clocks differ by less than a minute: none ends what people still decide
// at another, not even where they have a minute only; a grant counts at each by its own
// clock, and a revocation at once.
func TestShared_ClocksDiffer(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		other := func(gateway string, ahead time.Duration) *bench {
			return startAhead(t, b.store, b.rules, b.log, gateway, ahead)
		}
		held := b.holdFor(alice, time.Minute)
		answer := b.await(t.Context(), held.ID)
		ahead := other("ahead", 59*time.Second)
		time.Sleep(50 * time.Second)
		if got := b.request(held.ID); got.State != hoop.Pending {
			t.Fatalf("50 s after it was held: %+v", got)
		}
		b.approve(bob, held.ID)
		if got := <-answer; got.err != nil || got.r.State != hoop.Approved {
			t.Errorf("%+v", got)
		}
		ahead.Close()

		// One that died leaves what it held to the others.
		held = b.holdFor(alice, time.Minute)
		b.Close()
		ahead = other("ahead", 59*time.Second)
		time.Sleep(62 * time.Second)
		if got := b.request(held.ID); got.State != hoop.Expired {
			t.Errorf("nobody is there any more: %+v", got)
		}
		ahead.Close()

		b.Service = start(t, b.store, b.rules, b.log, "").Service
		g := b.granted(alice, "open")
		behind := other("behind", -40*time.Second)
		if _, err := behind.InForce(t.Context(), alice, "open"); err == nil {
			t.Error("it has begun where it is earlier")
		}
		time.Sleep(41 * time.Second)
		if got, err := behind.InForce(t.Context(), alice, "open"); err != nil || got.ID != g.ID {
			t.Errorf("%+v, %v", got, err)
		}
		time.Sleep(time.Until(g.ExpiresAt) - time.Minute)
		ctx, end := behind.attach(g)
		defer end()
		if _, err := b.Revoke(t.Context(), admin, g.ID, "enough"); err != nil {
			t.Fatal(err)
		}
		if _, err := behind.InForce(t.Context(), alice, "open"); err == nil {
			t.Error("it is in force where it is earlier than its revocation")
		}
		_, err := behind.Attach(t.Context(), g)
		wantCode(t, err, hoop.CodeRevoked)
		time.Sleep(101 * time.Second)
		<-ctx.Done() // by its own clock
		behind.Close()
	})
}

// Of two people who decide at once, one decides and the other hears so.
func TestDecide_Races(t *testing.T) {
	for _, name := range []string{"one sqlite gateway", "two gateways on postgres"} {
		t.Run(name, func(t *testing.T) {
			var a, b *bench
			if name == "one sqlite gateway" {
				st := openStore(t, "sqlite:"+filepath.Join(t.TempDir(), "store.db"))
				a = start(t, st, newRules(), &auditLog{}, "")
				b = a
				defer st.Close()
				defer a.Close()
			} else {
				a, b = twoGateways(t)
			}
			for range 10 {
				raceOnce(t, a, b)
				raceHeld(t, a, b)
			}
		})
	}
}

func raceOnce(t *testing.T, a, b *bench) {
	t.Helper()
	r := a.ask(alice, "one")
	before := len(a.log.Events())
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i, decide := range []func() error{
		func() error { _, err := a.Approve(t.Context(), bob, r.ID, ""); return err },
		func() error { _, err := b.Approve(t.Context(), carol, r.ID, ""); return err },
		func() error { _, err := b.Deny(t.Context(), person("dora", "dba"), r.ID, "no"); return err },
	} {
		wg.Go(func() { errs[i] = decide() })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantCode(t, err, hoop.CodeConflict)
	}
	got := a.request(r.ID)
	if won != 1 || len(got.Approvals) != 1 {
		t.Errorf("%d of 3 decided, %d on the request", won, len(got.Approvals))
	}
	events := a.log.Events()[before:]
	want := 2 // approval, grant
	if got.State == hoop.Denied {
		want = 1
	}
	if len(events) != want {
		t.Errorf("%s: %d events", got.State, len(events))
	}
}

// raceHeld has a statement approved where it waits, denied at the other gateway, and
// withdrawn by its client, all at once: who waits hears what the store says.
func raceHeld(t *testing.T, a, b *bench) {
	t.Helper()
	r := a.hold(alice)
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	answer := a.await(ctx, r.ID)
	before := len(a.log.Events())
	var wg sync.WaitGroup
	errs := make([]error, 2)
	wg.Go(func() { _, errs[0] = a.Approve(t.Context(), bob, r.ID, "") })
	wg.Go(func() { _, errs[1] = b.Deny(t.Context(), carol, r.ID, "no") })
	wg.Go(hangUp)
	wg.Wait()
	got := within(t, "the answer", answer)
	final := a.request(r.ID)
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantCode(t, err, hoop.CodeConflict)
	}
	runs := got.err == nil && got.r.State == hoop.Approved
	switch final.State {
	case hoop.Approved, hoop.Denied:
		if won != 1 || runs && final.State != hoop.Approved {
			t.Errorf("%s, and %d of 2 decided; it runs: %v", final.State, won, runs)
		}
	case hoop.Cancelled:
		if won != 0 || runs {
			t.Errorf("withdrawn, and %d of 2 decided; it runs: %v", won, runs)
		}
	default:
		t.Errorf("it is %s", final.State)
	}
	if n := len(a.log.Events()) - before; n != 1 {
		t.Errorf("%s: %d events", final.State, n)
	}
}

var _ grant.Store = (*store.Store)(nil)

// Where a grant limits its sessions, those at other gateways count, and those of a
// gateway that died do not.
func TestShared_SessionsOfAllGatewaysCount(t *testing.T) {
	a, b := twoGateways(t)
	a.rules.set("few", hoop.Access{Rule: "few", MaxDuration: hoop.Duration(time.Hour), MaxSessions: 2})
	g := a.granted(alice, "few")
	_, end := a.attach(g)
	b.attach(g)
	for name, gw := range map[string]*bench{"a": a, "b": b} {
		if _, err := gw.Attach(t.Context(), g); err == nil {
			t.Fatalf("gateway %s began a third session", name)
		} else {
			wantCode(t, err, hoop.CodeTooMany, "2 sessions")
		}
	}
	end()
	_, end = a.attach(g) // its own seat is free at once
	end()
	deadline := time.Now().Add(10 * time.Second)
	_, err := b.Attach(t.Context(), g)
	for err != nil && time.Now().Before(deadline) {
		_, err = b.Attach(t.Context(), g) // others see it when the loop has told the store
	}
	if err != nil {
		t.Fatal(err)
	}

	g = a.granted(bob, "few")
	for _, id := range []string{"one", "two"} { // of a process that is no more
		seat := hoop.Seat{ID: id, Grant: g.ID, Gateway: "c", Until: time.Now().Add(time.Minute)}
		if taken, err := a.store.TakeSeat(t.Context(), seat, 2, time.Now()); err != nil || !taken {
			t.Fatal(taken, err)
		}
	}
	if _, err := a.Attach(t.Context(), g); err == nil {
		t.Fatal("a third session began")
	}
	c := start(t, a.store, a.rules, a.log, "c")
	defer c.Close()
	c.attach(g)
}

// What is held against a limit of one at the same moment, at two gateways, is one.
func TestShared_OneSeatForMany(t *testing.T) {
	a, b := twoGateways(t)
	a.rules.set("lone", hoop.Access{Rule: "lone", MaxDuration: hoop.Duration(time.Hour), MaxSessions: 1})
	g := a.granted(alice, "lone")
	var mu sync.Mutex
	var got int
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if _, err := []*bench{a, b}[i%2].Attach(t.Context(), g); err == nil {
				mu.Lock()
				got++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got != 1 {
		t.Errorf("%d sessions under a grant of one", got)
	}
}

// amongOthers is a store that other gateways use too, in a bubble's time.
type amongOthers struct{ *store.Store }

func (amongOthers) Shared() bool { return true }

// A session counts for as long as it lives, however long after it took its seat; those of
// a gateway that died count for two minutes more.
func TestShared_SeatsAreKept(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.rules.set("lone", hoop.Access{Rule: "lone", MaxDuration: hoop.Duration(time.Hour), MaxSessions: 1})
		living := serve(t, amongOthers{b.store}, b.rules, b.log, "living", 0)
		other := serve(t, amongOthers{b.store}, b.rules, b.log, "other", 0)
		defer other.Close()
		defer living.Close()
		g, died := b.granted(alice, "lone"), b.granted(eve, "lone")
		if _, err := living.Attach(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		seat := hoop.Seat{ID: "left behind", Grant: died.ID, Gateway: "dead", Until: time.Now().Add(2 * time.Minute)}
		if taken, err := b.store.TakeSeat(t.Context(), seat, 1, time.Now()); err != nil || !taken {
			t.Fatal(taken, err)
		}
		if _, err := other.Attach(t.Context(), died); err == nil {
			t.Error("a second session began beside one that may live")
		}
		time.Sleep(2*time.Minute + time.Second)
		_, err := other.Attach(t.Context(), g)
		wantCode(t, err, hoop.CodeTooMany)
		if _, err := other.Attach(t.Context(), died); err != nil {
			t.Error(err)
		}
	})
}
