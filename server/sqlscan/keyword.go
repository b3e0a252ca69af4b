package sqlscan

import (
	"fmt"
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// keyword is a word that newer grammars read as syntax, where an older one reads the name of
// a function or of a column (PostgreSQL manual, appendix "SQL Key Words").
type keyword struct {
	name   string
	since  int  // server_version_num
	column bool // it stands without parentheses
}

// keywordOf returns the keyword that n was made of; ok is false for all others.
func keywordOf(n *pg_query.Node) (k keyword, ok bool) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_FuncCall:
		f := x.FuncCall
		k = keyword{"system_user", 160000, true}
		return k, f.Funcformat == pg_query.CoercionForm_COERCE_SQL_SYNTAX && slices.Contains(stringsOf(f.Funcname), k.name)
	case *pg_query.Node_JsonObjectConstructor:
		return keyword{name: "json_object", since: 160000}, true
	case *pg_query.Node_JsonArrayConstructor, *pg_query.Node_JsonArrayQueryConstructor:
		return keyword{name: "json_array", since: 160000}, true
	case *pg_query.Node_JsonObjectAgg:
		return keyword{name: "json_objectagg", since: 160000}, true
	case *pg_query.Node_JsonArrayAgg:
		return keyword{name: "json_arrayagg", since: 160000}, true
	case *pg_query.Node_JsonParseExpr:
		return keyword{name: "json", since: 170000}, true
	case *pg_query.Node_JsonScalarExpr:
		return keyword{name: "json_scalar", since: 170000}, true
	case *pg_query.Node_JsonSerializeExpr:
		return keyword{name: "json_serialize", since: 170000}, true
	case *pg_query.Node_JsonTable:
		return keyword{name: "json_table", since: 170000}, true
	case *pg_query.Node_MergeSupportFunc:
		return keyword{name: "merge_action", since: 170000}, true
	case *pg_query.Node_JsonFuncExpr:
		k = keyword{name: "json_value", since: 170000}
		switch x.JsonFuncExpr.Op {
		case pg_query.JsonExprOp_JSON_EXISTS_OP:
			k.name = "json_exists"
		case pg_query.JsonExprOp_JSON_QUERY_OP:
			k.name = "json_query"
		}
		return k, true
	}
	return keyword{}, false
}

// keyword handles what the target does not read as we do: there, it is a column, which
// the text itself may have named, or a call of a user's function, or an error.
func (s *stmt) keyword(n *pg_query.Node) {
	k, ok := keywordOf(n)
	if !ok || k.since <= s.cat.Server {
		return
	}
	user := func(f *catalog.Function) bool { return !f.System }
	if k.column || slices.ContainsFunc(s.cat.Functions("", k.name), user) || len(s.cat.UserTypes(k.name)) > 0 {
		s.unknown(fmt.Sprintf("%s is a name in version %d of PostgreSQL, and no keyword yet: quote it", k.name, s.cat.Server/10000))
	}
}

// systemType reports whether the name of a type means one of PostgreSQL's own: users may make some
// beside these, and before version 17 json is a name as any other, which the grammar has put into
// pg_catalog.
func systemType(cat *catalog.Snapshot, parts []string) bool {
	if len(parts) < 2 || parts[0] != "pg_catalog" {
		return false
	}
	named := parts[1] == "json" && cat.Server < 170000
	return !slices.ContainsFunc(cat.UserTypes(parts[1]), func(t catalog.UserType) bool { return named || t.Schema == "pg_catalog" })
}
