package lineage

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes statements at random, and knows by its own account which outputs
// may hold something protected (taint). Every value is a text or an int.
type generator struct {
	*rand.Rand
	aliases int
	command int  // of the text, whose outputs the answer has; -1 is the last one
	top     bool // the next query is the statement itself
	ordered bool // a protected column orders the rows of the answer
	called  bool // the text calls functions of the database's own, which lineage does not follow
	ctes    []genRel
}

type genCol struct {
	name  string
	typ   string // "text" or "int"
	taint bool
}

type genRel struct {
	name   string
	cols   []genCol // the first ones, in order
	merged bool     // by USING: the order is another
}

// genScope is the names that an expression may use, by level.
type genScope struct {
	parent *genScope
	rels   []genRel
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 7)), command: -1}
}

var genTables = []genRel{
	{name: "clinic.patients", cols: []genCol{{"id", "int", false}, {"state", "text", false}, {"ssn", "text", true}, {"mrn", "text", true}, {"n", "int", true}}},
	{name: "clinic.events", cols: []genCol{{"id", "int", false}, {"patient_id", "int", false}, {"kind", "text", false}}},
	{name: "clinic.codes", cols: []genCol{{"kind", "text", false}, {"label", "text", false}, {"ssn", "text", true}}},
	{name: "clinic.base", cols: []genCol{{"id", "int", false}, {"label", "text", false}}},
	{name: "clinic.child", cols: []genCol{{"id", "int", false}, {"label", "text", false}, {"secret", "text", true}}},
	{name: "clinic.v_states", cols: []genCol{{"id", "int", false}, {"state", "text", false}, {"ssn", "text", true}, {"n", "int", true}}},
	{name: "clinic.v_nested", cols: []genCol{{"id", "int", false}, {"label", "text", false}, {"mix", "text", true}}},
	{name: "clinic.v_both", cols: []genCol{{"kind", "text", false}, {"label", "text", true}}},
	{name: "clinic.v_counted", cols: []genCol{{"a", "int", false}, {"b", "text", true}, {"whole", "text", true}, {"street", "text", true}}},
	{name: "clinic.made", cols: []genCol{{"id", "int", false}, {"ssn", "text", true}, {"kind", "text", false}, {"tail", "text", true}}},
}

func pick[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// alias repeats itself now and then, in other levels.
func (g *generator) alias() string {
	g.aliases++
	if g.chance(30) {
		return pick(g, []string{"id", "state", "ssn", "patients"}) + fmt.Sprint(g.aliases)
	}
	return fmt.Sprintf("t%d", g.aliases)
}

func (g *generator) colName(used map[string]bool) string {
	for {
		n := pick(g, []string{"id", "state", "ssn", "mrn", "kind", "label", "n", "x", "y", "z", "v", "w", "q"})
		if !used[n] {
			used[n] = true
			return n
		}
	}
}

// statement gives a statement and which of its columns may be tainted.
func (g *generator) statement() (string, []bool) {
	if g.chance(25) {
		sql, taints := g.change()
		if g.chance(25) {
			return g.prepared(sql), taints
		}
		return sql, taints
	}
	if g.chance(20) {
		return g.handedOn()
	}
	before, with := "", ""
	switch {
	case g.chance(25):
		before = g.own()
	case g.chance(50):
		with = g.with()
	}
	g.top = true
	sql, cols := g.query(nil, 3, false)
	if g.chance(10) {
		sql, cols = g.values()
	}
	if sql = with + sql; g.chance(15) {
		g.command = strings.Count(before, "; ")
		sql = pick(g, []func(string) string{g.prepared, g.cursor})(sql)
	}
	return before + sql, taintsOf(cols)
}

// prepared has a statement executed by name.
func (g *generator) prepared(sql string) string {
	g.command = max(g.command, 0)
	return "prepare q as " + sql + "; execute q"
}

// cursor has a query read by a cursor, in two parts.
func (g *generator) cursor(sql string) string {
	return "declare c cursor for " + sql + "; fetch all from c"
}

// values is a VALUES list as the statement.
func (g *generator) values() (string, []genCol) {
	var rows []string
	cols := []genCol{{"column1", "text", false}, {"column2", "int", false}}
	for range 1 + g.IntN(3) {
		a, at := g.scalar(nil, "text", 2)
		n, nt := g.scalar(nil, "int", 2)
		rows = append(rows, fmt.Sprintf("(%s, %s)", a, n))
		cols[0].taint, cols[1].taint = cols[0].taint || at, cols[1].taint || nt
	}
	return "values " + strings.Join(rows, ", "), cols
}

func taintsOf(cols []genCol) []bool {
	out := make([]bool, len(cols))
	for i, c := range cols {
		out[i] = c.taint
	}
	return out
}

// with is a WITH clause; its queries are in g.ctes from then on.
func (g *generator) with() string {
	if g.chance(30) {
		return g.recursive()
	}
	var parts []string
	for range 1 + g.IntN(2) {
		sql, cols := g.query(nil, 2, false)
		name := fmt.Sprintf("w%d", len(g.ctes))
		if g.chance(20) {
			name = pick(g, []string{"patients", "codes"}) // hides no table that is asked for with its schema
			if len(g.ctes) > 0 {
				name = "events"
			}
		}
		rel := genRel{name: name}
		used := map[string]bool{}
		var names []string
		for _, c := range cols {
			c.name = g.colName(used)
			names = append(names, c.name)
			rel.cols = append(rel.cols, c)
		}
		g.ctes = append(g.ctes, rel)
		parts = append(parts, fmt.Sprintf("%s(%s) as (%s)", name, strings.Join(names, ", "), sql))
	}
	return "with " + strings.Join(parts, ", ") + " "
}

// own makes a temporary table, which is in g.ctes from then on, and may put more into it.
func (g *generator) own() string {
	sql, cols := g.query(nil, 2, false)
	rel := genRel{name: pick(g, []string{"own", "pg_temp.own", "codes", "pg_temp.patients"})}
	used := map[string]bool{}
	var names []string
	for _, c := range cols {
		c.name = g.colName(used)
		names = append(names, c.name)
		rel.cols = append(rel.cols, c)
	}
	name := strings.TrimPrefix(rel.name, "pg_temp.")
	out := fmt.Sprintf("create temp table %s (%s) as %s; ", name, strings.Join(names, ", "), sql)
	more := genRel{name: rel.name, cols: rel.cols}
	if g.chance(50) {
		src := pick(g, genTables)
		i, s := g.IntN(len(rel.cols)), &genScope{rels: []genRel{{name: "s", cols: src.cols}}}
		c := more.cols[i]
		e, taint := g.expr(s, c.typ, 1)
		if g.chance(50) {
			out += fmt.Sprintf("insert into %s (%s) select %s from %s s; ", rel.name, c.name, e, src.name)
		} else {
			out += fmt.Sprintf("update %s set %s = %s from (select * from %s order by 1 limit 1) s; ", rel.name, c.name, e, src.name)
		}
		more.cols[i].taint = c.taint || taint
	}
	g.ctes = append(g.ctes, more)
	if g.chance(50) {
		out += g.ownView(more)
	}
	return out
}

// ownView makes a temporary view, of anything or of rel, a table of the session's own
// that may be filled afterwards: that shows in the view. It is in g.ctes from then on.
func (g *generator) ownView(rel genRel) string {
	name := pick(g, []string{"seen", "stored", "v_both"})
	view := genRel{name: pick(g, []string{name, "pg_temp." + name})}
	used := map[string]bool{}
	var names, list []string
	add := func(c genCol) {
		c.name = g.colName(used)
		names, view.cols = append(names, c.name), append(view.cols, c)
	}
	if g.chance(50) {
		sql, cols := g.query(nil, 2, false)
		for _, c := range cols {
			add(c)
		}
		g.ctes = append(g.ctes, view)
		return fmt.Sprintf("create temp view %s (%s) as %s; ", name, strings.Join(names, ", "), sql)
	}
	in := &genScope{rels: []genRel{{name: "o", cols: rel.cols}}}
	for range 1 + g.IntN(3) {
		typ := pick(g, []string{"text", "int"})
		e, taint := g.expr(in, typ, 1)
		list = append(list, e)
		add(genCol{typ: typ, taint: taint})
	}
	out := fmt.Sprintf("create %sview %s (%s) as select %s from %s o; ", pick(g, []string{"temp ", ""}), name, strings.Join(names, ", "), strings.Join(list, ", "), rel.name)
	if g.chance(60) {
		src := pick(g, genTables)
		c := &rel.cols[g.IntN(len(rel.cols))]
		e, taint := g.expr(&genScope{rels: []genRel{{name: "s", cols: src.cols}}}, c.typ, 1)
		out += fmt.Sprintf("insert into %s (%s) select %s from %s s; ", rel.name, c.name, e, src.name)
		c.taint = c.taint || taint // rel's columns are those in g.ctes
		for i := range view.cols {
			view.cols[i].taint = view.cols[i].taint || taint
		}
	}
	g.ctes = append(g.ctes, view)
	return out
}

// handedOn is short commands, each of which shows what the one before it made: what calls
// and columns give goes into a table of the session's own, then into a view over that,
// and more is put into the table by column.
func (g *generator) handedOn() (string, []bool) {
	value := func() (string, bool, string) {
		t := pick(g, genTables)
		s := &genScope{rels: []genRel{{name: "s", cols: t.cols}}}
		if g.chance(50) { // over a table that holds nothing protected
			s.rels[0].cols = genTables[1].cols
			sql, taint := g.call(s, 1)
			return sql, taint, genTables[1].name
		}
		sql, taint := g.column(s, "text", true)
		return sql, taint, t.name
	}
	if g.chance(30) {
		sql, taint, from := value()
		return fmt.Sprintf("select %s as a from %s s", sql, from), []bool{taint}
	}
	first, held, from := value()
	own := []bool{held, false} // by column
	out := fmt.Sprintf("create temp table own as select %s as c0, 'x' as c1 from %s s; ", first, from)
	rel, shows := "own", []int{0, 1} // columns of rel, by those of own
	if g.chance(60) {
		rel, shows = "mine", []int{g.IntN(2), g.IntN(2)}
		out += fmt.Sprintf("create temp view mine (c0, c1) as select %s, c%d from own; ", fmt.Sprintf(pick(g, []string{"c%d", "upper(c%d)"}), shows[0]), shows[1])
	}
	if g.chance(70) {
		sql, taint, from := value()
		n := g.IntN(2)
		out += fmt.Sprintf("insert into own (c%d) select %s from %s s; ", n, sql, from)
		own[n] = own[n] || taint
	}
	n := g.IntN(2)
	return out + fmt.Sprintf("select %s as a, c%d as b from %s", fmt.Sprintf(pick(g, []string{"c%d", "c%d || ''", "concat(c%d)"}), n), 1-n, rel),
		[]bool{own[shows[n]], own[shows[1-n]]}
}

// recursive is a WITH RECURSIVE that shifts values from column to column.
func (g *generator) recursive() string {
	rel := pick(g, genTables)
	in := &genScope{rels: []genRel{{name: "s", cols: rel.cols}}}
	b, bt := g.expr(in, "text", 1)
	c, ct := g.expr(in, "text", 1)
	taint := bt || ct
	step := &genScope{rels: []genRel{{name: "r", cols: []genCol{{"b", "text", taint}, {"c", "text", taint}}}}}
	d, dt := g.expr(step, "text", 1)
	taint = taint || dt
	g.ctes = append(g.ctes, genRel{name: "r", cols: []genCol{{"a", "int", false}, {"b", "text", taint}, {"c", "text", taint}}})
	return fmt.Sprintf("with recursive r(a, b, c) as (select 0, %s, %s from %s s union all select r.a + 1, r.c, %s from r where r.a < 3) ", b, c, rel.name, d)
}

// query is a SELECT. With free, conditions may be on anything, and taint all columns.
func (g *generator) query(outer *genScope, depth int, free bool) (string, []genCol) {
	top := g.top
	g.top = false
	if depth > 0 && g.chance(15) {
		return g.setOperation(outer, depth, free)
	}
	s, from, decided := g.from(outer, depth, free)
	where, wt := g.condition(s, depth, free)
	decided = decided || wt
	var cols []genCol
	var list []string
	tail := ""
	used := map[string]bool{}
	add := func(sql, typ string, taint bool) {
		name := g.colName(used)
		list = append(list, sql+" as "+name)
		cols = append(cols, genCol{name, typ, taint})
	}
	switch kind := g.IntN(10); {
	case kind < 2: // aggregates
		for range 1 + g.IntN(3) {
			add(g.aggregate(s, depth))
		}
		if g.chance(50) {
			key, typ := g.decider(s)
			add(key, typ, false)
			sets := pick(g, []string{"%s", "%s", "rollup (%s)", "cube (%s)", "grouping sets ((%s), ())"})
			if sets != "%s" && g.chance(50) {
				add("grouping("+key+")", "int", false)
			}
			tail = " group by " + fmt.Sprintf(sets, key) + " order by " + key + map[string]string{"int": " + 0", "text": " || ''"}[typ] // no name of the answer
		}
	case kind < 3 && len(s.rels) == 1 && !s.rels[0].merged && unique(s.rels[0].cols):
		cols = append(cols, s.rels[0].cols...)
		list = []string{"*"}
	default:
		for range 1 + g.IntN(4) {
			typ := pick(g, []string{"text", "int"})
			sql, taint := g.expr(s, typ, depth)
			add(sql, typ, taint)
		}
		if g.chance(5) && len(s.rels) == 1 { // of all rows with one key the same is shown
			key, typ := g.decider(s)
			key += map[string]string{"int": " + 0", "text": " || ''"}[typ]
			list[0] = "distinct on (" + key + ") " + list[0]
			tail = " order by " + key
		} else if g.chance(20) {
			sql, typ, taint := g.window(s, depth, free || top)
			g.ordered = g.ordered || taint && !free
			decided = decided || taint && free
			add(sql, typ, taint)
		}
	}
	if free && decided {
		for i := range cols {
			cols[i].taint = true
		}
	}
	if where != "" {
		where = " where " + where
	}
	return "select " + strings.Join(list, ", ") + " from " + from + where + tail, cols
}

func unique(cols []genCol) bool {
	seen := map[string]bool{}
	for _, c := range cols {
		if seen[c.name] {
			return false
		}
		seen[c.name] = true
	}
	return true
}

// setOperation combines two queries of the same types.
func (g *generator) setOperation(outer *genScope, depth int, free bool) (string, []genCol) {
	l, lc := g.query(outer, depth-1, free)
	s, from, decided := g.from(outer, 1, free)
	var list []string
	taint := decided
	out := make([]genCol, len(lc))
	any := false
	for i, c := range lc {
		sql, t := g.expr(s, c.typ, 1)
		list = append(list, sql)
		out[i] = genCol{c.name, c.typ, c.taint || t || free && taint}
		any = any || out[i].taint
	}
	op := "union all"
	if !any {
		op = pick(g, []string{"union all", "union", "intersect", "except"})
	}
	sql := fmt.Sprintf("(%s) %s (select %s from %s)", l, op, strings.Join(list, ", "), from)
	if op != "union all" && len(list) > 0 {
		var order []string
		for i := range list {
			order = append(order, fmt.Sprint(i+1))
		}
		sql += " order by " + strings.Join(order, ", ")
	}
	return sql, out
}

// from gives one or two relations; decided says that protected values decide rows.
func (g *generator) from(outer *genScope, depth int, free bool) (*genScope, string, bool) {
	s := &genScope{parent: outer}
	first, sql, decided := g.relation(outer, depth, free, "")
	s.rels = append(s.rels, first)
	if !g.chance(45) {
		return s, sql, decided
	}
	if g.chance(30) { // lateral
		in := &genScope{parent: outer, rels: s.rels}
		second, right, more := g.relation(in, depth, free, "lateral ")
		s.rels = append(s.rels, second)
		return s, sql + ", " + right, decided || more
	}
	second, right, more := g.relation(outer, depth, free, "")
	decided = decided || more
	for _, a := range first.cols {
		for _, b := range second.cols {
			if a.name == b.name && a.typ == b.typ && !a.taint && !b.taint && g.chance(60) {
				return g.using(s, first, second, a, sql, right, decided)
			}
		}
	}
	s.rels = append(s.rels, second)
	cond, taint := g.condition(s, 1, free)
	if cond == "" {
		cond = "true"
	}
	return s, sql + pick(g, []string{" join ", " left join "}) + right + " on " + cond, decided || taint
}

// using joins on a column; the scope knows the merged relation only, by bare names.
func (g *generator) using(s *genScope, l, r genRel, on genCol, left, right string, decided bool) (*genScope, string, bool) {
	join := pick(g, []string{"join", "left join", "right join", "full join"})
	sql := fmt.Sprintf("(%s %s %s using (%s))", left, join, right, on.name)
	merged := genRel{cols: []genCol{on}, merged: true}
	if g.chance(50) {
		merged.name = g.alias()
		sql += " as " + merged.name
	}
	seen := map[string]int{}
	for _, rel := range []genRel{l, r} {
		for _, c := range rel.cols {
			seen[c.name]++
		}
	}
	for _, rel := range []genRel{l, r} {
		for _, c := range rel.cols {
			if c.name != on.name {
				merged.cols = append(merged.cols, c)
			}
		}
	}
	// Names on both sides cannot be told apart: they are only there for *.
	s.rels = []genRel{merged}
	return s, sql, decided
}

// relation is a table, a sub-select, a list of values or a function. It sees s.
func (g *generator) relation(s *genScope, depth int, free bool, lateral string) (genRel, string, bool) {
	alias := g.alias()
	switch kind := g.IntN(10); {
	case depth > 0 && (kind < 3 || lateral != "" && kind < 7):
		sql, cols := g.query(s, depth-1, free)
		return genRel{name: alias, cols: cols}, fmt.Sprintf("%s(%s) %s", lateral, sql, alias), false
	case kind < 4:
		a, at := g.expr(s, "text", 0)
		if lateral == "" {
			a, at = "'v'", false
		}
		return genRel{name: alias, cols: []genCol{{"x", "text", at}, {"id", "int", false}}},
			fmt.Sprintf("%s(values (%s, 1), ('S1', 2)) %s(x, id)", lateral, a, alias), false
	case kind < 5:
		if g.chance(20) {
			protects := g.chance(50)
			g.called = true
			name := map[bool]string{true: "ssns", false: "kinds"}[protects]
			return genRel{name: alias, cols: []genCol{{"u", "text", protects}, {"w", "int", false}}}, fmt.Sprintf("clinic.%s(%d) %s", name, g.IntN(5), alias), false
		}
		if g.chance(50) {
			return genRel{name: alias, cols: []genCol{{alias, "int", false}}}, fmt.Sprintf("generate_series(1, 2) %s", alias), false
		}
		return genRel{name: alias, cols: []genCol{{"u", "text", false}}}, fmt.Sprintf("unnest(array['S1', 'b']) %s(u)", alias), false
	case kind < 6 && lateral != "":
		return g.function(s, alias)
	case kind < 7 && len(g.ctes) > 0:
		c := pick(g, g.ctes)
		return genRel{name: alias, cols: c.cols}, c.name + " " + alias, false
	}
	t := pick(g, genTables)
	if g.chance(15) {
		var names []string
		cols := []genCol{}
		used := map[string]bool{}
		for _, c := range t.cols[:2] {
			c.name = g.colName(used)
			names = append(names, c.name)
			cols = append(cols, c)
		}
		if t.name != "clinic.patients" { // whose further columns are not followed here
			cols = append(cols, t.cols[2:]...)
		}
		if unique(cols) {
			return genRel{name: alias, cols: cols}, fmt.Sprintf("%s %s(%s)", t.name, alias, strings.Join(names, ", ")), false
		}
	}
	return genRel{name: alias, cols: t.cols}, t.name + " " + alias, false
}

// function is a function in FROM whose number of rows is always the same, of values of s.
func (g *generator) function(s *genScope, alias string) (genRel, string, bool) {
	a, at := g.expr(s, "text", 1)
	n, nt := g.expr(s, "int", 1)
	switch g.IntN(5) {
	case 0:
		return genRel{name: alias, cols: []genCol{{"u", "text", at || nt}}}, fmt.Sprintf("lateral unnest(array[%s, %s::text]) %s(u)", a, n, alias), false
	case 1:
		return genRel{name: alias, cols: []genCol{{"u", "text", at}, {"w", "int", nt}}}, fmt.Sprintf("lateral unnest(array[%s], array[%s]) %s(u, w)", a, n, alias), false
	case 2:
		return genRel{name: alias, cols: []genCol{{"k", "text", at || nt}, {"u", "text", at || nt}}},
			fmt.Sprintf("lateral jsonb_each_text(jsonb_build_object('a', %s, 'b', %s)) %s(k, u)", a, n, alias), false
	case 3:
		return genRel{name: alias, cols: []genCol{{"u", "text", at}, {"o", "int", false}}},
			fmt.Sprintf("lateral (select u, o::int from upper(%s) with ordinality f(u, o)) %s", a, alias), false
	}
	return genRel{name: alias, cols: []genCol{{"u", "text", at || nt}, {"w", "int", at || nt}}},
		fmt.Sprintf("lateral rows from (concat(%s), abs(%s)) %s(u, w)", a, n, alias), false
}

// columns gives the columns of a type that can be named, with their SQL.
func (s *genScope) columns(typ string, tainted bool) (sql []string, taints []bool) {
	hidden := map[string]bool{}
	for at := s; at != nil; at = at.parent {
		count := map[string]int{}
		for _, r := range at.rels {
			for _, c := range r.cols {
				count[c.name]++
			}
		}
		for _, r := range at.rels {
			own := map[string]int{}
			for _, c := range r.cols {
				own[c.name]++
			}
			for _, c := range r.cols {
				if c.typ != typ || c.taint && !tainted || own[c.name] > 1 {
					continue
				}
				if r.name != "" && !hidden[" "+r.name] {
					sql, taints = append(sql, r.name+"."+c.name), append(taints, c.taint)
				}
				if count[c.name] == 1 && !hidden[c.name] {
					sql, taints = append(sql, c.name), append(taints, c.taint)
				}
			}
		}
		for _, r := range at.rels {
			hidden[" "+r.name] = true
			for _, c := range r.cols {
				hidden[c.name] = true
			}
		}
	}
	return sql, taints
}

func (g *generator) column(s *genScope, typ string, tainted bool) (string, bool) {
	sql, taints := s.columns(typ, tainted)
	if len(sql) == 0 || g.chance(10) {
		if typ == "int" {
			return fmt.Sprint(g.IntN(4)), false
		}
		return fmt.Sprintf("'S%d'", g.IntN(3)), false
	}
	i := g.IntN(len(sql))
	return sql[i], taints[i]
}

// decider is a column that may decide rows, and its type.
func (g *generator) decider(s *genScope) (string, string) {
	typ := pick(g, []string{"text", "int"})
	for range 20 {
		if sql, _ := g.column(s, typ, false); !strings.ContainsAny(sql[:1], "'0123456789") {
			return sql, typ
		}
	}
	if typ == "int" {
		return "(1 + 0)", "int"
	}
	return "('a' || 'b')", "text"
}

// condition compares two values; "" for none.
func (g *generator) condition(s *genScope, depth int, free bool) (string, bool) {
	if g.chance(50) {
		return "", false
	}
	typ := pick(g, []string{"text", "int"})
	a, at := g.column(s, typ, free)
	b, bt := g.column(s, typ, free)
	if depth > 1 && g.chance(20) {
		sub, cols := g.query(s, 0, free)
		if !cols[0].taint || free {
			return fmt.Sprintf("exists (%s)", sub), free && anyTaint(cols)
		}
	}
	return a + pick(g, []string{" = ", " <> ", " <= "}) + b, at || bt
}

func anyTaint(cols []genCol) bool {
	for _, c := range cols {
		if c.taint {
			return true
		}
	}
	return false
}

// expr is an expression of a type.
func (g *generator) expr(s *genScope, typ string, depth int) (string, bool) {
	if depth <= 0 || g.chance(35) {
		return g.column(s, typ, g.chance(60))
	}
	sub := func(typ string) (string, bool) { return g.expr(s, typ, depth-1) }
	if typ == "text" && g.chance(5) {
		return g.call(s, depth)
	}
	a, at := sub("text")
	b, bt := sub("text")
	n, nt := sub("int")
	m, mt := sub("int")
	if typ == "int" {
		switch g.IntN(11) {
		case 0:
			return fmt.Sprintf("(%s + %s)", n, m), nt || mt
		case 1:
			return fmt.Sprintf("length(%s)", a), at
		case 2:
			return fmt.Sprintf("coalesce(%s, %s)", n, m), nt || mt
		case 3:
			return fmt.Sprintf("(case when %s like 'S%%' then %s else %s end)", a, n, m), at || nt || mt
		case 4:
			return fmt.Sprintf("(%s = %s)::int", a, b), at || bt
		case 5:
			return fmt.Sprintf("(array[%s, %s])[1]", n, m), nt || mt
		case 6:
			return g.scalar(s, typ, depth)
		case 7:
			return fmt.Sprintf("num_nulls(%s, %s, %s)", a, b, n), at || bt || nt
		case 8:
			return fmt.Sprintf("(jsonb_build_object('k', %s) ->> 'k')::int", n), nt
		case 9:
			return fmt.Sprintf("(%s is distinct from %s)::int", a, b), at || bt
		}
		return fmt.Sprintf("position(%s in %s)", a, b), at || bt
	}
	switch g.IntN(20) {
	case 0:
		return fmt.Sprintf("(%s || %s)", a, b), at || bt
	case 1:
		return fmt.Sprintf("upper(%s)", a), at
	case 2:
		return fmt.Sprintf("(case %s when %s then %s else 'q' end)", a, b, n+"::text"), at || bt || nt
	case 3:
		return fmt.Sprintf("nullif(%s, %s)", a, b), at || bt
	case 4:
		return fmt.Sprintf("concat(%s, %s)", a, n), at || nt
	case 5:
		return fmt.Sprintf("json_build_object('k', %s, 'n', %s)::text", a, n), at || nt
	case 6:
		return fmt.Sprintf("row(%s, %s)::text", a, n), at || nt
	case 7:
		return fmt.Sprintf("xmlelement(name e, %s)::text", a), at
	case 8:
		return g.wholeRow(s, a, at)
	case 9:
		return fmt.Sprintf("greatest(%s, %s collate \"C\")", a, b), at || bt
	case 10:
		return fmt.Sprintf("format('%%s-%%s', %s, %s)", a, n), at || nt
	case 11:
		return fmt.Sprintf("xmlforest(%s as a, %s as n)::text", a, n), at || nt
	case 12:
		return fmt.Sprintf("jsonb_set(jsonb_build_object('k', %s), '{k}', to_jsonb(%s), true)::text", a, n), at || nt
	case 13:
		return fmt.Sprintf("json_object(array['a', 'b'], array[%s, %s])::text", a, b), at || bt
	case 14:
		return fmt.Sprintf("(jsonb_build_object('a', %s, 'b', %s) #>> '{b}')", a, b), at || bt
	case 15:
		return fmt.Sprintf("xmlconcat(xmlelement(name e, xmlattributes(%s as a)), xmlelement(name f, %s))::text", n, a), at || nt
	case 16:
		return fmt.Sprintf("regexp_replace(%s, '[0-9]', %s)", a, b), at || bt
	case 17:
		return fmt.Sprintf("encode(sha256(convert_to(%s, 'UTF8')), 'hex')", a), at
	case 18:
		return fmt.Sprintf("lpad(split_part(%s, '-', 1), 6, %s)", a, b), at || bt
	}
	return g.scalar(s, typ, depth)
}

// call calls a function of the database's own.
func (g *generator) call(s *genScope, depth int) (string, bool) {
	a, at := g.expr(s, "text", depth-1)
	n, nt := g.expr(s, "int", depth-1)
	g.called = true
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf("clinic.ssn_of(%s)", n), true
	case 1:
		return "clinic.least_mrn()", true
	case 2:
		return fmt.Sprintf("clinic.f(%s)", a), at
	case 3:
		return fmt.Sprintf("clinic.said(%s, %s)", a, n), at || nt
	}
	return fmt.Sprintf("clinic.kind_of(%s)", n), nt
}

// wholeRow shows a row of the level by the name of its relation.
func (g *generator) wholeRow(s *genScope, other string, taint bool) (string, bool) {
	if s == nil || len(s.rels) == 0 {
		return other, taint
	}
	r := pick(g, s.rels)
	if r.name == "" || len(r.cols) == 0 || strings.HasPrefix(r.name, "s") && len(r.name) == 1 {
		return other, taint
	}
	t := anyTaint(r.cols) || strings.Contains(r.name, "patients") || len(r.cols) < 2
	return fmt.Sprintf(pick(g, []string{"row_to_json(%s)::text", "to_jsonb(%s.*)::text"}), r.name), t
}

// scalar is a sub-select: one value, EXISTS, IN or ARRAY.
func (g *generator) scalar(s *genScope, typ string, depth int) (string, bool) {
	in, from, decided := g.from(s, depth-2, true)
	e, et := g.expr(in, typ, depth-2)
	cond, ct := g.condition(in, 1, true)
	if cond == "" {
		cond = "true"
	}
	decided = decided || ct
	if len(in.rels) > 0 {
		for _, r := range in.rels {
			decided = decided || anyTaint(r.cols) && r.name == ""
		}
	}
	tail := fmt.Sprintf("from %s where %s", from, cond)
	switch g.IntN(5) {
	case 0:
		return fmt.Sprintf("(select %s %s limit 1)", e, tail), et || decided
	case 1:
		out := fmt.Sprintf("exists (select %s %s)", e, tail)
		return toType(out, typ), decided
	case 2:
		a, at := g.column(s, typ, true)
		return toType(fmt.Sprintf("(%s in (select %s %s))", a, e, tail), typ), at || et || decided
	case 3:
		return toType(fmt.Sprintf("cardinality(array(select %s %s))", e, tail), typ), et || decided
	}
	return fmt.Sprintf("(select max(%s) %s)", e, tail), et || decided
}

// toType makes a bool or an int what is wanted.
func toType(sql, typ string) string {
	return fmt.Sprintf("(%s)::%s", sql, typ)
}

// aggregate is an aggregate with its type and taint.
func (g *generator) aggregate(s *genScope, depth int) (string, string, bool) {
	a, at := g.expr(s, "text", depth-1)
	n, nt := g.expr(s, "int", depth-1)
	o, ot := g.expr(s, "text", 0)
	filter := ""
	ft := false
	if g.chance(25) {
		f, t := g.expr(s, "text", 1)
		filter, ft = fmt.Sprintf(" filter (where %s > 'S')", f), t
	}
	switch g.IntN(9) {
	case 0:
		return "count(*)" + filter + "::int", "int", ft
	case 1:
		return fmt.Sprintf("min(%s)", a) + filter, "text", at || ft
	case 2:
		return fmt.Sprintf("sum(%s)", n) + filter + "::int", "int", nt || ft
	case 3:
		return fmt.Sprintf("string_agg(%s, ',' order by %s)", a, o) + filter, "text", at || ot || ft
	case 4:
		return fmt.Sprintf("json_agg(%s)", n) + filter + "::text", "text", nt || ft
	case 5:
		return fmt.Sprintf("jsonb_object_agg(coalesce(%s, ''), %s)", a, n) + filter + "::text", "text", at || nt || ft
	case 6:
		return fmt.Sprintf("xmlagg(xmlelement(name e, %s) order by %s)", a, o) + filter + "::text", "text", at || ot || ft
	case 7:
		return fmt.Sprintf("percentile_disc(0.5) within group (order by %s)", n) + filter, "int", nt || ft
	}
	return fmt.Sprintf("count(nullif(%s, %s))", a, o) + filter + "::int", "int", at || ot || ft
}

// window is a window function with its type and taint.
func (g *generator) window(s *genScope, depth int, tainted bool) (string, string, bool) {
	a, at := g.expr(s, "text", depth-1)
	p, pt := g.column(s, "text", tainted)
	o, ot := g.column(s, "int", tainted)
	fn := pick(g, []string{"row_number()", "rank()", "count(*)", "dense_rank()"})
	if g.chance(40) {
		frame := pick(g, []string{"rows between 1 preceding and current row", "range between unbounded preceding and current row", "groups between 1 preceding and 1 following exclude current row"})
		n, nt := g.expr(s, "int", depth-1)
		switch g.IntN(4) {
		case 0:
			return fmt.Sprintf("first_value(%s) over (partition by %s order by %s %s)", a, p, o, frame), "text", at || pt || ot
		case 1:
			return fmt.Sprintf("(sum(%s) over (partition by %s order by %s %s))::int", n, p, o, frame), "int", nt || pt || ot
		case 2:
			return fmt.Sprintf("ntile(2) over (partition by %s order by %s)", p, o), "int", pt || ot
		}
		return fmt.Sprintf("nth_value(%s, 2) over (partition by %s order by %s %s)", a, p, o, frame), "text", at || pt || ot
	}
	if g.chance(40) {
		return fmt.Sprintf("lag(%s) over (partition by %s order by %s)", a, p, o), "text", at || pt || ot
	}
	return fmt.Sprintf("(%s over (partition by %s order by %s))::int", fn, p, o), "int", pt || ot
}

// change is a data-modifying statement with RETURNING, alone or in WITH.
func (g *generator) change() (string, []bool) {
	s := &genScope{rels: []genRel{{name: "c", cols: genTables[2].cols}}}
	kind, kt := g.expr(s, "text", 2)
	label, lt := g.expr(s, "text", 1)
	var sql, name string
	cols := []genCol{{"kind", "text", kt}, {"label", "text", lt}, {"ssn", "text", true}}
	switch g.IntN(4) {
	case 0:
		sql, name = fmt.Sprintf("update clinic.codes c set kind = %s, label = %s where c.label < 'L4'", kind, label), "c"
	case 1:
		from := &genScope{rels: []genRel{{name: "p", cols: genTables[0].cols}}}
		kind, kt = g.expr(from, "text", 2)
		label, lt = g.expr(from, "text", 1)
		cols[0].taint, cols[1].taint = kt, lt
		sql, name = fmt.Sprintf("insert into clinic.codes (label, kind) select %s, %s from clinic.patients p", label, kind), "codes"
	case 2:
		from := &genScope{rels: []genRel{{name: "p", cols: genTables[0].cols}, {name: "c", cols: cols}}}
		label, lt = g.expr(from, "text", 2)
		cols[0].taint, cols[1].taint = false, lt
		sql, name = fmt.Sprintf("update clinic.codes c set label = %s from clinic.patients p where p.state = c.kind and p.id < 3", label), "c"
	default:
		cols[0].taint, cols[1].taint = false, false
		sql, name = "delete from clinic.codes c where c.label < 'L4'", "c"
	}
	r := &genScope{rels: []genRel{{name: name, cols: cols}}}
	var list []string
	var out []genCol
	used := map[string]bool{}
	for range 1 + g.IntN(3) {
		typ := pick(g, []string{"text", "int"})
		e, t := g.expr(r, typ, 2)
		n := g.colName(used)
		list, out = append(list, e+" as "+n), append(out, genCol{n, typ, t})
	}
	sql += " returning " + strings.Join(list, ", ")
	if g.chance(60) {
		return sql, taintsOf(out)
	}
	g.ctes = append(g.ctes, genRel{name: "d", cols: out})
	var list2 []string
	var taints []bool
	in := &genScope{rels: []genRel{{name: "d", cols: out}}}
	for range 1 + g.IntN(3) {
		e, t := g.expr(in, "text", 2)
		list2, taints = append(list2, e), append(taints, t)
	}
	if g.chance(30) { // what the one gives back, another stores and gives back
		label, lt := g.expr(in, "text", 1)
		stored := &genScope{rels: []genRel{{name: "e", cols: []genCol{{"k", "text", false}, {"l", "text", lt}}}}}
		e, t := g.expr(stored, "text", 1)
		return fmt.Sprintf("with d as (%s), e(k, l) as (insert into clinic.codes (kind, label) select 'S9', %s from d returning kind, label) select %s from e", sql, label, e), []bool{t}
	}
	return fmt.Sprintf("with d as (%s) select %s from d", sql, strings.Join(list2, ", ")), taints
}
