package sqlscan

import (
	"slices"
	"strings"
	"sync"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// with opens the scope of a WITH clause and walks its queries. A query sees those
// before it, or all of them with RECURSIVE.
func (s *stmt) with(c *pg_query.WithClause, w where) where {
	if c == nil {
		return w
	}
	inner := &scope{parent: w.scope, ctes: map[string]*pg_query.CommonTableExpr{}}
	w.scope = inner
	if c.Recursive {
		for _, n := range c.Ctes {
			inner.ctes[n.GetCommonTableExpr().GetCtename()] = n.GetCommonTableExpr()
		}
	}
	for _, n := range c.Ctes {
		cte := n.GetCommonTableExpr()
		if cte == nil {
			s.unknown("a WITH query that is not known")
			continue
		}
		columns, _ := s.queryColumns(cte.GetCtequery().GetSelectStmt(), stringsOf(cte.Aliascolnames), inner, 0)
		s.names.alias(cte.Ctename, source{derived: true, columns: columns})
		s.lists(stringsOf(cte.Aliascolnames), cte.GetCtequery().GetSelectStmt(), inner)
		s.cteExtras(cte, w)
		s.inCTE++
		s.walk(cte.Ctequery, where{scope: inner, output: true})
		s.inCTE--
		inner.ctes[cte.Ctename] = cte
	}
	return w
}

// cteExtras handles SEARCH and CYCLE: their columns decide the order.
func (s *stmt) cteExtras(cte *pg_query.CommonTableExpr, w where) {
	if c := cte.SearchClause; c != nil {
		for _, col := range stringsOf(c.SearchColList) {
			s.usedAt(usedName{name: col}, nil)
		}
		s.loosens(c.SearchSeqColumn, false)
	}
	if c := cte.CycleClause; c != nil {
		for _, col := range stringsOf(c.CycleColList) {
			s.usedAt(usedName{name: col}, nil)
		}
		for _, col := range []string{c.CycleMarkColumn, c.CyclePathColumn} {
			s.loosens(col, false)
		}
		s.walk(c.CycleMarkValue, where{scope: w.scope})
		s.walk(c.CycleMarkDefault, where{scope: w.scope})
	}
}

// selectStmt walks one SELECT, VALUES or set operation.
func (s *stmt) selectStmt(q *pg_query.SelectStmt, w where) {
	defer func(outer string, defining bool) { s.about, s.defining = outer, defining }(s.about, s.defining)
	s.about, s.defining = s.oneSetting(q), false
	w = s.with(q.WithClause, w)
	deciding := where{scope: w.scope}
	if q.IntoClause != nil {
		s.into(q.IntoClause)
	}
	if q.Op != pg_query.SetOperation_SETOP_NONE && q.Op != pg_query.SetOperation_SET_OPERATION_UNDEFINED {
		s.stack(q, w.scope)
		s.byNumber(q, w.scope)
		branch := w
		if !q.All || q.Op != pg_query.SetOperation_SETOP_UNION {
			branch.output = false // rows are compared
			s.starsDecide(q)
		}
		s.walk(selectNode(q.Larg), branch)
		s.walk(selectNode(q.Rarg), branch)
	}
	list := w
	if len(q.DistinctClause) > 0 && distinctAll(q) || ordinals(q) {
		list.output = false
		s.starsDecide(q)
	}
	for _, t := range q.TargetList {
		if rt := t.GetResTarget(); rt != nil {
			if u, ok := nameOf(rt.Val.GetColumnRef()); ok && u == (usedName{name: "*"}) {
				for _, n := range q.FromClause {
					s.starred(n)
				}
			}
			s.output(rt)
		}
		s.walk(t, list)
	}
	for _, row := range q.ValuesLists {
		s.walk(row, w)
	}
	if len(q.ValuesLists) > 0 {
		s.stack(q, w.scope)
		s.byNumber(q, w.scope)
	}
	for _, n := range q.FromClause {
		s.walk(n, where{scope: w.scope, output: true})
	}
	for _, n := range [][]*pg_query.Node{
		q.DistinctClause, {q.WhereClause}, q.GroupClause, {q.HavingClause}, q.WindowClause, q.SortClause, {q.LimitOffset}, {q.LimitCount},
	} {
		for _, c := range n {
			s.walk(c, deciding)
		}
	}
	s.locking(q, w)
}

func selectNode(q *pg_query.SelectStmt) *pg_query.Node {
	if q == nil {
		return nil
	}
	return &pg_query.Node{Node: &pg_query.Node_SelectStmt{SelectStmt: q}}
}

// distinctAll tells DISTINCT from DISTINCT ON (…).
func distinctAll(q *pg_query.SelectStmt) bool {
	return len(q.DistinctClause) == 1 && q.DistinctClause[0].GetNode() == nil
}

// ordinals reports whether ORDER BY, GROUP BY or DISTINCT ON name output columns by
// number.
func ordinals(q *pg_query.SelectStmt) bool { return len(numbers(q)) > 0 }

// numbers are those by which they do, from 1.
func numbers(q *pg_query.SelectStmt) (places []int) {
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		switch x := n.GetNode().(type) {
		case *pg_query.Node_SortBy:
			look(x.SortBy.Node)
		case *pg_query.Node_GroupingSet, *pg_query.Node_RowExpr, *pg_query.Node_List:
			children(n, look)
		case *pg_query.Node_AConst:
			if i := x.AConst.GetIval(); i != nil {
				places = append(places, int(i.Ival))
			}
		}
	}
	for _, n := range slices.Concat(q.SortClause, q.GroupClause, q.DistinctClause) {
		look(n)
	}
	return places
}

// toldApart gives what is shown by which rows are sorted, grouped or told apart though it does
// not stand there: all of it with DISTINCT, else what has its number there; all where *
// hides which that is.
func toldApart(q *pg_query.SelectStmt) (shown []*pg_query.Node) {
	places, all := numbers(q), len(q.DistinctClause) > 0 && distinctAll(q)
	for i, t := range q.TargetList {
		val := t.GetResTarget().GetVal()
		all = all || len(places) > 0 && starred(val)
		if all || slices.Contains(places, i+1) {
			shown = append(shown, val)
		}
	}
	return shown
}

// starred reports whether an item of the list stands for several columns.
func starred(n *pg_query.Node) bool {
	fields := n.GetColumnRef().GetFields()
	if in := n.GetAIndirection(); in != nil {
		fields = in.Indirection
	}
	return len(fields) > 0 && fields[len(fields)-1].GetAStar() != nil
}

// starsDecide makes TABLE t and SELECT * count when rows are compared: the columns
// are not in the text. (SELECT * itself is a column reference and is walked.)
func (s *stmt) starsDecide(q *pg_query.SelectStmt) {
	if len(q.TargetList) == 0 && len(q.ValuesLists) == 0 && q.Larg == nil {
		s.names.all = true
	}
}

// locking handles FOR UPDATE and its kin: they mark rows, so they write (and draw
// SQLSTATE 25006 in a read-only transaction).
func (s *stmt) locking(q *pg_query.SelectStmt, w where) {
	if len(q.LockingClause) == 0 {
		return
	}
	var tables []string
	for _, n := range q.LockingClause {
		lc := n.GetLockingClause()
		if lc.GetStrength() == pg_query.LockClauseStrength_LCS_FORKEYSHARE {
			s.tells() // it waits for an UPDATE under way only where that changes a key
		}
		for _, rel := range lc.GetLockedRels() { // aliases of FROM, not tables
			for _, src := range s.names.aliases[rel.GetRangeVar().GetRelname()] {
				for _, t := range src.tables {
					tables = append(tables, t.Canonical())
				}
			}
		}
	}
	if len(tables) == 0 {
		for _, n := range q.FromClause {
			tables = append(tables, s.fromTables(n, w.scope)...)
		}
	}
	if len(tables) == 0 {
		tables = []string{"*"}
	}
	s.use(hoop.EffectWrite, "locks rows", tables...)
}

// starred notes the aliases of an item of FROM that * in the list stands for. What a
// sub-select gives is noted where that has a list of its own.
func (s *stmt) starred(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_RangeVar:
		s.names.starred[aliasOf(x.RangeVar)] = true
	case *pg_query.Node_JoinExpr:
		s.starred(x.JoinExpr.Larg)
		s.starred(x.JoinExpr.Rarg)
	case *pg_query.Node_RangeTableSample:
		s.starred(x.RangeTableSample.Relation)
	}
}

// fromTables names the tables of a FROM item, sub-selects excluded ("*").
func (s *stmt) fromTables(n *pg_query.Node, sc *scope) []string {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_RangeVar:
		if x.RangeVar.Schemaname == "" && sc.find(x.RangeVar.Relname) != nil {
			return nil
		}
		return s.canonical(x.RangeVar)
	case *pg_query.Node_JoinExpr:
		return append(s.fromTables(x.JoinExpr.Larg, sc), s.fromTables(x.JoinExpr.Rarg, sc)...)
	}
	return []string{"*"}
}

// into handles SELECT … INTO: a table is made of what is read.
func (s *stmt) into(c *pg_query.IntoClause) {
	s.newTable(c.Rel)
	s.derive("SELECT INTO", s.places(c.Rel))
}

// newTable gives the effects of making a table: nobody else sees a temporary one.
func (s *stmt) newTable(rv *pg_query.RangeVar) {
	s.targets, s.fresh = append(s.targets, rv), rv
	if s.cataloging, s.owned = true, s.makesOwn(); !s.owned {
		s.changesCatalog()
		s.makes(rv)
	}
	if rv.Relpersistence == "t" || isTempSchema(rv.Schemaname) {
		s.use(hoop.EffectSession, "a temporary object")
		return
	}
	s.out.Named = append(s.out.Named, s.places(rv)...)
	s.use(hoop.EffectDDL, "", s.places(rv)...)
}

// makesOwn reports whether the statement makes a table of the session's own and nothing
// else that the catalog does not show.
func (s *stmt) makesOwn() bool {
	return s.followed && slices.ContainsFunc(s.cmd.Local, func(c catalog.Change) bool { return c.Made != nil })
}

// copied is a derive of a statement.
type copied struct {
	hoop.Use
	chosen bool     // nothing is stored, but which rows others have chosen can be seen
	own    []string // of these: the tables that these rows are in
	beside bool     // of these: others stand in the text
}

// derive says that data is copied to into: from the tables named, and from every table
// that the statement reads. Those are known when it is walked: see flushDerive.
func (s *stmt) derive(why string, into []string, from ...string) {
	s.derived = append(s.derived, copied{Use: hoop.Use{Effect: hoop.EffectDerive, Why: why, Into: s.found(into), Tables: from}})
}

// choosing says that an UPDATE or DELETE, whatever it stores, leaves in its target which rows
// other tables have chosen. What the target's own columns choose is searched as it is by any
// UPDATE … WHERE, and said of a table that rules know.
func (s *stmt) choosing(verb string, rv *pg_query.RangeVar, into []string, condition *pg_query.Node, from []*pg_query.Node) {
	if isOwn(into) {
		return
	}
	s.derive(verb+" of rows that other tables choose", into)
	u := &s.derived[len(s.derived)-1]
	u.chosen, u.beside = true, len(from) > 0 || hasSubLink(condition)
	if found := s.lookup(rv); len(found) == 1 { // else what has the name may be another
		u.own = s.withRelatives(found)
	}
}

// found gives the names of tables with what stray names can be in place of "*": only
// code writes anywhere.
func (s *stmt) found(tables []string) []string {
	if !slices.Contains(tables, "*") || len(s.strays) == 0 {
		return tables
	}
	known := slices.DeleteFunc(slices.Clone(tables), func(t string) bool { return t == "*" })
	return append(known, s.strays...)
}

// flushDerive names the sources of what the statement copies: all tables that it reads, and
// of these the columns, where it is known which. Nothing is copied where there is none.
// deciding are columns that decide which rows it has.
func (s *stmt) flushDerive(deciding []hoop.ColumnRef) {
	if len(s.derived) == 0 {
		return
	}
	sources := append(s.origins(), s.ran.names()...)
	held, own := s.held()
	among, _ := s.among()
	traced := sync.OnceValue(s.traced)
	for _, u := range s.derived {
		named := slices.Clone(u.Tables)
		if u.chosen && !u.beside && len(s.ran.names()) == 0 {
			continue
		}
		if own && isOwn(u.Into) && len(u.Tables) == 0 {
			if u.Columns = held; len(held) == 0 {
				if t := traced(); !s.told(u.Into) && len(t.Rows)+len(t.Elements) > 0 {
					s.add(hoop.Use{Effect: hoop.EffectSession, Why: "rows of a table of the session's own that is not followed", Tables: sources, Into: u.Into, Rows: t.Rows, Elements: t.Elements})
				}
				continue
			}
		} else if u.Tables = without(append(u.Tables, sources...), u.own); len(u.Tables) == 0 {
			continue
		} else if t := traced(); u.chosen {
			u.Columns = slices.DeleteFunc(slices.Concat(t.Apart, among), func(c hoop.ColumnRef) bool { return slices.Contains(u.own, hoop.TableName(c.Schema, c.Table)) })
			if len(u.Columns) == 0 {
				continue
			}
			if slices.Contains(u.Columns, hoop.AnyColumn) {
				u.Columns = nil // by tables
			}
		} else if t.Known && len(u.Columns) == 0 {
			u.Columns = slices.Concat(t.Columns, among, decide(deciding, u.Tables))
			if len(u.Columns) == 0 { // how many rows a view has is for its query, which may be another by now
				if u.Tables = s.namesOf(s.queries()); len(u.Tables) == 0 {
					continue
				}
			}
		}
		if !u.chosen && !s.told(u.Into) {
			u.Rows, u.Elements = slices.Clone(traced().Rows), slices.Clone(traced().Elements)
			if traced().Fills {
				s.cmd.Fills = append(s.cmd.Fills, u.Into...)
			}
		}
		u.Shaped = u.chosen || traced().Shaped
		if s.add(u.Use); !u.chosen {
			s.copying = append(s.copying, u.Use)
			s.unfollowed(u.Use, named, traced)
		}
	}
}

// unfollowed notes what a derive puts where it is not followed. named are the tables that it
// copies itself, whatever the statement reads. Views are followed to what they are over, and names
// to what has another one now: for what comes behind in one text, none is.
func (s *stmt) unfollowed(u hoop.Use, named []string, traced func() Stored) {
	if isOwn(u.Into) && s.followed {
		return
	}
	switch x := s.node.GetNode().(type) {
	case *pg_query.Node_ViewStmt, *pg_query.Node_RefreshMatViewStmt, *pg_query.Node_CopyStmt:
		return
	case *pg_query.Node_CreateTableAsStmt:
		if x.CreateTableAsStmt.Objtype == pg_query.ObjectType_OBJECT_MATVIEW {
			return
		}
	case *pg_query.Node_RenameStmt, *pg_query.Node_AlterObjectSchemaStmt:
		if s.out.Multi < 2 {
			return
		}
	}
	switch t := traced(); {
	case !t.Known:
		u.Columns, u.Tables = nil, sortedSet(append(s.origins(), named...))
	case len(t.Values) == 0:
		return
	default:
		u.Columns, u.Tables = t.Values, nil
		for _, c := range t.Values {
			u.Tables = append(u.Tables, hoop.TableName(c.Schema, c.Table))
		}
	}
	if len(u.Tables) > 0 {
		s.out.Copied = append(s.out.Copied, u)
	}
}

// without gives the names that are not among others.
func without(names, others []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(others, n) })
}

// traced gives the columns from which everything derives that the statement stores, or by
// which it chooses rows.
func (s *stmt) traced() Stored {
	t := Stored{Apart: []hoop.ColumnRef{hoop.AnyColumn}}
	if s.traces == nil {
		return t
	}
	if s.stray || s.ran.reads || s.ran.session {
		known := s.traces()
		t.Rows, t.Elements, t.Fills = known.Rows, known.Elements, known.Fills
		return t
	}
	t = s.traces()
	for from := range s.ran.sources {
		c := hoop.ColumnRef{Schema: from.Schema, Table: from.Name, Column: "*"}
		t.Columns, t.Apart = append(t.Columns, c), append(t.Apart, c)
	}
	return t
}

// told reports whether tables are all of the session's own, and it is told what they hold: others are
// as good as those that everybody sees, as it is not known what comes from them.
func (s *stmt) told(tables []string) bool {
	if s.known.Local == nil {
		return isOwn(tables) // none is followed
	}
	return s.followed && isOwn(tables) && !slices.ContainsFunc(tables, func(name string) bool {
		return !slices.ContainsFunc(s.cat.Local(), func(t *catalog.Table) bool { return t.Canonical() == name }) &&
			!slices.ContainsFunc(s.cmd.Local, func(c catalog.Change) bool { return c.Made != nil && c.Made.Canonical() == name })
	})
}

// queries are the views of users that the statement reads.
func (s *stmt) queries() map[*catalog.Table]bool {
	out := map[*catalog.Table]bool{}
	for t := range s.sources {
		if (t.Kind == catalog.KindView || t.Kind == catalog.KindMatView) && !t.System && !t.Temporary {
			out[t] = true
		}
	}
	return out
}

// origins are the canonical names of the tables that the statement reads, and of those that chose what
// it reads.
func (s *stmt) origins() []string {
	_, tables := s.among()
	return append(s.namesOf(s.sources), tables...)
}

// among gives what chose the rows of tables of the session's own that the statement reads, and the
// tables that this is in.
func (s *stmt) among() (columns []hoop.ColumnRef, tables []string) {
	var all catalog.Holds
	for _, read := range []map[*catalog.Table]bool{s.sources, s.ran.sources} {
		for t := range read {
			all = all.And(t.Chosen)
		}
	}
	if all.Any {
		return []hoop.ColumnRef{hoop.AnyColumn}, []string{"*"}
	}
	for _, c := range all.Columns {
		tables = append(tables, hoop.TableName(c.Schema, c.Table))
	}
	return slices.Clone(all.Columns), tables
}

// held gives the columns whose values the statement puts into tables of the session's
// own; known is false where there may be others.
func (s *stmt) held() (columns []hoop.ColumnRef, known bool) {
	var all catalog.Holds
	for _, c := range s.cmd.Local {
		if c.Made != nil {
			all = all.And(c.Made.Everything())
		} else {
			all = all.And(c.Grown.Everything())
		}
	}
	return all.Columns, s.followed && !all.Any && len(s.ran.names()) == 0
}

// isOwn reports whether all tables are the session's own.
func isOwn(tables []string) bool {
	return len(tables) > 0 && !slices.ContainsFunc(tables, func(t string) bool { return !strings.HasPrefix(t, catalog.TempSchema+".") })
}
