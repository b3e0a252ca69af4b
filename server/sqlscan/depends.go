package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// depends says what the value of an expression depends on, beside the text and the
// parameters: nothing, where it is made of constants by functions, operators and types
// that compute, however deep what they call stands.
type depends struct {
	data bool // on what is stored, or on what this session or another one holds
	row  bool // it may be another one for each row
}

var onAnything = depends{data: true, row: true}

func (d depends) and(o depends) depends { return depends{data: d.data || o.data, row: d.row || o.row} }

// dependence finds that out, in a database that contains cat.
type dependence struct {
	cat  *catalog.Snapshot
	code map[uint32]*code // of users' functions
}

func newDependence(cat *catalog.Snapshot) *dependence {
	return &dependence{cat: cat, code: map[uint32]*code{}}
}

// given reports whether all of the expressions come from the text and the parameters
// alone: whoever reads their values again learns nothing.
func (d *dependence) given(exprs ...*pg_query.Node) bool {
	return !slices.ContainsFunc(exprs, func(n *pg_query.Node) bool { return d.of(n).data })
}

// same reports whether an expression is the same for every row.
func (d *dependence) same(n *pg_query.Node) bool { return !d.of(n).row }

func (d *dependence) of(n *pg_query.Node) (on depends) {
	switch n.GetNode().(type) {
	case nil:
		return depends{}
	case *pg_query.Node_ColumnRef, *pg_query.Node_SubLink, *pg_query.Node_CurrentOfExpr, *pg_query.Node_SetToDefault, *pg_query.Node_MultiAssignRef:
		return onAnything
	}
	called, known := d.calls(n)
	for _, f := range called {
		if f.System {
			on = on.and(ownDepends(f, n.GetFuncCall().GetArgs()))
		} else {
			on = on.and(d.users(f))
		}
	}
	if !known || !children(n, func(c *pg_query.Node) { on = on.and(d.of(c)) }) {
		return onAnything
	}
	return on
}

// calls gives the functions that n itself may call: by name, as an operator, to make a
// value of a type or to cast one, in column notation. known is false where it may call
// others.
func (d *dependence) calls(n *pg_query.Node) (found []*catalog.Function, known bool) {
	known = true
	add := func(oid uint32) {
		f, ok := d.cat.Function(oid)
		if known = known && ok; ok {
			found = append(found, f)
		}
	}
	operators := func(name []*pg_query.Node) {
		for _, op := range usersOperators(d.cat, stringsOf(name)) {
			if f, ok := d.cat.Function(op.Function); !ok || !supplied(f) {
				add(op.Function)
			}
		}
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_FuncCall:
		schema, parts := "", stringsOf(x.FuncCall.Funcname)
		if len(parts) == 0 {
			return nil, false
		}
		if len(parts) > 1 {
			schema = parts[len(parts)-2]
		}
		found = d.cat.Functions(schema, parts[len(parts)-1])
		return found, len(found) > 0
	case *pg_query.Node_AExpr:
		operators(x.AExpr.Name)
	case *pg_query.Node_SubLink:
		operators(x.SubLink.OperName)
	case *pg_query.Node_SortBy:
		operators(x.SortBy.UseOp)
	case *pg_query.Node_TypeName:
		parts := stringsOf(x.TypeName.Names)
		if len(parts) == 0 || systemType(d.cat, parts) {
			break
		}
		for _, t := range d.cat.UserTypes(parts[len(parts)-1]) {
			for _, oid := range d.cat.TypeCode(t.OID) {
				add(oid)
			}
		}
		for _, cast := range d.cat.Casts() {
			if cast.Function != 0 && (d.named(cast.Source, parts[len(parts)-1]) || d.named(cast.Target, parts[len(parts)-1])) {
				add(cast.Function)
			}
		}
	case *pg_query.Node_AIndirection: // (row).f is f(row) where the row has no column f
		for _, name := range stringsOf(x.AIndirection.Indirection) {
			found = append(found, d.cat.Functions("", name)...)
		}
	}
	return found, known
}

// supplied reports whether a function came with an extension, as one that an operator, a cast
// or a comparison is made of: those look into their arguments and into thresholds. One in C or
// of the server's own that somebody else has given a name may be any.
func supplied(f *catalog.Function) bool { return f.Extension }

// named reports whether a user's type has the name, in any schema.
func (d *dependence) named(oid uint32, name string) bool {
	t := d.cat.Type(oid)
	return t != nil && oid >= firstUserOID && (t.Name == name || strings.HasSuffix(t.Name, "."+hoop.QuoteIdent(name)))
}

// ownDepends says what one of PostgreSQL's own functions depends on.
func ownDepends(f *catalog.Function, args []*pg_query.Node) depends {
	h, listed := harmOf(f.Name)
	switch {
	case !listed:
		if f.Volatility == catalog.Volatile {
			return onAnything
		}
		return depends{data: describes[f.Name] != ""}
	case h.effect == hoop.EffectOpaque:
		return onAnything
	case f.Name == "current_setting":
		return depends{data: !plainSetting(args)}
	case echoes[f.Name]:
		return depends{}
	}
	return depends{data: h != harmless || readsSequence[f.Name], row: changing[f.Name]}
}

// echoes give back what they got, or the number of something that they opened.
var echoes = map[string]bool{"set_config": true, "lo_open": true}

// changing give another value for every row.
var changing = map[string]bool{
	"random": true, "random_normal": true, "clock_timestamp": true, "nextval": true, "gen_random_uuid": true, "timeofday": true,
	"uuidv4": true, "uuidv7": true,
}

// users says what a user's function depends on. A volatile one that reads tables may see
// what the statement has changed so far.
func (d *dependence) users(f *catalog.Function) depends {
	if trusted(f) || retains(f) {
		return depends{row: f.Volatility == catalog.Volatile}
	}
	c := d.codeOf(f)
	row := c.reads || c.opaque() || f.Volatility == catalog.Volatile && len(c.sources) > 0
	for name := range c.builtins {
		row = row || changing[name]
	}
	return depends{data: len(c.names()) > 0 || c.opaque(), row: row}
}

// codeOf gives all that calling a user's function runs.
func (d *dependence) codeOf(f *catalog.Function) *code {
	c, ok := d.code[f.OID]
	if !ok {
		c = newCode(d.cat)
		c.function(f)
		if len(c.seen) > 0 || c.bytes > 0 {
			c.unnamed()
		}
		d.code[f.OID] = c
	}
	return c
}
