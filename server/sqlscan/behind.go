package sqlscan

import (
	"errors"
	"maps"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// firing is code that runs unseen, with the names that it has for the rows that fired it.
type firing struct {
	function uint32
	moved    string
	endless  bool
}

// behind adds the effects of code that runs with the statement, though its text does not
// call it: those of each of its statements, of what these fire, and of the functions that
// they call, which count by their bodies too. What decides in there, and what is copied, is
// told elsewhere (implicit). often says that it runs for each row.
func (s *stmt) behind(why string, often bool, run func(in *stmt)) {
	b := newBuilder(s.cat, Lineage{View: s.known.View, Values: []Value{}})
	b.behindOnce, b.views, b.unseen = s.behindOnce, s.views, true
	in := newStmt(b, nil)
	in.endless = often && (s.endless || s.many)
	run(in)
	in.unnamed()
	in.flush()
	out := b.finish()
	for _, u := range out.Uses {
		switch u.Effect {
		case hoop.EffectInfer, hoop.EffectDerive:
			continue
		case hoop.EffectRead:
			if len(u.Tables) == 0 {
				continue
			}
		case hoop.EffectUnknown:
			u.Effect, u.Tables = hoop.EffectOpaque, []string{"*"}
		}
		if u.Effect == hoop.EffectOpaque {
			s.out.Opaque, s.opened = true, true
		}
		u.Why = strings.TrimSuffix(why+": "+u.Why, ": ")
		s.add(u)
	}
	if out.Temp || out.DDL || len(out.Settings) > 0 {
		s.leavesAny()
	}
	s.out.Recodes, s.out.Defers = s.out.Recodes || out.Recodes, s.out.Defers || out.Defers
	s.out.Untold = append(s.out.Untold, out.Untold...)
}

// runsOID adds a function that is named by its OID.
func (s *stmt) runsOID(oid uint32) {
	if f, ok := s.cat.Function(oid); ok {
		s.function(f, call{name: f.Name})
	} else {
		s.opaque("a function that is not known")
	}
}

// runAll adds functions that are named by their OIDs.
func (s *stmt) runAll(oids []uint32) {
	for _, oid := range oids {
		s.runsOID(oid)
	}
}

// rowTriggers are trigger functions in C, PostgreSQL's own and those of its extensions
// (manual, appendix "Additional Supplied Modules"): most look at the row, and change nothing else.
var rowTriggers = map[string]harm{
	"suppress_redundant_updates_trigger": harmless, "tsvector_update_trigger": harmless, "tsvector_update_trigger_column": harmless,
	"unique_key_recheck": harmless, "moddatetime": harmless, "insert_username": harmless,
	"lo_manage":                     lobWrite,
	"triggered_change_notification": {effect: hoop.EffectSession, what: "notifies"},
	"insert_blocker":                harmless, "ts_insert_blocker": harmless, // TimescaleDB: an error
}

// effectsOf adds the effects of a function that runs unseen, once.
func (s *stmt) effectsOf(f *catalog.Function, moved []string, why string) {
	key := firing{f.OID, strings.Join(moved, "\x00"), s.endless}
	if s.behindOnce[key] {
		return
	}
	s.behindOnce[key] = true
	s.runAll(f.Calls)
	switch h, row := rowTriggers[f.Name]; {
	case f.Identity:
		s.opaque(why + " sets hoop.*")
	case f.Kind == 'a':
	case f.Language == "sql" || f.Language == "plpgsql":
		s.runsBody(f, moved, why)
	case row && (f.System || f.Extension):
		if h.effect != "" {
			s.use(h.effect, h.what, s.harmTables(h, call{})...)
		}
	case f.System && strings.HasPrefix(f.Name, "RI_FKey_"):
	default:
		s.opaque(why + " is in a language that is not read")
	}
}

// runsBody adds the effects of a body's statements.
func (s *stmt) runsBody(f *catalog.Function, moved []string, why string) {
	body, told := s.cat.Body(f)
	if !told {
		s.out.Untold = append(s.out.Untold, f)
	}
	if body == nil {
		s.opaque(why + " cannot be read")
		return
	}
	for oid := range s.on.codeOf(f).types { // of its variables: what is put into them is a value of the type
		s.values[oid] = true
	}
	around := &scope{ctes: map[string]*pg_query.CommonTableExpr{}}
	for _, name := range moved {
		around.ctes[name] = &pg_query.CommonTableExpr{}
		if !s.endless {
			around.ctes[name] = fewRows
		}
	}
	for _, p := range body.Pieces {
		in := newStmt(s.builder, p.Stmt)
		in.around = around
		maps.Copy(in.values, s.values)
		in.endless = s.endless || slices.ContainsFunc(p.Loops, func(i int) bool {
			return i < 0 || i >= len(body.Pieces) || !in.ends(body.Pieces[i].Stmt, around)
		})
		in.run()
	}
}

// fewRows stands for a transition table of a statement that changes rows with a limit.
var fewRows = &pg_query.CommonTableExpr{Ctequery: selectNode(&pg_query.SelectStmt{ValuesLists: []*pg_query.Node{pg_query.MakeListNode(nil)}})}

// ends reports whether a loop over the rows of a query has an end that the query sets: a
// limit, or the parts of a value.
func (s *stmt) ends(n *pg_query.Node, around *scope) bool {
	q := n.GetSelectStmt()
	if q == nil {
		return false
	}
	if len(q.FromClause) == 0 && q.Larg == nil {
		return s.spreads(n)
	}
	return s.limiter(around).query(n) || s.spreads(n)
}

// spreads reports whether an expression is made of nothing but given values and their parts.
func (s *stmt) spreads(n *pg_query.Node) bool {
	if n.GetRangeVar() != nil || n.GetSubLink() != nil {
		return false
	}
	if f := n.GetFuncCall(); f != nil {
		many := slices.ContainsFunc(s.cat.Functions("", lastOf(f.Funcname)), func(fn *catalog.Function) bool { return fn.Set })
		if many && !spreading[lastOf(f.Funcname)] || !s.on.given(f.Args...) || len(s.cat.Functions("", lastOf(f.Funcname))) == 0 {
			return false
		}
	}
	all := true
	known := children(n, func(c *pg_query.Node) { all = all && s.spreads(c) })
	return all && known
}

// Study is Analyze, where parse reads the bodies of what p sets off that cat was not told of.
// The error is parse's.
func Study(p *pgparse.Parsed, cat *catalog.Snapshot, known Lineage, parse func(sql string) (*pgparse.Parsed, error)) (*Analysis, error) {
	for {
		a := Analyze(p, cat, known)
		if len(a.Untold) == 0 {
			return a, nil
		}
		for _, f := range a.Untold {
			if err := Tell(f, cat, parse); err != nil {
				return nil, err
			}
		}
	}
}

// Tell reads the body of a function and tells cat. parse reads it by PostgreSQL's grammar; its
// error is given back where it is none of the text's.
func Tell(f *catalog.Function, cat *catalog.Snapshot, parse func(sql string) (*pgparse.Parsed, error)) error {
	text, ok := scriptOf(f)
	if !ok || len(f.Source) > maxBody {
		cat.Tell(f, nil)
		return nil
	}
	var all []string
	for _, p := range text.pieces {
		all = append(all, p.sql)
	}
	body := &catalog.Body{}
	if len(all) > 0 {
		parsed, err := parse(strings.Join(all, "\n;\n"))
		if ofText(err) {
			cat.Tell(f, nil)
			return nil
		}
		if err != nil {
			return err
		}
		for i, raw := range parsed.Tree.GetStmts() {
			p := catalog.Piece{Stmt: proto.Clone(raw.GetStmt()).(*pg_query.Node)}
			if i < len(text.pieces) {
				p.Loops = text.pieces[i].loops
			}
			newVariables(p.Stmt, text.vars, cat).put(p.Stmt, 0)
			body.Pieces = append(body.Pieces, p)
		}
		if f.Language == "plpgsql" && len(body.Pieces) != len(text.pieces) {
			body = nil
		}
	}
	cat.Tell(f, body)
	return nil
}

// ofText reports whether an error says that a text is none of the grammar's.
func ofText(err error) bool {
	var syntax *pgparse.SyntaxError
	var known *hoop.Error
	return errors.As(err, &syntax) || errors.As(err, &known) && known.Code != hoop.CodeUnavailable
}

// maxBody is how long a body may be to be read by the grammar, in bytes.
const maxBody = 256 << 10

// scriptOf gives what a function in SQL or PL/pgSQL runs.
func scriptOf(f *catalog.Function) (out script, ok bool) {
	if f.Language == "plpgsql" {
		out, ok = plpgsql(f.Source)
	} else {
		out, ok = script{vars: map[string]bool{}}, true
		text := strings.TrimSpace(f.Source)
		upper := strings.ToUpper(text)
		switch { // pg_get_function_sqlbody gives these two
		case strings.HasPrefix(upper, "RETURN "):
			text = "SELECT " + text[len("RETURN "):]
		case strings.HasPrefix(upper, "BEGIN ATOMIC") && strings.HasSuffix(upper, "END"):
			text = text[len("BEGIN ATOMIC") : len(text)-len("END")]
		}
		if text != "" {
			out.pieces = []scriptPiece{{sql: text}}
		}
	}
	if ok {
		out.vars[f.Name] = true
		for _, name := range f.ArgNames {
			out.vars[name] = true
		}
		delete(out.vars, "")
	}
	return out, ok
}

// variableNames replaces names of variables by parameters.
type variableNames struct {
	vars   map[string]bool
	tables map[string]bool // names that stand for rows in the statement
	others map[string]bool // names of columns in it: where one of them is a variable's, PostgreSQL may take either
	cat    *catalog.Snapshot
}

func newVariables(n *pg_query.Node, vars map[string]bool, cat *catalog.Snapshot) *variableNames {
	v := &variableNames{vars: vars, tables: map[string]bool{}, others: map[string]bool{}, cat: cat}
	v.gather(n, 0)
	return v
}

func (v *variableNames) gather(n *pg_query.Node, depth int) {
	if depth > maxDepth {
		return
	}
	alias := func(a *pg_query.Alias) {
		if a != nil {
			v.tables[a.Aliasname] = true
		}
		for _, name := range stringsOf(a.GetColnames()) {
			v.others[name] = true
		}
	}
	relation := func(rv *pg_query.RangeVar) {
		if rv == nil {
			return
		}
		alias(rv.Alias)
		v.tables[rv.Relname] = true
		for _, t := range v.cat.Lookup(rv.Schemaname, rv.Relname) {
			for _, c := range t.Columns {
				v.others[c.Name] = true
			}
		}
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_RangeVar:
		relation(x.RangeVar)
	case *pg_query.Node_InsertStmt:
		relation(x.InsertStmt.Relation)
		if x.InsertStmt.OnConflictClause != nil {
			v.tables["excluded"] = true
		}
	case *pg_query.Node_UpdateStmt:
		relation(x.UpdateStmt.Relation)
	case *pg_query.Node_DeleteStmt:
		relation(x.DeleteStmt.Relation)
	case *pg_query.Node_MergeStmt:
		relation(x.MergeStmt.Relation)
	case *pg_query.Node_RangeSubselect:
		alias(x.RangeSubselect.Alias)
	case *pg_query.Node_RangeFunction:
		alias(x.RangeFunction.Alias)
	case *pg_query.Node_JoinExpr:
		alias(x.JoinExpr.Alias)
	case *pg_query.Node_CommonTableExpr:
		v.tables[x.CommonTableExpr.Ctename] = true
		for _, name := range stringsOf(x.CommonTableExpr.Aliascolnames) {
			v.others[name] = true
		}
	case *pg_query.Node_ResTarget:
		v.others[x.ResTarget.Name] = true
	}
	children(n, func(c *pg_query.Node) { v.gather(c, depth+1) })
}

func (v *variableNames) put(n *pg_query.Node, depth int) {
	c := n.GetColumnRef()
	if c == nil {
		if depth <= maxDepth {
			children(n, func(c *pg_query.Node) { v.put(c, depth+1) })
		}
		return
	}
	name := c.Fields[0].GetString_().GetSval()
	if !v.vars[name] || v.tables[name] || len(c.Fields) == 1 && v.others[name] || len(c.Fields) > 2 && v.cat.HasSchema(name) {
		return
	}
	n.Node = &pg_query.Node_ParamRef{ParamRef: &pg_query.ParamRef{}}
}
