package servertest_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/servertest"
)

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(m.Run())
}

// BenchmarkLine_Select is one prepared select through the whole line, eight clients:
// agent, tunnel, edge, session, policy, record, and back, all in this process. Profile
// it with -cpuprofile.
func BenchmarkLine_Select(b *testing.B) {
	for _, mode := range []string{"batched", "strict"} {
		b.Run(mode, func(b *testing.B) {
			g := servertest.Start(b, servertest.Options{
				Setup:     "CREATE TABLE t AS SELECT i AS id, repeat('x', 80) AS v FROM generate_series(1, 10000) i; CREATE UNIQUE INDEX ON t (id)",
				Resources: strings.Replace(servertest.Resources, "  tls: disable", "  tls: disable\n  record: "+mode, 1),
			})
			url := g.Connect("agent", "pg-prod")
			b.SetParallelism(4) // on two cores: eight clients
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				conn, err := pgx.Connect(context.Background(), url)
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close(context.Background())
				var v string
				for i := 0; pb.Next(); i++ {
					if err := conn.QueryRow(context.Background(), "SELECT v FROM t WHERE id = $1", i%10000+1).Scan(&v); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
