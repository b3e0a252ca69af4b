//go:build clients

package clients

import (
	"os/exec"
	"testing"
)

const jdbcJar = "/usr/share/java/postgresql.jar"

func TestJDBC(t *testing.T) {
	classes := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "javac", "-cp", jdbcJar, "-d", classes, testdata(t, "Jdbc.java")).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	compare(t, "jdbc", "null", func(t *testing.T, dsn string, r route) string {
		return program(t, dsn, r, "", "java", "-XX:TieredStopAtLevel=1", "-cp", jdbcJar+":"+classes, "Jdbc")
	})
}
