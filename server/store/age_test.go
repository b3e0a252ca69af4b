package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/store"
)

// What decides, ends, revokes, uses up or protects makes the store older; what fails, or
// takes nothing away, does not.
func TestStore_Age(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		first, err := s.Age(ctx)
		if err != nil || first.Store == "" || first.Steps != 0 {
			t.Fatalf("a new store has the age %+v, %v", first, err)
		}
		grant := func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
			return &hoop.Grant{ID: "g-1", Request: r.ID, Owner: r.Requester, Target: r.Target, StartsAt: at(0), ExpiresAt: at(50)}, nil
		}
		var id int64
		no := errors.New("no")
		for _, x := range []struct {
			what  string
			do    func() error
			steps int64
		}{
			{"a request", func() error { r, err := s.AddRequest(ctx, aRequest("alice"), grant); id = r.ID; return err }, 1},
			{"a decision", func() error {
				_, err := s.UpdateRequest(ctx, id, func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) { r.State = hoop.Denied; return nil, nil })
				return err
			}, 2},
			{"a decision that fails", func() error {
				_, err := s.UpdateRequest(ctx, id, func(*hoop.Request, *hoop.Grant) (*hoop.Grant, error) { return nil, no })
				return err
			}, 2},
			{"a use", func() error {
				_, err := s.UpdateGrant(ctx, "g-1", func(g *hoop.Grant) error { g.Uses++; return nil })
				return err
			}, 3},
			{"protection", func() error { return s.Inherit(ctx, "pg", []string{"a.b"}, "s-1") }, 4},
			{"no protection any more", func() error { return s.Disinherit(ctx, "pg", "a.b") }, 5},
			{"a sign-in", func() error { return s.AddFamily(ctx, auth.Family{ID: "f-1", Subject: "alice", ExpiresAt: at(50)}) }, 5},
			{"its end", func() error {
				return s.UpdateFamily(ctx, "f-1", func(f *auth.Family) ([]auth.Token, error) { f.EndedAt = at(1); return nil, nil })
			}, 6},
			{"who is disabled", func() error { return s.SetDisabled(ctx, "alice", at(1), at(50)) }, 7},
			{"a count", func() error {
				return s.UpdateCounts(ctx, []string{"n"}, func(now time.Time, _ [][]byte) ([][]byte, time.Time, error) { return [][]byte{{1}}, now, nil })
			}, 7},
		} {
			if err := x.do(); err != nil && !errors.Is(err, no) {
				t.Fatalf("%s: %v", x.what, err)
			}
			if is, err := s.Age(ctx); err != nil || is != (store.Age{Store: first.Store, Steps: x.steps}) {
				t.Errorf("after %s the age is %+v, %v; want %d steps", x.what, is, err, x.steps)
			}
		}
	})
}
