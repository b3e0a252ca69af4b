package sqlscan

import (
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// maxCode is how many bytes of bodies are read for one cause.
const maxCode = 4 << 20

// body reads the text of a function or of SQL that runs later.
func (c *code) body(src, lang string) {
	c.bytes += len(src)
	toks, ok := tokenize(src)
	if !ok || c.bytes > maxCode {
		c.unreadable()
		c.commits = true
		return
	}
	b := body{code: c, toks: toks, sql: lang == "sql"}
	b.read()
}

// definition reads a statement that leaves code behind: bodies are strings in it, and
// EXECUTE FUNCTION is how triggers name theirs. leaving says that there is a body among them.
func (c *code) definition(src string, leaving bool) {
	toks, ok := tokenize(src)
	if !ok {
		c.unreadable()
		return
	}
	b := body{code: c, toks: toks, sql: true, defines: true}
	b.read()
	for _, t := range toks {
		switch {
		case t.kind != tokString:
		case t.text == escaped && leaving:
			c.unreadable()
		default:
			c.body(t.text, "plpgsql")
		}
	}
}

// body is one text that is read.
type body struct {
	*code
	toks    []lexeme
	sql     bool // INTO makes tables
	defines bool
}

// doing are the commands of a body that do more than read.
var doing = map[string]bool{
	"insert": true, "update": true, "delete": true, "merge": true, "truncate": true, "create": true, "alter": true, "drop": true,
	"grant": true, "revoke": true, "lock": true, "set": true, "reset": true, "notify": true, "listen": true, "unlisten": true,
	"vacuum": true, "analyze": true, "reindex": true, "cluster": true, "refresh": true, "comment": true, "security": true,
	"call": true, "do": true, "copy": true, "prepare": true, "execute": true, "discard": true, "load": true, "commit": true,
	"rollback": true, "reassign": true, "import": true, "share": true, "move": true, "fetch": true, "open": true,
}

// defining are those that event triggers may fire for (PostgreSQL manual, "Event Trigger Firing Matrix").
var defining = map[string]bool{
	"create": true, "alter": true, "drop": true, "grant": true, "revoke": true, "refresh": true, "comment": true, "security": true,
	"reindex": true, "reassign": true, "import": true,
}

func (b *body) read() {
	for i, t := range b.toks {
		switch t.kind {
		case tokWord:
			if b.acts = b.acts || doing[t.text]; defining[t.text] {
				b.functions(b.cat.EventTriggers())
			}
			b.temp = b.temp || b.paths(i)
			b.implied(implying[t.text])
			if !b.sign(i-1, ".") { // NEW.copy is a column
				b.command(i, t.text)
			}
			b.named(i, t.text)
		case tokName:
			b.temp = b.temp || b.paths(i)
			b.named(i, t.text)
		case tokOp:
			for _, op := range b.cat.Operators(t.text) {
				b.functions([]uint32{op.Function})
			}
		}
	}
	b.through()
}

// paths reports whether the word at i may belong to a SET of the search_path, which can
// put what is made behind it into pg_temp.
func (b *body) paths(i int) bool {
	if strings.EqualFold(b.toks[i].text, "search_path") {
		return true
	}
	switch b.word(i - 1) {
	case "set", "session", "local":
		return b.word(i) == "schema"
	}
	return false
}

// named follows the word at i to everything that has the name. A table behind a
// schema's name and a dot is that schema's. What stands before a dot, or behind another
// name and a dot, is about a column: its table stands in a FROM besides. A function may
// have any schema, in column notation. What pg_temp has only the session knows.
func (b *body) named(i int, name string) {
	schema, column := "", b.sign(i+1, ".")
	if i > 1 && b.sign(i-1, ".") {
		if schema = b.toks[i-2].text; isTempSchema(schema) {
			schema = catalog.TempSchema
			b.finds.add(name)
			b.ownFunction(i)
		} else {
			column = column || !b.cat.HasSchema(schema)
		}
	}
	if column {
		for _, t := range b.cat.Lookup("", name) { // t.c%TYPE
			for _, col := range t.Columns {
				b.types[col.Type] = true
			}
		}
	} else {
		found := b.cat.Lookup(schema, name)
		for _, t := range found {
			b.source(t)
			b.types[t.RowType] = true
		}
		if schema == "" && len(found) > 0 {
			b.finds.add(name)
		}
	}
	for _, f := range b.cat.Functions("", name) {
		if b.function(f); f.System && readsSequence[name] {
			b.sequence(i + 1)
		}
	}
	for _, ut := range b.cat.UserTypes(name) {
		b.functions(b.cat.TypeCode(ut.OID))
		b.types[ut.OID] = true
	}
}

// sequence notes that a sequence is read, as by currval, whose argument begins at i: that of
// the name where there is nothing but a text, else any.
func (b *body) sequence(i int) {
	const longest = 3 * (2*nameBytes + 3) // quoted, with a schema
	end := i + 2
	if b.sign(end, "::") && b.word(end+1) == "regclass" {
		end += 2
	}
	if !b.sign(i, "(") || !b.sign(end, ")") || b.toks[i+1].kind != tokString || len(b.toks[i+1].text) > longest {
		b.anySequence()
		return
	}
	toks, ok := tokenize(b.toks[i+1].text)
	n := len(toks)
	if !ok || n != 1 && (n != 3 || !toks[1].is(".")) {
		b.anySequence()
		return
	}
	schema, name := "", toks[n-1].text
	if n == 3 {
		schema = toks[0].text
	}
	if schema == "" || isTempSchema(schema) {
		b.finds.add(name)
	}
	for _, t := range b.cat.Lookup(schema, name) {
		if t.Kind == catalog.KindSequence {
			b.source(t)
		}
	}
}

// ownFunction notes that pg_temp may have a function of the name at i, which no catalog shows.
func (b *body) ownFunction(i int) {
	switch b.word(i - 3) {
	case "into", "table", "exists", "view": // with a list of columns
	default:
		if b.sign(i+1, "(") {
			b.unreadable()
		}
	}
}

// word gives the keyword at i; "" where there is none.
func (b *body) word(i int) string {
	if i >= 0 && i < len(b.toks) && b.toks[i].kind == tokWord {
		return b.toks[i].text
	}
	return ""
}

// sign reports whether punctuation or an operator stands at i.
func (b *body) sign(i int, text string) bool {
	return i >= 0 && i < len(b.toks) && b.toks[i].is(text)
}

// skip gives the place after words.
func (b *body) skip(i int, words ...string) int {
	for slices.Contains(words, b.word(i)) {
		i++
	}
	return i
}

// command handles the words that begin or belong to a command.
func (b *body) command(i int, word string) {
	switch word {
	case "execute":
		if next := b.word(i + 1); !b.defines || next != "function" && next != "procedure" {
			b.unreadable()
		}
	case "copy", "prepare", "load", "import", "reassign":
		b.unreadable()
	case "do":
		if w := b.word(i + 1); w != "update" && w != "nothing" && w != "instead" && w != "also" {
			b.unreadable()
			b.commits = true
		}
	case "commit", "rollback":
		b.commits = b.commits || b.word(i-1) != "on" // ON COMMIT DROP
	case "language":
		if w := b.word(i + 1); b.defines && w != "sql" && w != "plpgsql" {
			b.unreadable()
		}
	case "fetch", "move":
		b.reads = b.reads || !b.fetchFirst(i+1) // a cursor of another query
	case "into":
		at := b.skip(i+1, "strict", "table", "temp", "temporary", "unlogged", "only")
		if inserts := b.word(i-1) == "insert"; inserts || !b.sql {
			b.target(at, inserts)
		} else if next := b.fresh(at); !b.defines && next > i+1 {
			b.hides.add(b.toks[next-1].text)
		}
	case "update":
		switch b.word(i - 1) {
		case "for", "key": // FOR UPDATE and FOR NO KEY UPDATE lock; a cursor may be FOR UPDATE t SET …
			b.target(b.skip(i+1, "only"), false)
		case "do": // ON CONFLICT DO UPDATE
		case "or", "on", "before", "after", "of", "instead": // of triggers, rules and foreign keys
		default:
			b.target(b.skip(i+1, "only"), true)
		}
	case "from":
		if b.word(i-1) == "delete" {
			b.target(b.skip(i+1, "only"), true)
		}
	case "truncate":
		b.targets(b.skip(i+1, "table", "only"))
	case "refresh":
		b.target(b.skip(i+1, "materialized", "view", "concurrently"), true)
	case "alter":
		b.alter(i + 1)
	case "create":
		b.create(i + 1)
	}
}

// fetchFirst reports whether FETCH limits a query: FETCH FIRST 5 ROWS ONLY.
func (b *body) fetchFirst(i int) bool {
	if w := b.word(i); w != "first" && w != "next" {
		return false
	}
	for _, n := range [...]int{i + 1, i + 2} {
		if w := b.word(n); w == "row" || w == "rows" {
			return true
		}
	}
	return false
}

// alter handles ALTER TABLE; what it moves or gives another name is lost sight of.
func (b *body) alter(i int) {
	if b.defines {
		return
	}
	b.temp, b.makes = true, true
	if b.word(i) != "table" {
		b.unreadable()
		return
	}
	for n := b.target(b.skip(i+1, "if", "exists", "only"), true); n < len(b.toks) && !b.sign(n, ";"); n++ {
		switch b.word(n) {
		case "rename", "schema", "attach", "detach", "inherit":
			b.unreadable()
		}
	}
}

func (b *body) create(i int) {
	if b.defines {
		return
	}
	b.temp = true
	i = b.skip(i, "or", "replace", "global", "local", "temporary", "temp", "unlogged", "materialized", "recursive", "unique")
	switch b.word(i) {
	case "table":
		at := b.skip(i+1, "if", "not", "exists")
		if next := b.fresh(at); b.plain(next) && b.word(i-1) != "materialized" {
			b.hides.add(b.toks[next-1].text)
		} else {
			b.makes = true
		}
	case "view":
		b.makes = true
		at := b.skip(i+1, "if", "not", "exists")
		if _, name, _ := b.relation(at); name != "" {
			b.views.add(name)
		}
		b.fresh(at)
	case "sequence":
	case "schema":
		b.makes = true
		b.newSchema(b.skip(i+1, "if", "not", "exists"))
	case "index", "statistics":
		b.makes = true
	default:
		b.unreadable()
	}
}

// newSchema notes the name of a schema that is made, which stands at i: of its own, or that of
// the role that gets it.
func (b *body) newSchema(i int) {
	if b.word(i) == "authorization" {
		i++
	}
	switch b.word(i) {
	case "current_user", "current_role", "session_user":
		b.unreadable() // what it is called is not known
		return
	}
	if i < len(b.toks) {
		b.schemas.add(b.toks[i].text)
	}
}

// shared are words in the definition of a table that has code of its own, or of others.
var shared = []string{
	"default", "check", "generated", "exclude", "references", "foreign", "like", "inherits", "partition", "of", "using",
}

// plain reports whether what stands at i, behind the name of a new table, gives it nothing but columns.
func (b *body) plain(i int) bool {
	for ; i < len(b.toks) && !b.sign(i, ";"); i++ {
		switch w := b.word(i); {
		case w == "as":
			return true
		case slices.Contains(shared, w):
			return false
		}
	}
	return true
}

func (b *body) targets(i int) {
	for {
		next := b.target(i, true)
		if !b.sign(next, ",") {
			return
		}
		i = b.skip(next+1, "only")
	}
}

// target notes that the relation named at i is written, and gives the place after it.
// Where there is none yet, made says that one of the name may be.
func (b *body) target(i int, made bool) int {
	schema, name, next := b.relation(i)
	if name == "" {
		return next
	}
	b.aimed.add(name)
	if !b.changes(schema, name) && made {
		b.lands(schema, name)
	}
	return next
}

// fresh notes that a relation named at i is made, whatever others have the name, and gives the
// place after it.
func (b *body) fresh(i int) int {
	schema, name, next := b.relation(i)
	if name != "" {
		b.changes(schema, name)
		b.lands(schema, name)
	}
	return next
}

// changes notes that all relations of a name are written, and reports whether there are any.
func (b *body) changes(schema, name string) bool {
	found := b.cat.Lookup(schema, name)
	for _, t := range found {
		b.write(t)
	}
	return len(found) > 0
}

// relation reads the name at i, and gives the place after it; name is "" where none stands there.
func (b *body) relation(i int) (schema, name string, next int) {
	within := b.word(i-1) == "only" && b.sign(i, "(")
	if within {
		i++
	}
	for i < len(b.toks) && (b.toks[i].kind == tokWord || b.toks[i].kind == tokName) {
		schema, name = name, b.toks[i].text
		if i++; !b.sign(i, ".") {
			break
		}
		i++
	}
	if name != "" && (within && b.sign(i, ")") || b.sign(i, "*")) { // ONLY (name), name *
		i++
	}
	return schema, name, i
}

// lands notes that a relation of a name that no catalog has is written.
func (b *body) lands(schema, name string) {
	b.temp = true
	if schema != "" {
		b.into[hoop.TableName(schema, name)] = true
		return
	}
	for _, s := range b.cat.Schemas() {
		if userSchema(s) {
			b.into[hoop.TableName(s, name)] = true
		}
	}
	b.homeless.add(name)
}

func userSchema(name string) bool {
	return name != "pg_catalog" && name != "information_schema" && name != "pg_toast"
}
