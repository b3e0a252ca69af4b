// Package mask decides what is protected and turns protected values into masked ones.
//
// It owns the meaning of mask rules: which columns, tables and values they name, what
// a transform makes of a value of a type, in text and in binary. It is pure: no I/O,
// and no clock but the year that ages are counted from. Which column an output comes
// from is proven by sqlscan and the proxy; what happens with a statement that copies
// protected data is decided by policy.
//
// A column is told by where its values come from (hoop.Column). Proven values get the
// transform of the strictest rule on one of their origins. Values that are not proven
// are redacted when the statement can read anything protected. All other texts are
// scanned by the value rules. What cannot be decoded is withheld as NULL.
//
// PostgreSQL's formats: "Arrays", "Composite Types" and the send functions array_send,
// record_send and jsonb_send in its sources.
package mask

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// Inherited is the rule name of what is protected because protected data was copied
// there.
const Inherited = "inherited"

// Set is the compiled mask rules. It may be used concurrently.
type Set struct {
	// Now says from which day ages are counted; time.Now unless set before the first use.
	Now func() time.Time
	// Beside gives the targets that lead to the same database as one, with itself: who comes by way
	// of them sees the same tables. Unless set before the first use, any may.
	Beside func(target string) []string

	rules     []*rule
	inherited map[string]map[string]bool // target -> canonical tables
	anywhere  map[string]bool            // targets where code may have copied protected data anywhere
	key       []byte
}

// rule is one mask rule, ready to use.
type rule struct {
	name    string
	targets []string
	except  []string
	columns []resource.ColumnPattern
	values  []detector // what detect and patterns name
	with    resource.Transform
	last    int
}

// freeText reports whether the rule declares columns whose whole values are scanned.
func (r *rule) freeText() bool { return len(r.columns) > 0 && len(r.values) > 0 }

// Compile prepares rules. inherited lists, per target, tables that hold copies of
// protected data and are redacted whole, by canonical name; "*" is every table, for
// whom a rule on columns applies to. key is for hash and
// tokenize; rules that use them want at least 32 bytes.
func Compile(rules []resource.MaskRule, inherited map[string][]string, key []byte) (*Set, error) {
	s := &Set{Now: time.Now, key: slices.Clone(key), inherited: map[string]map[string]bool{}, anywhere: map[string]bool{}}
	for target, tables := range inherited {
		s.inherited[target] = map[string]bool{}
		for _, table := range tables {
			if table == "*" {
				s.anywhere[target] = true
				continue
			}
			s.inherited[target][table] = true
		}
	}
	for _, r := range rules {
		c, err := compileRule(r, len(key) >= 32)
		if err != nil {
			return nil, fmt.Errorf("mask rule %s: %w", r.Name, err)
		}
		s.rules = append(s.rules, c)
	}
	return s, nil
}

func compileRule(r resource.MaskRule, keyed bool) (*rule, error) {
	if _, ok := strictness[r.With]; !ok {
		return nil, fmt.Errorf("there is no transform %q", r.With)
	}
	if (r.With == resource.Hash || r.With == resource.Tokenize) && !keyed {
		return nil, fmt.Errorf("%s wants a key of at least 32 bytes", r.With)
	}
	c := &rule{name: r.Name, targets: r.Targets, except: r.Except, with: r.With, last: max(r.Last, 1)}
	for _, s := range r.Columns {
		p, err := resource.ParseColumn(s)
		if err != nil {
			return nil, err
		}
		c.columns = append(c.columns, p)
	}
	for _, name := range r.Detect {
		d, err := builtin(name)
		if err != nil {
			return nil, err
		}
		c.values = append(c.values, d)
	}
	for _, p := range r.Patterns {
		d, err := pattern(p)
		if err != nil {
			return nil, err
		}
		c.values = append(c.values, d)
	}
	if len(c.columns)+len(c.values) == 0 {
		return nil, fmt.Errorf("names nothing to protect")
	}
	return c, nil
}

// strictness orders the transforms by how little they leave, for columns that several
// rules name.
var strictness = map[resource.Transform]int{
	resource.Redact:   8, // nothing but the shape
	resource.Null:     7, // nothing
	resource.Hash:     6, // whether two values are the same
	resource.Tokenize: 5, // that, and the format
	resource.Year:     4,
	resource.Zip3:     3,
	resource.Age90:    2,
	resource.Partial:  1,
}

// partly reports whether a transform leaves a part of some values. What one such
// transform hides another may show (89 is no age to hide, and all of a short number),
// so where two of them meet nothing may stay.
func partly(t resource.Transform) bool {
	return strictness[t] <= strictness[resource.Year]
}

// traceable reports whether a transform makes the same of the same values and differs
// for others: whoever may choose the values that it is given finds the one behind
// a result by trying them out.
func traceable(t resource.Transform) bool {
	return t == resource.Hash || t == resource.Tokenize
}

// both is what becomes of values that a and b protect: the stricter of them, or
// redact. Either may be nil.
func both(a, b *rule) *rule {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.with != b.with && partly(a.with) && partly(b.with):
		return redacted(min(a.name, b.name))
	case stricter(b, a) > 0:
		return b
	}
	return a
}

// redacted is a rule that redacts on behalf of the named one.
func redacted(name string) *rule { return &rule{name: name, with: resource.Redact} }

// stricter compares rules: positive when a leaves less than b. Ties are decided by
// name, so that the same rules give the same answer in any order.
func stricter(a, b *rule) int {
	return cmp.Or(
		cmp.Compare(strictness[a.with], strictness[b.with]),
		cmp.Compare(b.last, a.last),
		cmp.Compare(b.name, a.name),
	)
}

// For gives the rules that apply to an identity on a target: those that name the
// target and except none of the identity's groups. It is never nil.
func (s *Set) For(id hoop.Identity, target string) *Rules {
	r := &Rules{set: s}
	for _, c := range s.rules {
		if !resource.NamesTarget(c.targets, target) || id.InAnyGroup(c.except) {
			continue
		}
		switch {
		case c.freeText():
			r.free = append(r.free, c)
		case len(c.columns) > 0:
			r.columns = append(r.columns, c)
		default:
			r.values = append(r.values, c)
		}
	}
	if len(r.columns)+len(r.free) > 0 { // else what was copied is shown where it came from
		r.inherited, r.all = s.inherited[target], s.anywhere[target]
	}
	r.beside(target)
	r.scanner = newScanner(s, r.values)
	return r
}

// beside notes what is masked for anybody in the database that a target leads to.
func (r *Rules) beside(target string) {
	r.ways = []string{target}
	switch {
	case r.set.Beside != nil:
		r.ways = append(r.ways, r.set.Beside(target)...)
	default:
		for _, c := range r.set.rules {
			r.ways = append(r.ways, c.targets...)
		}
	}
	for _, c := range r.set.rules {
		if len(c.columns) > 0 && slices.ContainsFunc(r.ways, func(t string) bool { return resource.NamesTarget(c.targets, t) }) {
			r.anyone = append(r.anyone, c)
		}
	}
}

// Rules is what is masked for one identity on one target. It may be used concurrently.
type Rules struct {
	set       *Set
	columns   []*rule         // protect columns
	free      []*rule         // declare free-text columns
	values    []*rule         // protect values in any text
	ways      []string        // targets that lead to the same database
	anyone    []*rule         // on columns, for whomever on one of these
	inherited map[string]bool // tables that hold copies
	all       bool            // any table may hold some
	scanner   *scanner        // of values; nil where there are none
	known     func(table string) (columns []string, ok bool)
}

// Knowing gives the same rules with knowledge of which columns a table has, by its
// canonical name; ok is false for tables that are not known. Without it, a rule on
// *.*.phone protects every table, as any may have such a column.
func (r *Rules) Knowing(columns func(table string) (names []string, ok bool)) *Rules {
	c := *r
	c.known = columns
	return &c
}

// Inheriting gives the rules as they are once copies of protected data were made in
// tables: canonical names, or "*" where it could be any.
func (r *Rules) Inheriting(tables []string) *Rules {
	c := *r
	c.inherited = maps.Clone(r.inherited)
	if c.inherited == nil {
		c.inherited = map[string]bool{}
	}
	for _, t := range tables {
		if t == "*" {
			c.all = c.all || len(r.columns)+len(r.free) > 0
			continue
		}
		c.inherited[t] = true
	}
	return &c
}

// Any reports whether anything at all is masked.
func (r *Rules) Any() bool { return r.anyColumn() || len(r.values) > 0 }

// Values reports whether values are looked for in texts, wherever these come from.
func (r *Rules) Values() bool { return r.scanner != nil }

// ValueRules names the rules that look for values in any text.
func (r *Rules) ValueRules() []string {
	var names []string
	for _, v := range r.values {
		names = append(names, v.name)
	}
	return names
}

// Everything reports whether any table may hold copies, since code ran that nobody has
// read: then all there is may carry protected values, names too.
func (r *Rules) Everything() bool { return r.all }

func (r *Rules) anyColumn() bool {
	return len(r.columns) > 0 || len(r.free) > 0 || len(r.inherited) > 0
}

// Protects reports whether a rule names the column, and which. Free-text columns
// count. A Column of "*" asks for any column of the table.
func (r *Rules) Protects(c hoop.ColumnRef) (rule string, ok bool) {
	if c == hoop.AnyColumn {
		return Inherited, r.anyColumn()
	}
	if best := r.strictest(c); best != nil {
		return best.name, true
	}
	if r.copied(hoop.TableName(c.Schema, c.Table)) {
		return Inherited, true
	}
	if free := r.freeText(c); len(free) > 0 {
		return free[0].name, true
	}
	return "", false
}

// NamesColumn reports whether a rule names a column of that name, in any table.
func (r *Rules) NamesColumn(column string) bool {
	named := func(c *rule) bool {
		return slices.ContainsFunc(c.columns, func(p resource.ColumnPattern) bool { return p.Column.Match(column) })
	}
	return slices.ContainsFunc(r.columns, named) || slices.ContainsFunc(r.free, named)
}

// shows reports whether the masked values of a protected column say something of the
// values themselves, to anybody.
func (r *Rules) shows(c hoop.ColumnRef) bool {
	return slices.ContainsFunc(r.anyone, func(o *rule) bool {
		return o.names(c) && !o.hides() && !slices.ContainsFunc(r.anyone, func(h *rule) bool { return h.names(c) && h.hides() && r.reaches(h, o) })
	})
}

// hides reports whether a rule leaves nothing of a whole value but that it is there.
func (r *rule) hides() bool {
	return !r.freeText() && (r.with == resource.Redact || r.with == resource.Null)
}

// Traceable reports whether what is shown of the column is a hash or the like: the same for
// the same values.
func (r *Rules) Traceable(c hoop.ColumnRef) bool {
	best := r.strictest(c)
	return best != nil && traceable(best.with) || slices.ContainsFunc(r.freeText(c), func(f *rule) bool { return traceable(f.with) })
}

// Copied reports whether somebody was let copy protected data into the table of a column: what is
// in it may be computed.
func (r *Rules) Copied(c hoop.ColumnRef) bool { return r.inherited[hoop.TableName(c.Schema, c.Table)] }

// copied reports whether protected data may have been copied into the table.
func (r *Rules) copied(table string) bool { return r.all || r.inherited[table] }

// ProtectsTable reports whether a column of the table is protected, by its canonical
// name. "*" and what is no canonical name could be any table.
func (r *Rules) ProtectsTable(table string) bool {
	schema, name, ok := resource.SplitTable(table)
	if !ok {
		return r.anyColumn()
	}
	_, protected := r.Protects(hoop.ColumnRef{Schema: schema, Table: name, Column: "*"})
	if !protected || r.known == nil || r.copied(table) {
		return protected
	}
	columns, ok := r.known(table)
	return !ok || slices.ContainsFunc(columns, func(c string) bool {
		_, protected := r.Protects(hoop.ColumnRef{Schema: schema, Table: name, Column: c})
		return protected
	})
}

// covers reports whether every column of the table is protected, from everybody from whom what is
// protected here is.
func (r *Rules) covers(table string) bool {
	schema, name, ok := resource.SplitTable(table)
	if !ok {
		return r.all
	}
	return r.copied(table) || slices.ContainsFunc(r.columns, func(c *rule) bool {
		return c.with == resource.Redact && allOf(r.anyone, func(o *rule) bool { return r.reaches(c, o) }) && slices.ContainsFunc(c.columns, func(p resource.ColumnPattern) bool {
			return p.Column.Any && p.Schema.Match(schema) && p.Table.Match(name)
		})
	})
}

// strictest is what the rules make of a column together, nil where there is none. A
// whole row is redacted when one of its columns is protected.
func (r *Rules) strictest(c hoop.ColumnRef) *rule {
	var best *rule
	for _, rule := range r.columns {
		if rule.names(c) {
			best = both(best, rule)
		}
	}
	if best != nil && c.Column == "*" {
		return redacted(best.name)
	}
	return best
}

func (r *Rules) freeText(c hoop.ColumnRef) []*rule {
	var out []*rule
	for _, rule := range r.free {
		if rule.names(c) {
			out = append(out, rule)
		}
	}
	return out
}

func (r *rule) names(c hoop.ColumnRef) bool {
	return slices.ContainsFunc(r.columns, func(p resource.ColumnPattern) bool { return p.Match(c) })
}

// reads reports whether the statement can read a protected column.
func (r *Rules) reads(st *hoop.Statement) bool {
	return r.anyColumn() && (st.Opaque || slices.ContainsFunc(st.Reads, r.ProtectsTable))
}

// Withheld reports whether the texts of errors and notices of the statement must not
// reach the client: it can read protected or unanalysed data. Texts that are not
// withheld still pass through Text.
func (r *Rules) Withheld(st *hoop.Statement) bool {
	return r.reads(st) || st.Opaque && r.Any()
}

// Uses gives the statement's effects without those that depend on protected data and
// touch none: derive of unprotected data or to a place that is protected whole, and
// infer by unprotected columns. What one derive fills holds protected data for the others. A
// statement never loses its last effect: derive becomes write then, and infer read. The
// columns of a use, where it has any, are all that it touches; otherwise it may touch every
// column of its tables.
func (r *Rules) Uses(st *hoop.Statement) []hoop.Use {
	out := r.counting(st, nil)
	for again := slices.ContainsFunc(out, derives); again; {
		more := r.counting(st, out)
		again, out = len(more) > len(out), more
	}
	if len(out) == 0 && len(st.Uses) > 0 {
		u := st.Uses[0]
		if u.Effect == hoop.EffectDerive {
			return append(out, hoop.Use{Effect: hoop.EffectWrite, Tables: u.Into, Why: u.Why})
		}
		return append(out, hoop.Use{Effect: hoop.EffectRead, Tables: u.Tables, Why: u.Why})
	}
	return out
}

func derives(u hoop.Use) bool { return u.Effect == hoop.EffectDerive }

// reaches reports whether a rule holds wherever in the database, and for whomever, another one does: else
// somebody could read there what they are not shown.
func (r *Rules) reaches(c, o *rule) bool {
	return allOf(c.except, func(group string) bool { return slices.Contains(o.except, group) }) &&
		allOf(r.ways, func(target string) bool {
			return !resource.NamesTarget(o.targets, target) || resource.NamesTarget(c.targets, target)
		})
}

// Multiplied gives the protected columns that decide how many rows the statement puts into
// tables that others see, hoop.AnyColumn where it may be any, and what these tables are called.
// How many elements a value has is shown, but where it may have been computed.
func (r *Rules) Multiplied(st *hoop.Statement) (columns []hoop.ColumnRef, into []string) {
	for _, u := range st.Uses {
		for _, c := range u.Rows {
			if _, protected := r.Protects(c); protected && (c != hoop.AnyColumn || r.touches(st, u)) {
				columns, into = append(columns, c), u.Into
			}
		}
		for _, c := range u.Elements {
			if _, protected := r.Protects(c); protected && r.copied(hoop.TableName(c.Schema, c.Table)) { // somebody computed it
				columns, into = append(columns, c), u.Into
			}
		}
	}
	return columns, into
}

// counting gives the effects that count, where those in former do.
func (r *Rules) counting(st *hoop.Statement, former []hoop.Use) []hoop.Use {
	out := make([]hoop.Use, 0, len(st.Uses))
	for _, u := range st.Uses {
		if r.counts(st, u) || derives(u) && (r.opens(u) || measurable(u)) && slices.ContainsFunc(former, func(f hoop.Use) bool { return derives(f) && takes(u, f.Into) }) {
			out = append(out, u)
		}
	}
	return out
}

// takes reports whether a use touches one of tables.
func takes(u hoop.Use, tables []string) bool {
	if len(u.Columns) > 0 {
		return slices.ContainsFunc(u.Columns, func(c hoop.ColumnRef) bool { return slices.Contains(tables, hoop.TableName(c.Schema, c.Table)) })
	}
	return slices.ContainsFunc(u.Tables, func(t string) bool { return slices.Contains(tables, t) })
}

// opens reports whether a derive goes to a place that is not protected whole.
func (r *Rules) opens(u hoop.Use) bool { return len(u.Into) == 0 || !allOf(u.Into, r.covers) }

// measurable reports whether a derive stores what is computed: how much room that takes is told of a table
// though all of it is masked, and so is a number that it is computed of. What code that nobody can read
// does is decided by its effect opaque, and what triggers compute is for whoever made them to say.
func measurable(u hoop.Use) bool {
	return !u.Shaped && !u.Keeps && !u.Behind && !slices.Contains(u.Into, "*")
}

// declared gives the rules as they are where no code may have copied protected data anywhere.
func (r *Rules) declared() *Rules {
	c := *r
	c.all = false
	return &c
}

// Reshaped gives tables that are masked whole by a rule, so that nobody is asked where a trigger copies
// protected data there, and in which it may compute the shape of values: that is shown no more where
// they inherit protection.
func (r *Rules) Reshaped(st *hoop.Statement) (into []string) {
	for _, u := range st.Uses {
		if derives(u) && u.Behind && !r.opens(u) && r.touches(st, u) {
			into = append(into, slices.DeleteFunc(slices.Clone(u.Into), r.copied)...)
		}
	}
	return into
}

// counts reports whether an effect is one with the rules as they are.
func (r *Rules) counts(st *hoop.Statement, u hoop.Use) bool {
	switch u.Effect {
	case hoop.EffectDerive:
		return r.touches(st, u) && r.opens(u) || measurable(u) && r.declared().touches(st, u)
	case hoop.EffectInfer:
		return r.touches(st, u)
	}
	return true
}

func (r *Rules) touches(st *hoop.Statement, u hoop.Use) bool {
	if !r.anyColumn() {
		return false
	}
	protected := func(c hoop.ColumnRef) bool { _, ok := r.Protects(c); return ok }
	switch {
	case st.Opaque && !u.Exact:
		return true
	case u.Keeps && len(u.Columns) > 0:
		return slices.ContainsFunc(u.Columns, r.shows)
	case len(u.Columns) > 0 && (!derives(u) || len(u.Tables) == 0):
		return slices.ContainsFunc(u.Columns, protected)
	case len(u.Tables) > 0: // of which * may be a column
		return slices.ContainsFunc(u.Tables, r.ProtectsTable) && (len(u.Columns) == 0 || slices.ContainsFunc(u.Columns, protected))
	}
	return r.reads(st)
}

func allOf[T any](list []T, ok func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !ok(v) })
}

// Text appends a free text, such as an error's message, with the values that value
// rules protect replaced. Where nothing matches the bytes stay the same.
func (r *Rules) Text(dst, s []byte) []byte {
	if r.scanner == nil {
		return append(dst, s...)
	}
	out, _ := r.scanner.untraced.replace(dst, s, 0)
	return out
}
