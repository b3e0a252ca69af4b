package grant_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/store"
)

const literal = "P-078051120-X"

func aStatement(by hoop.Identity) hoop.Request {
	return hoop.Request{
		Requester: by, Target: "open", Session: "s1", Rule: "risky", Groups: []string{"dba"}, Count: 1, Reason: "it drops",
		Duration: hoop.Duration(2 * time.Minute), Statement: "DELETE FROM t WHERE ssn <> '" + literal + "' OR id = $1", Params: []string{literal},
		Shape: "DELETE FROM t WHERE ssn <> $2 OR id = $1", Digest: "d1", Grant: "g-1",
		Effects: []hoop.Use{{Effect: hoop.EffectUnboundedWrite, Tables: []string{"public.t"}}},
		Writing: []hoop.Writing{{Known: true, Tables: []string{"public.t"}, Params: make([]hoop.Purpose, 1)}},
		Facts:   &hoop.Facts{Pending: true},
	}
}

func (b *bench) hold(by hoop.Identity) hoop.Request {
	b.t.Helper()
	return b.holdFor(by, 2*time.Minute)
}

// holdFor is hold where people have so long.
func (b *bench) holdFor(by hoop.Identity, d time.Duration) hoop.Request {
	b.t.Helper()
	q := aStatement(by)
	q.Duration = hoop.Duration(d)
	r, err := b.Hold(b.t.Context(), q)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

type outcome struct {
	r   hoop.Request
	err error
}

// await waits in the background.
func (b *bench) await(ctx context.Context, id int64) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		r, err := b.Await(ctx, id)
		done <- outcome{r, err}
	}()
	return done
}

// deciding is a store whose requests are decided as soon as anybody can see them.
type deciding struct {
	grant.Store
	decide func(hoop.Request)
}

func (d deciding) AddRequest(ctx context.Context, r hoop.Request, step store.Step) (hoop.Request, error) {
	r, err := d.Store.AddRequest(ctx, r, step)
	if err == nil {
		d.decide(r)
	}
	return r, err
}

func TestHold_DecidedAtOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		st := deciding{b.store, func(r hoop.Request) { b.approve(bob, r.ID) }}
		b.Close()
		b.Service = serve(t, st, b.rules, b.log, "", 0)
		r := b.hold(alice)
		if got, err := b.Await(t.Context(), r.ID); err != nil || got.State != hoop.Approved {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestHold_Outcomes(t *testing.T) {
	for what, tt := range map[string]struct {
		end  func(b *bench, r hoop.Request, hangUp context.CancelCauseFunc)
		want hoop.RequestState
		why  string
	}{
		"approved": {func(b *bench, r hoop.Request, _ context.CancelCauseFunc) { b.approve(bob, r.ID) }, hoop.Approved, ""},
		"denied": {func(b *bench, r hoop.Request, _ context.CancelCauseFunc) {
			if _, err := b.Deny(b.t.Context(), bob, r.ID, "no"); err != nil {
				b.t.Error(err)
			}
		}, hoop.Denied, "no"},
		"expired":        {func(b *bench, _ hoop.Request, _ context.CancelCauseFunc) { time.Sleep(2*time.Minute + time.Second) }, hoop.Expired, ""},
		"client is gone": {func(_ *bench, _ hoop.Request, hangUp context.CancelCauseFunc) { hangUp(nil) }, hoop.Cancelled, "the client went away"},
		"the grant ends": {func(_ *bench, _ hoop.Request, hangUp context.CancelCauseFunc) {
			hangUp(hoop.Errorf(hoop.CodeRevoked, "the grant for open was revoked by root: enough"))
		}, hoop.Cancelled, "the grant for open was revoked by root: enough"},
		"cancelled": {func(b *bench, r hoop.Request, _ context.CancelCauseFunc) {
			if _, err := b.Cancel(b.t.Context(), alice, r.ID); err != nil {
				b.t.Error(err)
			}
		}, hoop.Cancelled, ""},
	} {
		t.Run(what, func(t *testing.T) {
			run(t, func(t *testing.T, b *bench) {
				ctx, hangUp := context.WithCancelCause(t.Context())
				defer hangUp(nil)
				held := b.hold(alice)
				if held.ID == 0 || held.ExpiresAt.Sub(held.CreatedAt) != 2*time.Minute || held.Statement == "" {
					t.Errorf("held %+v", held)
				}
				answer := b.await(ctx, held.ID)
				synctest.Wait()
				select {
				case got := <-answer:
					t.Fatalf("nobody decided, and yet: %+v", got)
				default:
				}
				tt.end(b, held, hangUp)
				got := <-answer
				if got.err != nil || got.r.State != tt.want || got.r.DecisionWhy != tt.why || got.r.Digest != "d1" {
					t.Errorf("%+v, %v; want %s, %q", got.r, got.err, tt.want, tt.why)
				}
				if got.r.Statement != "" || got.r.Params != nil || got.r.Shape == "" {
					t.Errorf("after the decision: %+v", got.r)
				}
				// An approval is used once.
				_, err := b.Await(t.Context(), held.ID)
				wantCode(t, err, hoop.CodeNotFound)
			})
		})
	}
}

func TestHold_DecidedBeforeAnybodyAwaits(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		held := b.hold(alice)
		b.approve(bob, held.ID)
		if r, err := b.Await(t.Context(), held.ID); err != nil || r.State != hoop.Approved {
			t.Errorf("%+v, %v", r, err)
		}
		_, err := b.Await(t.Context(), held.ID)
		wantCode(t, err, hoop.CodeNotFound)
	})
}

// Two that wait for one approval: one of them may run.
func TestAwait_TellsTheAnswerOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		held := b.hold(alice)
		one, two := b.await(t.Context(), held.ID), b.await(t.Context(), held.ID)
		synctest.Wait()
		b.approve(bob, held.ID)
		approved := 0
		for _, c := range []<-chan outcome{one, two} {
			if got := <-c; got.err == nil && got.r.State == hoop.Approved {
				approved++
			}
		}
		if approved != 1 {
			t.Errorf("%d may run", approved)
		}
	})
}

func TestHold_TooManyWait(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		var err error
		for i := 0; i < 60 && err == nil; i++ {
			_, err = b.Hold(t.Context(), aStatement(alice))
		}
		wantCode(t, err, hoop.CodeTooMany)
		b.hold(eve)
	})
}

// An approval that nobody fetches in time is not there for a later session.
func TestHold_AnswerNobodyFetchesGoes(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		held := b.hold(alice)
		b.approve(bob, held.ID)
		time.Sleep(2 * time.Minute)
		_, err := b.Await(t.Context(), held.ID)
		wantCode(t, err, hoop.CodeNotFound)
	})
}

func TestHold_ExpiresWithoutTheLoop(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		held := b.hold(alice)
		b.Close()
		r, err := b.Await(t.Context(), held.ID)
		if err != nil || r.State != hoop.Expired {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestHold_Refused(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		for what, change := range map[string]func(*hoop.Request){
			"nobody may approve": func(r *hoop.Request) { r.Groups = nil },
			"no digest":          func(r *hoop.Request) { r.Digest = "" },
			"no requester":       func(r *hoop.Request) { r.Requester.Subject = "" },
		} {
			r := aStatement(alice)
			change(&r)
			if _, err := b.Hold(t.Context(), r); err == nil {
				t.Errorf("%s: held", what)
			}
		}
		// What the caller cannot set.
		r := aStatement(alice)
		r.State, r.Approvals, r.ExpiresAt = hoop.Approved, []hoop.Approval{{By: "bob", Approve: true}}, time.Now().Add(time.Hour*99)
		held, err := b.Hold(t.Context(), r)
		if err != nil || held.State != hoop.Pending || len(held.Approvals) != 0 || held.ExpiresAt.After(time.Now().Add(2*time.Minute)) {
			t.Errorf("%+v, %v", held, err)
		}
	})
}

// Promise 9: literals exist in the encrypted recording only.
func TestHold_LiteralsAreNowhereElse(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		held := b.hold(alice)
		has := func(v any) bool {
			s, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Contains(string(s), literal)
		}
		see := func(viewer hoop.Identity) hoop.Request {
			r, err := b.Request(t.Context(), viewer, held.ID)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		if has(b.request(held.ID)) {
			t.Error("the store holds the literal")
		}
		for _, viewer := range []hoop.Identity{alice, bob} {
			if r := see(viewer); r.Statement != aStatement(alice).Statement || len(r.Params) != 1 {
				t.Errorf("%s does not see exactly what would run: %+v", viewer.Subject, r)
			}
		}
		bot := agent // acts for an approver: it may tell people, and not what the literals are
		bot.Groups, bot.Chain = []string{"dba"}, []string{"bob"}
		for _, viewer := range []hoop.Identity{auditor, admin, bot} {
			if r := see(viewer); has(r) || r.Shape == "" {
				t.Errorf("%s sees the literal, or not even the shape: %+v", viewer.Subject, r)
			}
		}
		inbox, err := b.Requests(t.Context(), bob, grant.Filter{Inbox: true})
		if err != nil || len(inbox) != 1 || !has(inbox[0]) {
			t.Errorf("inbox %+v, %v; it must show what would run", inbox, err)
		}
		b.approve(bob, held.ID)
		for _, viewer := range []hoop.Identity{alice, bob, auditor} {
			if has(see(viewer)) {
				t.Errorf("%s still sees the literal", viewer.Subject)
			}
		}
		for _, e := range b.log.Events() {
			if has(e) {
				t.Errorf("event %+v holds the literal", e)
			}
			if e.Text != aStatement(alice).Shape {
				t.Errorf("event %s does not say which statement: %q", e.Type, e.Text)
			}
		}
	})
}

// Every step is on record, durably, before it takes effect.
func TestRecord_ComesBeforeTheEffect(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		held := b.hold(alice)
		answer := b.await(t.Context(), held.ID)
		synctest.Wait()
		b.log.Before(func(e hoop.Event) {
			time.Sleep(3 * time.Second) // a slow disk
			select {
			case got := <-answer:
				t.Errorf("woken before the %s was durable: %+v", e.Type, got)
			default:
			}
		})
		b.approve(bob, held.ID)
		b.log.Before(nil)
		if got := <-answer; got.r.State != hoop.Approved {
			t.Errorf("%+v", got)
		}

		g := b.granted(alice, "open")
		ctx, detach := b.attach(g)
		defer detach()
		b.log.Before(func(hoop.Event) {
			if ctx.Err() != nil {
				t.Error("cut before the revocation was durable")
			}
		})
		if _, err := b.Revoke(t.Context(), alice, g.ID, ""); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
	})
}

func TestRecord_FailureRefusesEveryStep(t *testing.T) {
	full := errors.New("no space left on device")
	run(t, func(t *testing.T, b *bench) {
		pending, g := b.ask(alice, "one"), b.granted(alice, "open")
		held := b.hold(alice)
		answer := b.await(t.Context(), held.ID)
		ctx, detach := b.attach(g)
		defer detach()
		b.log.Fail(full)
		for what, step := range map[string]func() error{
			"ask":               func() error { _, g, err := b.Ask(t.Context(), eve, newRequest("open")); return both(g != nil, err) },
			"ask for approval":  func() error { _, _, err := b.Ask(t.Context(), eve, newRequest("one")); return err },
			"approve":           func() error { _, err := b.Approve(t.Context(), bob, pending.ID, ""); return err },
			"deny":              func() error { _, err := b.Deny(t.Context(), bob, pending.ID, "no"); return err },
			"cancel":            func() error { _, err := b.Cancel(t.Context(), alice, pending.ID); return err },
			"revoke":            func() error { _, err := b.Revoke(t.Context(), alice, g.ID, ""); return err },
			"hold":              func() error { _, err := b.Hold(t.Context(), aStatement(alice)); return err },
			"approve statement": func() error { _, err := b.Approve(t.Context(), bob, held.ID, ""); return err },
		} {
			err := step()
			wantCode(t, err, hoop.CodeUnrecorded)
			if !errors.Is(err, full) {
				t.Errorf("%s: the cause is lost: %v", what, err)
			}
		}
		if got := b.request(pending.ID); got.State != hoop.Pending || len(got.Approvals) != 0 {
			t.Errorf("request after refused steps: %+v", got)
		}
		if all, err := b.store.Requests(t.Context(), "", 0, 100); err != nil || len(all) != 3 {
			t.Errorf("%d requests, %v; want the 3 of before", len(all), err)
		}
		_, err := b.Await(t.Context(), held.ID+1)
		wantCode(t, err, hoop.CodeNotFound, "no statement waits") // the one that was not stored
		if ctx.Err() != nil {
			t.Error("cut by a revocation that did not happen")
		}
		// Not even the expiry can be recorded: the statement does not run, and the
		// request cannot be approved later.
		got := <-answer
		wantCode(t, got.err, hoop.CodeUnrecorded)
		b.log.Fail(nil)
		if _, err := b.Approve(t.Context(), bob, held.ID, ""); err == nil {
			t.Error("approved after its time")
		}
		time.Sleep(time.Second)
		if got := b.request(held.ID); got.State != hoop.Expired {
			t.Errorf("when the log works again: %+v; want it expired", got)
		}
	})
}

func both(bad bool, err error) error {
	if bad {
		return errors.New("it took effect")
	}
	return err
}

func TestHold_ShowsEachOnlyWhatIsMeantForThem(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		ask := aStatement(alice)
		ask.Effects[0].Tables, ask.Writing = []string{"clinic.patients"}, nil
		ask.Executes = []string{"SELECT '" + literal + "'"}
		r, err := b.Hold(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		b.Tell(r.ID, hoop.Facts{Digest: "of these", Transaction: "none is open", Estimate: hoop.Estimate{Known: true, Rows: 3, What: "change"}, Locks: hoop.Locks{Held: []hoop.Lock{{}}}})
		for _, tt := range []struct {
			who          hoop.Identity
			clear, facts bool
		}{
			{alice, true, false}, // what she wrote, and not what it would tell her about the data
			{bob, false, true},
			{hoop.Identity{Subject: "pat", Kind: hoop.Human, Groups: []string{"dba", "privacy"}}, true, true},
		} {
			seen, err := b.Request(t.Context(), tt.who, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			all, err := json.Marshal(seen)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(all), literal); got != tt.clear {
				t.Errorf("%s sees the literal: %v, want %v: %s", tt.who.Subject, got, tt.clear, all)
			}
			if got := seen.Facts != nil && seen.Facts.Transaction != ""; got != tt.facts {
				t.Errorf("%s sees the facts: %v, want %v", tt.who.Subject, got, tt.facts)
			}
			if seen.Hidden > 0 == tt.clear {
				t.Errorf("%s hears of %d masked values", tt.who.Subject, seen.Hidden)
			}
		}
		b.approve(bob, r.ID)
		b.Tell(r.ID, hoop.Facts{Transaction: "late"}) // does nothing
		// What bob could see is on record: in short in the log, whole in the recording.
		events := b.log.Events()
		told := map[string]string{}
		for _, d := range events[len(events)-1].Details {
			told[d.Name] = d.Value
		}
		for name, want := range map[string]string{
			"estimate": "about 3 would change", "transaction": "none is open", "locks": "1 held, 0 backends wait", "protected_columns": "0", "hidden_values": "3", "facts_digest": "of these",
		} {
			if told[name] != want {
				t.Errorf("the log says of %s: %q, want %q", name, told[name], want)
			}
		}
		if answer, err := b.Await(t.Context(), r.ID); err != nil || answer.Facts == nil || answer.Facts.Estimate.Rows != 3 || answer.Statement != "" {
			t.Errorf("for the recording: %+v, %v", answer, err)
		}
		if got, err := b.Request(t.Context(), bob, r.ID); err != nil || got.Facts != nil || got.Statement != "" {
			t.Errorf("after the decision: %+v, %v", got, err)
		}
	})
}
