package sqlscan

import (
	"slices"
	"strings"
)

// script is code in SQL or PL/pgSQL as PostgreSQL's own grammar can read it: the statements
// and expressions in it, each as a statement. What PL/pgSQL has around them runs nothing
// (PostgreSQL manual, "PL/pgSQL", and pl_gram.y).
type script struct {
	pieces []scriptPiece
	vars   map[string]bool // names that stand for values, those of blocks among them
}

// scriptPiece is one statement.
type scriptPiece struct {
	sql   string
	loops []int // the pieces that the loops around it go over; -1 for a loop without an end that is known
}

// noEnd stands for a loop that goes over nothing that limits it.
const noEnd = -1

// variables exist in every function in PL/pgSQL.
var variables = []string{
	"new", "old", "found", "sqlstate", "sqlerrm", "tg_name", "tg_when", "tg_level", "tg_op", "tg_relid", "tg_relname",
	"tg_table_name", "tg_table_schema", "tg_nargs", "tg_argv", "tg_event", "tg_tag",
}

// plpgsql reads a body in PL/pgSQL; ok is false where it runs text that it makes itself, or
// is not understood.
func plpgsql(src string) (out script, ok bool) {
	toks, ok := tokenize(src)
	p := &plReader{src: src, toks: toks, out: script{vars: map[string]bool{}}}
	for _, name := range variables {
		p.out.vars[name] = true
	}
	if !ok || !p.directives() || !p.block() {
		return script{}, false
	}
	p.skip(";")
	return p.out, p.at == len(p.toks)
}

// plReader reads the words of a body. Its methods report whether they have understood what
// stands there.
type plReader struct {
	src   string
	toks  []lexeme
	at    int
	out   script
	loops []int
	depth int
}

// is reports whether the next lexemes are these words or signs.
func (p *plReader) is(words ...string) bool {
	for i, w := range words {
		if p.at+i >= len(p.toks) || !p.toks[p.at+i].is(w) {
			return false
		}
	}
	return true
}

func (p *plReader) oneOf(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return p.is(w) })
}

// skip passes over words where they stand there.
func (p *plReader) skip(words ...string) bool {
	if !p.is(words...) {
		return false
	}
	p.at += len(words)
	return true
}

// name passes over a name.
func (p *plReader) name() (string, bool) {
	if p.at >= len(p.toks) || p.toks[p.at].kind != tokWord && p.toks[p.at].kind != tokName {
		return "", false
	}
	p.at++
	return p.toks[p.at-1].text, true
}

// target passes over what a value is put into: a name, with fields.
func (p *plReader) target() bool {
	for {
		if _, ok := p.name(); !ok {
			return false
		}
		if !p.skip(".") {
			return true
		}
	}
}

// until gives the place of the first of some words outside of parentheses, as PL/pgSQL finds
// the end of an expression (read_sql_construct in pl_gram.y).
func (p *plReader) until(words ...string) (end int, ok bool) {
	depth := 0
	for i := p.at; i < len(p.toks); i++ {
		t := p.toks[i]
		if t.kind == tokString || t.kind == tokName {
			continue
		}
		if depth == 0 && slices.Contains(words, t.text) && (i == p.at || !p.toks[i-1].is(".") || t.kind == tokOther) {
			return i, true
		}
		switch t.text {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		}
		if t.text == ";" || depth < 0 {
			return i, false
		}
	}
	return len(p.toks), false
}

// take adds what stands before end as a statement that begins with prefix.
func (p *plReader) take(prefix string, end int) bool {
	if end <= p.at {
		return false
	}
	p.out.pieces = append(p.out.pieces, scriptPiece{prefix + p.src[p.toks[p.at].start:p.toks[end-1].end], slices.Clone(p.loops)})
	p.at = end
	return true
}

// expression takes an expression that one of some words ends, and the word.
func (p *plReader) expression(words ...string) bool {
	end, ok := p.until(words...)
	ok = ok && p.take("SELECT ", end)
	p.at++
	return ok
}

// directives are lines like #variable_conflict. Where variables come before columns, what a
// condition names is not known.
func (p *plReader) directives() bool {
	for p.skip("#") {
		option, _ := p.name()
		value, _ := p.name()
		if option == "variable_conflict" && value == "use_variable" {
			return false
		}
	}
	return true
}

// label passes over <<label>>.
func (p *plReader) label() bool {
	if !p.skip("<<") {
		return false
	}
	name, ok := p.name()
	p.out.vars[name] = true
	return ok && p.skip(">>")
}

// block reads [<<label>>] [DECLARE …] BEGIN … [EXCEPTION …] END [label].
func (p *plReader) block() bool {
	if p.is("<<") && !p.label() {
		return false
	}
	if p.is("declare") {
		for !p.is("begin") {
			if !p.skip("declare") && !p.declaration() {
				return false
			}
		}
	}
	if !p.skip("begin") || !p.statements() {
		return false
	}
	if p.skip("exception") {
		for p.skip("when") {
			end, ok := p.until("then")
			if p.at = end + 1; !ok || !p.statements() {
				return false
			}
		}
	}
	return p.end()
}

// end reads END [what] [label].
func (p *plReader) end(what ...string) bool {
	if !p.skip("end") || !p.skip(what...) && len(what) > 0 {
		return false
	}
	if !p.is(";") {
		p.name()
	}
	return true
}

// declaration reads one variable, cursor or alias.
func (p *plReader) declaration() bool {
	name, ok := p.name()
	if !ok {
		return false
	}
	p.out.vars[name] = true
	end, ok := p.until(";")
	if !ok {
		return false
	}
	if p.is("cursor") || p.is("no", "scroll", "cursor") || p.is("scroll", "cursor") {
		for !p.skip("cursor") {
			p.at++
		}
		if !p.cursorParameters() || !p.skip("for") && !p.skip("is") {
			return false
		}
		return p.statement()
	}
	if value, ok := p.until(":=", "=", "default"); ok && value < end {
		p.at = value + 1
		return p.expression(";")
	}
	p.at = end + 1
	return true
}

// cursorParameters reads (name type, …).
func (p *plReader) cursorParameters() bool {
	if !p.skip("(") {
		return true
	}
	for {
		name, ok := p.name()
		if !ok {
			return false
		}
		p.out.vars[name] = true
		for depth := 0; depth > 0 || !p.oneOf(",", ")"); p.at++ {
			if p.at >= len(p.toks) {
				return false
			}
			if p.is("(") {
				depth++
			} else if p.is(")") {
				depth--
			}
		}
		if p.skip(")") {
			return true
		}
		p.at++
	}
}

// maxNested is how deep blocks are followed.
const maxNested = 200

// statements reads up to a word that ends them.
func (p *plReader) statements() bool {
	if p.depth++; p.depth > maxNested {
		return false
	}
	defer func() { p.depth-- }()
	for p.at < len(p.toks) {
		if p.oneOf("end", "else", "elsif", "elseif", "when", "exception") && !p.assigns() {
			return true
		}
		if !p.command() {
			return false
		}
	}
	return false
}

// assigns reports whether an assignment stands here.
func (p *plReader) assigns() bool {
	if p.at+2 >= len(p.toks) || p.toks[p.at+1].kind == tokString || p.toks[p.at+1].kind == tokName {
		return false
	}
	switch p.toks[p.at+1].text {
	case ":=", "=", "[":
		return true
	case ".": // SELECT .5 is none
		return p.toks[p.at+2].kind == tokWord || p.toks[p.at+2].kind == tokName
	}
	return false
}

// command reads one statement of PL/pgSQL, its semicolon too.
func (p *plReader) command() bool {
	switch {
	case p.assigns():
		return p.assignment()
	case p.is("<<"):
		return p.label()
	case p.oneOf("declare", "begin"):
		return p.block() && p.skip(";")
	case p.skip("if"):
		return p.branches("if")
	case p.skip("case"):
		if !p.is("when") && !p.expressionBefore("when") || !p.skip("when") {
			return false
		}
		return p.branches("case")
	case p.skip("loop"):
		return p.loop(noEnd)
	case p.skip("while"):
		p.loops = append(p.loops, noEnd) // what it asks is asked again each time
		ok := p.expression("loop")
		p.loops = p.loops[:len(p.loops)-1]
		return ok && p.loop(noEnd)
	case p.skip("for"):
		return p.forLoop()
	case p.skip("foreach"):
		return p.forEach()
	case p.oneOf("execute", "commit", "rollback"):
		return false
	case p.skip("perform"):
		return p.expression(";")
	case p.oneOf("exit", "continue"):
		if end, ok := p.until("when", ";"); ok && p.toks[end].text == "when" {
			p.at = end + 1
			return p.expression(";")
		}
		return p.pass()
	case p.skip("return"):
		return p.returns()
	case p.skip("raise"):
		return p.raise()
	case p.skip("assert"):
		return p.expressions()
	case p.oneOf("get", "null", "close"):
		return p.pass()
	case p.oneOf("fetch", "move"):
		end, ok := p.until(";", "(")
		return ok && p.toks[end].text == ";" && p.pass()
	case p.skip("open"):
		return p.open()
	}
	return p.statement()
}

// pass passes over a statement that runs nothing.
func (p *plReader) pass() bool {
	end, ok := p.until(";")
	p.at = end + 1
	return ok
}

// assignment reads a[b].c := expression. A subscript with a call in it is not followed.
func (p *plReader) assignment() bool {
	for !p.oneOf(":=", "=") {
		if p.at >= len(p.toks) || p.oneOf("(", ";") {
			return false
		}
		p.at++
	}
	p.at++
	return p.expression(";")
}

// expressionBefore takes an expression and leaves the word that ends it.
func (p *plReader) expressionBefore(word string) bool {
	end, ok := p.until(word)
	return ok && p.take("SELECT ", end)
}

// branches reads IF and CASE behind their first word.
func (p *plReader) branches(what string) bool {
	for more := true; more; {
		if !p.expression("then") || !p.statements() {
			return false
		}
		more = what == "if" && (p.skip("elsif") || p.skip("elseif")) || what == "case" && p.skip("when")
	}
	if p.skip("else") && !p.statements() {
		return false
	}
	return p.end(what) && p.skip(";")
}

// loop reads a loop's statements and its end.
func (p *plReader) loop(over int) bool {
	p.loops = append(p.loops, over)
	ok := p.statements()
	p.loops = p.loops[:len(p.loops)-1]
	return ok && p.end("loop") && p.skip(";")
}

// loopTargets reads what a loop puts its values into.
func (p *plReader) loopTargets() bool {
	for {
		if p.at < len(p.toks) {
			p.out.vars[p.toks[p.at].text] = true
		}
		if !p.target() {
			return false
		}
		if !p.skip(",") {
			return true
		}
	}
}

func (p *plReader) forLoop() bool {
	if !p.loopTargets() || !p.skip("in") || p.is("execute") {
		return false
	}
	p.skip("reverse")
	end, ok := p.until("loop")
	if !ok {
		return false
	}
	for i := p.at; i+1 < end; i++ { // 1..n
		if p.toks[i].is(".") && p.toks[i+1].is(".") {
			return p.take("SELECT ", i) && p.skip(".", ".") && (p.is("by") || p.expressionBeforeOr("by", end)) &&
				(!p.skip("by") || p.expressionBefore("loop")) && p.skip("loop") && p.loop(noEnd)
		}
	}
	if n := len(p.out.pieces); p.oneOf("select", "with", "values", "table", "(", "insert", "update", "delete", "merge") {
		if p.is("(") { // a query in parentheses
			return p.take("SELECT * FROM ", end) && p.skip("loop") && p.loop(n)
		}
		return p.take("", end) && p.skip("loop") && p.loop(n)
	}
	// A cursor, whose query stands elsewhere.
	if !p.target() || p.is("(") && !p.take("SELECT ", end) {
		return false
	}
	return p.skip("loop") && p.loop(noEnd)
}

// expressionBeforeOr takes an expression up to a word, or up to end where it is not there.
func (p *plReader) expressionBeforeOr(word string, end int) bool {
	if at, ok := p.until(word); ok && at < end {
		end = at
	}
	return p.take("SELECT ", end)
}

func (p *plReader) forEach() bool {
	if !p.loopTargets() {
		return false
	}
	if p.skip("slice") {
		p.at++
	}
	n := len(p.out.pieces)
	return p.skip("in", "array") && p.expression("loop") && p.loop(n)
}

func (p *plReader) returns() bool {
	switch {
	case p.skip(";"):
		return true
	case p.skip("query"):
		return !p.is("execute") && p.statement()
	case p.skip("next") && p.skip(";"): // the row is in variables
		return true
	}
	return p.expression(";")
}

// raise reads RAISE [level] ['format', …] [USING option = …]: what stands behind a comma or
// an option is an expression.
func (p *plReader) raise() bool {
	end, ok := p.until(";", ",", "using")
	if !ok {
		return false
	}
	p.at = end
	for p.skip(",") {
		if end, ok = p.until(",", "using", ";"); !ok || !p.take("SELECT ", end) {
			return false
		}
	}
	if p.skip("using") {
		for {
			if _, ok := p.name(); !ok || !p.skip("=") && !p.skip(":=") {
				return false
			}
			if end, ok = p.until(",", ";"); !ok || !p.take("SELECT ", end) {
				return false
			}
			if !p.skip(",") {
				break
			}
		}
	}
	return p.skip(";")
}

// expressions takes a list of them.
func (p *plReader) expressions() bool {
	for {
		end, ok := p.until(",", ";")
		if !ok || !p.take("SELECT ", end) {
			return false
		}
		if p.skip(";") {
			return true
		}
		p.at++
	}
}

func (p *plReader) open() bool {
	if !p.target() {
		return false
	}
	for p.oneOf("no", "scroll") {
		p.at++
	}
	if p.skip("for") {
		return !p.is("execute") && p.statement()
	}
	if p.skip(";") {
		return true
	}
	return p.expression(";")
}

// statement takes a statement of SQL, without INTO and where that puts the result
// (make_execsql_stmt in pl_gram.y).
func (p *plReader) statement() bool {
	end, ok := p.until(";")
	if !ok || end == p.at {
		return false
	}
	var b strings.Builder
	from := p.at
	into := func() (next int, found bool) {
		for i := p.at; i < end; i++ {
			if p.toks[i].is("into") && i > from && !slices.ContainsFunc([]string{"insert", "merge", "."}, p.toks[i-1].is) {
				return i, true
			}
		}
		return 0, false
	}
	if at, found := into(); found {
		b.WriteString(p.src[p.toks[from].start:p.toks[at].start])
		p.at = at + 1
		for p.skip("strict"); ; p.at++ {
			if !p.target() {
				return false
			}
			if !p.is(",") {
				break
			}
		}
		from = p.at
	}
	if from < end {
		b.WriteString(p.src[p.toks[from].start:p.toks[end-1].end])
	}
	p.out.pieces = append(p.out.pieces, scriptPiece{b.String(), slices.Clone(p.loops)})
	p.at = end + 1
	return true
}
