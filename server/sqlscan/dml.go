package sqlscan

import (
	"maps"
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// change is what a data-modifying statement does to its target.
type change byte

const (
	inserts change = 1 << iota
	updates
	deletes
	truncates
)

// target resolves the table that a statement changes. A CTE's name means the table
// here: PostgreSQL never writes to a CTE.
func (s *stmt) target(rv *pg_query.RangeVar, c change) []string {
	s.targets = append(s.targets, rv)
	if isTempSchema(rv.Schemaname) || s.own(rv) {
		s.use(hoop.EffectSession, "a temporary object")
	}
	found := s.mention(rv)
	s.names.alias(aliasOf(rv), source{tables: found, derived: len(found) == 0})
	tables := s.withRelatives(found)
	if len(found) == 0 {
		tables = []string{"*"}
	}
	for _, t := range found {
		tables = append(tables, s.consequences(t, c, map[uint32]bool{})...)
	}
	s.changed = append(s.changed, s.found(tables)...)
	return tables
}

// changes is target, where an UPDATE sets columns. few says that the rows that change have a
// limit: what they fire has one then.
func (s *stmt) changes(rv *pg_query.RangeVar, c change, few bool, sets []*pg_query.Node) []string {
	s.many = !few
	defer func() { s.many = false }()
	if c&updates != 0 {
		s.assigned = map[string]bool{}
		for _, n := range sets {
			s.assigned[n.GetResTarget().GetName()] = true
			s.resets = s.resets || n.GetResTarget().GetVal().GetSetToDefault() != nil
		}
		defer func() { s.assigned, s.resets = nil, false }()
	}
	return s.target(rv, c)
}

// consequences notes what changing a table sets off, and names the tables that
// foreign keys change with it.
func (s *stmt) consequences(t *catalog.Table, c change, seen map[uint32]bool) []string {
	if seen[t.OID] {
		return nil
	}
	seen[t.OID] = true
	s.coded = s.coded || t.HasTriggers || t.HasRules || t.RunsCode || t.Kind == catalog.KindView
	var out []string
	switch {
	case t.System:
		s.systemWrite(t)
		return nil
	case t.Kind == catalog.KindView:
		s.opaque("a view is changed, so tables that the text does not name")
		out = s.through(t.Uses, c, seen)
	case t.Kind == catalog.KindForeign:
		s.use(hoop.EffectServer, "a foreign table is changed", t.Canonical())
	}
	if t.HasRules {
		rule := newCode(s.cat)
		rule.functions(t.RuleCalls)
		for _, oid := range t.RuleUses {
			if used, ok := s.cat.Table(oid); ok {
				rule.write(used) // or reads, which is as good as written here
			}
		}
		s.explicit(rule, "a rule rewrites the statement")
		s.opaque("a rule rewrites the statement")
		out = append(out, s.through(t.RuleUses, inserts|updates|deletes, seen)...)
	}
	s.fires(t, c)
	for _, rel := range s.cat.Related(t) {
		if t.Kind == catalog.KindPartitioned && c&updates != 0 { // a row may move to another partition
			s.fires(rel, c|inserts|deletes)
		}
		s.fires(rel, c)
		s.coded = s.coded || rel.HasTriggers || rel.RunsCode
		if rel.HasRules {
			s.out.Opaque = true
		}
		if rel.Kind == catalog.KindForeign {
			s.use(hoop.EffectServer, "a foreign table is changed", rel.Canonical())
		}
		out = append(out, s.cascade(rel, c, seen)...)
	}
	return append(out, s.cascade(t, c, seen)...)
}

// through names the tables that a view or a rule passes a change on to.
func (s *stmt) through(oids []uint32, c change, seen map[uint32]bool) []string {
	defer s.assignsAny()()
	var out []string
	for _, oid := range oids {
		if t, ok := s.cat.Table(oid); ok && !t.System {
			s.note(t)
			out = append(append(out, s.withRelatives([]*catalog.Table{t})...), s.consequences(t, c, seen)...)
		}
	}
	return out
}

// assignsAny has any column be set, until it is undone.
func (s *stmt) assignsAny() (undo func()) {
	before := s.assigned
	s.assigned = nil
	return func() { s.assigned = before }
}

func (s *stmt) cascade(t *catalog.Table, c change, seen map[uint32]bool) []string {
	defer s.assignsAny()()
	resets := s.resets
	defer func() { s.resets = resets }()
	var out []string
	for _, fk := range t.Cascades {
		s.resets = fk.Resets
		if c&deletes != 0 && fk.OnDelete || c&updates != 0 && fk.OnUpdate {
			if ref, ok := s.cat.Table(fk.Table); ok {
				s.note(ref)
				out = append(out, ref.Canonical())
				out = append(out, s.consequences(ref, updates|deletes, seen)...)
			}
		}
	}
	return out
}

// write adds the effect of changing rows: bounded or not.
func (s *stmt) write(tables []string, bounded bool, verb, why string) {
	if isOwn(tables) {
		return // target said so
	}
	if bounded && s.endless && verb != "INSERT" {
		bounded, why = false, "in a loop that may go over every row"
	}
	if bounded {
		s.use(hoop.EffectWrite, verb, tables...)
		return
	}
	s.use(hoop.EffectUnboundedWrite, verb+" "+why, tables...)
}

func (s *stmt) insertStmt(q *pg_query.InsertStmt, w where) {
	w = s.with(q.WithClause, w)
	c := inserts
	if q.OnConflictClause.GetAction() == pg_query.OnConflictAction_ONCONFLICT_UPDATE {
		c |= updates
	}
	_, few := s.bounds(w.scope, func(lim *limiter) (string, bool) { return "", q.SelectStmt == nil || lim.query(q.SelectStmt) })
	into := s.changes(q.Relation, c, few, q.GetOnConflictClause().GetTargetList())
	s.write(into, true, "INSERT", "")
	s.walk(q.SelectStmt, where{scope: w.scope, output: true})
	for _, n := range q.Cols {
		for _, ind := range n.GetResTarget().GetIndirection() {
			s.walk(ind, where{scope: w.scope})
		}
	}
	if q.SelectStmt != nil && copies(q.SelectStmt) || slices.ContainsFunc(q.Cols, hasSubLink) {
		s.derive("INSERT from a query", into)
	}
	if q.OnConflictClause != nil {
		s.onConflict(q, into, w)
	}
	s.inserted(q, w.scope)
	s.returning(q.ReturningList, q.Relation, w)
}

// onConflict handles ON CONFLICT: what it updates is limited by the rows inserted,
// where those are.
func (s *stmt) onConflict(q *pg_query.InsertStmt, into []string, w where) {
	oc := q.OnConflictClause
	s.names.alias("excluded", source{derived: true})
	if oc.Infer != nil {
		s.quietly(func() {
			s.walk(&pg_query.Node{Node: &pg_query.Node_InferClause{InferClause: oc.Infer}}, where{scope: w.scope})
		})
	}
	if oc.Action != pg_query.OnConflictAction_ONCONFLICT_UPDATE {
		return
	}
	_, bounded := s.bounds(w.scope, func(lim *limiter) (string, bool) {
		lim.target(q.Relation)
		return "", lim.query(q.SelectStmt) || lim.limits(oc.WhereClause, aliasOf(q.Relation))
	})
	s.write(into, bounded, "ON CONFLICT DO UPDATE", "of as many rows as a query gives")
	s.sets(oc.TargetList, q.Relation, into, w, "excluded")
	s.writeSet(q.Relation, oc.TargetList)
	s.choosing("ON CONFLICT DO UPDATE", q.Relation, into, oc.WhereClause, nil)
	s.walk(oc.WhereClause, where{scope: w.scope})
}

func (s *stmt) updateStmt(q *pg_query.UpdateStmt, w where) {
	w = s.with(q.WithClause, w)
	why, bounded := s.bounds(w.scope, func(lim *limiter) (string, bool) {
		lim.target(q.Relation)
		for _, n := range q.FromClause {
			lim.from(n)
		}
		return lim.verdict(q.WhereClause, aliasOf(q.Relation))
	})
	into := s.changes(q.Relation, updates, bounded, q.TargetList)
	for _, n := range q.FromClause {
		s.walk(n, where{scope: w.scope, output: true})
	}
	s.write(into, bounded, "UPDATE", why)
	if len(q.FromClause) == 0 && q.WithClause == nil && w.scope == nil {
		s.alone = s.plainTables(q.Relation)
	}
	s.sets(q.TargetList, q.Relation, into, w, "")
	s.alone = nil
	s.choosing("UPDATE", q.Relation, into, q.WhereClause, q.FromClause)
	s.writeSet(q.Relation, q.TargetList)
	s.walk(q.WhereClause, where{scope: w.scope})
	s.returning(q.ReturningList, q.Relation, w)
}

func (s *stmt) deleteStmt(q *pg_query.DeleteStmt, w where) {
	w = s.with(q.WithClause, w)
	why, bounded := s.bounds(w.scope, func(lim *limiter) (string, bool) {
		lim.target(q.Relation)
		for _, n := range q.UsingClause {
			lim.from(n)
		}
		return lim.verdict(q.WhereClause, aliasOf(q.Relation))
	})
	into := s.changes(q.Relation, deletes, bounded, nil)
	for _, n := range q.UsingClause {
		s.walk(n, where{scope: w.scope, output: true})
	}
	s.write(into, bounded, "DELETE", why)
	s.deleted(q.Relation)
	s.choosing("DELETE", q.Relation, into, q.WhereClause, q.UsingClause)
	s.walk(q.WhereClause, where{scope: w.scope})
	s.returning(q.ReturningList, q.Relation, w)
}

func (s *stmt) mergeStmt(q *pg_query.MergeStmt, w where) {
	w = s.with(q.WithClause, w)
	merged := func(judge func(lim *limiter) (string, bool)) (string, bool) {
		return s.bounds(w.scope, func(lim *limiter) (string, bool) {
			lim.target(q.Relation)
			lim.from(q.SourceRelation)
			return judge(lim)
		})
	}
	why, bounded := merged(func(lim *limiter) (string, bool) { return lim.verdict(q.JoinCondition, aliasOf(q.Relation)) })
	c, sets := mergeChanges(q)
	into := s.changes(q.Relation, c, bounded, sets)
	s.walk(q.SourceRelation, where{scope: w.scope, output: true})
	s.walk(q.JoinCondition, where{scope: w.scope})
	s.derive("MERGE", into)
	s.loaded(q.Relation, nil, true)
	for _, n := range q.MergeWhenClauses {
		c := n.GetMergeWhenClause()
		if c == nil {
			s.unknown("a WHEN clause that is not known")
			continue
		}
		ok := bounded && c.MatchKind != pg_query.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_SOURCE
		switch c.CommandType {
		case pg_query.CmdType_CMD_INSERT, pg_query.CmdType_CMD_NOTHING:
			ok = true
		default:
			if !ok {
				_, ok = merged(func(lim *limiter) (string, bool) { return "", lim.limits(c.Condition, aliasOf(q.Relation)) })
			}
		}
		s.write(into, ok, "MERGE", why)
		s.walk(c.Condition, where{scope: w.scope})
		for _, list := range [][]*pg_query.Node{c.TargetList, c.Values} {
			for _, t := range list {
				s.walk(t, where{scope: w.scope, output: true})
				if rt := t.GetResTarget(); rt != nil && assignsOther(rt, q.Relation, sourceAlias(q.SourceRelation)) {
					s.derive("MERGE", into, into...)
				} else if rt != nil {
					s.recomputed(rt, q.Relation, into)
				}
			}
		}
	}
	s.returning(q.ReturningList, q.Relation, w)
}

// mergeChanges gives what MERGE does to its target, and what it sets there.
func mergeChanges(q *pg_query.MergeStmt) (c change, sets []*pg_query.Node) {
	for _, n := range q.MergeWhenClauses {
		switch w := n.GetMergeWhenClause(); w.GetCommandType() {
		case pg_query.CmdType_CMD_INSERT:
			c |= inserts
		case pg_query.CmdType_CMD_UPDATE:
			c, sets = c|updates, append(sets, w.TargetList...)
		case pg_query.CmdType_CMD_DELETE:
			c |= deletes
		case pg_query.CmdType_CMD_NOTHING:
		default:
			c |= inserts | updates | deletes
		}
	}
	return c, sets
}

// sourceAlias is the name of MERGE's source in expressions, "" where it has none.
func sourceAlias(n *pg_query.Node) string {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_RangeVar:
		return aliasOf(x.RangeVar)
	case *pg_query.Node_RangeSubselect:
		return x.RangeSubselect.GetAlias().GetAliasname()
	}
	return ""
}

// sets handles SET a = …: anything but constants and the column itself is copied from
// somewhere. Columns of the alias from (EXCLUDED) are what the statement brings along.
func (s *stmt) sets(list []*pg_query.Node, rv *pg_query.RangeVar, into []string, w where, from string) {
	for _, n := range list {
		rt := n.GetResTarget()
		s.walk(n, where{scope: w.scope, output: true})
		if rt == nil || assignsOther(rt, rv, from) {
			s.derive("UPDATE from other columns", into, into...)
			s.derived[len(s.derived)-1].Columns = s.copiedWithin(rt, rv)
			continue
		}
		s.recomputed(rt, rv, into)
	}
}

// plainTables gives the tables that a name can mean, where all of them store their rows
// themselves and everybody sees them.
func (s *stmt) plainTables(rv *pg_query.RangeVar) []*catalog.Table {
	found := s.lookup(rv)
	for _, t := range found {
		if t.Temporary || t.System || t.HasRules || t.Kind != catalog.KindOrdinary && t.Kind != catalog.KindPartitioned {
			return nil
		}
	}
	return found
}

// copiedWithin gives the columns that an assignment reads, where nothing else than columns
// of the row itself can be meant; nil where that is not certain.
func (s *stmt) copiedWithin(rt *pg_query.ResTarget, rv *pg_query.RangeVar) (columns []hoop.ColumnRef) {
	if rt == nil || len(s.alone) == 0 {
		return nil
	}
	names := map[string]bool{}
	for _, n := range append([]*pg_query.Node{rt.Val}, rt.Indirection...) {
		more, ok := columnsRead(n, aliasOf(rv))
		if !ok {
			return nil
		}
		maps.Copy(names, more)
	}
	for _, t := range s.alone {
		for _, t := range append(s.cat.Related(t), t) {
			for name := range names {
				c, ok := t.Column(name)
				if !ok {
					return nil
				}
				for _, name := range append([]string{name}, c.From...) {
					columns = append(columns, hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: name})
				}
			}
		}
	}
	return columns
}

// columnsRead gives the names of columns in an expression; ok is false where it has
// sub-selects, rows, or names with another qualifier than alias.
func columnsRead(n *pg_query.Node, alias string) (names map[string]bool, ok bool) {
	names = map[string]bool{}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_SubLink, *pg_query.Node_MultiAssignRef, *pg_query.Node_SetToDefault, *pg_query.Node_CurrentOfExpr:
		return nil, false
	case *pg_query.Node_ColumnRef:
		u, ok := nameOf(x.ColumnRef)
		if !ok || u.name == "*" || u.qualifier != "" && (u.qualifier != alias || len(x.ColumnRef.Fields) != 2) {
			return nil, false
		}
		names[u.name] = true
		return names, true
	}
	ok = true
	known := children(n, func(c *pg_query.Node) {
		more, fine := columnsRead(c, alias)
		maps.Copy(names, more)
		ok = ok && fine
	})
	return names, ok && known
}

// assignsOther reports whether SET a[…] = … stores anything else than copiesOther allows:
// a subscript can be seen in what is stored.
func assignsOther(rt *pg_query.ResTarget, rv *pg_query.RangeVar, from string) bool {
	return copiesOther(rt.Val, rt.Name, rv, from) ||
		slices.ContainsFunc(rt.Indirection, func(n *pg_query.Node) bool { return copiesOther(n, rt.Name, rv, from) })
}

// copiesOther reports whether an expression reads anything but the column of rv's row
// itself, and columns of the alias from.
func copiesOther(n *pg_query.Node, column string, rv *pg_query.RangeVar, from string) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_SubLink, *pg_query.Node_MultiAssignRef:
		if m := n.GetMultiAssignRef(); m != nil {
			return copiesOther(m.Source, "", rv, from)
		}
		return true
	case *pg_query.Node_ColumnRef:
		u, ok := nameOf(x.ColumnRef)
		if !ok || u.name == "*" {
			return true
		}
		return (from == "" || u.qualifier != from) && (u.name != column || !ofRow(x.ColumnRef, rv))
	}
	found := false
	children(n, func(c *pg_query.Node) { found = found || copiesOther(c, column, rv, from) })
	return found
}

// ofRow reports whether a name of a column that rv has can mean no other relation's beside
// it: without a qualifier it would be ambiguous.
func ofRow(c *pg_query.ColumnRef, rv *pg_query.RangeVar) bool {
	switch f := c.Fields; len(f) {
	case 1:
		return true
	case 2:
		return f[0].GetString_().GetSval() == aliasOf(rv)
	case 3:
		return rv.Alias == nil && f[0].GetString_().GetSval() == rv.Schemaname && f[1].GetString_().GetSval() == rv.Relname
	}
	return false
}

// copies reports whether the source of an INSERT reads anything: a query, or VALUES
// with a sub-select in it or behind it.
func copies(n *pg_query.Node) bool {
	q := n.GetSelectStmt()
	if q == nil {
		return true
	}
	if len(q.ValuesLists) == 0 || q.WithClause != nil {
		return true
	}
	return slices.ContainsFunc(slices.Concat(q.ValuesLists, q.SortClause, []*pg_query.Node{q.LimitOffset, q.LimitCount}), hasSubLink)
}

func hasSubLink(n *pg_query.Node) bool {
	if n.GetSubLink() != nil {
		return true
	}
	found := false
	children(n, func(c *pg_query.Node) { found = found || hasSubLink(c) })
	return found
}

// returning handles RETURNING: rows come back.
func (s *stmt) returning(list []*pg_query.Node, target *pg_query.RangeVar, w where) {
	if len(list) == 0 {
		return
	}
	if s.inCTE > 0 {
		s.read(target)
	}
	s.rows = true
	if s.cat.Server >= 180000 { // old and new are the target's rows, whatever else has the names elsewhere
		found := s.lookup(target)
		for _, name := range []string{"old", "new"} {
			s.names.alias(name, source{tables: found, derived: len(found) == 0})
		}
	}
	for _, n := range list {
		if rt := n.GetResTarget(); rt != nil {
			u, ok := nameOf(rt.Val.GetColumnRef())
			s.names.stars = s.names.stars || ok && u == (usedName{name: "*"})
			s.output(rt)
		}
		s.walk(n, where{scope: w.scope, output: true})
	}
}

// quietly walks what names columns without comparing values.
func (s *stmt) quietly(f func()) {
	used, places, all := s.names.used, s.names.places, s.names.all
	f()
	s.names.used, s.names.places, s.names.all = used, places, all
}
