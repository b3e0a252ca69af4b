package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/resource"
)

// The gateway under test must have everything on; a document that it refuses or a rule
// that names another table would only be seen at the end of a long run.
func TestResourcesYAML_HasEverythingOn(t *testing.T) {
	e := &env{user: role, pg: &pgserver.Server{Host: "127.0.0.1", Port: 5432}}
	for name, opts := range map[string]hoopOptions{
		"batched": {record: "batched"}, "strict": {record: "strict"}, "detect": {record: "batched", detect: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "resources.yaml")
			for name, content := range map[string]string{"resources.yaml": resourcesYAML(e, opts), "agent.secret": "s", "app.password": "p"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			set, err := resource.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Targets) != 1 || set.Targets[0].Record != hoop.RecordMode(opts.record) || set.Targets[0].Address != "127.0.0.1:5432" {
				t.Errorf("targets %+v", set.Targets)
			}
			masks := 1
			if opts.detect {
				masks = 2
			}
			if len(set.AccessRules) != 1 || len(set.StatementRules) != 1 || len(set.MaskRules) != masks || len(set.ServiceAccounts) != 1 {
				t.Errorf("%d access, %d statement, %d mask rules, %d accounts", len(set.AccessRules), len(set.StatementRules), len(set.MaskRules), len(set.ServiceAccounts))
			}
		})
	}
}
