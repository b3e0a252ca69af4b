package sqlscan

import (
	"cmp"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// Secrets finds the credentials of a text, in order, and the parameters, from 1, that hold
// one: passwords of roles, what options of foreign data and connections to other servers
// say beside where they lead, and settings that hold such. They are looked for where they
// can do nothing but sign somebody in: a literal that decides which rows come back is part
// of the evidence, whatever the column beside it is called.
//
// Where the place of one is not certain, the text is concealed whole, as its shape.
func Secrets(p *pgparse.Parsed) (found []hoop.Secret, params []int) {
	f := &secrets{parsed: p}
	for _, raw := range p.Tree.GetStmts() {
		f.from = int(raw.StmtLocation)
		f.walk(raw.GetStmt(), 0)
	}
	if f.lost {
		return []hoop.Secret{{End: len(p.SQL), Shown: p.Shape, Values: valuesOf(f.found)}}, f.params
	}
	slices.Sort(f.params)
	return apart(f.found), slices.Compact(f.params)
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
	from   int // where the statement in hand begins
	found  []hoop.Secret
	params []int
	places []hoop.Place // of the text, once read
	read   bool
	lost   bool // there is a secret whose place is not certain
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
		if hide := secretSettings[strings.ToLower(x.VariableSetStmt.Name)]; hide != nil {
			f.argument(hide, x.VariableSetStmt.Args...)
		}
	case *pg_query.Node_FuncCall:
		f.call(x.FuncCall)
	case *pg_query.Node_DoStmt:
		f.bodies(x.DoStmt.Args)
	case *pg_query.Node_CreateFunctionStmt:
		f.bodies(x.CreateFunctionStmt.Options)
	}
	children(n, func(c *pg_query.Node) { f.walk(c, depth+1) })
}

// hiding gives what is shown in place of a value, and what of it must not be; nil where it
// has no credential.
type hiding func(value string) (shown string, values []string)

func whole(value string) (string, []string) { return hoop.Hidden, []string{value} }

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

// ifCredential conceals options of what is no user mapping by their name, or by what they say.
func ifCredential(name string) hiding {
	if name != "password_required" && credential(name) {
		return whole
	}
	return func(value string) (string, []string) {
		_, rest, url := strings.Cut(value, "://")
		if credential(value) || url && strings.Contains(rest, "@") {
			return whole(value)
		}
		return "", nil
	}
}

// credential reports whether a name, or what names stand in, is one of a credential.
func credential(s string) bool {
	s = strings.ToLower(s)
	return slices.ContainsFunc([]string{"pass", "pwd", "secret", "token", "credential", "apikey", "api_key", "access_key", "private_key"},
		func(word string) bool { return strings.Contains(s, word) })
}

// secretSettings are PostgreSQL's own settings that hold credentials. Those with other names
// can be read back into a condition: they are no place to conceal anything in.
var secretSettings = map[string]hiding{"primary_conninfo": connection, "ssl_passphrase_command": whole}

// call conceals what functions are given to sign in elsewhere with.
func (f *secrets) call(c *pg_query.FuncCall) {
	parts := stringsOf(c.Funcname)
	if len(parts) == 0 {
		return
	}
	switch name := parts[len(parts)-1]; {
	case name == "set_config" && len(c.Args) > 1:
		setting, _ := constant(c.Args[0])
		if hide := secretSettings[strings.ToLower(setting)]; hide != nil {
			f.argument(hide, c.Args[1])
		}
	case strings.HasPrefix(name, "dblink_connect"):
		f.argument(connection, c.Args...)
	case strings.HasPrefix(name, "dblink") && len(c.Args) > 0:
		f.argument(connection, c.Args[0])
		for _, a := range c.Args[1:] {
			if sql, ok := constant(a); ok {
				f.code(locationOf(a), sql)
			}
		}
	}
}

// argument conceals values: constants by hide, and all that others are put together of.
func (f *secrets) argument(hide hiding, args ...*pg_query.Node) {
	for _, a := range args {
		switch {
		case a.GetTypeCast() != nil:
			f.argument(hide, a.GetTypeCast().Arg)
		case a.GetParamRef() != nil:
			f.params = append(f.params, int(a.GetParamRef().Number))
		case a.GetAConst().GetSval() != nil:
			f.conceal(locationOf(a), a.GetAConst().GetSval().Sval, hide)
		default:
			children(a, func(c *pg_query.Node) { f.argument(whole, c) })
		}
	}
}

// locationOf is where a constant stands.
func locationOf(n *pg_query.Node) int {
	if c := n.GetTypeCast(); c != nil {
		return locationOf(c.Arg)
	}
	return int(n.GetAConst().GetLocation())
}

// bodies conceals credentials in code that is a literal.
func (f *secrets) bodies(options []*pg_query.Node) {
	for _, o := range options {
		d := o.GetDefElem()
		if d.GetDefname() != "as" {
			continue
		}
		if v := d.GetArg().GetString_(); v != nil {
			f.code(int(d.Location), v.Sval)
		}
		for _, v := range stringsOf(listOf(d.GetArg())) {
			f.code(int(d.Location), v)
		}
	}
}

// conceal conceals the literal behind a place of the text that has a value.
func (f *secrets) conceal(from int, value string, hide hiding) {
	if shown, values := hide(value); len(values) > 0 {
		f.literal(from, value, values, func(literal string) []hoop.Secret { return concealed(literal, shown, values) })
	}
}

// code conceals what is a credential in code that such a literal has.
func (f *secrets) code(from int, value string) {
	inner := codeSecrets(value, 0)
	if len(inner) == 0 {
		return
	}
	values := valuesOf(inner)
	f.literal(from, value, values, func(literal string) []hoop.Secret {
		if tag := dollarTag(literal); tag != "" { // what is beside it keeps its place
			return moved(inner, len(tag))
		}
		return concealed(literal, hoop.Conceal(value, inner), values)
	})
}

func (f *secrets) literal(from int, value string, values []string, hidden func(literal string) []hoop.Secret) {
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
	f.found = append(f.found, moved(hidden(f.parsed.SQL[p.Start:p.End]), p.Start)...)
}

// concealed is a literal that is a secret, or has one in it.
func concealed(literal, shown string, values []string) []hoop.Secret {
	s := hoop.Secret{End: len(literal), Shown: "'" + strings.ReplaceAll(shown, "'", "''") + "'", Values: values}
	if tag := dollarTag(literal); tag != "" && shown != hoop.Hidden && !strings.Contains(shown, tag) {
		s.Shown = tag + shown + tag
	}
	if raw := inner(literal); shown == hoop.Hidden && raw != "" {
		s.Values = append(slices.Clone(values), raw)
	}
	return []hoop.Secret{s}
}

// moved gives secrets their places in what has, at a place, the text that they are of.
func moved(list []hoop.Secret, by int) []hoop.Secret {
	for i := range list {
		list[i].Start += by
		list[i].End += by
	}
	return list
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

// maxCodeDepth is how deep literals with code in literals with code are read.
const maxCodeDepth = 8

// codeSecrets finds credentials in SQL or PL/pgSQL by its tokens: what stands behind a word
// for one, or is assigned to it, connections, and code in literals that has such.
func codeSecrets(src string, depth int) (found []hoop.Secret) {
	if depth > maxCodeDepth || !credential(src) {
		return nil
	}
	l := placer{src: src}
	var last []string // tokens, the latest last
	for l.at < len(src) {
		from, n := l.at, len(l.found)
		if !l.next() {
			return append(found, hoop.Secret{Start: from, End: len(src), Shown: "'" + hoop.Hidden + "'", Values: []string{src[from:]}})
		}
		token := src[from:l.at]
		if len(l.found) > n {
			if inner(token) != "" && !l.found[n].Comment {
				found = append(found, moved(literalSecrets(token, last, depth), from)...)
			}
			continue
		}
		if strings.TrimSpace(token) != "" {
			last = append(last, token)
		}
	}
	return found
}

// literalSecrets conceals a literal of code behind tokens, as far as it has to be.
func literalSecrets(literal string, behind []string, depth int) []hoop.Secret {
	said, known := unquote(literal)
	if !known {
		said = inner(literal)
	}
	if passwordIn(behind) {
		return concealed(literal, hoop.Hidden, []string{said})
	}
	if shown, values, ok := parseConnection(said); ok && len(values) > 0 {
		return concealed(literal, shown, values)
	}
	if in := codeSecrets(said, depth+1); len(in) > 0 {
		return concealed(literal, hoop.Conceal(said, in), valuesOf(in))
	}
	return nil
}

// passwordIn reports whether tokens end with a word for a password, or assign to one.
func passwordIn(tokens []string) bool {
	n := len(tokens)
	if n == 0 {
		return false
	}
	if tokens[n-1] != "=" && !strings.EqualFold(tokens[n-1], "default") {
		return word(tokens[n-1])
	}
	return slices.ContainsFunc(tokens[max(0, n-4):n-1], word) // password text := 'x'
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
	if credential(text) || slices.ContainsFunc([]string{"alter", "create", "connect", "dblink", "conninfo"}, meant) {
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
			found = append(found, moved(concealed(token, hoop.Hidden, []string{token}), from)...)
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
