package server

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/hoopctl/hoopctl/"

// arrows that must not appear: from (a package or a folder of packages) to, and why.
var forbidden = []struct {
	from, to []string
	why      string
}{
	{[]string{"internal", "cmd/hoopctl"}, []string{"server"}, "the client holds no rules and links nothing of the gateway's"},
	{[]string{"server", "cmd/hoop-gateway"}, []string{"internal"}, "the gateway is no client"},
	{[]string{"pkg"}, []string{"internal", "server"}, "what two programs agree on depends on neither"},
	{[]string{"pkg/hoop"}, []string{"pkg"}, "nouns depend on nothing"},
	{
		[]string{"server/proxy"},
		[]string{"server/policy", "server/grant", "server/record", "server/audit", "server/journal", "server/store", "server/auth", "server/api", "server/protect", "server/resource"},
		"one path: a proxy knows the session and nothing behind it",
	},
	{[]string{"server/session"}, []string{"server/proxy", "server/edge", "server/store", "server/api", "server/auth", "server/target"}, "nothing points back up the line"},
	{
		[]string{"server/sqlscan", "server/lineage", "server/pglex", "server/mask", "server/policy", "server/budget", "server/decoy", "server/review", "server/infer"},
		[]string{"server/session", "server/store", "server/journal", "server/audit", "server/record", "server/grant", "server/target", "server/proxy"},
		"pure: statement and rules in, decision or value out",
	},
	{[]string{"server/store"}, []string{"server/session", "server/proxy", "server/policy", "server/mask", "server/api", "server/edge"}, "the store knows only the nouns and the interfaces it satisfies"},
	{[]string{"server/api"}, []string{"server/proxy", "server/edge", "server/session", "server/policy"}, "handlers hold no rules of their own"},
	{
		[]string{"server/web"},
		[]string{"server/grant", "server/policy", "server/store", "server/session", "server/proxy", "server/record", "server/audit"},
		"pages show what the API answers, and hold no rules of their own",
	},
	{[]string{"server/edge"}, []string{"server/proxy", "server/policy", "server/grant", "server/store"}, "who is calling, and nothing else"},
}

func TestDeps_ForbiddenArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module)
		if strings.HasPrefix(pkg, "server/servertest") {
			continue // for tests: knows everything
		}
		for _, imp := range words[1:] {
			imp, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			seen++
			for _, f := range forbidden {
				if in(pkg, f.from) && in(imp, f.to) && !(in(imp, f.from) && in(pkg, f.to)) {
					t.Errorf("%s imports %s: %s", pkg, imp, f.why)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("saw only %d arrows: the test looks at the wrong packages", seen)
	}
}

func in(pkg string, folders []string) bool {
	for _, f := range folders {
		if pkg == f || strings.HasPrefix(pkg, f+"/") {
			return true
		}
	}
	return false
}
