package sqlscan

import (
	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// hook is users' code that runs where nothing names it, and does more than compute: the
// check of a domain, a cast, how values of a type are compared, a policy of a table, an
// expression in an index, which the planner may evaluate.
//
// Which of them a statement runs hangs on the types of its expressions. Those are not
// inferred: a statement that can have values of the type, or reads the table, counts as
// if it ran the hook.
type hook struct {
	code   *code
	runs   []uint32       // the functions
	first  uint32         // a type: values of it set the hook off,
	second uint32         // beside values of this one
	table  *catalog.Table // or rows of this table do
	gives  bool           // a value that the statement goes on with
	policy bool
	input  bool // it runs where a value of the type is read from text
	why    string
}

// hooks are those of a database. There are none in most.
func hooks(cat *catalog.Snapshot) []*hook {
	found, _ := cat.Derived(func() any { return findHooks(cat) }).([]*hook)
	return found
}

// Hooked reports whether the database has users' code that runs where nothing names it,
// and does more than compute.
func Hooked(cat *catalog.Snapshot) bool { return len(hooks(cat)) > 0 }

func findHooks(cat *catalog.Snapshot) []*hook {
	f := hookFinder{cat: cat}
	for oid, functions := range cat.TypeCodes {
		f.add(&hook{first: oid, second: oid, input: true, why: "type " + typeName(cat, oid) + " runs a user's function"}, functions)
	}
	for oid, functions := range cat.Comparisons {
		f.add(&hook{first: oid, second: oid, why: "values of type " + typeName(cat, oid) + " are compared by a user's function"}, functions)
	}
	for _, c := range cat.Casts() {
		f.add(&hook{first: c.Source, second: c.Target, gives: true, why: "a cast is a user's"}, []uint32{c.Function})
	}
	for t := range cat.Tables {
		f.add(&hook{table: t, policy: true, why: "a policy of " + t.Canonical() + " runs a user's function"}, t.Policies)
		f.add(&hook{table: t, why: "an index or a constraint of " + t.Canonical() + " runs a user's function"}, f.foldable(t.Checks))
	}
	return f.active()
}

func typeName(cat *catalog.Snapshot, oid uint32) string {
	if t := cat.Type(oid); t != nil {
		return t.Name
	}
	return "of a session's own"
}

type hookFinder struct {
	cat *catalog.Snapshot
	all []*hook
}

// add adds a hook that runs functions. What came with an extension is trusted, as where an
// operator is named.
func (f *hookFinder) add(h *hook, functions []uint32) {
	h.code = newCode(f.cat)
	for _, oid := range functions {
		if fn, ok := f.cat.Function(oid); ok && supplied(fn) {
			continue
		}
		if oid != 0 {
			h.code.functions([]uint32{oid})
			h.runs = append(h.runs, oid)
		}
	}
	if len(h.code.seen)+len(h.code.builtins) > 0 || h.code.opaque() {
		f.all = append(f.all, h)
	}
}

// foldable are those functions of a table's expressions that the planner evaluates where
// their arguments are constants: immutable ones.
func (f *hookFinder) foldable(functions []uint32) []uint32 {
	var out []uint32
	for _, oid := range functions {
		if fn, ok := f.cat.Function(oid); !ok || fn.Volatility == catalog.Immutable {
			out = append(out, oid)
		}
	}
	return out
}

// active gives the hooks that do more than compute, by way of others too.
func (f *hookFinder) active() []*hook {
	var out []*hook
	done := map[*hook]bool{}
	for again := true; again; {
		again = false
		for _, h := range f.all {
			if !done[h] && h.matters() {
				done[h], again = true, true
				out = append(out, h)
			}
		}
		for _, h := range f.all {
			again = h.code.meet(out) || again
		}
	}
	return out
}

// matters reports whether the hook is more than a computation. That a policy reads is known
// of its table.
func (h *hook) matters() bool {
	return h.code.does() || h.code.identity != "" || !h.policy && (h.code.reads || len(h.code.sources) > 0)
}

// ofType reports whether values of users' types set the hook off, and it does more than read.
func (h *hook) ofType() bool {
	return h.table == nil && (h.first >= firstUserOID || h.second >= firstUserOID) && h.code.does()
}

// does reports whether the code does more than read.
func (c *code) does() bool { return c.writes || c.temp || c.acts || c.keeps || len(c.into) > 0 }

// meet adds the hooks that code sets off, and reports whether there were new ones.
func (c *code) meet(hooks []*hook) (more bool) {
	for again := true; again; {
		again = false
		for _, h := range hooks {
			if h.code != c && !c.met[h] && h.setOff(c.cat, c.types, c.sources, false) {
				if c.met == nil {
					c.met = map[*hook]bool{}
				}
				c.met[h] = true
				c.add(h.code)
				again, more = true, true
			}
		}
	}
	return more
}

// unnamed adds what runs in the code where nothing names it.
func (c *code) unnamed() { c.meet(hooks(c.cat)) }

// setOff reports whether values of types, or of columns of tables, or rows of tables set
// the hook off; anyType says that there may be values of every type, as a table of a
// session's own may have.
func (h *hook) setOff(cat *catalog.Snapshot, types map[uint32]bool, tables map[*catalog.Table]bool, anyType bool) bool {
	if h.table != nil {
		return tables[h.table]
	}
	for t := range tables {
		anyType = anyType || t.Temporary
	}
	return anyType || occurs(cat, h.first, types, tables) && (h.first == h.second || occurs(cat, h.second, types, tables))
}

// unnamed adds what runs in the statement where nothing names it.
func (s *stmt) unnamed() {
	all := hooks(s.cat)
	if len(all) == 0 {
		return
	}
	done := map[*hook]bool{}
	for again := true; again; {
		again = false
		for _, h := range all {
			if !done[h] && h.setOff(s.cat, s.values, s.sources, s.anyType) {
				done[h], again = true, true
				s.hook(h)
			}
		}
	}
	s.stores(all, done)
}

// hook adds what a hook does. Where that is no more than to read, it is no effect of its
// own, but reads.
func (s *stmt) hook(h *hook) {
	s.coded = true
	s.lookedUp(h.code)
	if h.policy {
		if h.code.does() {
			s.opaque(h.why)
			s.keep(h.code)
		}
		s.identity(h.code)
		return // the table is opaque to the gateway: that covers what it reads
	}
	c := newCode(s.cat)
	c.add(h.code)
	if h.input && (c.does() || c.opaque()) && hasText(s.node, 0) {
		s.out.Parses = h.why
	}
	s.runs(c, h.why, c.does(), h.gives)
}

// hasText reports whether a string constant stands in n, which may be read as a value of any
// type.
func hasText(n *pg_query.Node, depth int) (found bool) {
	if n.GetAConst().GetSval() != nil || depth > maxDepth {
		return true
	}
	known := children(n, func(c *pg_query.Node) { found = found || hasText(c, depth+1) })
	return found || !known
}

// stores adds casts that may run where values are put into columns, and where a change
// compares them.
func (s *stmt) stores(all []*hook, done map[*hook]bool) {
	for _, h := range all {
		if done[h] || !h.gives || !s.occurs(h.first) || !s.occurs(h.second) {
			continue
		}
		c := newCode(s.cat)
		c.add(h.code)
		if len(c.sources) > 0 || c.reads {
			for _, name := range s.changed {
				c.into[name] = true
			}
		}
		s.implicit(c, "a cast", nil)
		s.behind("a cast", true, func(in *stmt) { in.runAll(h.runs) })
	}
}

// identity refuses code that sets what belongs to the gateway.
func (s *stmt) identity(c *code) {
	if c.identity != "" {
		s.forbid("function " + c.identity + " sets hoop.*, which belongs to the gateway")
	}
}

// declared adds parameters of the types that the client declared.
func (s *stmt) declared(types []uint32) {
	for _, oid := range types {
		switch {
		case oid == 0: // as the target infers it, from what the text names
		case s.cat.Type(oid) == nil:
			s.opaque("a parameter has a type that is not known")
		default:
			s.values[oid] = true
		}
	}
}

// implied notes the operators that a part of an expression uses without naming them
// (PostgreSQL manual, "Expressions": they are found in the search_path).
func (s *stmt) implied(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CaseExpr:
		if x.CaseExpr.Arg != nil {
			s.operators("=")
		}
	case *pg_query.Node_SubLink:
		if x.SubLink.Testexpr != nil && len(x.SubLink.OperName) == 0 {
			s.operators("=")
		}
	case *pg_query.Node_JoinExpr:
		if x.JoinExpr.IsNatural || len(x.JoinExpr.UsingClause) > 0 {
			s.operators("=")
		}
	case *pg_query.Node_AExpr:
		switch x.AExpr.Kind {
		case pg_query.A_Expr_Kind_AEXPR_BETWEEN, pg_query.A_Expr_Kind_AEXPR_NOT_BETWEEN,
			pg_query.A_Expr_Kind_AEXPR_BETWEEN_SYM, pg_query.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
			s.operators("<", "<=", ">", ">=")
		}
	}
}

func (s *stmt) operators(names ...string) {
	for _, name := range names {
		s.operator([]*pg_query.Node{pg_query.MakeStrNode(name)})
	}
}

// implying are words of a body that use operators without naming them.
var implying = map[string][]string{
	"case": {"="}, "in": {"=", "<>"}, "using": {"="}, "natural": {"="}, "nullif": {"="}, "distinct": {"="},
	"between": {"<", "<=", ">", ">="}, "like": {"~~", "!~~"}, "ilike": {"~~*", "!~~*"}, "similar": {"~", "!~"},
}

func (b *body) implied(names []string) {
	for _, name := range names {
		for _, op := range b.cat.Operators(name) {
			b.functions([]uint32{op.Function})
		}
	}
}

// takes notes the types of what a user's function takes and gives.
func (s *stmt) takes(f *catalog.Function) {
	s.values[f.Returns] = true
	for _, list := range [][]uint32{f.ArgTypes, f.OutTypes} {
		for _, oid := range list {
			s.values[oid] = true
		}
	}
}

// namedType notes a user's type, or a table's row, that the text names.
func (s *stmt) namedType(name string) {
	for _, t := range s.cat.Lookup("", name) { // a row of the table
		s.types[t.Canonical()] = true
		s.values[t.RowType] = true
	}
	s.scalarType(name)
}

// scalarType notes a user's type that is no table's row.
func (s *stmt) scalarType(name string) {
	for _, ut := range s.cat.UserTypes(name) {
		s.types[hoop.TableName(ut.Schema, name)] = true
		s.values[ut.OID] = true
	}
}
