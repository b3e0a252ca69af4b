//go:build clients

package clients

import (
	_ "embed"
	"strconv"
	"testing"
)

//go:embed testdata/psql.sql
var psqlScript string

// TestPsql types what people type.
func TestPsql(t *testing.T) {
	compare(t, "psql", "", func(t *testing.T, dsn string, r route) string {
		return program(t, dsn, r, psqlScript, "psql", "-X", "-v", "full="+strconv.FormatBool(!r.core))
	})
}
