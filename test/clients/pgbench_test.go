//go:build clients

package clients

import (
	"regexp"
	"testing"
)

// TestPgbench runs pgbench's own transactions and one with a pipeline. What it prints
// beside its figures must be the same.
func TestPgbench(t *testing.T) {
	compare(t, "pgbench", "", func(t *testing.T, dsn string, r route) string {
		pipeline := testdata(t, "pipeline.sql")
		var out string
		bench := func(args ...string) { out += figures(program(t, dsn, r, "", append([]string{"pgbench"}, args...)...)) }
		if r.core {
			// Creating tables makes a session opaque: the loader runs past the gateway.
			program(t, directly(t, dsn), r, "", "pgbench", "-i", "-s", "1", "-q")
		} else {
			bench("-i", "-s", "1", "-I", "tgvpf", "-q")
		}
		for _, mode := range []string{"simple", "extended", "prepared"} {
			bench("-M", mode, "-S", "-c", "4", "-j", "2", "-t", "50")
			bench("-M", mode, "-c", "4", "-j", "2", "-t", "5", "-r")
		}
		bench("-n", "-M", "extended", "-S", "-C", "-c", "2", "-t", "10")
		bench("-n", "-M", "extended", "-f", pipeline, "-c", "2", "-t", "20")
		bench("-n", "-M", "prepared", "-f", pipeline, "-c", "2", "-t", "20")
		return out + program(t, dsn, r, "", "psql", "-At", "-c",
			"SELECT count(*), sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts) FROM pgbench_history")
	})
}

// figures leaves out what no two runs have in common.
func figures(out string) string {
	out = regexp.MustCompile(`(?m)^(done in|vacuum|generating|.*tuples? \(|\s+\d).*\n`).ReplaceAllString(out, "")
	return regexp.MustCompile(`\d+\.\d+`).ReplaceAllString(out, "N")
}
