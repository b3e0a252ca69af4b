package pgparse

import (
	"context"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Canonical parses sql and gives its tree as bytes that depend on nothing but what it
// says: white space, comments, the case of keywords and of names without quotes leave no
// trace, every literal does. The bytes are the same for the same version of this program.
func (p *Pool) Canonical(ctx context.Context, sql string) ([]byte, error) {
	parsed, err := p.Parse(ctx, sql)
	if err != nil {
		return nil, err
	}
	tree := proto.CloneOf(parsed.Tree)
	unplace(tree.ProtoReflect())
	return proto.MarshalOptions{Deterministic: true}.Marshal(tree)
}

// Same reports whether two nodes say the same, wherever they stand in their texts.
func Same(a, b *pg_query.Node) bool {
	a, b = proto.CloneOf(a), proto.CloneOf(b)
	unplace(a.ProtoReflect())
	unplace(b.ProtoReflect())
	return proto.Equal(a, b)
}

// unplace clears where in the text things stood.
func unplace(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		switch {
		case f.Kind() == protoreflect.Int32Kind && (name == "stmt_len" || strings.HasSuffix(name, "location")):
			m.Clear(f)
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for i := range v.List().Len() {
				unplace(v.List().Get(i).Message())
			}
		case !f.IsMap():
			unplace(v.Message())
		}
		return true
	})
}
