package hoop

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// constants are the values of a type's constants in a file of this package.
func constants(t *testing.T, file, typ string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == typ {
			for _, x := range v.Values {
				s, err := strconv.Unquote(x.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, s)
			}
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s declares no %s", file, typ)
	}
	return values
}

// Whatever ends a session has a code, every code is a cause, and every cause is one that
// the specification lists.
func TestCause_OfEveryEnd(t *testing.T) {
	spec, err := os.ReadFile("../auditlog/spec.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[Cause]bool{}
	for _, c := range constants(t, "cause.go", "Cause") {
		if known[Cause(c)] {
			t.Errorf("there are two causes %q", c)
		}
		known[Cause(c)] = true
		if !strings.Contains(string(spec), "`"+c+"`") {
			t.Errorf("the specification does not list the cause %s", c)
		}
	}
	codes := constants(t, "error.go", "Code")
	for _, code := range codes {
		if c := CauseOf(fmt.Errorf("step: %w", Errorf(Code(code), "x"))); !known[c] {
			t.Errorf("an end by %s has the cause %q", code, c)
		}
	}
	if len(causes) != len(codes) {
		t.Errorf("%d codes, %d of them are causes", len(codes), len(causes))
	}
	for err, want := range map[error]Cause{
		nil:             CauseClient,
		errors.New("x"): CauseFault,
		Errorf(CodeRevoked, "x").Because(CauseAccess):                                          CauseAccess,
		Errorf(CodeShuttingDown, "x").Because(CauseTarget).WithHint("y").Wrap(errors.New("z")): CauseTarget,
	} {
		if got := CauseOf(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}
