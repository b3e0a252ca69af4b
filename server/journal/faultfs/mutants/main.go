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
	"iter"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// harnesses are the packages whose tests named PowerCut are run: that of the place first,
// then the others in this order, the quickest to find something first.
var harnesses = []string{"server/journal", "server/record", "server/witness", "server/pki", "server", "server/audit"}

// layer is the file layer's own implementation, which stands below what is left out.
const layer = "server/journal/fs.go OS.SyncDir, server/journal/fs.go osFile.Sync, server/journal/datasync_other.go datasync"

// exempt are places that may be left out, by file, function and what they call, with the
// reason.
var exempt = map[string]string{
	"server/journal/consume.go Journal.syncConsumers Sync": "asks the consumers, whose own syncs are here by themselves",
	"server/audit/audit.go Log.Close Sync":                 "asks the consumer, as above",
	"server/audit/sessions.go Log.saveSessions WriteFile":  "derived from the log; one that is lost or torn is made anew from all events",
	"server/sink/sink.go Run WriteFile":                    "where a copy of the log came to; what is older than that is sent again, and nothing is left out",
	"server/age.go memory.save WriteFile":                  "how far the store had come a second ago: an older account takes an older store for the newest, a damaged one is refused and says how to go on",
	"server/notify/notify.go Sink.save WriteFile":          "messages about what the log has, which are told again, and accounts of chats, which people link again",
	"server/server.go Gateway.build MakeDir":               "the folders again, which record.New and audit.Open make durable",
	"server/witness.go ServeWitness MakeDir":               "the folders again, which witness.New makes durable itself",
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
	h, err := build(dir, rounds)
	if err != nil {
		return err
	}
	places = slices.DeleteFunc(places, func(p place) bool { return !match.MatchString(p.name + " " + p.drop) })

	// Without a fault first: what fails then finds none.
	todo := make([]func() verdict, 0, len(harnesses)+len(places))
	for _, pkg := range harnesses {
		todo = append(todo, func() verdict { return h.whole(pkg) })
	}
	for _, p := range places {
		todo = append(todo, func() verdict { return h.look(p) })
	}
	bad := 0
	for v := range inOrder(todo, runtime.NumCPU()) {
		fmt.Println(v.said)
		if v.bad {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d syncs can be left out and no harness fails, or harnesses fail with every sync in place", bad)
	}
	return nil
}

// verdict is what became of one place, or of a harness without a fault.
type verdict struct {
	said string
	bad  bool
}

// inOrder does things side by side and gives what came of them in their order.
func inOrder(todo []func() verdict, workers int) iter.Seq[verdict] {
	return func(yield func(verdict) bool) {
		results := make([]chan verdict, len(todo))
		for i := range results {
			results[i] = make(chan verdict, 1)
		}
		var next atomic.Int64
		for range workers {
			go func() {
				for i := int(next.Add(1)) - 1; i < len(todo); i = int(next.Add(1)) - 1 {
					results[i] <- todo[i]()
				}
			}()
		}
		for _, r := range results {
			if !yield(<-r) {
				return
			}
		}
	}
}

// built are the harnesses' test programs: one for all places, which are told apart at run
// time.
type built struct {
	dir    string
	rounds int
}

func build(dir string, rounds int) (built, error) {
	args := []string{"test", "-c", "-o", dir + string(filepath.Separator)}
	for _, pkg := range harnesses {
		args = append(args, "./"+pkg)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return built{}, fmt.Errorf("build the harnesses: %w\n%s", err, out)
	}
	return built{dir, rounds}, nil
}

// whole runs a harness with every sync in place.
func (b built) whole(pkg string) verdict {
	if said, missed := b.crash(pkg, ""); missed {
		return verdict{fmt.Sprintf("FAILS     %s with every sync in place: %s", pkg, said), true}
	}
	return verdict{"passes    " + pkg + " with every sync in place", false}
}

// look leaves out one place. Once is enough: each place has a test that leaves no step to
// chance, beside those in which writers run side by side.
func (b built) look(p place) verdict {
	if p.reason != "" {
		return verdict{fmt.Sprintf("exempt    %s (%s): %s", p.drop, p.name, p.reason), false}
	}
	own := filepath.ToSlash(filepath.Dir(p.file))
	order := slices.Clone(harnesses)
	slices.SortStableFunc(order, func(x, y string) int {
		switch {
		case x == own:
			return -1
		case y == own:
			return 1
		}
		return 0
	})
	for _, pkg := range order {
		if said, missed := b.crash(pkg, p.drop); missed {
			return verdict{fmt.Sprintf("missed    %s (%s): %s", p.drop, p.name, said), false}
		}
	}
	return verdict{fmt.Sprintf("NOT MISSED %s (%s)", p.drop, p.name), true}
}

// crash runs a package's harnesses with a sync left out. Missed means that they failed,
// and said how.
func (b built) crash(pkg, drop string) (said string, missed bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, path.Base(pkg)+".test"), "-test.run", "PowerCut", "-test.failfast", "-test.timeout", "4m")
	cmd.Dir = filepath.FromSlash(pkg)
	cmd.Env = append(os.Environ(), faultfs.DropVariable+"="+drop, fmt.Sprintf("HOOP_CRASH_ROUNDS=%d", b.rounds))
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
	file   string // that syncs, or has it done
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
var helpers = []string{"WriteFile", "WriteFileMode", "MakeDir"}

// find reads the code below root: each place that syncs, and each helper's places again
// for each of its callers.
func find(root string) ([]place, error) {
	calls, err := callsBelow(root, syncs)
	if err != nil {
		return nil, err
	}
	var places []place
	for _, c := range calls {
		if c.callee == "Sync" || c.callee == "SyncDir" {
			if !strings.Contains(layer, c.file+" "+c.function) {
				places = append(places, place{c.file, c.name(), c.at(), exempt[c.name()]})
			}
			continue
		}
		if c.file == helperFile {
			continue // seen by its callers
		}
		for _, inner := range within(calls, c.callee) {
			places = append(places, place{c.file, fmt.Sprintf("%s: %s", c.name(), inner.callee), inner.drop + "<" + c.at(), exempt[c.name()]})
		}
	}
	return places, nil
}

// helperFile has the helpers.
const helperFile = "server/journal/fs.go"

// chain is a sync and the way to it.
type chain struct{ drop, callee string }

// within are the syncs that a helper does, by itself or by another helper.
func within(calls []call, helper string) (chains []chain) {
	for _, c := range calls {
		switch {
		case c.file != helperFile || c.function != helper:
		case c.callee == "Sync" || c.callee == "SyncDir":
			chains = append(chains, chain{c.at(), c.callee})
		default:
			for _, inner := range within(calls, c.callee) {
				chains = append(chains, chain{inner.drop + "<" + c.at(), inner.callee})
			}
		}
	}
	return chains
}

// callsBelow reads the code below root, tests left out, and gives the calls of which callee
// says what they call.
func callsBelow(root string, callee func(*ast.CallExpr) string) (calls []call, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "faultfs" || d.Name() == "servertest") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		found, err := callsIn(path, callee)
		calls = append(calls, found...)
		return err
	})
	return calls, err
}

func callsIn(path string, callee func(*ast.CallExpr) string) ([]call, error) {
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
			if name := callee(x); name != "" {
				pos := set.Position(x.Lparen)
				calls = append(calls, call{filepath.ToSlash(path), function, name, pos.Line})
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
