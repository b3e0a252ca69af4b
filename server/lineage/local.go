package lineage

import (
	"maps"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// Local says what command i of the text makes of the session's own tables, in a session
// that cat shows: which it makes, and what others hold afterwards. It is what
// sqlscan.Follow asks for. ok is false where a table may be made that it does not tell
// of. It never fails, and may be called concurrently.
//
// What goes into a table stays in it, whatever is deleted, rolled back or dropped: of a
// table that is no more it says too much. Rows that triggers, rules or cascades change
// are not followed, so a table that can have some is none that it tells of.
func Local(p *pgparse.Parsed, i int, cat *catalog.Snapshot) (changes []catalog.Change, ok bool) {
	stmts := p.Tree.GetStmts()
	if i < 0 || i >= len(stmts) {
		return nil, false
	}
	l := &locals{analysis: analysis{cat: cat, ids: map[hoop.ColumnRef]int32{}, steps: maxSteps, depth: maxDepth}, ok: true}
	l.command(stmts[i].GetStmt())
	stale := len(l.changes) > 0 && slices.ContainsFunc(stmts[:i], executes) // what that stored is not in cat
	if stale || l.steps <= 0 || len(cat.Local()) > 0 && !sqlscan.PlainCasts(cat) {
		l.changes, l.ok = nil, false
		for _, t := range cat.Local() {
			l.grown(t.Name, nil)
		}
	}
	return l.changes, l.ok
}

// executes reports whether a command runs what was prepared.
func executes(n *pg_query.RawStmt) bool {
	s := n.GetStmt()
	for _, x := range []*pg_query.Node{s, s.GetExplainStmt().GetQuery(), s.GetCreateTableAsStmt().GetQuery(), s.GetExplainStmt().GetQuery().GetCreateTableAsStmt().GetQuery()} {
		if x.GetExecuteStmt() != nil {
			return true
		}
	}
	return false
}

// locals is the work on one command.
type locals struct {
	analysis
	changes []catalog.Change
	clashes [][]string // columns of what the rows of the table at hand may fail on
	deletes bool       // the command deletes rows
	ok      bool
}

func (l *locals) command(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CreateStmt:
		if temporary(x.CreateStmt.Relation) {
			l.create(x.CreateStmt)
		}
		return
	case *pg_query.Node_CreateTableAsStmt:
		if into := x.CreateTableAsStmt.Into; temporary(into.GetRel()) {
			l.made(into, x.CreateTableAsStmt.Query, x.CreateTableAsStmt.IfNotExists)
		}
		n = x.CreateTableAsStmt.Query
	case *pg_query.Node_SelectStmt:
		if into := intoOf(x.SelectStmt); temporary(into.GetRel()) {
			l.made(into, n, false)
		}
	case *pg_query.Node_AlterTableStmt:
		l.alterTable(x.AlterTableStmt)
		return
	case *pg_query.Node_RenameStmt:
		l.rename(x.RenameStmt)
		return
	case *pg_query.Node_CreateSeqStmt:
		l.sequence(x.CreateSeqStmt)
		return
	case *pg_query.Node_ViewStmt:
		l.ok = l.ownView(x.ViewStmt)
		return
	case *pg_query.Node_AlterObjectSchemaStmt, *pg_query.Node_RuleStmt, *pg_query.Node_CreateTrigStmt:
		l.ok = false
	case *pg_query.Node_ExplainStmt, *pg_query.Node_PrepareStmt:
		l.ok = !l.makes(n) // EXPLAIN ANALYZE does
	case *pg_query.Node_IndexStmt:
		l.index(x.IndexStmt)
	case *pg_query.Node_CopyStmt:
		if x.CopyStmt.IsFrom && (x.CopyStmt.IsProgram || x.CopyStmt.Filename != "") {
			l.grown(x.CopyStmt.Relation.GetRelname(), nil)
		} else if x.CopyStmt.IsFrom {
			l.grown(x.CopyStmt.Relation.GetRelname(), &assigned{spread: true})
		}
	}
	if len(l.cat.Local()) > 0 {
		l.stored(n, true)
		l.deleted(n)
	}
}

// temporary reports whether a new table is the session's own by its text. One without
// a schema may be, where the search_path says so: sqlscan sees to that.
func temporary(rv *pg_query.RangeVar) bool {
	return rv.GetRelpersistence() == "t" || rv.GetSchemaname() == catalog.TempSchema
}

func intoOf(q *pg_query.SelectStmt) *pg_query.IntoClause {
	for ; q != nil; q = q.Larg {
		if q.IntoClause != nil {
			return q.IntoClause
		}
	}
	return nil
}

// makes reports whether a table of the session's own is made somewhere below.
func (l *locals) makes(n *pg_query.Node) bool {
	if !l.enter() {
		return true
	}
	defer l.leave()
	found := temporary(n.GetCreateTableAsStmt().GetInto().GetRel()) || temporary(intoOf(n.GetSelectStmt()).GetRel())
	known := sqlscan.Children(n, func(c *pg_query.Node) { found = found || l.makes(c) })
	return found || !known
}

// create is CREATE TEMPORARY TABLE with columns of its own.
func (l *locals) create(c *pg_query.CreateStmt) {
	t := &catalog.Table{Schema: catalog.TempSchema, Name: c.Relation.Relname, Kind: catalog.KindOrdinary, Temporary: true}
	if len(c.InhRelations) > 0 || c.Partspec != nil || c.Partbound != nil || c.OfTypename != nil {
		l.ok = false
		return
	}
	var all catalog.Holds
	for _, n := range c.TableElts {
		switch x := n.GetNode().(type) {
		case *pg_query.Node_ColumnDef:
			col, ok := l.column(x.ColumnDef)
			if !ok {
				l.ok = false
				return
			}
			t.Columns = append(t.Columns, col)
			all = all.And(col.Holds)
		case *pg_query.Node_Constraint:
			if !l.constraint(x.Constraint, "") {
				l.ok = false
				return
			}
		case *pg_query.Node_TableLikeClause:
			like, ok := l.like(x.TableLikeClause)
			if !ok {
				l.ok = false
				return
			}
			t.Columns = append(t.Columns, like...)
			for _, col := range like {
				all = all.And(col.Holds)
			}
		default:
			l.ok = false
			return
		}
	}
	for i := range t.Columns {
		if t.Columns[i].Generated {
			t.Columns[i].Holds = all
		}
	}
	t.Clashes = clashesOf(t.Name, l.clashes)
	l.add(t, c.IfNotExists, c.Oncommit)
}

// Options of LIKE (TableLikeOption in PostgreSQL's parsenodes.h; ALL has every bit).
const (
	likeConstraints = 1 << 2
	likeDefaults    = 1 << 3
	likeGenerated   = 1 << 4
	likeIndexes     = 1 << 6
)

// like is the columns that LIKE copies from the definition of a table. No rows come with
// them; a default gives what it gives in that table.
func (l *locals) like(c *pg_query.TableLikeClause) ([]catalog.Column, bool) {
	found := l.cat.Lookup(c.Relation.GetSchemaname(), c.Relation.GetRelname())
	if len(found) != 1 {
		return nil, false
	}
	from := found[0]
	if c.Options&(likeConstraints|likeDefaults|likeGenerated|likeIndexes) != 0 && (from.RunsCode || len(from.Values)+len(from.Checks) > 0) {
		return nil, false
	}
	l.likeClashes(from, c.Options&(likeConstraints|likeGenerated|likeIndexes) != 0)
	var cols []catalog.Column
	for _, col := range from.Columns {
		made := catalog.Column{Name: col.Name, Mod: -1}
		if !l.plainColumn(col.Type) {
			return nil, false
		}
		switch {
		case col.Generated:
			made.Generated = c.Options&likeGenerated != 0
		case col.HasDefault && c.Options&likeDefaults != 0 && from.Temporary:
			made.HasDefault, made.Holds = true, col.Holds
		case col.HasDefault && c.Options&likeDefaults != 0:
			made.HasDefault = true
			made.Holds = catalog.Holds{}.And(catalog.Holds{Columns: []hoop.ColumnRef{{Schema: from.Schema, Table: from.Name, Column: col.Name}}})
		}
		cols = append(cols, made)
	}
	return cols, true
}

// plainColumn reports whether a column's type is PostgreSQL's own, or has no code and no
// parts. Those of the session's own tables were looked at when they were made.
func (l *locals) plainColumn(oid uint32) bool {
	const firstUserOID = 16384 // FirstNormalObjectId of PostgreSQL's access/transam.h
	if oid < firstUserOID {
		return true
	}
	t := l.cat.Type(oid)
	return t != nil && t.Kind == hoop.TypeEnum
}

func (l *locals) add(t *catalog.Table, maybe bool, on pg_query.OnCommitAction) {
	if !sqlscan.PlainCasts(l.cat) {
		l.ok = false // which may run on values of types that are not known
		return
	}
	l.changes = append(l.changes, catalog.Change{Made: t, Maybe: maybe, Brief: on == pg_query.OnCommitAction_ONCOMMIT_DROP})
}

// column is a column as its definition makes it: it holds its default.
func (l *locals) column(d *pg_query.ColumnDef) (catalog.Column, bool) {
	col := catalog.Column{Name: d.Colname, Mod: -1}
	if !sqlscan.PlainType(l.cat, d.TypeName) || !l.systemType(d.TypeName) {
		return col, false
	}
	l.typed(d.Colname, d.TypeName)
	for _, n := range append(slices.Clone(d.Constraints), &pg_query.Node{}) {
		c := n.GetConstraint()
		if c == nil {
			continue
		}
		switch c.Contype {
		case pg_query.ConstrType_CONSTR_DEFAULT:
			col.HasDefault = true
			col.Holds = l.values(l.expr(c.RawExpr, &scope{}))
		case pg_query.ConstrType_CONSTR_GENERATED:
			col.Generated = true
			l.clashing(c.RawExpr)
			if l.expr(c.RawExpr, &scope{items: []item{{rel: &relation{rest: &flow{}}}}}).unknown {
				return col, false
			}
		default:
			if !l.constraint(c, d.Colname) {
				return col, false
			}
		}
	}
	return col, true
}

// systemType reports whether a type is PostgreSQL's own, or has no code and no parts.
func (l *locals) systemType(t *pg_query.TypeName) bool {
	name := last(t.GetNames())
	for _, ut := range l.cat.UserTypes(name) {
		if ut.Kind != hoop.TypeEnum {
			return false
		}
	}
	return len(l.cat.Lookup("", name)) == 0 && !t.GetPctType()
}

// constraint notes what a constraint may fail on, of a column or, where that is "", of the
// table. It reports whether it runs nothing but PostgreSQL's own functions and changes no
// rows.
func (l *locals) constraint(c *pg_query.Constraint, column string) bool {
	switch c.Contype {
	case pg_query.ConstrType_CONSTR_PRIMARY, pg_query.ConstrType_CONSTR_UNIQUE: // USING INDEX has the index's clash
		if names := stringsOf(c.Keys); len(names) > 0 {
			l.clashes = append(l.clashes, names)
		} else if column != "" {
			l.clashes = append(l.clashes, []string{column})
		}
		return true
	case pg_query.ConstrType_CONSTR_NULL, pg_query.ConstrType_CONSTR_NOTNULL,
		pg_query.ConstrType_CONSTR_IDENTITY, pg_query.ConstrType_CONSTR_ATTR_DEFERRABLE,
		pg_query.ConstrType_CONSTR_ATTR_NOT_DEFERRABLE, pg_query.ConstrType_CONSTR_ATTR_DEFERRED, pg_query.ConstrType_CONSTR_ATTR_IMMEDIATE:
		return true
	case pg_query.ConstrType_CONSTR_CHECK:
		l.clashing(c.RawExpr)
		return !l.expr(c.RawExpr, &scope{items: []item{{rel: &relation{rest: &flow{}}}}}).unknown
	}
	return false
}

// made is a table made of a query's answer.
func (l *locals) made(into *pg_query.IntoClause, query *pg_query.Node, maybe bool) {
	if query.GetSelectStmt() == nil {
		l.ok = false // EXECUTE
		return
	}
	r := l.query(query, nil).renamed(stringsOf(into.ColNames))
	if !r.fixed {
		l.ok = false
		return
	}
	t := &catalog.Table{
		Schema: catalog.TempSchema, Name: into.Rel.Relname, Kind: catalog.KindOrdinary, Temporary: true,
		Counts: l.counts(r.mult, r.decide.unknown),
		Chosen: l.holds(r.decide.and(l.among)),
	}
	for _, c := range r.cols {
		if c.name == anyName || c.name == "" || !c.sure {
			l.ok = false // another name could be taken for it
			return
		}
		t.Columns = append(t.Columns, catalog.Column{Name: c.name, Mod: -1, Holds: l.values(c.flow)})
	}
	l.add(t, maybe, into.OnCommit)
}

// holds says what a place holds that gets a value.
func (l *locals) holds(f flow) catalog.Holds {
	if f.unknown || !sqlscan.PlainCasts(l.cat) {
		return catalog.Holds{Any: true}
	}
	return catalog.Holds{}.And(catalog.Holds{Columns: l.origins(f)})
}

// values says what a column holds that gets a value.
func (l *locals) values(f flow) catalog.Holds {
	h := l.holds(f)
	h.More = !f.sole
	return h
}

// counts says what decides how many rows a table gets; unknown says that it may be anything. There
// are More than stored values have elements where these do not multiply them alone.
func (l *locals) counts(mult flow, unknown bool) catalog.Holds {
	h := l.holds(mult.and(flow{unknown: unknown}))
	h.More = !mult.keepsShape()
	return h
}

// stored looks for statements that store rows; outer says that n is the command itself.
// What one that stands in WITH stores is not told apart.
func (l *locals) stored(n *pg_query.Node, outer bool) {
	if !l.enter() {
		return
	}
	defer l.leave()
	below := false
	switch x := n.GetNode().(type) {
	case *pg_query.Node_PrepareStmt, *pg_query.Node_ExplainStmt, *pg_query.Node_CopyStmt, *pg_query.Node_DeclareCursorStmt:
		below = outer
	case *pg_query.Node_InsertStmt:
		l.target(x.InsertStmt.Relation, outer, func() *assigned {
			stored := l.inserted(x.InsertStmt, l.with(x.InsertStmt.WithClause, nil))
			if x.InsertStmt.OnConflictClause != nil {
				l.compared(x.InsertStmt.Relation, stored)
			}
			return stored
		})
	case *pg_query.Node_UpdateStmt:
		l.target(x.UpdateStmt.Relation, outer, func() *assigned {
			stored, _ := l.updated(x.UpdateStmt, l.with(x.UpdateStmt.WithClause, nil))
			return stored
		})
	case *pg_query.Node_DeleteStmt:
		l.deletes = true
	case *pg_query.Node_MergeStmt:
		l.target(x.MergeStmt.Relation, false, nil)
	}
	if !sqlscan.Children(n, func(c *pg_query.Node) { l.stored(c, below) }) {
		l.steps = 0
	}
}

// deleted notes what decides which rows are left where the command deletes some, wherever in
// it that is.
func (l *locals) deleted(n *pg_query.Node) {
	if !l.deletes {
		return
	}
	l.left = map[string]flow{}
	l.storing(n)
	for _, name := range slices.Sorted(maps.Keys(l.left)) {
		chosen := l.holds(l.left[name].and(l.among))
		if !chosen.Any && len(chosen.Columns) == 0 { // all of them, say
			continue
		}
		tables, _ := l.beneath(name)
		for _, name := range append(tables, name) {
			l.changes = append(l.changes, catalog.Change{Grown: &catalog.Table{Schema: catalog.TempSchema, Name: name, Temporary: true, Chosen: chosen}})
		}
	}
}

// compared notes that rows are left out, or change others, by what ON CONFLICT compares.
func (l *locals) compared(rv *pg_query.RangeVar, x *assigned) {
	for _, t := range l.cat.Lookup(rv.GetSchemaname(), rv.GetRelname()) {
		for _, clash := range t.Clashes {
			for _, c := range clash {
				if c.Schema == catalog.TempSchema {
					x.decide = x.decide.and(l.held(t.Held(c.Column))).and(x.byName[c.Column]).and(x.rest)
				}
			}
		}
	}
}

// target notes that a statement stores rows in the tables of a name.
func (l *locals) target(rv *pg_query.RangeVar, told bool, stores func() *assigned) {
	if !l.temporary(rv) {
		return
	}
	beneath, view := l.beneath(rv.GetRelname())
	for _, name := range beneath {
		l.grown(name, nil)
	}
	if view || !told {
		l.grown(rv.GetRelname(), nil)
		return
	}
	l.grown(rv.GetRelname(), stores())
}

// grown notes what the tables of a name hold besides; nil is anything.
func (l *locals) grown(name string, x *assigned) {
	delta := &catalog.Table{Schema: catalog.TempSchema, Name: name, Temporary: true}
	if x == nil {
		delta.Counts, delta.Chosen = catalog.Holds{Any: true}, catalog.Holds{Any: true}
		delta.Columns = []catalog.Column{{Name: "*", Holds: delta.Counts}}
	} else {
		delta.Counts, delta.Chosen = l.counts(x.mult, x.decide.unknown), l.holds(x.decide.and(l.among))
		for column, f := range x.byName {
			delta.Columns = append(delta.Columns, catalog.Column{Name: column, Holds: l.values(f)})
		}
		slices.SortFunc(delta.Columns, func(a, b catalog.Column) int { return strings.Compare(a.Name, b.Name) })
		rest := l.holds(x.rest)
		rest.More = x.spread
		delta.Columns = append(delta.Columns, catalog.Column{Name: "*", Holds: rest})
	}
	l.changes = append(l.changes, catalog.Change{Grown: delta})
}

// local is the relation of a table of the session's own.
func (a *analysis) local(t *catalog.Table) *relation {
	out := &relation{fixed: true, table: t.Kind != catalog.KindView}
	a.readsOwn = true
	for _, c := range t.Columns {
		f := a.held(c.Holds).and(a.place(t, c.Name))
		f.plain, f.sole = c.Stored, !c.Holds.Any && !c.Holds.More
		out.cols = append(out.cols, column{name: c.Name, flow: f, sure: true})
	}
	out.mult = a.held(t.Counts).and(a.place(t, "")).built(!t.Counts.More)
	out.cuts = out.mult
	out.decide = flow{unknown: t.Counts.Any}
	a.among = a.among.and(a.held(t.Chosen))
	return out
}

func (a *analysis) held(h catalog.Holds) flow {
	f := flow{unknown: h.Any}
	for _, c := range h.Columns {
		f = f.and(flow{ids: []int32{a.id(c)}})
	}
	return f
}

// temporary reports whether a name can mean a table of the session's own.
func (a *analysis) temporary(rv *pg_query.RangeVar) bool {
	return slices.ContainsFunc(a.cat.Lookup(rv.GetSchemaname(), rv.GetRelname()), func(t *catalog.Table) bool { return t.Temporary })
}

// own reports whether a name can mean nothing but a table of the session's own, which is
// no view.
func (a *analysis) own(rv *pg_query.RangeVar) bool {
	found := a.cat.Lookup(rv.GetSchemaname(), rv.GetRelname())
	return len(found) > 0 && !slices.ContainsFunc(found, func(t *catalog.Table) bool { return !t.Temporary || t.Kind == catalog.KindView })
}

// onOwn reports whether a command does nothing but to tables of the session's own.
func (a *analysis) onOwn(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CreateStmt:
		return temporary(x.CreateStmt.Relation)
	case *pg_query.Node_AlterTableStmt:
		return a.own(x.AlterTableStmt.Relation) && a.reads(n)
	case *pg_query.Node_RenameStmt:
		return a.own(x.RenameStmt.Relation)
	case *pg_query.Node_CreateSeqStmt:
		return temporary(x.CreateSeqStmt.Sequence)
	case *pg_query.Node_ViewStmt:
		return a.becomesOwn(x.ViewStmt)
	case *pg_query.Node_CreateTableAsStmt:
		return temporary(x.CreateTableAsStmt.Into.GetRel()) && a.reads(x.CreateTableAsStmt.Query)
	case *pg_query.Node_SelectStmt:
		return temporary(intoOf(x.SelectStmt).GetRel()) && !changes(x.SelectStmt) && a.reads(n)
	case *pg_query.Node_InsertStmt:
		return a.own(x.InsertStmt.Relation) && len(x.InsertStmt.WithClause.GetCtes()) == 0 && a.reads(n)
	case *pg_query.Node_UpdateStmt:
		return a.own(x.UpdateStmt.Relation) && len(x.UpdateStmt.WithClause.GetCtes()) == 0 && a.reads(n)
	case *pg_query.Node_DeleteStmt:
		return a.own(x.DeleteStmt.Relation) && len(x.DeleteStmt.WithClause.GetCtes()) == 0 && a.reads(n)
	}
	return false
}
