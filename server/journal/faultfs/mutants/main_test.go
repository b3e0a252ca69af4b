package main

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// outside are the places that write files or name them past the file layer, where no mutant
// can leave out a sync, by file, function and what they call, with the reason why that
// does no harm.
var outside = map[string]string{
	"internal/config/config.go WriteFile MkdirAll":       client,
	"internal/config/config.go WriteFile CreateTemp":     client,
	"internal/config/config.go WriteFile Sync":           client,
	"internal/config/config.go WriteFile Rename":         client,
	"internal/config/config.go CheckWritable MkdirAll":   client,
	"internal/config/config.go CheckWritable CreateTemp": client,
	"internal/keyring/keyring.go Store.write WriteFile":  client,
	"internal/login/login.go Source.lock MkdirAll":       client,

	"internal/cli/audit_export.go auditExportOptions.run MkdirAll":       exported,
	"internal/cli/audit_export.go unpackOne MkdirAll":                    exported,
	"internal/cli/audit_export.go unpackOne OpenFile":                    exported,
	"internal/cli/audit_bundle.go saveZip OpenFile":                      exported,
	"internal/cli/audit_bundle.go saveZip Rename":                        exported,
	"internal/cli/sessions_export.go sessionsExportOptions.run OpenFile": exported,

	"server/notify/notify.go Sink.load MkdirAll": "the folder of a channel that is new; with it goes how far notices came since",
	"server/store/open.go claim MkdirAll":        "data_dir is durable by then; a store elsewhere is in a folder of the administrator's",
	"server/store/open.go claim OpenFile":        "empty yet; SQLite makes durable each commit, and with the first the names in the folder (synchronous=FULL)",

	"server/command/dev.go runDev MkdirAll":  sample,
	"server/command/dev.go runDev WriteFile": sample,

	"server/pgserver/pgserver.go Start MkdirTemp":                throwaway,
	"server/pgserver/pgserver.go Start MkdirAll":                 throwaway,
	"server/pgserver/pgserver.go Server.initdb WriteFile":        throwaway,
	"server/pgserver/template.go templateFile.write Mkdir":       throwaway,
	"server/pgserver/template.go templateFile.write WriteFile":   throwaway,
	"server/pgserver/pgserver.go Server.launch OpenFile":         throwaway,
	"internal/login/logintest/logintest.go New WriteFile":        "for tests",
	"server/sqlscan/internal/walkgen/cmd/main.go main WriteFile": "writes code",
}

const (
	client    = "a client's settings and tokens: whoever loses them signs in again"
	exported  = "a copy of evidence that the gateway has: one that is cut short does not verify, and is exported again"
	sample    = "of `dev`, and made anew where it is not there"
	throwaway = "of a throwaway PostgreSQL"
)

// writes are functions of package os that make files or names; methods count by their names.
var writes = []string{"Create", "CreateTemp", "Mkdir", "MkdirAll", "MkdirTemp", "OpenFile", "Rename", "Sync", "WriteFile"}

// layered are the names by which code calls the file layer.
var layered = []string{"FS", "fs", "fsys", "journal", "OS"}

// past names what a call writes by, where that is not the file layer.
func past(x *ast.CallExpr) string {
	f, ok := x.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains(writes, f.Sel.Name) {
		return ""
	}
	on, _ := f.X.(*ast.Ident)
	if field, ok := f.X.(*ast.SelectorExpr); ok {
		on = field.Sel
	}
	switch {
	case on != nil && slices.Contains(layered, on.Name):
		return ""
	case f.Sel.Name == "Create" && (on == nil || on.Name != "os"):
		return "" // what is made is no file
	}
	return f.Sel.Name
}

// Every place that writes a file goes through the layer, where mutants find its syncs, or
// is known and does no harm; and nothing is said of a place that is no more.
func TestPlaces_AreAllKnown(t *testing.T) {
	t.Chdir("../../../..")
	unseen := maps.Clone(outside)
	for _, root := range []string{"cmd", "internal", "pkg", "server"} {
		calls, err := callsBelow(root, past)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			switch _, ok := outside[c.name()]; {
			case ok:
				delete(unseen, c.name())
			case strings.Contains(layer, c.file+" "+c.function) || c.file == helperFile:
			case c.callee == "Sync" && root == "server": // of a file of the layer: mutants leave it out
			default:
				t.Errorf("%s: %s: what it writes is not synced through journal.FS, where mutants could leave that out", c.at(), c.name())
			}
		}
	}
	for name := range unseen {
		t.Errorf("%s writes past the file layer no more", name)
	}
	places, err := find("server")
	if err != nil {
		t.Fatal(err)
	}
	stale := maps.Clone(exempt)
	for _, p := range places {
		name, _, _ := strings.Cut(p.name, ": ")
		delete(stale, name)
	}
	for name := range stale {
		t.Errorf("%s is exempt, and no place that syncs", name)
	}
	if len(places) < 40 {
		t.Errorf("found %d places that sync", len(places))
	}
}
