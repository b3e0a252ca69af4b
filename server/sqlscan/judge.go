package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// Children calls visit for every node directly below n, and reports whether n is of a
// known type.
func Children(n *pg_query.Node, visit func(*pg_query.Node)) bool { return children(n, visit) }

// Computes reports whether every function that the call may mean gives a value that
// comes from its arguments, the system catalog, the session or chance alone, and does
// nothing else. A function that cat does not have does not.
func Computes(cat *catalog.Snapshot, f *pg_query.FuncCall) bool {
	parts := stringsOf(f.Funcname)
	if len(parts) == 0 {
		return false
	}
	schema := ""
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	found := cat.Functions(schema, parts[len(parts)-1])
	for _, fn := range found {
		if !computes(fn) || fn.Name == "current_setting" && !plainSetting(f.Args) {
			return false
		}
	}
	return len(found) > 0
}

// ComputesAlone reports whether one function does as Computes says, whatever its arguments.
func ComputesAlone(f *catalog.Function) bool { return computes(f) && f.Name != "current_setting" }

func computes(f *catalog.Function) bool {
	if !f.System {
		return f.Extension && (f.Volatility == catalog.Immutable || f.Language == "c" && pureExtensions[f.Name])
	}
	h, listed := harmOf(f.Name)
	return listed && h == harmless && !readsSequence[f.Name] || !listed && f.Volatility != catalog.Volatile
}

// PlainOperator reports whether every operator of the name is PostgreSQL's own, or
// computes as Computes says.
func PlainOperator(cat *catalog.Snapshot, name []*pg_query.Node) bool {
	return !slices.ContainsFunc(usersOperators(cat, stringsOf(name)), func(op *catalog.Operator) bool {
		f, ok := cat.Function(op.Function)
		return !ok || !computes(f)
	})
}

// usersOperators are those that a name may mean, whatever the search_path, and that are not
// PostgreSQL's own. Users may make some beside these.
func usersOperators(cat *catalog.Snapshot, name []string) []*catalog.Operator {
	if len(name) == 0 {
		return nil
	}
	all := cat.Operators(name[len(name)-1])
	if len(name) == 1 || name[0] != "pg_catalog" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(op *catalog.Operator) bool { return op.Schema != "pg_catalog" })
}

// PlainType reports whether making a value of the type runs no user's function.
func PlainType(cat *catalog.Snapshot, t *pg_query.TypeName) bool {
	parts := stringsOf(t.GetNames())
	if len(parts) == 0 || systemType(cat, parts) {
		return true
	}
	if t.PctType && len(parts) > 1 {
		return false // the type of a column, which may be any
	}
	for _, ut := range cat.UserTypes(parts[len(parts)-1]) {
		if ut.RunsCode && ut.Kind != hoop.TypeBase {
			return false
		}
	}
	return true
}

// PlainCasts reports whether no cast that may happen unasked runs a user's function.
func PlainCasts(cat *catalog.Snapshot) bool {
	for _, c := range cat.Casts() {
		if f, ok := cat.Function(c.Function); c.Function != 0 && (!ok || !computes(f)) {
			return false
		}
	}
	return true
}

// Blind reports whether a relation of pg_catalog or information_schema holds values of
// users' tables, texts of statements or credentials.
func Blind(t *catalog.Table) bool {
	return t.System && (blindRelations[t.Name] || secretRelations[t.Name] || strings.HasPrefix(t.Name, "pg_stat_progress"))
}
