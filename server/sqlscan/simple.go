package sqlscan

import (
	"slices"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// simpleTrigger reports whether a trigger's function moves nothing from one column to
// another: it assigns to columns of NEW what is computed from nothing but the column
// itself, and ends (NEW.updated := now()). What decides its branches may be the
// operation and whether columns were changed; those are given. Such triggers are on
// many tables, and a change must not count as a copy because of them.
//
// The grammar is read in full, so that no other statement of PL/pgSQL is taken for one
// of these:
//
//	body   = BEGIN { stmt } END [;]
//	stmt   = RETURN (NEW | OLD | NULL) ; | NEW.column (:= | =) expr ;
//	       | IF cond THEN { stmt } { ELSIF cond THEN { stmt } } [ELSE { stmt }] END IF ;
//	cond   = term { (AND | OR) term }
//	term   = TG_OP (= | <>) 'string' | row[.column] IS [NOT] DISTINCT FROM row[.column]
//
// Of expr it is asked that it names no table and no column of a row but its own.
func simpleTrigger(f *catalog.Function) (columns []string, ok bool) {
	if f.Language != "plpgsql" {
		return nil, false
	}
	toks, ok := tokenize(f.Source)
	if !ok {
		return nil, false
	}
	p := simpleParser{toks: toks}
	if !p.take("begin") || !p.stmts() || !p.take("end") {
		return nil, false
	}
	p.take(";")
	if p.at != len(toks) {
		return nil, false
	}
	// A column that a condition compares must hold what the client gave.
	for _, c := range p.decides {
		if slices.Contains(p.assigned, c) || c == "*" && len(p.assigned) > 0 && p.early {
			return nil, false
		}
	}
	return p.decides, true
}

type simpleParser struct {
	toks     []lexeme
	at       int
	depth    int
	assigned []string
	decides  []string // columns in conditions; "*" for the whole row
	early    bool     // a condition with a whole row stands behind an assignment
}

func (p *simpleParser) peek() lexeme {
	if p.at < len(p.toks) {
		return p.toks[p.at]
	}
	return lexeme{kind: tokOther}
}

func (p *simpleParser) take(text string) bool {
	if text == "" || !p.peek().is(text) {
		return false
	}
	p.at++
	return true
}

// stmts reads statements up to a word that ends them.
func (p *simpleParser) stmts() bool {
	if p.depth++; p.depth > 50 {
		return false
	}
	defer func() { p.depth-- }()
	for {
		switch t := p.peek(); {
		case t.kind != tokWord:
			return false
		case t.text == "end", t.text == "else", t.text == "elsif", t.text == "elseif":
			return true
		case t.text == "return":
			p.at++
			if !p.take("new") && !p.take("old") && !p.take("null") || !p.take(";") {
				return false
			}
		case t.text == "new":
			if !p.assignment() {
				return false
			}
		case t.text == "if":
			p.at++
			if !p.branches() {
				return false
			}
		default:
			return false
		}
	}
}

func (p *simpleParser) branches() bool {
	for {
		if !p.cond() || !p.take("then") || !p.stmts() {
			return false
		}
		if p.take("elsif") || p.take("elseif") {
			continue
		}
		if p.take("else") && !p.stmts() {
			return false
		}
		return p.take("end") && p.take("if") && p.take(";")
	}
}

func (p *simpleParser) cond() bool {
	for {
		if !p.term() {
			return false
		}
		if !p.take("and") && !p.take("or") {
			return true
		}
	}
}

func (p *simpleParser) term() bool {
	if p.take("(") {
		return p.cond() && p.take(")")
	}
	if p.take("tg_op") {
		if !p.take("=") && !p.take("<>") || p.peek().kind != tokString {
			return false
		}
		p.at++
		return true
	}
	if !p.row() || !p.take("is") {
		return false
	}
	p.take("not")
	return p.take("distinct") && p.take("from") && p.row()
}

// row reads NEW, OLD, or one column of them.
func (p *simpleParser) row() bool {
	if !p.take("new") && !p.take("old") {
		return false
	}
	if !p.take(".") {
		p.decides = append(p.decides, "*")
		p.early = p.early || len(p.assigned) > 0
		return true
	}
	column, ok := p.column()
	p.decides = append(p.decides, column)
	return ok
}

func (p *simpleParser) column() (string, bool) {
	t := p.peek()
	if t.kind != tokWord && t.kind != tokName {
		return "", false
	}
	p.at++
	return t.text, true
}

// assignment reads NEW.column := expr; where expr names no row but for the column.
func (p *simpleParser) assignment() bool {
	p.at++
	if !p.take(".") {
		return false
	}
	column, ok := p.column()
	if !ok || !p.take(":=") && !p.take("=") {
		return false
	}
	p.assigned = append(p.assigned, column)
	for start := p.at; p.at < len(p.toks); {
		if p.take(";") {
			return p.at > start+1
		}
		switch t := p.peek(); {
		case t.kind == tokWord && (t.text == "new" || t.text == "old"):
			p.at++
			if !p.take(".") {
				return false
			}
			if c, ok := p.column(); !ok || c != column {
				return false
			}
			continue
		case t.kind == tokName && (t.text == "new" || t.text == "old"), t.text == "select", t.text == "tg_argv":
			return false
		}
		p.at++
	}
	return false
}
