package sqlscan

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// commands reads testdata/commands.txt: the pages of "SQL Commands", part I of the
// reference in PostgreSQL 17's manual, with TABLE and WITH, which share SELECT's.
func commands(t testing.TB) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// noise may stand between the words of a command's name.
var noise = map[string]bool{
	"OR": true, "REPLACE": true, "TEMP": true, "TEMPORARY": true, "UNLOGGED": true, "UNIQUE": true, "TRUSTED": true,
	"PROCEDURAL": true, "CONSTRAINT": true, "DEFAULT": true, "RECURSIVE": true, "LOCAL": true,
}

var comment = regexp.MustCompile(`(?s)/\*.*?\*/|--[^\n]*`)

// commandOf is the page of the manual that describes a statement, "" for none.
func commandOf(all []string, sql, verb string) string {
	switch verb {
	case "CREATE TABLE AS", "SELECT INTO", "ROLLBACK TO SAVEPOINT":
		return verb
	case "RELEASE":
		return "RELEASE SAVEPOINT" // RELEASE x for short
	}
	words := strings.Fields(strings.ToUpper(comment.ReplaceAllString(sql, " ")))
	for i, w := range words {
		words[i] = strings.TrimRight(w, ";(")
	}
	best := ""
	for _, name := range all {
		if len(name) > len(best) && (begins(words, strings.Fields(name)) || begins(quiet(words), strings.Fields(name))) {
			best = name
		}
	}
	return best
}

func begins(words, name []string) bool {
	return len(words) >= len(name) && slices.Equal(words[:len(name)], name)
}

func quiet(words []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return noise[w] })
}

// commandEffects gives for every command of the manual the effects that its
// statements have in testdata/statements.golden, in the contract's order.
func commandEffects(t testing.TB) map[string][]string {
	t.Helper()
	all := commands(t)
	found := map[string]map[hoop.Effect]bool{}
	for _, sql := range statements(t) {
		a := analyze(t, sql)
		if len(a.Commands) != 1 || a.Forbidden != "" {
			continue
		}
		name := commandOf(all, sql, a.Commands[0].Verb)
		if found[name] == nil {
			found[name] = map[hoop.Effect]bool{}
		}
		for _, u := range a.Uses {
			found[name][u.Effect] = true
		}
	}
	out := map[string][]string{}
	for name, effects := range found {
		out[name] = []string{}
		for _, e := range hoop.Effects {
			if effects[e.Effect] {
				out[name] = append(out[name], string(e.Effect))
			}
		}
	}
	return out
}

// Every command of the manual is among the golden statements, and none of them is one
// that the gateway does not know.
func TestCommands_AllAreCovered(t *testing.T) {
	got := commandEffects(t)
	for _, name := range commands(t) {
		switch effects, ok := got[name]; {
		case !ok:
			t.Errorf("%s: no golden statement", name)
		case slices.Contains(effects, string(hoop.EffectUnknown)):
			t.Errorf("%s is unknown", name)
		case len(effects) == 0:
			t.Errorf("%s has no effect", name)
		}
	}
	if effects, ok := got[""]; ok && len(effects) > 0 { // ";" has none
		t.Error("a golden statement is of no command of the manual")
	}
}

// The installed psql, which lists the commands of its own version's manual, knows none
// that is not listed here.
func TestCommands_AreThoseOfPsql(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), filepath.Join(server.BinDir, "psql"), "-X", "-A", "-d", server.DSN("postgres"), "-c", `\h`)
	cmd.Env = append(os.Environ(), "COLUMNS=60", "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all, seen := commands(t), 0
	if !slices.IsSorted(all) {
		t.Error("testdata/commands.txt is not sorted")
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasSuffix(strings.TrimSpace(line), ":") {
			continue // "Available help:"
		}
		for _, name := range strings.Split(strings.TrimSpace(line), "  ") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if seen++; !splits(all, name) {
				t.Errorf("psql lists %s", name)
			}
		}
	}
	if seen < len(all)/2 {
		t.Errorf("psql lists only %d lines of commands", seen)
	}
}

// splits reports whether a line of psql's list is one command or, where the first
// column is filled to its end, two.
func splits(all []string, line string) bool {
	if slices.Contains(all, line) {
		return true
	}
	for _, name := range all {
		if rest, ok := strings.CutPrefix(line, name+" "); ok && slices.Contains(all, rest) {
			return true
		}
	}
	return false
}

func commandTable(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	effects := commandEffects(t)
	for _, name := range slices.Sorted(maps.Keys(effects)) {
		fmt.Fprintf(&b, "| %s | `%s` |\n", name, strings.Join(effects[name], "`, `"))
	}
	return b.String()
}
