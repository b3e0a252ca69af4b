// Mutants leaves one fsync out of the gateway at a time and demands that the crash
// harnesses notice: `make crash-mutants`.
//
// It reads the code for every place that syncs a file or a folder, through journal.FS or
// through its helpers, and then once for each caller of a helper. A place is left out by
// package faultfs, which says that it synced and did not. One that no harness misses, and
// that has no reason in exempt, makes this program fail.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// harnesses are the packages whose tests named PowerCut are run, the quickest to find
// something first.
var harnesses = []string{"./server/journal", "./server/audit", "./server/record", "./server/witness", "./server"}

// layer is the file layer's own implementation, which stands below what is left out.
const layer = "server/journal/fs.go OS.SyncDir, server/journal/fs.go osFile.Sync, server/journal/datasync_other.go datasync"

// exempt are places that may be left out, by file, function and what they call, with the
// reason.
var exempt = map[string]string{
	"server/journal/consume.go Journal.syncConsumers Sync": "asks the consumers, whose own syncs are here by themselves",
	"server/audit/audit.go Log.Close Sync":                 "asks the consumer, as above",
	"server/audit/sessions.go Log.saveSessions WriteFile":  "derived from the log; one that is lost or torn is made anew from all events",
	"server/sink/sink.go Run WriteFile":                    "where a copy of the log came to; what is older than that is sent again, and nothing is left out",
	"server/notify/notify.go Sink.save WriteFile":          "messages about what the log has; what is older than that is told again",
	"server/keys.go secretFile WriteFile":                  "no evidence; a key that is torn stops the next start",
}

func main() {
	rounds := flag.Int("rounds", 300, "how often the larger harnesses crash before a place counts as not missed")
	only := flag.String("only", "", "a regular expression: places to look at")
	flag.Parse()
	if err := run(*rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(rounds int, only string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	places, err := find("server")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var tests []string
	for i, pkg := range harnesses {
		bin := filepath.Join(dir, fmt.Sprintf("%d.test", i))
		if out, err := exec.Command("go", "test", "-c", "-o", bin, pkg).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
		tests = append(tests, bin)
		// What fails without a fault finds none.
		if said, missed := crash(pkg, bin, "", rounds); missed {
			return fmt.Errorf("%s fails with every sync in place: %s", pkg, said)
		}
	}
	survivors := 0
	for _, p := range places {
		if !match.MatchString(p.name + " " + p.drop) {
			continue
		}
		if p.reason != "" {
			fmt.Printf("exempt    %s (%s): %s\n", p.drop, p.name, p.reason)
			continue
		}
		said := ""
		for i, pkg := range harnesses {
			var missed bool
			if said, missed = crash(pkg, tests[i], p.drop, rounds); missed {
				break
			}
			said = ""
		}
		if said == "" {
			survivors++
			fmt.Printf("NOT MISSED %s (%s)\n", p.drop, p.name)
			continue
		}
		fmt.Printf("missed    %s (%s): %s\n", p.drop, p.name, said)
	}
	if survivors > 0 {
		return fmt.Errorf("%d syncs can be left out, and no harness fails", survivors)
	}
	return nil
}

// crash runs a package's harnesses with a sync left out. Missed means that they failed,
// and said how.
func crash(pkg, bin, drop string, rounds int) (said string, missed bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-test.run", "PowerCut", "-test.failfast", "-test.timeout", "4m")
	cmd.Dir = pkg
	cmd.Env = append(os.Environ(), faultfs.DropVariable+"="+drop, fmt.Sprintf("HOOP_CRASH_ROUNDS=%d", rounds))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err == nil {
		return "", false
	}
	said = strings.TrimSpace(out.String())
	for line := range strings.Lines(said) {
		if strings.Contains(line, "_test.go:") || strings.Contains(line, "panic:") {
			said = strings.TrimSpace(line)
			break
		}
	}
	return fmt.Sprintf("%s: %.200s", pkg, said), true
}

// place is where something is synced.
type place struct {
	name   string // file, function, what is called
	drop   string // for faultfs
	reason string // not to look at it
}

// call is a call of something that syncs.
type call struct {
	file, function, callee string
	line                   int
}

func (c call) at() string   { return fmt.Sprintf("%s:%d", c.file, c.line) }
func (c call) name() string { return fmt.Sprintf("%s %s %s", c.file, c.function, c.callee) }

// helpers sync for their callers.
var helpers = []string{"WriteFile", "MakeDir"}

// find reads the code below root: each place that syncs, and each helper's places again
// for each of its callers.
func find(root string) ([]place, error) {
	var calls []call
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "faultfs" || d.Name() == "servertest") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		found, err := callsIn(path)
		calls = append(calls, found...)
		return err
	})
	if err != nil {
		return nil, err
	}
	var places []place
	for _, c := range calls {
		if c.callee == "Sync" || c.callee == "SyncDir" {
			if !strings.Contains(layer, c.file+" "+c.function) {
				places = append(places, place{c.name(), c.at(), exempt[c.name()]})
			}
			continue
		}
		for _, inner := range calls {
			if inner.function == c.callee && inner.file == "server/journal/fs.go" {
				places = append(places, place{
					fmt.Sprintf("%s: %s", c.name(), inner.callee), inner.at() + "<" + c.at(), exempt[c.name()],
				})
			}
		}
	}
	return places, nil
}

func callsIn(path string) ([]call, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		return nil, err
	}
	var calls []call
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		function := f.Name.Name
		if f.Recv != nil {
			t := f.Recv.List[0].Type
			if star, ok := t.(*ast.StarExpr); ok {
				t = star.X
			}
			if id, ok := t.(*ast.Ident); ok {
				function = id.Name + "." + function
			}
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			x, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if callee := syncs(x); callee != "" {
				pos := set.Position(x.Lparen)
				calls = append(calls, call{filepath.ToSlash(path), function, callee, pos.Line})
			}
			return true
		})
	}
	return calls, nil
}

// syncs names what a call syncs by; "" where it does not.
func syncs(x *ast.CallExpr) string {
	switch f := x.Fun.(type) {
	case *ast.SelectorExpr:
		pkg, _ := f.X.(*ast.Ident)
		switch {
		case f.Sel.Name == "Sync" && len(x.Args) == 0, f.Sel.Name == "SyncDir" && len(x.Args) == 1:
			return f.Sel.Name
		case pkg != nil && pkg.Name == "journal" && slices.Contains(helpers, f.Sel.Name):
			return f.Sel.Name
		}
	case *ast.Ident:
		if slices.Contains(helpers, f.Name) {
			return f.Name // in package journal itself
		}
	}
	return ""
}
