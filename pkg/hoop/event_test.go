package hoop

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

func TestEventTypes_ListsAll(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == "EventType" {
				declared += len(v.Names)
			}
		}
		return true
	})
	seen := map[EventType]bool{}
	for _, e := range EventTypes {
		seen[e] = true
	}
	if declared == 0 || len(seen) != declared {
		t.Errorf("EventTypes has %d, event.go declares %d", len(seen), declared)
	}
}
