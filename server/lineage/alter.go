package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// alter is a command that changes the definition of a table of the session's own. Each
// table that the name may mean becomes another, which takes its place once that is
// committed, but for those with which the command fails: for them change gives nil. known
// is false where it cannot tell.
func (l *locals) alter(rv *pg_query.RangeVar, change func(*catalog.Table) (next *catalog.Table, known bool)) {
	l.ok = false
	if !l.own(rv) {
		return
	}
	var made []*catalog.Table
	for _, t := range l.cat.Lookup(rv.GetSchemaname(), rv.GetRelname()) {
		next, known := change(t)
		if !known || t.Kind != catalog.KindOrdinary {
			return
		}
		if next != nil {
			made = append(made, next)
		}
	}
	l.ok = len(made) > 0
	for _, t := range made {
		l.add(t, false, pg_query.OnCommitAction_ONCOMMIT_NOOP)
	}
}

func (l *locals) alterTable(x *pg_query.AlterTableStmt) {
	if x.Objtype != pg_query.ObjectType_OBJECT_TABLE {
		l.ok = false
		return
	}
	l.alter(x.Relation, func(t *catalog.Table) (*catalog.Table, bool) {
		a := &altering{locals: l, was: t, now: *t, fits: true}
		a.now.Columns, l.clashes = slices.Clone(t.Columns), nil
		for p := range lastPass + 1 {
			for _, n := range x.Cmds {
				c := n.GetAlterTableCmd()
				if at, known := passes[c.GetSubtype()]; !known || c.Behavior == pg_query.DropBehavior_DROP_CASCADE || at == p && !a.do(c) {
					return nil, false
				}
			}
		}
		if !a.fits {
			return nil, true
		}
		a.now.Clashes = slices.Concat(t.Clashes, clashesOf(t.Name, l.clashes))
		return a.generated(), true
	})
}

// The passes of ALTER TABLE: whatever their order in the text, columns are dropped before
// others are changed, and these before others are added (AlterTablePass in PostgreSQL's
// commands/tablecmds.c).
const (
	passDrop = iota
	passType
	passAdd
	passRest
	lastPass = passRest
)

// passes has the parts of ALTER TABLE that are followed.
var passes = map[pg_query.AlterTableType]int{
	pg_query.AlterTableType_AT_DropColumn:         passDrop,
	pg_query.AlterTableType_AT_AlterColumnType:    passType,
	pg_query.AlterTableType_AT_AddColumn:          passAdd,
	pg_query.AlterTableType_AT_ColumnDefault:      passRest,
	pg_query.AlterTableType_AT_DropExpression:     passRest,
	pg_query.AlterTableType_AT_AddConstraint:      passRest,
	pg_query.AlterTableType_AT_DropConstraint:     passRest,
	pg_query.AlterTableType_AT_ValidateConstraint: passRest,
	pg_query.AlterTableType_AT_SetNotNull:         passRest,
	pg_query.AlterTableType_AT_DropNotNull:        passRest,
	pg_query.AlterTableType_AT_SetStatistics:      passRest,
}

// altering is the work of ALTER TABLE on one table of the session's own.
type altering struct {
	*locals
	was  *catalog.Table
	now  catalog.Table
	fits bool // the command can succeed
}

// do does one part of the command; it is false where it cannot tell what that means.
func (a *altering) do(c *pg_query.AlterTableCmd) bool {
	def := c.Def.GetColumnDef()
	switch c.Subtype {
	case pg_query.AlterTableType_AT_AddColumn:
		return a.addColumn(def, c.MissingOk)
	case pg_query.AlterTableType_AT_AddConstraint:
		return a.constraint(c.Def.GetConstraint(), "")
	case pg_query.AlterTableType_AT_DropColumn, pg_query.AlterTableType_AT_AlterColumnType, pg_query.AlterTableType_AT_ColumnDefault,
		pg_query.AlterTableType_AT_DropExpression:
	default:
		return true // it is about neither columns nor their values
	}
	i := slices.IndexFunc(a.now.Columns, func(col catalog.Column) bool { return col.Name == c.Name })
	if i < 0 {
		a.fits = a.fits && c.MissingOk && c.Subtype == pg_query.AlterTableType_AT_DropColumn
		return true
	}
	col := &a.now.Columns[i]
	switch c.Subtype {
	case pg_query.AlterTableType_AT_DropColumn:
		a.now.Columns = slices.Delete(a.now.Columns, i, i+1)
	case pg_query.AlterTableType_AT_AlterColumnType:
		return a.changeType(col, def)
	case pg_query.AlterTableType_AT_ColumnDefault:
		if c.Def != nil {
			col.HasDefault = true
			col.Holds = col.Holds.And(a.values(a.expr(c.Def, &scope{})))
		}
	case pg_query.AlterTableType_AT_DropExpression:
		col.Generated = false
	}
	return true
}

func (a *altering) addColumn(def *pg_query.ColumnDef, maybe bool) bool {
	if _, there := a.now.Column(def.GetColname()); there {
		a.fits = a.fits && maybe
		return true
	}
	col, ok := a.column(def)
	a.now.Columns = append(a.now.Columns, col)
	return ok
}

// changeType gives a column the values that USING computes from the row as it was, or its
// own in another type. A default stays, and so does what it gives.
func (a *altering) changeType(col *catalog.Column, def *pg_query.ColumnDef) bool {
	if !sqlscan.PlainType(a.cat, def.GetTypeName()) || !a.systemType(def.GetTypeName()) {
		return false
	}
	a.typed(col.Name, def.TypeName)
	if def.RawDefault == nil {
		return true
	}
	row := &scope{items: []item{{name: a.was.Name, schema: catalog.TempSchema, real: true, rel: a.local(a.was)}}}
	using := a.values(a.expr(def.RawDefault, row))
	if col.HasDefault || col.Generated {
		using = using.And(col.Holds)
	}
	col.Holds = using
	return true
}

// generated is the table as it is in the end: a generated column may be computed from any
// other.
func (a *altering) generated() *catalog.Table {
	all := a.was.Everything().And(a.now.Everything())
	for i := range a.now.Columns {
		if c := &a.now.Columns[i]; c.Generated {
			c.Holds = c.Holds.And(all)
		}
	}
	return &a.now
}

// rename is RENAME of a table of the session's own, or of something of it. What its columns
// hold does not change. Views over it are not told what it holds later.
func (l *locals) rename(x *pg_query.RenameStmt) {
	defer l.lost(x.Relation)
	l.alter(x.Relation, func(t *catalog.Table) (*catalog.Table, bool) {
		next := *t
		switch x.RenameType {
		case pg_query.ObjectType_OBJECT_TABLE:
			next.Name = x.Newname
			next.Clashes = clashesOf(next.Name, names(t.Clashes))
		case pg_query.ObjectType_OBJECT_TABCONSTRAINT:
		case pg_query.ObjectType_OBJECT_COLUMN:
			next.Columns = slices.Clone(t.Columns)
			col, is := next.Column(x.Subname)
			if _, taken := t.Column(x.Newname); !is || taken {
				return nil, true
			}
			col.Name = x.Newname
			clashes := names(t.Clashes)
			for _, clash := range clashes {
				for i := range clash {
					if clash[i] == x.Subname {
						clash[i] = x.Newname
					}
				}
			}
			next.Clashes = clashesOf(t.Name, clashes)
		default:
			return nil, false
		}
		return &next, true
	})
}

// sequence is CREATE TEMPORARY SEQUENCE: it gives numbers of its own. What setval puts
// there is sqlscan's to see.
func (l *locals) sequence(x *pg_query.CreateSeqStmt) {
	if l.ok = temporary(x.Sequence); !l.ok {
		return
	}
	t := &catalog.Table{Schema: catalog.TempSchema, Name: x.Sequence.GetRelname(), Kind: catalog.KindSequence, Temporary: true}
	for _, name := range []string{"last_value", "log_cnt", "is_called"} {
		t.Columns = append(t.Columns, catalog.Column{Name: name, Mod: -1})
	}
	l.add(t, x.IfNotExists, pg_query.OnCommitAction_ONCOMMIT_NOOP)
}
