package sqlscan

import (
	"strings"
	"unicode/utf8"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"

	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// Value is the value of a parameter, as PostgreSQL writes it in text.
type Value struct {
	Text  string
	Null  bool
	Known bool // otherwise it may be any
}

// doubts reports whether a parameter that is still in a comparison may have any value.
func (s *stmt) doubts() bool { return s.doubting || s.known.Values != nil }

// valued gives a comparison with the values that are known in place of its parameters.
func (s *stmt) valued(e *pg_query.A_Expr) *pg_query.A_Expr {
	if !hasParameter(e.Lexpr) && !hasParameter(e.Rexpr) {
		return e
	}
	s.met = true
	if len(s.known.Values) == 0 {
		return e
	}
	e = proto.Clone(e).(*pg_query.A_Expr)
	s.put(e.Lexpr)
	s.put(e.Rexpr)
	return e
}

func (s *stmt) put(n *pg_query.Node) {
	p := n.GetParamRef()
	if p == nil {
		children(n, s.put)
		return
	}
	if i := int(p.Number) - 1; i >= 0 && i < len(s.known.Values) && s.known.Values[i].Known {
		c := &pg_query.A_Const{Isnull: true, Location: -1}
		if v := s.known.Values[i]; !v.Null {
			c = &pg_query.A_Const{Val: &pg_query.A_Const_Sval{Sval: &pg_query.String{Sval: v.Text}}, Location: -1}
		}
		n.Node = &pg_query.Node_AConst{AConst: c}
	}
}

// pattern gives the text of a pattern, without what the grammar makes of SIMILAR TO and of
// LIKE … ESCAPE; ok is false where it may be any. NULL matches nothing, and so does "\x00".
func (s *stmt) pattern(n *pg_query.Node) (text string, ok bool) {
	for {
		f := n.GetFuncCall()
		if f == nil || len(f.Args) == 0 || !escapes(f) {
			break
		}
		n = f.Args[0]
	}
	if text, null, ok := s.fold(n, 0); ok {
		if null {
			return nothing, true
		}
		return text, true
	}
	// What the client makes of its own parameter is looked at when that is known.
	if !s.doubts() && hasParameter(n) {
		return nothing, true
	}
	switch uncast(n).GetNode().(type) {
	case *pg_query.Node_FuncCall, *pg_query.Node_AExpr, *pg_query.Node_CoalesceExpr, *pg_query.Node_CaseExpr,
		*pg_query.Node_MinMaxExpr, *pg_query.Node_AConst, *pg_query.Node_ParamRef, *pg_query.Node_AIndirection, *pg_query.Node_XmlSerialize:
		return "", false
	}
	return nothing, true // a column, a sub-select: whether it limits is asked elsewhere
}

// nothing is a pattern that no text matches.
const nothing = "\x00"

// escapes finds what the grammar makes of SIMILAR TO and of LIKE … ESCAPE.
func escapes(f *pg_query.FuncCall) bool {
	name := lastOf(f.Funcname)
	return name == "similar_to_escape" || name == "like_escape"
}

// fold computes an expression of constants and the functions by which patterns are made; ok
// is false where it is another one.
func (s *stmt) fold(n *pg_query.Node, depth int) (text string, null, ok bool) {
	if depth > maxDepth {
		return "", false, false
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_AConst:
		if x.AConst.Isnull {
			return "", true, true
		}
		return constantText(x.AConst), false, true
	case *pg_query.Node_TypeCast:
		text, null, ok = s.fold(x.TypeCast.Arg, depth+1)
		return cutTo(text, x.TypeCast.TypeName), null, ok
	case *pg_query.Node_CollateClause:
		return s.fold(x.CollateClause.Arg, depth+1)
	case *pg_query.Node_AExpr:
		if op := stringsOf(x.AExpr.Name); x.AExpr.Kind == pg_query.A_Expr_Kind_AEXPR_OP && len(op) > 0 && op[len(op)-1] == "||" && x.AExpr.Lexpr != nil && len(s.cat.Operators("||")) == 0 {
			left, null1, ok1 := s.fold(x.AExpr.Lexpr, depth+1)
			right, null2, ok2 := s.fold(x.AExpr.Rexpr, depth+1)
			return left + right, null1 || null2, ok1 && ok2
		}
	case *pg_query.Node_CoalesceExpr:
		for _, a := range x.CoalesceExpr.Args {
			if text, null, ok := s.fold(a, depth+1); !ok || !null {
				return text, false, ok
			}
		}
		return "", true, true
	case *pg_query.Node_FuncCall:
		return s.foldCall(x.FuncCall, depth)
	}
	return "", false, false
}

// foldCall computes a call of PostgreSQL's own function, where nobody made another of the name.
func (s *stmt) foldCall(f *pg_query.FuncCall, depth int) (text string, null, ok bool) {
	name := lastOf(f.Funcname)
	for _, fn := range s.cat.Functions("", name) {
		if !fn.System && !fn.Extension {
			return "", false, false
		}
	}
	var args []string
	for _, a := range f.Args {
		text, isNull, ok := s.fold(a, depth+1)
		if !ok {
			return "", false, false
		}
		null = null || isNull
		if name == "concat" && isNull {
			text = ""
		}
		args = append(args, text)
	}
	switch {
	case name == "concat":
		return strings.Join(args, ""), false, true
	case name == "lower" && len(args) == 1:
		return strings.ToLower(args[0]), null, true
	case name == "upper" && len(args) == 1:
		return strings.ToUpper(args[0]), null, true
	case name == "replace" && len(args) == 3:
		if args[1] != "" {
			args[0] = strings.ReplaceAll(args[0], args[1], args[2])
		}
		return args[0], null, true
	}
	return "", false, false
}

// cutTo cuts a text as a cast to a type with a length does.
func cutTo(text string, t *pg_query.TypeName) string {
	switch lastOf(t.GetNames()) {
	case "varchar", "bpchar":
	case "char":
		return text[:min(1, len(text))]
	default:
		return text
	}
	if len(t.Typmods) != 1 || t.Typmods[0].GetAConst().GetIval() == nil {
		return text
	}
	for i := range text {
		if utf8.RuneCountInString(text[:i]) == int(t.Typmods[0].GetAConst().GetIval().Ival) {
			return text[:i]
		}
	}
	return text
}

// rangeOfAll reports whether an expression is a range that has everything, or is in
// everything.
func (s *stmt) rangeOfAll(n *pg_query.Node) bool {
	if f := uncast(n).GetFuncCall(); f != nil && strings.HasSuffix(lastOf(f.Funcname), "range") && len(f.Args) > 1 {
		for _, a := range f.Args[:2] {
			text, null, ok := s.fold(a, 0)
			if !ok || !null && !lasts[strings.ToLower(text)] {
				return false
			}
		}
		return true
	}
	switch strings.ToLower(strings.NewReplacer(" ", "", `"`, "", "-infinity", "", "infinity", "").Replace(textOf(n))) {
	case "(,)", "[,)", "(,]", "[,]", "empty", "{(,)}":
		return true
	}
	return false
}

// arrayElements reads the text of an array of one dimension (PostgreSQL manual, "Array Input
// and Output Syntax"). NULL is left out.
func arrayElements(text string) (out []string, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return nil, false
	}
	text = text[1 : len(text)-1]
	for at := 0; at < len(text); {
		var b strings.Builder
		quoted := false
		for ; at < len(text) && text[at] != ','; at++ {
			switch c := text[at]; {
			case c == '{' || c == '}':
				return nil, false
			case c == '\\' && at+1 < len(text):
				at++
				b.WriteByte(text[at])
			case c == '"':
				quoted = true
				for at++; at < len(text) && text[at] != '"'; at++ {
					if text[at] == '\\' && at+1 < len(text) {
						at++
					}
					b.WriteByte(text[at])
				}
			default:
				b.WriteByte(c)
			}
		}
		at++
		el := b.String()
		if !quoted {
			el = strings.TrimSpace(el)
		}
		if quoted || !strings.EqualFold(el, "null") {
			out = append(out, el)
		}
	}
	return out, true
}

// Arguments gives the values that the command at place of a text executes a prepared
// statement with: constants, and values of its own parameters.
func Arguments(p *pgparse.Parsed, place int, cat *catalog.Snapshot, own []Value) []Value {
	s := newStmt(newBuilder(cat, Lineage{Values: own}), p.Tree.GetStmts()[place].GetStmt())
	out := []Value{}
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		for _, arg := range n.GetExecuteStmt().GetParams() {
			arg = proto.Clone(arg).(*pg_query.Node)
			s.put(arg)
			v := Value{}
			if v.Text, v.Null, v.Known = s.fold(arg, 0); !v.Known && textOf(arg) != "" {
				v = Value{Text: textOf(arg), Known: true}
			}
			out = append(out, v)
		}
		children(n, look)
	}
	look(s.node)
	return out
}
