package auth

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crewjam/saml"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

// neighbour is another gateway on the same store, with live sessions of its own.
type neighbour struct {
	*Server
	mu   sync.Mutex
	told []string
}

// said is what it was told since it was last asked.
func (n *neighbour) said() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	told := n.told
	n.told = nil
	return told
}

func newNeighbour(t *testing.T, w *world, adjust ...func(*Options)) *neighbour {
	t.Helper()
	n := &neighbour{}
	tell := func(what string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.told = append(n.told, what)
	}
	o := w.o
	o.OnEnd = func(_ context.Context, subject string) { tell("end " + subject) }
	o.OnChange = func(_ context.Context, id hoop.Identity) { tell("change " + id.Subject) }
	for _, f := range adjust {
		f(&o)
	}
	var err error
	if n.Server, err = New(o); err != nil {
		t.Fatal(err)
	}
	return n
}

// Gateways on one store have keys of their own, and none can ask about sign-ins that another
// took. Each leaves them to that one, and ends them only where it is gone.
func TestRun_AnotherGatewayAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, withIDP(t, newIDP(t)))
		w.store.shared = true
		n := newNeighbour(t, w, func(o *Options) { o.Secret = bytes.Repeat([]byte{8}, 32) })
		da := w.begin()
		if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "", true); err != nil {
			t.Fatal(err)
		}
		if _, err := w.oauth().DeviceAccessToken(w.ctx(), da); err != nil {
			t.Fatal(err)
		}
		here, stopHere := context.WithCancel(t.Context())
		there, stopThere := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = n.Run(there) })
		running.Go(func() { _ = w.Run(here) })
		defer running.Wait()
		defer stopThere()
		defer stopHere()

		live := func() bool {
			f, err := w.store.Families(t.Context(), "corp:id2", time.Now())
			return err == nil && len(f) == 1 && time.Since(f[0].CheckedAt) < maxAccessLife
		}
		if due, err := n.due(t.Context(), time.Now().Add(recheckAfter+1), 1); err != nil || len(due) != 0 {
			t.Errorf("the other gateway is to ask: %+v, %v", due, err)
		}
		for range 6 {
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if !live() {
				t.Fatal("it has ended, or nobody asks about it")
			}
		}
		if got := n.said(); len(got) != 0 {
			t.Errorf("the other gateway was told %q", got)
		}
		stopHere()
		time.Sleep(abandonAfter + 2*recheckEvery)
		synctest.Wait()
		if got := n.said(); live() || !slices.Equal(got, []string{"end corp:id2"}) {
			t.Errorf("the gateway that asked is gone, and the other was told %q", got)
		}
	})
}

// A gateway with keys of its own says so of what another gave, and ends nothing of it.
func TestIdentify_AnotherGatewaysKeys(t *testing.T) {
	w := newWorld(t, withIDP(t, newIDP(t)))
	w.store.shared = true
	n := newNeighbour(t, w, func(o *Options) { o.Secret = bytes.Repeat([]byte{8}, 32) })
	w.setAccount("ci-agent", "secret", "agents")
	token := w.secret("ci-agent", "secret").Access
	said := func(s *Server) string {
		_, err := s.Identify(t.Context(), token)
		if err == nil {
			return "nothing"
		}
		return hoop.AsError(err).Message
	}
	if got := said(w.Server); got != "nothing" {
		t.Errorf("the gateway that gave the token: %s", got)
	}
	if got := said(n.Server); !strings.Contains(got, "another sign-in key") {
		t.Errorf("the other: %s", got)
	}
	w.setAccount("ci-agent", "other", "agents")
	if got := said(w.Server); !strings.Contains(got, "another secret") {
		t.Errorf("after the secret has changed: %s", got)
	}
	w.removeAccount("ci-agent")
	if got, there := said(w.Server), said(n.Server); got != errGone.Message || there != got {
		t.Errorf("after the account has gone: %s; at the other: %s", got, there)
	}

	// Whichever gives the tokens: the one that met the identity provider can ask it again.
	for _, gives := range []*Server{w.Server, n.Server} {
		da := w.begin()
		if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "", true); err != nil {
			t.Fatal(err)
		}
		tokens, err := gives.redeem(t.Context(), caller{id: ClientID, ip: "127.0.0.1"}, da.DeviceCode)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.refresh(t.Context(), caller{id: ClientID, ip: "127.0.0.1"}, tokens.RefreshToken); err == nil || !strings.Contains(err.Error(), "another sign-in key") {
			t.Errorf("a refresh at the other: %v", err)
		}
		if got := w.refreshWith(tokens.RefreshToken); got.Access == "" {
			t.Errorf("and where it was given: %+v", got)
		}
	}
}

// What one gateway ends, another on the same store has cut too, within its next look, once,
// and only where it must.
func TestRun_AnotherGatewayEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.shared = true
		n := newNeighbour(t, w)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = n.Run(ctx) })
		running.Go(func() { _ = w.Run(ctx) })
		defer running.Wait()
		defer stop()

		look := func(what string, want ...string) {
			t.Helper()
			time.Sleep(elsewhereEvery)
			synctest.Wait()
			if got := n.said(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		laptop, desk := w.refreshWith(refreshable(w)), w.refreshWith(refreshable(w))
		look("nothing happened")
		if err := w.revoke(t.Context(), caller{id: ClientID}, laptop.Refresh); err != nil {
			t.Fatal(err)
		}
		look("signed out on one of two devices")
		if err := w.revoke(t.Context(), caller{id: ClientID}, desk.Access); err != nil {
			t.Fatal(err)
		}
		look("signed out on the other", "end alice")
		look("later")

		refreshable(w)
		w.store.failWith(func(op string) error {
			if op == "Cuts" {
				return errors.New("the store is away")
			}
			return nil
		})
		if _, err := w.Disable(t.Context(), "alice", "left"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * elsewhereBack)
		look("the store is away")
		w.store.failWith(nil)
		look("the store is back", "end alice")

		tok := refreshable(w)
		w.providers[devProvider] = devUsers{{Name: "alice", Groups: []string{"nobody"}}}
		w.refreshWith(tok)
		look("other groups", "change alice")
		if got := w.cut(); !slices.Equal(got, []string{"alice", "alice", "alice"}) {
			t.Errorf("the gateway that ended them cut %q", got) // out; disabled, and once more for those without sign-in
		}
	})
}

// A SAML sign-in that one gateway took holds at another one as long as it holds there, though
// nobody is asked about it, and what stands on it is cut there, too.
func TestRun_SAMLAtAnotherGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp, with := withSAML(t)
		w := newWorld(t, with)
		w.store.shared = true
		n := newNeighbour(t, w, func(o *Options) { o.Secret = bytes.Repeat([]byte{8}, 32) })
		end := time.Now().Add(time.Hour)
		idp.change = func(a *saml.Assertion) { a.AuthnStatements[0].SessionNotOnOrAfter = &end }
		here, stopHere := context.WithCancel(t.Context())
		there, stopThere := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = n.Run(there) })
		running.Go(func() { _ = w.Run(here) })
		defer running.Wait()
		defer stopThere()
		defer stopHere()
		w.samlSignIn()
		time.Sleep(time.Until(end) - time.Second)
		synctest.Wait()
		if f, err := w.store.Families(t.Context(), "clinic:jane-id", time.Now()); err != nil || len(f) != 1 || len(n.said()) != 0 {
			t.Fatalf("a second before the end: %+v, %v; the other gateway was told %q", f, err, n.said())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := n.said(); !slices.Contains(got, "end clinic:jane-id") {
			t.Errorf("the other gateway was told %q", got)
		}
	})
}
