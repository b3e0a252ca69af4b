package session_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// What an administrator changes is in the log, resource by resource: with a reload, with
// a restart, and where only a secret is another.
func TestResources_ChangesAreEvents(t *testing.T) {
	data, module := t.TempDir(), "package hoop.site\n"
	g := servertest.Start(t, servertest.Options{DataDir: data, Module: module})
	rest := 0 // events that were looked at
	told := func() (revision string, changes []string) {
		t.Helper()
		all := events(t, g)
		for _, e := range all[rest:] {
			if e.Type != hoop.EventResource {
				continue
			}
			changes = append(changes, e.Detail("kind")+" "+e.Detail("name")+" "+e.Detail("change"))
			if revision = e.Policy; e.Detail("operator") == "" || e.Subject != "hoop-gateway" || !strings.Contains(e.Text, e.Detail("name")) {
				t.Errorf("%+v", e)
			}
		}
		rest = len(all)
		return revision, changes
	}
	want := func(when string, want ...string) (revision string) {
		t.Helper()
		revision, got := told()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
		return revision
	}
	first := events(t, g)[0].Policy
	want("at first")

	another := strings.NewReplacer(
		"max_duration: 8h", "max_duration: 7h", // of a rule
		"role: auditor}", "role: auditor, literals: true}",
		"name: risky-needs-a-human", "name: risky-needs-somebody", // one removed, one added
	).Replace(servertest.Resources) + `
---
kind: MaskRule
name: ssn
spec: {targets: ["*"], columns: [public.patients.ssn], with: redact}
---
kind: ServiceAccount
name: nightly
spec: {groups: [agents], owner: data-team, secret: {value: one}}
`
	g.Reload(another, module+"\n# stricter\n")
	revision := want("a reload", "AccessRule everybody changed", "StatementRule risky-needs-a-human removed", "StatementRule risky-needs-somebody added",
		"MaskRule ssn added", "ServiceAccount nightly added", "GroupRole auditors changed", "Module site.rego changed")
	if i := slices.IndexFunc(events(t, g), func(e hoop.Event) bool { return e.Type == hoop.EventPolicy }); events(t, g)[i].Policy != revision || events(t, g)[i].Detail("former") != first {
		t.Errorf("the reload's own event: %+v", events(t, g)[i])
	}

	// Moved, and as it was: nothing. A secret alone: that account.
	moved := "kind: GroupRole\nname: first\nspec: {group: x, role: approver}\n---\n"
	g.Reload(moved+another, module+"\n# stricter\n")
	want("one more", "GroupRole first added")
	g.Reload("\n\n\n"+moved+another, module+"\n# stricter\n")
	want("only moved")
	g.Reload(moved+strings.Replace(another, "secret: {value: one}", "secret: {value: two}", 1), module+"\n# stricter\n")
	want("another secret", "ServiceAccount nightly changed")

	// What a file with a fault would change is not in force, and not in the log.
	g.Reload(moved+another+"---\nkind: Nonsense\n", module)
	want("a fault")

	g.Stop()
	g = servertest.Start(t, servertest.Options{DataDir: data, PG: g.PG, Module: module})
	want("a restart", "AccessRule everybody changed", "StatementRule risky-needs-a-human added", "StatementRule risky-needs-somebody removed",
		"MaskRule ssn removed", "ServiceAccount nightly removed", "GroupRole auditors changed", "GroupRole first removed", "Module site.rego changed")
	recounted(t, g, "times that policy and resources were loaded again while the gateway ran",
		"targets, rules, accounts, roles and modules of the policy added", "targets, rules, accounts, roles and modules of the policy changed",
		"targets, rules, accounts, roles and modules of the policy removed")
	want("nothing since")
	g.Stop()
	g = servertest.Start(t, servertest.Options{DataDir: data, PG: g.PG, Module: module})
	want("a restart with the same")
}
