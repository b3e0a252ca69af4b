package resource

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/reference/resources.md")

// TestReference keeps docs/reference/resources.md the same as the types; go generate
// writes it.
func TestReference(t *testing.T) {
	const path = "../../docs/reference/resources.md"
	got := reference(t)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("docs/reference/resources.md has drifted; run go generate ./server/resource\n%s", d)
	}
}

func reference(t *testing.T) []byte {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "resource.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := doc.NewFromFiles(fset, []*ast.File{f}, "github.com/hoopctl/hoopctl/server/resource")
	if err != nil {
		t.Fatal(err)
	}
	docs, comments := map[string]string{}, map[string]string{}
	for _, typ := range pkg.Types {
		docs[typ.Name] = typ.Doc
		s, ok := typ.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range s.Fields.List {
			for _, name := range field.Names {
				comments[typ.Name+"."+name.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
			}
		}
	}
	var b bytes.Buffer
	b.WriteString(referenceHead)
	for _, v := range []any{Target{}, AccessRule{}, StatementRule{}, MaskRule{}, ServiceAccount{}, GroupRole{}} {
		typ := reflect.TypeOf(v)
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | form | what |\n|---|---|---|\n", typ.Name(), sentence(typ.Name(), docs[typ.Name()]))
		rows(t, &b, typ, "", comments)
	}
	b.WriteString(transformsHead)
	for _, typ := range pkg.Types {
		if typ.Name == "Transform" {
			for _, spec := range typ.Consts[0].Decl.Specs {
				v := spec.(*ast.ValueSpec)
				fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`), strings.TrimSpace(v.Comment.Text()))
			}
		}
	}
	b.WriteString("\n## Detectors\n\nFor `detect` of a MaskRule. What is found becomes `[name]`.\n\n| name | finds |\n|---|---|\n")
	for _, d := range Detectors {
		fmt.Fprintf(&b, "| `%s` | %s |\n", d.Name, d.What)
	}
	return b.Bytes()
}

func rows(t *testing.T, b *bytes.Buffer, typ reflect.Type, prefix string, comments map[string]string) {
	for f := range typ.Fields() {
		name := fieldName(f)
		if f.Anonymous || name == "" {
			continue
		}
		what := comments[typ.Name()+"."+f.Name]
		if what == "" {
			t.Errorf("%s.%s has no comment", typ.Name(), f.Name)
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, name, form(f.Type), what)
		elem := f.Type
		for elem.Kind() == reflect.Slice || elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct && elem.PkgPath() == typ.PkgPath() && elem != reflect.TypeFor[Secret]() {
			rows(t, b, elem, prefix+name+".", comments)
		}
	}
}

// sentence turns "Target is a database." into "A database."
func sentence(name, doc string) string {
	s := strings.Join(strings.Fields(doc), " ")
	for _, verb := range []string{" is ", " says "} {
		if rest, ok := strings.CutPrefix(s, name+verb); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return s
}

func form(typ reflect.Type) string {
	switch {
	case typ == reflect.TypeFor[Secret]():
		return "one of `{env: NAME}`, `{file: PATH}`, `{value: …}`"
	case typ.Kind() == reflect.Pointer && typ.Elem().Name() == "ApprovalRule":
		return "`{groups: […], count: 1, timeout: 1h}`"
	case typ.Name() == "Duration":
		return "duration: `90s`, `1h30m`"
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
		return "list of fields"
	case typ.Kind() == reflect.Slice:
		return "list"
	case typ.Kind() == reflect.Struct, typ.Kind() == reflect.Pointer:
		return "fields"
	case typ.Kind() == reflect.Int:
		return "number"
	}
	return "text"
}

const transformsHead = `
## Transforms

For ` + "`with`" + ` of a MaskRule. Where several rules name a column, the one that leaves least
decides: redact, null, hash, tokenize, year, zip3, age-90, partial. Where two different
ones of the last four meet, in one column or in one output, the value is redacted: what
one hides another may show. A type that a transform cannot keep becomes NULL. With
detect or patterns: redact, partial or hash.

| name | leaves |
|---|---|
`

const referenceHead = `# Resources

<!-- Written by go generate ./server/resource from the types; a test fails when it drifts. -->

A resources file holds YAML documents, each with three fields:

` + "```yaml" + `
kind: GroupRole        # one of the kinds below
name: auditors         # letters, digits, dots, dashes, underscores; unique within its kind
spec: {group: compliance, role: auditor}
---                    # between documents
` + "```" + `

Names of schemas, tables and columns are quoted as in SQL: a part in double quotes is
taken as it is, any other is folded to lower case, and a bare ` + "`*`" + ` stands for every name
(` + "`*.patients.mrn`" + `; in YAML a value that starts with ` + "`*`" + ` wants quotes of its own). A rule
on a table covers its partitions and inheritance children. Relative paths are relative
to the file they stand in. Unknown fields, unknown names of targets, effects,
transforms and detectors, and fields that this version does not offer are errors with
file and line: nothing is loaded then.
`
