package sqlscan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// Left is what a text leaves behind that runs later: code, and what defaults and the like of
// a new table give. Until a catalog shows it, what it copies is told by this. Names are
// canonical.
type Left struct {
	On     []string // tables: what reads or changes one may run it
	Tables []string // that it reads, "*" where that is not known
	Into   []string // where it puts that, and what it is given
	// Gives says that what does not call it may get a value from it: it stands for a type, an
	// operator or a cast.
	Gives bool
	code  bool // it is code, which other such code may call
}

// Leave gives all that was left behind, and more. Of code the parts are not told apart: any
// may call the others.
func Leave(all []Left, more ...Left) []Left {
	for _, l := range more {
		i := slices.IndexFunc(all, func(x Left) bool { return x.code })
		if !l.code || i < 0 {
			all = append(all, l)
			continue
		}
		was := all[i]
		all[i] = Left{
			On: sortedSet(slices.Concat(was.On, l.On)), Tables: sortedSet(slices.Concat(was.Tables, l.Tables)),
			Into: sortedSet(slices.Concat(was.Into, l.Into)), Gives: was.Gives || l.Gives, code: true,
		}
	}
	return all
}

// Copies gives the derive of what runs with a, behind l; ok is false where that is none.
func (l *Left) Copies(a *Analysis) (u hoop.Use, ok bool) {
	return l.copies(a.Coded, a.Reads, a.Changes)
}

// Planted is Copies where nothing tells when l runs.
func (l *Left) Planted(a *Analysis) (u hoop.Use, ok bool) {
	all := *l
	all.Tables, all.On = []string{"*"}, []string{"*"}
	return all.copies(a.Coded, a.Reads, a.Changes)
}

// copies does so for what reads and changes tables. coded says that it may run users' code,
// or reaches what no catalog shows: whatever it changes may get a value from l then, and l
// whatever it reads.
func (l *Left) copies(coded bool, reads, changes []string) (u hoop.Use, ok bool) {
	u = hoop.Use{Effect: hoop.EffectDerive, Exact: true, Why: "code and defaults that no catalog shows yet", Tables: l.Tables, Into: l.Into}
	switch {
	case coded || l.Gives:
		u.Tables, u.Into = slices.Concat(l.Tables, reads, changes), slices.Concat(l.Into, changes)
	case !slices.Contains(l.On, "*") && !slices.ContainsFunc(slices.Concat(reads, changes), func(t string) bool { return t == "*" || slices.Contains(l.On, t) }):
		return u, false
	}
	u.Tables, u.Into = sortedSet(u.Tables), sortedSet(u.Into)
	return u, len(u.Tables) > 0 && len(u.Into) > 0
}

// oneName reports whether tables are all of one name: nothing is copied then.
func oneName(tables []string) bool {
	of := func(table string) string { return table[strings.LastIndexByte(table, '.')+1:] }
	return !slices.ContainsFunc(tables, func(t string) bool { return of(t) != of(tables[0]) || t == "*" || strings.Contains(t, `"`) })
}

// giving are commands after which code may run, and give a value, that no name calls.
func giving(n *pg_query.Node) bool {
	switch n.GetNode().(type) {
	case *pg_query.Node_CreateFunctionStmt, *pg_query.Node_CreateTrigStmt, *pg_query.Node_RuleStmt, *pg_query.Node_CreatePolicyStmt,
		*pg_query.Node_AlterPolicyStmt, *pg_query.Node_AlterTableStmt, *pg_query.Node_IndexStmt, *pg_query.Node_CreateStmt,
		*pg_query.Node_CreateTableAsStmt, *pg_query.Node_ViewStmt, *pg_query.Node_SelectStmt, *pg_query.Node_CreateStatsStmt, *pg_query.Node_CreateSeqStmt:
		return false
	case *pg_query.Node_AlterFunctionStmt, *pg_query.Node_CommentStmt, *pg_query.Node_GrantStmt, *pg_query.Node_AlterOwnerStmt:
		return false
	case *pg_query.Node_RenameStmt, *pg_query.Node_AlterObjectSchemaStmt, *pg_query.Node_AlterObjectDependsStmt:
		return false // what calls one calls a user's function before, too
	}
	return true
}

// leave notes what code the statement leaves behind can do, and reports whether there is any.
func (s *stmt) leave() bool {
	if !s.cataloging {
		return false
	}
	s.leaveRows()
	c := newCode(s.cat)
	c.definition(s.sql[s.cmd.Start:s.cmd.End], s.leaving)
	c.unnamed()
	if !s.leaving && len(c.seen) == 0 {
		return false
	}
	if s.leaving && len(c.sources) > 0 {
		s.use(hoop.EffectRead, "", canonicals(slices.Collect(maps.Keys(c.sources)))...)
	}
	s.left(c, Left{Gives: giving(s.node), code: true}, s.fired...)
	return true
}

// left notes code that is left behind, of tables that set it off.
func (s *stmt) left(c *code, l Left, on ...string) {
	l.Tables, l.Into = sortedSet(slices.Concat(l.Tables, c.names(), on)), sortedSet(append(c.places(), on...))
	l.On = append(canonicals(slices.Collect(maps.Keys(c.sources))), on...)
	s.out.Left = Leave(s.out.Left, l)
}

// leaveRows notes what the rows of a new table are made of, besides what its text says, and
// those of a table that becomes a partition: what the other one's are made of.
func (s *stmt) leaveRows() {
	var into, numbers []string
	c := newCode(s.cat)
	switch x := s.node.GetNode().(type) {
	case *pg_query.Node_CreateStmt:
		if s.owned {
			return
		}
		into = s.places(x.CreateStmt.Relation)
		c.add(s.ran)
		for _, n := range x.CreateStmt.InhRelations {
			s.madeAs(c, s.lookup(n.GetRangeVar()))
		}
		types := []*pg_query.TypeName{x.CreateStmt.OfTypename}
		for _, n := range x.CreateStmt.TableElts {
			if like := n.GetTableLikeClause(); like != nil {
				s.madeAs(c, s.lookup(like.Relation))
			}
			types = append(types, n.GetColumnDef().GetTypeName())
		}
		s.defaultsOf(c, types)
		for _, n := range x.CreateStmt.TableElts {
			numbers = append(numbers, s.numbering(x.CreateStmt.Relation, "", n)...)
		}
	case *pg_query.Node_CreateSeqStmt:
		if !s.owned {
			numbers = s.places(x.CreateSeqStmt.Sequence)
		}
	case *pg_query.Node_AlterTableStmt:
		if s.owned || x.AlterTableStmt.Objtype == pg_query.ObjectType_OBJECT_TYPE {
			return
		}
		c.add(s.ran)
		into = s.canonical(x.AlterTableStmt.Relation)
		var types []*pg_query.TypeName
		for _, n := range x.AlterTableStmt.Cmds {
			cmd := n.GetAlterTableCmd()
			types = append(types, cmd.GetDef().GetColumnDef().GetTypeName())
			numbers = append(numbers, s.numbering(x.AlterTableStmt.Relation, cmd.GetName(), cmd.GetDef())...)
			switch rv := cmd.GetDef().GetPartitionCmd().GetName(); cmd.GetSubtype() {
			case pg_query.AlterTableType_AT_AttachPartition:
				if rv != nil {
					s.madeAs(c, s.lookup(x.AlterTableStmt.Relation))
					into = append(into, s.canonical(rv)...)
				}
			case pg_query.AlterTableType_AT_EnableTrig, pg_query.AlterTableType_AT_EnableAlwaysTrig, pg_query.AlterTableType_AT_EnableReplicaTrig,
				pg_query.AlterTableType_AT_EnableTrigAll, pg_query.AlterTableType_AT_EnableTrigUser:
				s.madeAs(c, s.lookup(x.AlterTableStmt.Relation))
			}
		}
		s.defaultsOf(c, types)
	default:
		return
	}
	s.out.Named = append(s.out.Named, numbers...)
	if len(c.names())+len(numbers) > 0 {
		for _, name := range numbers {
			c.into[name] = true
		}
		l := Left{}
		if len(into) > 0 {
			l.Tables = numbers
		}
		s.left(c, l, s.found(into)...)
	}
}

// numbering gives the names of the sequences that come with a column of a table: of a serial
// type, or an identity (ChooseRelationName in PostgreSQL's indexcmds.c).
func (s *stmt) numbering(rv *pg_query.RangeVar, column string, def *pg_query.Node) []string {
	col := def.GetColumnDef()
	name := strings.TrimPrefix(lastOf(col.GetTypeName().GetNames()), "big")
	numbers := strings.HasPrefix(strings.TrimPrefix(name, "small"), "serial")
	for _, n := range append([]*pg_query.Node{def}, col.GetConstraints()...) {
		numbers = numbers || n.GetConstraint().GetContype() == pg_query.ConstrType_CONSTR_IDENTITY
	}
	if !numbers {
		return nil
	}
	var out []string
	first, second := rv.GetRelname(), cmp.Or(col.GetColname(), column)
	for len(first)+len(second)+len("__seq") > nameBytes {
		if len(first) > len(second) {
			first = shortened(first, len(first)-1)
		} else {
			second = shortened(second, len(second)-1)
		}
	}
	for _, more := range []string{"", "1"} { // the name may be taken
		out = append(out, s.places(&pg_query.RangeVar{Schemaname: rv.GetSchemaname(), Relpersistence: rv.GetRelpersistence(), Relname: first + "_" + second + "_seq" + more})...)
	}
	return out
}

// madeAs adds to c what the rows of tables, and of those above and below them, are made of:
// defaults, triggers.
func (s *stmt) madeAs(c *code, tables []*catalog.Table) {
	for _, t := range tables {
		for _, t := range append(s.cat.Related(t), t) {
			c.functions(t.Values)
			for _, tr := range append(slices.Clone(t.Asleep), t.Triggers...) {
				c.functions([]uint32{tr.Function})
				c.functions(tr.Calls)
			}
			for _, oid := range t.Sequences {
				if seq, ok := s.cat.Table(oid); ok {
					c.source(seq)
				} else {
					c.anySequence()
				}
			}
		}
	}
}

// defaultsOf adds to c what the defaults of types give, of domains in composites too.
func (s *stmt) defaultsOf(c *code, types []*pg_query.TypeName) {
	for _, t := range types {
		for _, row := range s.cat.Lookup("", lastOf(t.GetNames())) {
			for _, col := range row.Columns {
				s.defaultOf(c, s.cat.Type(col.Type), map[uint32]bool{})
			}
		}
		for _, ut := range s.cat.UserTypes(lastOf(t.GetNames())) {
			s.defaultOf(c, s.cat.Type(ut.OID), map[uint32]bool{})
		}
	}
}

func (s *stmt) defaultOf(c *code, t *hoop.Type, seen map[uint32]bool) {
	if t == nil || seen[t.OID] {
		return
	}
	seen[t.OID] = true
	c.functions(s.cat.TypeCode(t.OID))
	c.functions(s.cat.Default(t.OID))
	for _, f := range t.Fields {
		s.defaultOf(c, f, seen)
	}
	s.defaultOf(c, t.Elem, seen)
}
