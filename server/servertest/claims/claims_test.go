package claims_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/servertest"
	"github.com/hoopctl/hoopctl/server/servertest/claims"
)

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(m.Run())
}

// What the evidence does not prove is found: an answer nobody recorded, one with another
// end, a row that did not come through the gateway.
func TestClaims_CheckFindsWhatIsNotProven(t *testing.T) {
	g := servertest.Start(t, servertest.Options{
		Setup:     claims.Schema,
		Resources: strings.Replace(servertest.Resources, "role: auditor", "role: auditor, literals: true", 1),
	})
	dsn, auditor, pg := g.Connect("agent", "pg-prod"), g.API("auditor"), g.PG.DSN("postgres")
	e := new(claims.Evidence)
	round := func(n int, also func(c *claims.Claims)) error {
		c := claims.New(n)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c.Limit, c.After = 60, cancel
		if err := c.Run(ctx, dsn, 0, rand.New(rand.NewPCG(uint64(n), 0))); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		also(c)
		// The session ends when the gateway has noticed that its client is gone.
		for {
			live, err := auditor.Sessions(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if !live[0].EndedAt.IsZero() {
				break
			}
		}
		f, err := c.Check(t.Context(), auditor, pg, e)
		if statements, _ := c.Answers(); err == nil && (statements < 40 || f.Rows < 20 || f.Sessions != 1) {
			t.Errorf("round %d: %d statements, %+v", n, statements, f)
		}
		return err
	}
	if err := round(1, func(*claims.Claims) {}); err != nil {
		t.Errorf("all is proven: %v", err)
	}
	for want, also := range map[string]func(c *claims.Claims){
		"no recording has it":    func(c *claims.Claims) { c.Shown("k2c9n9x.new") },
		"no result on record":    func(c *claims.Claims) { c.Told("k2c0n1x", "DELETE 7") },
		"no statement on record": func(*claims.Claims) { g.Direct("INSERT INTO written VALUES ('k2c9n9x')") },
	} {
		if err := round(2, also); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		g.Direct("DELETE FROM written")
	}
}
