package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/pgserver/pgservertest"
	"github.com/hoopctl/hoopctl/server/store"
)

var (
	_ grant.Store = (*store.Store)(nil)
	_ auth.Store  = (*store.Store)(nil)
)

var pg *pgserver.Server

func TestMain(m *testing.M) { pgservertest.Main(m, &pg, pgserver.Options{}) }

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// onBoth runs a test of the suite on SQLite and on PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, open(t, "sqlite:"+filepath.Join(t.TempDir(), "store.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, open(t, pgservertest.NewDatabase(t, pg))) })
}

// at is a moment as exact as the store keeps it.
func at(minutes int) time.Time {
	return time.Date(2026, 3, 1, 12, minutes, 0, 123456000, time.UTC)
}

func aRequest(subject string) hoop.Request {
	return hoop.Request{
		Kind: hoop.RequestGrant, State: hoop.Pending,
		Requester: hoop.Identity{Subject: subject, Name: "Al\x00ice\xff", Kind: hoop.Human, Groups: []string{"devs"}, Chain: []string{"bob"}},
		Target:    "pg-prod", Reason: "why", Rule: "r", Groups: []string{"dba"}, Count: 2, Duration: hoop.Duration(time.Hour),
		Effects:   []hoop.Use{{Effect: hoop.EffectDDL, Tables: []string{"public.t"}}},
		CreatedAt: at(0), ExpiresAt: at(60),
	}
}

func nothing(*hoop.Request, *hoop.Grant) (*hoop.Grant, error) { return nil, nil }

func add(t *testing.T, s *store.Store, r hoop.Request) hoop.Request {
	t.Helper()
	r, err := s.AddRequest(t.Context(), r, nothing)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantCode(t *testing.T, err error, want hoop.Code) {
	t.Helper()
	var e *hoop.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Errorf("error %v; want code %s", err, want)
	}
}

func TestRequests_RoundTrip(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		r := aRequest("alice")
		r.Requester.Name = "Alice"
		r, err := s.AddRequest(t.Context(), r, func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
			if r.ID == 0 {
				t.Error("the step sees no number")
			}
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Request(t.Context(), r.ID)
		if diff := cmp.Diff(r, got); err != nil || diff != "" {
			t.Errorf("%v, -want +got:\n%s", err, diff)
		}
		changed, err := s.UpdateRequest(t.Context(), r.ID, func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
			r.State, r.DecidedAt, r.Grant = hoop.Approved, at(5), "g-1"
			r.Approvals = append(r.Approvals, hoop.Approval{By: "bob", Name: "Bob", Approve: true, At: at(5)},
				hoop.Approval{By: "carol", Name: "Carol", Approve: true, Reason: "ok", At: at(6)})
			return &hoop.Grant{ID: "g-1", Request: r.ID, Owner: r.Requester, Target: r.Target, StartsAt: at(5), ExpiresAt: at(65)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err = s.Request(t.Context(), r.ID)
		if diff := cmp.Diff(changed, got); err != nil || diff != "" || len(got.Approvals) != 2 {
			t.Errorf("%v, -want +got:\n%s", err, diff)
		}
		g, err := s.Grant(t.Context(), "g-1")
		if err != nil || g.Request != r.ID || !g.ExpiresAt.Equal(at(65)) {
			t.Errorf("grant %+v, %v", g, err)
		}
	})
}

func TestRequests_NumbersGrowAndAreNotReused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		a, b := add(t, s, aRequest("a")), add(t, s, aRequest("b"))
		if a.ID < 1 || b.ID <= a.ID {
			t.Errorf("numbers %d, then %d", a.ID, b.ID)
		}
	})
}

func TestRequests_StatementIsNeverStored(t *testing.T) {
	const marker = "9f3c-marker"
	path := filepath.Join(t.TempDir(), "store.db")
	test := func(t *testing.T, s *store.Store) {
		r := aRequest("alice")
		r.Kind, r.Statement, r.Params, r.Shape = hoop.RequestStatement, "select '"+marker+"'", []string{marker}, "select $1"
		r = add(t, s, r)
		r, err := s.UpdateRequest(t.Context(), r.ID, func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
			r.Statement, r.Params = marker, []string{marker}
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Request(t.Context(), r.ID)
		if err != nil || got.Statement != "" || got.Params != nil || got.Shape != "select $1" {
			t.Errorf("stored %+v, %v", got, err)
		}
	}
	t.Run("postgres", func(t *testing.T) { test(t, open(t, pgservertest.NewDatabase(t, pg))) })
	t.Run("sqlite", func(t *testing.T) {
		test(t, open(t, "sqlite:"+path))
		for _, name := range []string{path, path + "-wal"} {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(b), marker) {
				t.Errorf("%s holds the statement's literal", name)
			}
		}
	})
}

func TestRequests_StepErrorUndoesAll(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		no := errors.New("the log is full")
		if _, err := s.AddRequest(t.Context(), aRequest("a"), func(*hoop.Request, *hoop.Grant) (*hoop.Grant, error) { return nil, no }); err != no {
			t.Errorf("AddRequest: %v; want the step's error as it is", err)
		}
		if all, err := s.Requests(t.Context(), "", 0, 10); err != nil || len(all) != 0 {
			t.Errorf("stored after all: %v, %v", all, err)
		}
		r := add(t, s, aRequest("a"))
		_, err := s.UpdateRequest(t.Context(), r.ID, func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
			r.State = hoop.Approved
			r.Approvals = append(r.Approvals, hoop.Approval{By: "bob", Approve: true})
			return nil, no
		})
		if err != no {
			t.Errorf("UpdateRequest: %v; want the step's error as it is", err)
		}
		if got, _ := s.Request(t.Context(), r.ID); got.State != hoop.Pending || len(got.Approvals) != 0 {
			t.Errorf("changed after all: %+v", got)
		}
	})
}

// Two steps on one request: the second sees what the first did.
func TestRequests_ConcurrentUpdatesTakeTurns(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		r := add(t, s, aRequest("alice"))
		const people = 12
		var wg sync.WaitGroup
		var mu sync.Mutex
		granted := 0
		for i := range people {
			wg.Go(func() {
				_, err := s.UpdateRequest(t.Context(), r.ID, func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
					r.Approvals = append(r.Approvals, hoop.Approval{By: fmt.Sprintf("p%d", i), Approve: true, At: at(i)})
					if len(r.Approvals) < people/2 || r.State != hoop.Pending {
						return nil, nil
					}
					r.State = hoop.Approved
					mu.Lock()
					granted++
					mu.Unlock()
					return &hoop.Grant{ID: fmt.Sprintf("g-%d", i), Request: r.ID, StartsAt: at(0), ExpiresAt: at(60)}, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := s.Request(t.Context(), r.ID)
		if err != nil || len(got.Approvals) != people || granted != 1 {
			t.Errorf("%d approvals, %d grants, %v; want %d and 1", len(got.Approvals), granted, err, people)
		}
	})
}

func TestRequests_OnePersonOneGrantOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		r := add(t, s, aRequest("alice"))
		yes := func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
			r.Approvals = append(r.Approvals, hoop.Approval{By: "bob", Approve: true, At: at(len(r.Approvals))})
			return nil, nil
		}
		if _, err := s.UpdateRequest(t.Context(), r.ID, yes); err != nil {
			t.Fatal(err)
		}
		if _, err := s.UpdateRequest(t.Context(), r.ID, yes); err == nil {
			t.Error("the same person is stored twice")
		}
		for i, want := range []bool{true, false} {
			_, err := s.UpdateRequest(t.Context(), r.ID, func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
				return &hoop.Grant{ID: fmt.Sprintf("g-%d", i), Request: r.ID, StartsAt: at(0), ExpiresAt: at(1)}, nil
			})
			if (err == nil) != want {
				t.Errorf("grant %d of one request: %v", i+1, err)
			}
		}
	})
}

func TestRequests_ListsByStateInPages(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		var ids []int64
		for i := range 7 {
			r := aRequest("alice")
			if i%2 == 1 {
				r.State = hoop.Denied
				r.Approvals = []hoop.Approval{{By: "bob", Reason: "no", At: at(1)}}
			}
			ids = append(ids, add(t, s, r).ID)
		}
		page, err := s.Requests(t.Context(), hoop.Pending, 0, 2)
		if err != nil || len(page) != 2 || page[0].ID != ids[6] || page[1].ID != ids[4] {
			t.Fatalf("first page %v, %v", page, err)
		}
		page, err = s.Requests(t.Context(), hoop.Pending, page[1].ID, 5)
		if err != nil || len(page) != 2 || page[1].ID != ids[0] {
			t.Fatalf("second page %v, %v", page, err)
		}
		page, err = s.Requests(t.Context(), hoop.Denied, 0, 5)
		if err != nil || len(page) != 3 || len(page[0].Approvals) != 1 || page[0].Approvals[0].By != "bob" {
			t.Fatalf("denied ones %v, %v", page, err)
		}
		all, err := s.Requests(t.Context(), "", 0, 50)
		if err != nil || len(all) != 7 {
			t.Errorf("all: %d, %v", len(all), err)
		}
		_, err = s.Request(t.Context(), 999)
		wantCode(t, err, hoop.CodeNotFound)
		_, err = s.UpdateRequest(t.Context(), 999, nothing)
		wantCode(t, err, hoop.CodeNotFound)
	})
}

func giveGrant(t testing.TB, s *store.Store, id, owner, target string, from, to int) {
	t.Helper()
	_, err := s.AddRequest(t.Context(), aRequest(owner), func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
		return &hoop.Grant{ID: id, Request: r.ID, Owner: r.Requester, Target: target, StartsAt: at(from), ExpiresAt: at(to)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ids(gs []hoop.Grant) string {
	var out []string
	for _, g := range gs {
		out = append(out, g.ID)
	}
	return strings.Join(out, " ")
}

func TestGrants_NotEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		giveGrant(t, s, "short", "alice", "pg", 0, 10)
		giveGrant(t, s, "to-come", "alice", "my", 20, 30)
		giveGrant(t, s, "bobs", "bob", "pg", 5, 30)
		giveGrant(t, s, "revoked", "bob", "pg", 5, 40)
		if _, err := s.UpdateGrant(t.Context(), "revoked", func(g *hoop.Grant) error {
			g.RevokedAt = at(6)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			subject string
			minute  int
			want    string
		}{
			{"alice", 0, "to-come short"},
			{"alice", 10, "to-come"}, // the end is not part of it
			{"", 0, "bobs to-come short"},
			{"", 30, ""},
		} {
			got, err := s.GrantsAfter(t.Context(), tt.subject, at(tt.minute), 10)
			if err != nil || ids(got) != tt.want {
				t.Errorf("%q at %d: %q, %v; want %q", tt.subject, tt.minute, ids(got), err, tt.want)
			}
		}
		for id, want := range map[string]string{"": "bobs short", "bobs": "short to-come", "to-come": ""} {
			if got, err := s.GrantsBehind(t.Context(), id, at(0), 2); err != nil || ids(got) != want {
				t.Errorf("behind %q: %q, %v; want %q", id, ids(got), err, want)
			}
		}
	})
}

func TestGrants_InForceAt(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		giveGrant(t, s, "short", "alice", "pg", 0, 10)
		giveGrant(t, s, "long", "alice", "pg", 0, 30)
		giveGrant(t, s, "other", "alice", "my", 0, 30)
		giveGrant(t, s, "bobs", "bob", "pg", 5, 30)
		for _, tt := range []struct {
			subject, target string
			minute          int
			want            string
		}{
			{"alice", "pg", 0, "long short"},
			{"alice", "pg", 10, "long"}, // the end is not part of it
			{"alice", "pg", 30, ""},
			{"alice", "", 1, "long other short"},
			{"bob", "pg", 4, ""},
			{"", "pg", 6, "bobs long short"},
			{"eve", "pg", 6, ""},
		} {
			got, err := s.GrantsAt(t.Context(), tt.subject, tt.target, at(tt.minute), 10)
			if err != nil || ids(got) != tt.want {
				t.Errorf("%s on %s at %d: %q, %v; want %q", tt.subject, tt.target, tt.minute, ids(got), err, tt.want)
			}
		}
		if _, err := s.UpdateGrant(t.Context(), "long", func(g *hoop.Grant) error {
			g.RevokedAt, g.RevokedBy, g.Why = at(3), "bob", "enough"
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.GrantsAt(t.Context(), "alice", "pg", at(4), 10); err != nil || ids(got) != "short" {
			t.Errorf("after revocation: %q, %v", ids(got), err)
		}
		if got, err := s.Grants(t.Context(), "alice", 10); err != nil || len(got) != 3 {
			t.Errorf("alice's grants: %q, %v; ended ones must stay", ids(got), err)
		}
		if got, err := s.Grants(t.Context(), "", 2); err != nil || len(got) != 2 || got[0].ID != "bobs" {
			t.Errorf("newest two: %q, %v", ids(got), err)
		}
		if got, err := s.GrantsByID(t.Context(), []string{"short", "none", "bobs"}); err != nil || len(got) != 2 {
			t.Errorf("by ID: %q, %v", ids(got), err)
		}
	})
}

func TestGrants_NothingProlongsOne(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		giveGrant(t, s, "g", "alice", "pg", 0, 10)
		if _, err := s.UpdateGrant(t.Context(), "g", func(g *hoop.Grant) error { g.ExpiresAt = at(11); return nil }); err == nil {
			t.Error("a grant became longer")
		}
		if g, err := s.Grant(t.Context(), "g"); err != nil || !g.ExpiresAt.Equal(at(10)) {
			t.Errorf("grant %+v, %v", g, err)
		}
		_, err := s.UpdateGrant(t.Context(), "none", func(*hoop.Grant) error { return nil })
		wantCode(t, err, hoop.CodeNotFound)
	})
}

func aSession(id, subject string, minute int) hoop.SessionInfo {
	return hoop.SessionInfo{
		ID: id, Identity: hoop.Identity{Subject: subject}, Target: "pg", Grant: "g", Protocol: "postgres",
		Client: "psql\x00\xff", RemoteAddr: "127.0.0.1:5", StartedAt: at(minute),
	}
}

// Sessions that are saved at the same moment share transactions; the conflict of one is its
// own.
func TestSessions_ManyAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		if err := s.SaveSession(t.Context(), aSession("taken", "alice", 0)); err != nil {
			t.Fatal(err)
		}
		const n = 200
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if i%10 == 0 {
					errs[i] = s.SaveSession(t.Context(), aSession("taken", "bob", 1))
					return
				}
				errs[i] = s.SaveSession(t.Context(), aSession(fmt.Sprintf("s%03d", i), "alice", 1))
			})
		}
		wg.Wait()
		for i, err := range errs {
			if i%10 == 0 {
				wantCode(t, err, hoop.CodeConflict)
			} else if err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		}
		if all, err := s.Sessions(t.Context(), "alice", 2*n); err != nil || len(all) != 1+n-n/10 {
			t.Errorf("%d sessions, %v", len(all), err)
		}
	})
}

func TestSessions_StartEndAndList(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		a, b := aSession("a", "alice", 0), aSession("b", "bob", 1)
		for _, info := range []hoop.SessionInfo{a, b} {
			if err := s.SaveSession(t.Context(), info); err != nil {
				t.Fatal(err)
			}
		}
		if open, err := s.OpenSessions(t.Context()); err != nil || len(open) != 2 {
			t.Errorf("open: %v, %v", open, err)
		}
		a.EndedAt, a.Why, a.Statements = at(2), "done", 7
		if err := s.SaveSession(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if open, err := s.OpenSessions(t.Context()); err != nil || len(open) != 1 || open[0].ID != "b" {
			t.Errorf("open after one ended: %v, %v", open, err)
		}
		got, err := s.Session(t.Context(), "a")
		if err != nil || got.Statements != 7 || !got.EndedAt.Equal(at(2)) || !strings.HasPrefix(got.Client, "psql") {
			t.Errorf("session %+v, %v", got, err)
		}
		if all, err := s.Sessions(t.Context(), "", 10); err != nil || len(all) != 2 || all[0].ID != "b" {
			t.Errorf("all, newest first: %v, %v", all, err)
		}
		if all, err := s.Sessions(t.Context(), "alice", 10); err != nil || len(all) != 1 || all[0].ID != "a" {
			t.Errorf("alice's: %v, %v", all, err)
		}
		_, err = s.Session(t.Context(), "none")
		wantCode(t, err, hoop.CodeNotFound)
	})
}

// Elsewhere, reconnecting with an old session ID overwrote its row.
func TestSessions_NobodyOverwritesOne(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		first := aSession("a", "alice", 0)
		if err := s.SaveSession(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		for what, change := range map[string]func(*hoop.SessionInfo){
			"another subject": func(i *hoop.SessionInfo) { i.Identity.Subject = "eve" },
			"another target":  func(i *hoop.SessionInfo) { i.Target = "x" },
			"another grant":   func(i *hoop.SessionInfo) { i.Grant = "x" },
			"another start":   func(i *hoop.SessionInfo) { i.StartedAt = at(1) },
		} {
			other := first
			change(&other)
			err := s.SaveSession(t.Context(), other)
			if err == nil {
				t.Errorf("%s took the session over", what)
				continue
			}
			wantCode(t, err, hoop.CodeConflict)
		}
		first.EndedAt = at(3)
		if err := s.SaveSession(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		first.Rows = 5
		wantCode(t, s.SaveSession(t.Context(), first), hoop.CodeConflict)
		if got, err := s.Session(t.Context(), "a"); err != nil || got.Identity.Subject != "alice" || got.Rows != 0 {
			t.Errorf("session %+v, %v", got, err)
		}
	})
}

func TestInherited_StaysUntilLifted(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		if got, err := s.Inherited(t.Context()); err != nil || len(got) != 0 {
			t.Fatalf("at first: %v, %v", got, err)
		}
		for _, tables := range [][]string{{"public.b", `x."Odd.Name"`}, {"public.b", "public.a"}, nil} {
			if err := s.Inherit(t.Context(), "pg", tables, "session-1"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Inherit(t.Context(), "other", []string{"public.b"}, "17"); err != nil {
			t.Fatal(err)
		}
		names := func() (out []string) {
			got, err := s.Inherited(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range got {
				if time.Since(p.Since) > time.Hour {
					t.Errorf("%s: since %s", p.Table, p.Since)
				}
				out = append(out, p.Target+" "+p.Table+" "+p.By)
			}
			return out
		}
		want := []string{"other public.b 17", "pg public.a session-1", "pg public.b session-1", `pg x."Odd.Name" session-1`}
		if diff := cmp.Diff(want, names(), cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		for _, table := range []string{"public.b", "public.b", "public.unknown"} {
			if err := s.Disinherit(t.Context(), "pg", table); err != nil {
				t.Fatal(err)
			}
		}
		want = []string{"other public.b 17", "pg public.a session-1", `pg x."Odd.Name" session-1`}
		if diff := cmp.Diff(want, names(), cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("lifted, -want +got:\n%s", diff)
		}
	})
}

func TestOpen_SeveralGatewaysMigrateAtOnce(t *testing.T) {
	store.OpenMany(t, pgservertest.NewDatabase(t, pg), 4)
}
