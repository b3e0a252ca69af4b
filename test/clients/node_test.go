//go:build clients

package clients

import "testing"

func TestNodePg(t *testing.T)       { compare(t, "nodepg", "null", nodeScript("pg.js")) }
func TestNodePostgres(t *testing.T) { compare(t, "nodepostgres", "null", nodeScript("postgres.js")) }

func nodeScript(name string) script {
	return func(t *testing.T, dsn string, r route) string {
		return program(t, dsn, r, "", "node", testdata(t, "node", name))
	}
}
