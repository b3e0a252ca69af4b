package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/open-policy-agent/opa/v1/ast"
)

// input is what the modules decide on; the head of policy.rego shows the form they see.
type input struct {
	identity hoop.Identity
	target   string
	uses     []hoop.Use
}

// key is a digest of all that value is made of. Members are told apart by their
// lengths, so different inputs have different encodings.
type key [sha256.Size]byte

// keyBuffers are *[]byte: an input is encoded for every statement.
var keyBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

func (in *input) key() key {
	buf := keyBuffers.Get().(*[]byte)
	defer keyBuffers.Put(buf)
	id := &in.identity
	b := (*buf)[:0]
	for _, s := range [...]string{id.Subject, string(id.Kind), id.Provider, in.target} {
		b = appendString(b, s)
	}
	b = appendStrings(appendStrings(b, id.Groups), id.Chain)
	b = binary.AppendUvarint(b, uint64(len(in.uses)))
	for i := range in.uses {
		u := &in.uses[i]
		b = appendStrings(appendString(b, string(u.Effect)), u.Tables)
		b = binary.AppendUvarint(b, uint64(len(u.Parents)))
		for i := 0; i < len(u.Tables) && len(u.Parents) > 0; i++ {
			b = appendStrings(b, u.Parents[u.Tables[i]])
		}
		b = binary.AppendUvarint(b, uint64(len(u.Columns)))
		for _, c := range u.Columns {
			b = appendString(appendString(appendString(b, c.Schema), c.Table), c.Column)
		}
		b = appendStrings(b, u.Into)
	}
	*buf = b
	return sha256.Sum256(b)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendString(b, s)
	}
	return b
}

// Names of the input's members. Terms of strings are shared by all evaluations.
var (
	termIdentity = ast.StringTerm("identity")
	termTarget   = ast.StringTerm("target")
	termUses     = ast.StringTerm("uses")
	termDecision = ast.StringTerm("decision")
	termSubject  = ast.StringTerm("subject")
	termKind     = ast.StringTerm("kind")
	termProvider = ast.StringTerm("provider")
	termGroups   = ast.StringTerm("groups")
	termChain    = ast.StringTerm("chain")
	termEffect   = ast.StringTerm("effect")
	termAnyTable = ast.StringTerm("any_table")
	termTables   = ast.StringTerm("tables")
	termColumns  = ast.StringTerm("columns")
	termParents  = ast.StringTerm("parents")
	termInto     = ast.StringTerm("into")
	termSchema   = ast.StringTerm("schema")
	termTable    = ast.StringTerm("table")
	termColumn   = ast.StringTerm("column")
)

// value is the input as the shipped module sees it, built without a detour by JSON.
func (in *input) value() ast.Object { return ast.NewObject(in.members()...) }

// valueWith is the input with the shipped module's answer, as the site's sees it.
func (in *input) valueWith(d hoop.Decision) (ast.Value, error) {
	answer, err := ast.InterfaceToValue(d)
	if err != nil {
		return nil, err
	}
	return ast.NewObject(append(in.members(), ast.Item(termDecision, ast.NewTerm(answer)))...), nil
}

func (in *input) members() [][2]*ast.Term {
	id := &in.identity
	uses := make([]*ast.Term, len(in.uses))
	for i := range in.uses {
		uses[i] = useTerm(&in.uses[i])
	}
	return [][2]*ast.Term{
		ast.Item(termIdentity, ast.ObjectTerm(
			ast.Item(termSubject, ast.StringTerm(id.Subject)),
			ast.Item(termKind, ast.StringTerm(string(id.Kind))),
			ast.Item(termProvider, ast.StringTerm(id.Provider)),
			ast.Item(termGroups, stringsTerm(slices.Sorted(slices.Values(id.Groups)))),
			ast.Item(termChain, stringsTerm(id.Chain)),
		)),
		ast.Item(termTarget, ast.StringTerm(in.target)),
		ast.Item(termUses, ast.ArrayTerm(uses...)),
	}
}

func useTerm(u *hoop.Use) *ast.Term {
	anyTable, tables := false, make([]*ast.Term, 0, len(u.Tables))
	for _, name := range u.Tables {
		schema, bare, ok := resource.SplitTable(name)
		if !ok { // "*", or no canonical name
			anyTable = true
			continue
		}
		parents := make([]*ast.Term, 0, len(u.Parents[name]))
		for _, parent := range u.Parents[name] {
			if schema, bare, ok := resource.SplitTable(parent); ok {
				parents = append(parents, ast.ObjectTerm(ast.Item(termSchema, ast.StringTerm(schema)), ast.Item(termTable, ast.StringTerm(bare))))
			}
		}
		tables = append(tables, ast.ObjectTerm(ast.Item(termSchema, ast.StringTerm(schema)), ast.Item(termTable, ast.StringTerm(bare)),
			ast.Item(termParents, ast.ArrayTerm(parents...))))
	}
	columns := make([]*ast.Term, len(u.Columns))
	for i, c := range u.Columns {
		columns[i] = ast.ObjectTerm(ast.Item(termSchema, ast.StringTerm(c.Schema)),
			ast.Item(termTable, ast.StringTerm(c.Table)), ast.Item(termColumn, ast.StringTerm(c.Column)))
	}
	return ast.ObjectTerm(
		ast.Item(termEffect, ast.StringTerm(string(u.Effect))),
		ast.Item(termAnyTable, ast.BooleanTerm(anyTable)),
		ast.Item(termTables, ast.ArrayTerm(tables...)),
		ast.Item(termColumns, ast.ArrayTerm(columns...)),
		ast.Item(termInto, stringsTerm(u.Into)),
	)
}

func stringsTerm(list []string) *ast.Term {
	terms := make([]*ast.Term, len(list))
	for i, s := range list {
		terms[i] = ast.StringTerm(s)
	}
	return ast.ArrayTerm(terms...)
}
