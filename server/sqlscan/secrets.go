package sqlscan

import (
	"cmp"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// Secrets finds the credentials of a text, in order, and the parameters, from 1, that hold
// one: passwords of roles, what options of foreign data and connections to other servers
// say beside where they lead, and settings that hold such. They are looked for where they
// can do nothing but sign somebody in: a literal that decides which rows come back, where data
// goes or what runs is part of the evidence, and of what people agree to, whatever stands beside
// it. So code is left as it is.
//
// placed is false where the place of one is not certain: then found is the text whole.
func Secrets(p *pgparse.Parsed, cat *catalog.Snapshot) (found []hoop.Secret, params []int, placed bool) {
	f := &secrets{parsed: p, cat: cat}
	for _, raw := range p.Tree.GetStmts() {
		f.from, f.declared = int(raw.StmtLocation), nil
		f.walk(raw.GetStmt(), 0)
	}
	if f.lost {
		return []hoop.Secret{{End: len(p.SQL), Shown: p.Shape, Values: valuesOf(f.found)}}, f.params, false
	}
	slices.Sort(f.params)
	return apart(f.found), slices.Compact(f.params), true
}

// apart gives secrets in order. Of those that are of one place, as an argument of two calls,
// the largest, and the first found, stands for all.
func apart(all []hoop.Secret) (out []hoop.Secret) {
	slices.SortStableFunc(all, func(a, b hoop.Secret) int { return cmp.Or(a.Start-b.Start, b.End-a.End) })
	for _, s := range all {
		if n := len(out); n > 0 && s.Start < out[n-1].End {
			out[n-1].Values = append(slices.Clip(out[n-1].Values), s.Values...)
			continue
		}
		out = append(out, s)
	}
	return out
}

// secrets finds those of one text.
type secrets struct {
	parsed *pgparse.Parsed
	cat    *catalog.Snapshot
	from   int // where the statement in hand begins
	// declared are the types of parameters that PREPARE declares.
	declared []*pg_query.Node
	found    []hoop.Secret
	params   []int
	places   []hoop.Place // of the text, once read
	read     bool
	lost     bool // there is a secret whose place is not certain
	// within says that what a connection is put together of ended in a credential so far, gap
	// that something came since that is no constant.
	within, gap bool
}

func (f *secrets) walk(n *pg_query.Node, depth int) {
	if depth > maxDepth {
		return
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CreateRoleStmt:
		f.options(x.CreateRoleStmt.Options, isPassword)
	case *pg_query.Node_AlterRoleStmt:
		f.options(x.AlterRoleStmt.Options, isPassword)
	case *pg_query.Node_CreateUserMappingStmt:
		f.options(x.CreateUserMappingStmt.Options, unlessSaysWho)
	case *pg_query.Node_AlterUserMappingStmt:
		f.options(x.AlterUserMappingStmt.Options, unlessSaysWho)
	case *pg_query.Node_CreateForeignServerStmt:
		f.options(x.CreateForeignServerStmt.Options, ifCredential)
	case *pg_query.Node_AlterForeignServerStmt:
		f.options(x.AlterForeignServerStmt.Options, ifCredential)
	case *pg_query.Node_CreateFdwStmt:
		f.options(x.CreateFdwStmt.Options, ifCredential)
	case *pg_query.Node_AlterFdwStmt:
		f.options(x.AlterFdwStmt.Options, ifCredential)
	case *pg_query.Node_CreateForeignTableStmt:
		f.options(x.CreateForeignTableStmt.Options, ifCredential)
	case *pg_query.Node_ImportForeignSchemaStmt:
		f.options(x.ImportForeignSchemaStmt.Options, ifCredential)
	case *pg_query.Node_AlterTableCmd: // OPTIONS of a foreign table
		f.options(listOf(x.AlterTableCmd.Def), ifCredential)
	case *pg_query.Node_CreateSubscriptionStmt:
		f.conceal(f.from, x.CreateSubscriptionStmt.Conninfo, connection)
	case *pg_query.Node_AlterSubscriptionStmt:
		if c := x.AlterSubscriptionStmt.Conninfo; c != "" {
			f.conceal(f.from, c, connection)
		}
	case *pg_query.Node_VariableSetStmt:
		if strings.EqualFold(x.VariableSetStmt.Name, conninfo) {
			f.argument(x.VariableSetStmt.Args...)
		}
	case *pg_query.Node_PrepareStmt:
		f.declared = x.PrepareStmt.Argtypes
	case *pg_query.Node_FuncCall:
		f.call(x.FuncCall)
	}
	children(n, func(c *pg_query.Node) { f.walk(c, depth+1) })
}

// hiding gives what is shown in place of a value, and what of it must not be; nil where it
// has no credential. certain is false where other readers may take something else for it, as
// the host, which must not be concealed.
type hiding func(value string) (shown string, values []string, certain bool)

func whole(value string) (string, []string, bool) { return hoop.Hidden, []string{value}, true }

// options conceals values of options: which, name says.
func (f *secrets) options(list []*pg_query.Node, by func(name string) hiding) {
	for _, n := range list {
		d := n.GetDefElem()
		if v := d.GetArg().GetString_(); v != nil {
			if hide := by(strings.ToLower(d.Defname)); hide != nil {
				f.conceal(int(d.Location), v.Sval, hide)
			}
		}
	}
}

func isPassword(name string) hiding {
	if name == "password" {
		return whole
	}
	return nil
}

// saysWho are options of user mappings that say who, not how one proves it.
var saysWho = map[string]bool{"user": true, "username": true, "user_name": true, "password_required": true, "sslcert": true, "sslkey": true}

func unlessSaysWho(name string) hiding {
	if saysWho[name] {
		return nil
	}
	return whole
}

// saysWhat are options of foreign tables that say what runs, or is read.
var saysWhat = map[string]bool{"program": true, "command": true, "query": true, "sql": true, "table": true, "table_name": true, "schema_name": true, "filter": true}

// ifCredential conceals options of what is no user mapping: whole by their name, else in
// part.
func ifCredential(name string) hiding {
	if saysWhat[name] {
		return nil
	}
	if name != "password_required" && credential.MatchString(name) {
		return whole
	}
	return part
}

// call conceals what functions are given to sign in elsewhere with.
func (f *secrets) call(c *pg_query.FuncCall) {
	parts := stringsOf(c.Funcname)
	if len(parts) == 0 || len(c.Args) == 0 {
		return
	}
	switch name := parts[len(parts)-1]; {
	case name == "set_config" && len(c.Args) > 1:
		if setting, _ := constant(c.Args[0]); strings.EqualFold(setting, conninfo) {
			f.argument(c.Args[1])
		}
	case strings.HasPrefix(name, "dblink_connect") && f.shipped(name):
		f.argument(c.Args...) // its name may stand before
	case (name == "dblink" || name == "dblink_exec") && len(c.Args) > 1 && f.shipped(name):
		if len(c.Args) > 2 || f.saysText(c.Args[1]) {
			f.argument(c.Args[0])
			return
		}
		// With a boolean behind it, the first argument is what runs, and no connection.
		if n := c.Args[0].GetAConst(); n.GetSval() != nil {
			f.conceal(int(n.Location), n.GetSval().Sval, unlessCode)
		}
	}
}

// saysText reports whether an argument is no boolean: a string, what is put together of some, and
// a parameter that PREPARE declares to be one. Of others the client may say anything.
func (f *secrets) saysText(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_AConst:
		return x.AConst.GetSval() != nil
	case *pg_query.Node_ParamRef:
		at := int(x.ParamRef.Number) - 1
		return at < len(f.declared) && isText(f.declared[at].GetTypeName())
	case *pg_query.Node_TypeCast:
		return isText(x.TypeCast.GetTypeName())
	case *pg_query.Node_AExpr:
		return slices.Equal(stringsOf(x.AExpr.Name), []string{"||"})
	}
	return false
}

func isText(t *pg_query.TypeName) bool {
	name := stringsOf(t.GetNames())
	return len(name) > 0 && slices.Contains([]string{"text", "varchar", "bpchar", "unknown"}, name[len(name)-1])
}

// conninfo is PostgreSQL's own setting that holds a connection. Those with other names can be
// read back into a condition: they are no place to conceal anything in.
const conninfo = "primary_conninfo"

// shipped reports whether all functions of a name came with extensions: what others do with
// what they are given, who decides must see.
func (f *secrets) shipped(name string) bool {
	all := f.cat.Functions("", name)
	return len(all) > 0 && !slices.ContainsFunc(all, func(fn *catalog.Function) bool { return !fn.Extension })
}

// argument conceals what connections are made with: constants, those that others are put
// together of, and parameters.
func (f *secrets) argument(args ...*pg_query.Node) {
	for _, a := range args {
		f.within, f.gap = false, false
		pieces, hide := joined(a, nil), hiding(connection)
		if len(pieces) > 1 {
			hide = f.piece
		}
		for _, n := range pieces {
			switch {
			case n.GetParamRef() != nil:
				f.params = append(f.params, int(n.GetParamRef().Number))
				f.gap = f.within
			case n.GetAConst().GetSval() != nil:
				f.conceal(int(n.GetAConst().Location), n.GetAConst().GetSval().Sval, hide)
			default:
				f.computed(n)
				f.gap = f.within
			}
		}
	}
}

// computed conceals the parameters that only PostgreSQL's own functions compute something of:
// what others do with what they are given, and sub-selects, whoever decides must see. A
// credential in a constant there has no place that is certain.
func (f *secrets) computed(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ParamRef:
		f.params = append(f.params, int(x.ParamRef.Number))
	case *pg_query.Node_AConst:
		if said := x.AConst.GetSval().GetSval(); telling.MatchString(said) || unfinished.MatchString(said) {
			f.lost = true
			f.found = append(f.found, hoop.Secret{Values: []string{said}})
		}
	case *pg_query.Node_SubLink:
		return
	case *pg_query.Node_FuncCall:
		name := stringsOf(x.FuncCall.Funcname)
		all := f.cat.Functions("", name[len(name)-1])
		if len(all) == 0 || slices.ContainsFunc(all, func(fn *catalog.Function) bool { return !fn.System || fn.Volatility == catalog.Volatile }) {
			return
		}
	}
	children(n, f.computed)
}

// Held finds what the command at a place of a text gives to those parameters of a prepared
// statement that hold a credential, as Secrets does.
func Held(p *pgparse.Parsed, cat *catalog.Snapshot, place int, params []int) (found []hoop.Secret, held []int, placed bool) {
	f := &secrets{parsed: p, cat: cat}
	raw := p.Tree.GetStmts()[place]
	f.from = int(raw.StmtLocation)
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		for i, arg := range n.GetExecuteStmt().GetParams() {
			if !slices.Contains(params, i+1) {
				continue
			}
			for _, piece := range joined(arg, nil) {
				if said := piece.GetAConst().GetSval(); said != nil {
					f.conceal(int(piece.GetAConst().Location), said.Sval, whole)
					continue
				}
				f.computed(piece)
			}
		}
		children(n, look)
	}
	look(raw.GetStmt())
	return apart(f.found), f.params, !f.lost
}

// joined gives what a text is put together of, in order.
func joined(n *pg_query.Node, before []*pg_query.Node) []*pg_query.Node {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_TypeCast:
		return joined(x.TypeCast.Arg, before)
	case *pg_query.Node_AExpr:
		if name := stringsOf(x.AExpr.Name); len(name) > 0 && name[len(name)-1] == "||" {
			return joined(x.AExpr.Rexpr, joined(x.AExpr.Lexpr, before))
		}
	case *pg_query.Node_FuncCall:
		if name := stringsOf(x.FuncCall.Funcname); len(name) > 0 && name[len(name)-1] == "concat" {
			for _, a := range x.FuncCall.Args {
				before = joined(a, before)
			}
			return before
		}
	}
	return append(before, n)
}

// conceal conceals the literal behind a place of the text that has a value.
func (f *secrets) conceal(from int, value string, hide hiding) {
	shown, values, certain := hide(value)
	if len(values) == 0 {
		return
	}
	f.lost = f.lost || !certain
	if !f.read {
		f.read = true
		var ok bool
		f.places, ok = places(f.parsed.SQL, f.parsed.Shape)
		f.lost = f.lost || !ok
	}
	at := slices.IndexFunc(f.places, func(p hoop.Place) bool {
		if p.Comment || p.Start < from {
			return false
		}
		said, known := unquote(f.parsed.SQL[p.Start:p.End])
		return !known || said == value // the character behind UESCAPE says something else
	})
	if f.lost = f.lost || at < 0; f.lost {
		f.found = append(f.found, hoop.Secret{Values: values})
		return
	}
	p := f.places[at]
	f.found = append(f.found, concealed(f.parsed.SQL[p.Start:p.End], p.Start, shown, values))
}

// concealed is a literal at a place of a text that is a secret, or has one in it.
func concealed(literal string, at int, shown string, values []string) hoop.Secret {
	s := hoop.Secret{Start: at, End: at + len(literal), Shown: "'" + strings.ReplaceAll(shown, "'", "''") + "'", Values: values}
	if tag := dollarTag(literal); tag != "" && shown != hoop.Hidden && !strings.Contains(shown, tag) {
		s.Shown = tag + shown + tag
	}
	if raw := inner(literal); shown == hoop.Hidden && raw != "" {
		s.Values = append(slices.Clone(values), raw)
	}
	return s
}

func valuesOf(list []hoop.Secret) (all []string) {
	for _, s := range list {
		all = append(all, s.Values...)
	}
	return all
}

// dollarTag gives the $tag$ that a literal begins with; "" for none.
func dollarTag(literal string) string {
	if !strings.HasPrefix(literal, "$") {
		return ""
	}
	return literal[:strings.IndexByte(literal[1:], '$')+2]
}

// inner is what stands between the quotes of a literal, as it is written.
func inner(literal string) string {
	if tag := dollarTag(literal); tag != "" {
		return literal[len(tag) : len(literal)-len(tag)]
	}
	from, to := strings.IndexByte(literal, '\''), strings.LastIndexByte(literal, '\'')
	if from < 0 || from == to {
		return ""
	}
	return literal[from+1 : to]
}

// unquote gives what a literal says; ok is false where that takes escapes, or it is no string.
func unquote(literal string) (said string, ok bool) {
	switch {
	case literal[0] == '$':
		return inner(literal), true
	case literal[0] == '\'', (literal[0] == 'E' || literal[0] == 'e') && !strings.Contains(literal, `\`):
		return strings.ReplaceAll(inner(literal), "''", "'"), true
	}
	return "", false
}

// word reports whether a token is a name of a password.
func word(token string) bool {
	token = strings.ToLower(strings.Trim(token, `"`))
	return strings.Contains(token, "passw") || strings.Contains(token, "secret") || token == "pwd"
}

// Unread finds the credentials of a text that nobody could read as SQL: where one may be
// meant, Literals.
func Unread(text string) []hoop.Secret {
	lower := strings.ToLower(text)
	meant := func(word string) bool { return strings.Contains(lower, word) }
	if credential.MatchString(text) || slices.ContainsFunc([]string{"alter", "create", "connect", "dblink", "conninfo"}, meant) {
		return Literals(text)
	}
	return nil
}

// Literals are all literals of a text, and what stands in place of one behind PASSWORD.
func Literals(text string) (found []hoop.Secret) {
	l := placer{src: text}
	before := ""
	for l.at < len(text) {
		from, n := l.at, len(l.found)
		if !l.next() {
			return append(found, hoop.Secret{Start: from, End: len(text), Shown: "'" + hoop.Hidden + "'", Values: []string{text[from:], strings.TrimLeft(text[from:], `'"`)}})
		}
		token := text[from:l.at]
		switch {
		case len(l.found) > n && l.found[n].Comment, strings.TrimSpace(token) == "":
			continue
		case len(l.found) > n:
			found = append(found, concealed(token, from, hoop.Hidden, []string{token}))
		case word(before) && (letter(token[0]) || token[0] == '"'):
			shown := hoop.Hidden
			if token[0] == '"' {
				shown = `"` + hoop.Hidden + `"`
			}
			found = append(found, hoop.Secret{Start: from, End: l.at, Shown: shown, Values: []string{token, strings.Trim(token, `"`)}})
		}
		before = token
	}
	return found
}
