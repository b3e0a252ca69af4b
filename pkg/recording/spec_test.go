package recording

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// specFiles are those that have tables of fields.
var specFiles = []string{"spec.md", "../auditlog/spec.md"}

// objects are the tables of fields in the specifications, with what they are of.
var objects = map[string]any{
	"header": header{}, "meta": meta{}, "session": hoop.SessionInfo{}, "identity": hoop.Identity{}, "delegation": hoop.Delegation{}, "statement": Statement{},
	"param": Param{}, "use": hoop.Use{}, "column": hoop.ColumnRef{}, "decision": hoop.Decision{}, "approvers": hoop.ApprovalRule{},
	"observed": hoop.Observed{}, "request": hoop.Request{}, "scope": hoop.Scope{}, "approval": hoop.Approval{}, "facts": hoop.Facts{},
	"so far": hoop.SessionSoFar{}, "estimate": hoop.Estimate{}, "locks": hoop.Locks{}, "lock": hoop.Lock{},
	"event": hoop.Event{}, "result": hoop.Result{}, "record": hoop.Record{}, "detail": hoop.Detail{},
}

// field is a row of such a table.
type field struct{ Name, Type string }

var row = regexp.MustCompile("^\\| `([a-z0-9_]+)` \\| ([^|]+) \\|")

// specified reads the tables of the specifications.
func specified(t *testing.T) map[string][]field {
	t.Helper()
	tables := make(map[string][]field)
	for _, name := range specFiles {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		object := ""
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSuffix(line, "\n")
			switch {
			case strings.HasPrefix(line, "#"):
				object = strings.TrimPrefix(line, "### ")
			case line == "| field | type | what |" && tables[object] != nil:
				t.Errorf("%s: there are two tables of %q", name, object)
			}
			if m := row.FindStringSubmatch(line); m != nil {
				tables[object] = append(tables[object], field{m[1], m[2]})
			}
		}
	}
	delete(tables, "Types of event")
	return tables
}

// specType is how the specifications name what encoding/json writes of a type.
func specType(of reflect.Type) string {
	switch of {
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[hoop.Duration]():
		return "duration"
	case reflect.TypeFor[[]byte]():
		return "bytes"
	}
	switch of.Kind() {
	case reflect.Pointer:
		return specType(of.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Uint32:
		return "oid"
	case reflect.Slice:
		return "list of " + specType(of.Elem())
	case reflect.Struct:
		for name, v := range objects {
			if reflect.TypeOf(v) == of {
				return name
			}
		}
	}
	return "no table is of " + of.String()
}

// declared is the fields of a type as encoding/json writes them.
func declared(of reflect.Type) (fields []field) {
	for f := range of.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		kind := specType(f.Type)
		if options != "" {
			kind += " (o)"
		}
		fields = append(fields, field{name, kind})
	}
	return fields
}

// The specifications have every field of every object that is in a recording or an
// event, in its order, with its type, and whether it may be left out.
func TestSpec_HasEveryField(t *testing.T) {
	tables := specified(t)
	for name, v := range objects {
		if diff := cmp.Diff(declared(reflect.TypeOf(v)), tables[name]); diff != "" {
			t.Errorf("%s (-declared +specified):\n%s", name, diff)
		}
		delete(tables, name)
	}
	for name := range tables {
		t.Errorf("a table of %q: no type is known of it", name)
	}
}

// The specification of the log has every type of event, and no other.
func TestSpec_HasEveryTypeOfEvent(t *testing.T) {
	b, err := os.ReadFile("../auditlog/spec.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "### Types of event\n")
	table, _, _ = strings.Cut(table, "\n### ")
	var got []hoop.EventType
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, name := range strings.Split(cells[1], ",") {
			got = append(got, hoop.EventType(strings.Trim(name, " `")))
		}
	}
	want := slices.Sorted(slices.Values(hoop.EventTypes))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-declared +specified):\n%s", diff)
	}
}
