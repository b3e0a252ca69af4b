package cli

import (
	"os/exec"
	"strings"
	"testing"
)

// The client is small and holds no rules: it links nothing of the gateway, no SQL
// parser, no policy engine, no database.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../../cmd/hoopctl").Output()
	if err != nil {
		t.Fatal(err)
	}
	for p := range strings.Lines(string(out)) {
		p = strings.TrimSpace(p)
		for _, bad := range []string{
			"github.com/hoopctl/hoopctl/server", "open-policy-agent", "pganalyze", "wasilibs", "tetratelabs", "modernc.org",
			"zitadel", "crewjam", "prometheus", "opentelemetry", "google.golang.org/grpc", "atotto",
		} {
			if strings.Contains(p, bad) {
				t.Errorf("hoopctl links %s", p)
			}
		}
	}
}
