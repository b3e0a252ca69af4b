package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/budget"
	"github.com/hoopctl/hoopctl/server/infer"
	"github.com/hoopctl/hoopctl/server/pgserver/pgservertest"
	"github.com/hoopctl/hoopctl/server/store"
)

var (
	_ budget.Store = (*store.Store)(nil)
	_ infer.Store  = (*store.Store)(nil)
)

// put stores documents that may be forgotten at a time.
func put(t *testing.T, s *store.Store, until time.Time, docs map[string]string) {
	t.Helper()
	for name, doc := range docs {
		err := s.UpdateCounts(t.Context(), []string{name}, func(time.Time, [][]byte) ([][]byte, time.Time, error) {
			return [][]byte{[]byte(doc)}, until, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestCounts_AllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		before := time.Now().Add(-time.Minute)
		put(t, s, time.Now().Add(time.Hour), map[string]string{"a": "1", "b": "2"})
		no := errors.New("no")
		err := s.UpdateCounts(t.Context(), []string{"b", "a", "c"}, func(now time.Time, found [][]byte) ([][]byte, time.Time, error) {
			if string(found[0]) != "2" || string(found[1]) != "1" || len(found[2]) != 0 || now.Before(before) {
				t.Errorf("%q at %s", found, now)
			}
			return nil, now, no
		})
		if !errors.Is(err, no) {
			t.Errorf("the step's error became %v", err)
		}
		found, now, err := s.Counts(t.Context(), []string{"c", "a"})
		if err != nil || len(found[0]) != 0 || string(found[1]) != "1" || now.Before(before) {
			t.Errorf("%q at %s, %v", found, now, err)
		}
		err = s.UpdateCounts(t.Context(), []string{"a"}, func(now time.Time, _ [][]byte) ([][]byte, time.Time, error) {
			return [][]byte{nil}, now, nil
		})
		if err != nil {
			t.Errorf("an empty document: %v", err)
		}
	})
}

// Updates of the same documents, named in any order, follow each other.
func TestCounts_Concurrent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		var wg sync.WaitGroup
		for i := range 8 {
			names := [][]string{{"a", "b"}, {"b", "a"}}[i%2]
			wg.Go(func() {
				for range 20 {
					err := s.UpdateCounts(t.Context(), names, func(now time.Time, found [][]byte) ([][]byte, time.Time, error) {
						return [][]byte{append(found[0], 'x'), append(found[1], 'x')}, now.Add(time.Hour), nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		found, _, err := s.Counts(t.Context(), []string{"a", "b"})
		if err != nil || len(found[0]) != 160 || len(found[1]) != 160 {
			t.Errorf("%d and %d updates, %v", len(found[0]), len(found[1]), err)
		}
	})
}

func TestCounts_SweepForgetsWhatCountsNoMore(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		put(t, s, at(10), map[string]string{"old": "1"})
		put(t, s, at(20), map[string]string{"young": "1"})
		if err := s.Sweep(t.Context(), at(15)); err != nil {
			t.Fatal(err)
		}
		found, _, err := s.Counts(t.Context(), []string{"old", "young"})
		if err != nil || len(found[0]) != 0 || string(found[1]) != "1" {
			t.Errorf("%q, %v", found, err)
		}
	})
}

var exportLimit = budget.Limit{Key: budget.Key{Principal: "alice", Target: "pg", Budget: "a.b"}, Rows: 500, Per: time.Hour}

func inferClaim(value string) []infer.Claim {
	return []infer.Claim{{
		Limit:    infer.Limit{Key: infer.Key{Principal: "alice", Target: "pg", Column: "a.b.c"}, Values: 5, Scans: 3, Per: time.Hour},
		Compared: [][]byte{[]byte(value)},
	}}
}

// A gateway that is started again finds what was counted.
func TestCounts_OutliveARestart(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "store.db"), "postgres": pgservertest.NewDatabase(t, pg)} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			b, i := budget.New(s, time.Now), infer.New(s, []byte("key"))
			if ok, err := b.Take(t.Context(), 498, exportLimit); !ok || err != nil {
				t.Fatal(ok, err)
			}
			for _, v := range []string{"1", "2", "3", "4", "5"} {
				if _, over, err := i.Take(t.Context(), inferClaim(v)); len(over) > 0 || err != nil {
					t.Fatal(over, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, url)
			b, i = budget.New(s, time.Now), infer.New(s, []byte("key"))
			if room, err := b.Room(t.Context(), exportLimit); room != 2 || err != nil {
				t.Errorf("room for %d, %v", room, err)
			}
			if _, over, err := i.Take(t.Context(), inferClaim("6")); len(over) == 0 || err != nil {
				t.Errorf("a sixth value fits: %v", err)
			}
			if _, over, err := i.Take(t.Context(), inferClaim("3")); len(over) > 0 || err != nil {
				t.Errorf("a value that was compared before counts again: %v, %v", over, err)
			}
		})
	}
}

// Two gateways on one store, eight streams each: together never more than the limit.
func TestCounts_TwoGatewaysShareTheLimit(t *testing.T) {
	url := pgservertest.NewDatabase(t, pg)
	gateways := []*store.Store{open(t, url), open(t, url)}
	var rows, values atomic.Int64
	var wg sync.WaitGroup
	for n := range 16 {
		s := gateways[n%2]
		wg.Go(func() {
			d := budget.New(s, time.Now).Draw(exportLimit)
			for {
				ok, err := d.Take(t.Context(), 1)
				if err != nil {
					t.Error(err)
				}
				if !ok {
					break
				}
				rows.Add(1)
			}
			if err := d.Close(t.Context()); err != nil {
				t.Error(err)
			}
			_, over, err := infer.New(s, []byte("key")).Take(t.Context(), inferClaim(string(rune('a'+n))))
			if err != nil {
				t.Error(err)
			} else if len(over) == 0 {
				values.Add(1)
			}
		})
	}
	wg.Wait()
	room, err := budget.New(gateways[0], time.Now).Room(t.Context(), exportLimit)
	if err != nil || rows.Load()+room != 500 || rows.Load() < 400 {
		t.Errorf("%d rows were given, room for %d, %v", rows.Load(), room, err)
	}
	if values.Load() != 5 {
		t.Errorf("%d values were compared, the limit is 5", values.Load())
	}
}

// A store that cannot be written gives nothing.
func TestCounts_ClosedStore(t *testing.T) {
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var e *hoop.Error
	if ok, err := budget.New(s, time.Now).Take(context.Background(), 1, exportLimit); ok || !errors.As(err, &e) || e.Code != hoop.CodeUnavailable {
		t.Errorf("%v, %v", ok, err)
	}
}
