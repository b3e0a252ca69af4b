package store_test

import (
	"fmt"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/store"
)

// BenchmarkStore times what stands in the way of a connection: is a grant in force,
// and the row of its session; and a request, which people wait for.
func BenchmarkStore(b *testing.B) {
	for name, url := range map[string]string{"sqlite": "sqlite:" + b.TempDir() + "/store.db", "postgres": pg.DSN("postgres")} {
		s, err := store.Open(b.Context(), url)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/request", func(b *testing.B) {
			for b.Loop() {
				if _, err := s.AddRequest(b.Context(), aRequest("others"), func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
					return &hoop.Grant{ID: fmt.Sprint("g", r.ID), Request: r.ID, Owner: r.Requester, Target: "pg", StartsAt: at(0), ExpiresAt: at(60)}, nil
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
		giveGrant(b, s, "alices", "alice", "pg", 0, 60)
		b.Run(name+"/grant in force", func(b *testing.B) {
			for b.Loop() {
				if _, err := s.GrantsAt(b.Context(), "alice", "pg", at(1), 1); err != nil {
					b.Fatal(err)
				}
			}
		})
		n := 0
		b.Run(name+"/session", func(b *testing.B) {
			for b.Loop() {
				n++
				if err := s.SaveSession(b.Context(), aSession(fmt.Sprint("s", n), "alice", 0)); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
}
