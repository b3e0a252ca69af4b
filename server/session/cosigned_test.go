package session_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/servertest"
	"github.com/hoopctl/hoopctl/server/witness"
)

// A rule demands a cosignature of a real witness: with it the statement runs; without
// it does not, while those that no such rule meets do.
func TestSession_RuleDemandsACosignature(t *testing.T) {
	rule := servertest.Resources + `
---
kind: StatementRule
name: patients-are-witnessed
spec: {targets: [pg-prod], groups: ["*"], effects: ["*"], tables: [public.patients], decision: allow, cosigned_within: 5m}
`
	data := t.TempDir()
	first := servertest.Start(t, servertest.Options{Setup: setup, DataDir: data})
	key, err := first.API("auditor").LogKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first.Stop()

	cosigner, stop := witnessOf(t, key.Verifier)
	start := func() *servertest.Gateway {
		return servertest.Start(t, servertest.Options{DataDir: data, PG: first.PG, Resources: rule, Config: func(c *server.Config) {
			c.Witnesses = []server.WitnessConfig{cosigner}
		}})
	}
	const patients, others = "SELECT state FROM patients WHERE id = 1", "SELECT x FROM scratch"

	g := start()
	conn := open(t, g, nil)
	watchdog := time.Now().Add(time.Minute)
	for { // the witness is asked when the gateway starts
		_, err := conn.Exec(t.Context(), patients)
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "no witness has cosigned the audit log since the gateway was started") || time.Now().After(watchdog) {
			t.Fatalf("with a witness: %v", err)
		}
	}
	g.Stop()

	stop()
	conn = open(t, start(), nil)
	if _, err := conn.Exec(t.Context(), patients); err == nil || !strings.Contains(err.Error(), "no witness has cosigned") || !strings.Contains(err.Error(), "a rule demands it every 5m") {
		t.Errorf("without a witness: %v", err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT s.x FROM scratch s, patients"); err == nil {
		t.Error("without a witness: a join with it runs")
	}
	if _, err := conn.Exec(t.Context(), others); err != nil {
		t.Errorf("without a witness, no such rule: %v", err)
	}
}

// While people think, a rule comes to demand a cosignature that no witness gave: what
// they approve does not run.
func TestSession_ARuleDemandsACosignatureMeanwhile(t *testing.T) {
	const asks = "tables: [\"*\"]\n  decision: approve"
	demanding := strings.Replace(servertest.Resources, asks, asks+"\n  cosigned_within: 2m", 1)
	dir := t.TempDir()
	away, err := witness.New(witness.Options{Dir: filepath.Join(dir, "logs"), Key: filepath.Join(dir, "keys", "witness.key"), Name: "away.example"})
	if err != nil {
		t.Fatal(err)
	}
	a := startApprovals(t, servertest.Options{Config: func(c *server.Config) {
		c.Witnesses = []server.WitnessConfig{{Name: "away", URL: "https://127.0.0.1:1", Key: away.VerifierKey()}}
	}})
	conn := open(t, a.Gateway, nil)
	for _, rules := range []string{servertest.Resources, demanding} {
		before := a.hits()
		done := exec(conn, hit)
		held := a.pending(1)[0]
		a.Reload(rules, "")
		a.decide(held.ID, true)
		err := <-done
		ran := a.hits() - before
		if rules != demanding {
			if err != nil || ran != 1 {
				t.Errorf("no rule demands one: it ran %d times: %v", ran, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "no witness has cosigned the audit log since the gateway was started, and a rule demands it every 2m") || ran != 0 {
			t.Errorf("a rule demands one: it ran %d times: %v", ran, err)
		}
	}
}
