package sqlscan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// code is what users' code can do that runs with a statement: functions that it calls,
// triggers and rules that it fires, bodies in its text.
//
// A body is read as words, without a grammar. Whatever it calls or reads has a name in
// it, or runs by way of a command or a function that takes SQL as a value. So every
// word that is the name of a table is read; every word that is the name of a function
// is called, in any schema; what follows INTO, UPDATE and the like is written, with all
// that this sets off; and a body with EXECUTE or its kin, or in another language than
// SQL and PL/pgSQL, can do anything.
type code struct {
	cat      *catalog.Snapshot
	seen     map[uint32]bool // functions
	builtins map[string]bool
	sources  map[*catalog.Table]bool
	written  map[*catalog.Table]bool
	into     map[string]bool // canonical names of what is written, objects that it makes included
	reads    bool            // it may read what no name in it tells
	writes   bool            // it may write anywhere
	temp     bool            // it may leave something in the session
	session  bool            // it reads settings
	acts     bool            // it does more than read
	commits  bool            // it may commit, where it is a procedure or DO
	keeps    bool            // it puts arguments where they can be read again, in the session or for others to find
	identity string          // a function with hoop.* settings of its own; "" for none
	bytes    int             // of bodies that were read
	types    map[uint32]bool // of values in it
	finds    nameSet         // names without a schema of tables in it
	makes    bool            // it may make, or alter, what runs code or stands for other tables
	hides    nameSet         // names of plain tables that it makes
	schemas  nameSet         // those that it makes
	homeless nameSet         // names without a schema that it makes, or writes to and no table has
	views    nameSet         // names of views that it makes
	aimed    nameSet         // names of what it changes
	met      map[*hook]bool  // what is added by their types and its sources
}

func newCode(cat *catalog.Snapshot) *code {
	return &code{
		cat: cat, seen: map[uint32]bool{}, builtins: map[string]bool{},
		sources: map[*catalog.Table]bool{}, written: map[*catalog.Table]bool{}, into: map[string]bool{}, types: map[uint32]bool{},
	}
}

// nameSet is a set of names; nil has none.
type nameSet map[string]bool

func (n *nameSet) add(name string) {
	if *n == nil {
		*n = nameSet{}
	}
	(*n)[name] = true
}

// opaque reports whether the code is more than a computation on tables that are known.
func (c *code) opaque() bool {
	return c.reads || c.writes || c.temp || c.acts || len(c.into) > 0
}

// unreadable says that the code can do anything.
func (c *code) unreadable() {
	c.reads, c.writes, c.temp, c.acts, c.makes = true, true, true, true, true
	c.finds.add("*")
}

// through notes what is changed by way of views that the code makes: whatever it reads.
func (c *code) through() {
	for name := range c.views {
		if c.aimed[name] {
			for _, t := range slices.Collect(maps.Keys(c.sources)) {
				c.write(t)
			}
			return
		}
	}
}

// leaves reports whether something may be left of the code that runs code, or that stands for
// other tables.
func (c *code) leaves() bool {
	return c.makes || len(c.hides) > 0 && slices.ContainsFunc(hooks(c.cat), func(h *hook) bool {
		return h.ofType() && h.setOff(c.cat, c.types, c.sources, false)
	})
}

// names are the canonical names of what is read; "*" is among them where that is not
// known.
func (c *code) names() []string {
	var out []string
	for t := range c.sources {
		out = append(out, t.Canonical())
	}
	if c.session {
		out = append(out, settings)
	}
	if c.reads {
		out = append(out, "*")
	}
	return out
}

// settings is where code reads settings from. They hold nothing protected unless code
// put it there, and then every statement of the session is opaque.
const settings = "pg_catalog.pg_settings"

// places are the canonical names of what is written.
func (c *code) places() []string {
	var out []string
	for name := range c.into {
		out = append(out, name)
	}
	for schema := range c.schemas {
		for name := range c.homeless {
			out = append(out, hoop.TableName(schema, name))
		}
	}
	if c.writes {
		out = append(out, "*")
	}
	return out
}

func (c *code) add(from *code) {
	for t := range from.sources {
		c.sources[t] = true
	}
	for name := range from.into {
		c.into[name] = true
	}
	for name := range from.finds {
		c.finds.add(name)
	}
	for name := range from.hides {
		c.hides.add(name)
	}
	for name := range from.schemas {
		c.schemas.add(name)
	}
	for name := range from.homeless {
		c.homeless.add(name)
	}
	c.reads, c.writes, c.temp, c.makes = c.reads || from.reads, c.writes || from.writes, c.temp || from.temp, c.makes || from.makes
	c.session, c.acts, c.keeps, c.commits = c.session || from.session, c.acts || from.acts, c.keeps || from.keeps, c.commits || from.commits
	c.identity = cmp.Or(c.identity, from.identity)
	for name := range from.views {
		c.views.add(name)
	}
	for name := range from.aimed {
		c.aimed.add(name)
	}
	c.through()
}

// pureExtensions are functions in C of PostgreSQL's own extensions (manual, appendix
// "Additional Supplied Modules") that are not immutable, and read and write no table.
var pureExtensions = map[string]bool{
	"gen_random_uuid": true, "gen_random_bytes": true, "gen_salt": true, "uuid_generate_v1": true, "uuid_generate_v1mc": true,
	"uuid_generate_v4": true, "pgp_sym_encrypt": true, "pgp_sym_encrypt_bytea": true, "pgp_pub_encrypt": true, "pgp_pub_encrypt_bytea": true,
	"normal_rand": true, "show_trgm": true, "show_limit": true,
	// by dictionaries, and by thresholds that are settings
	"unaccent": true, "unaccent_lexize": true, "similarity_op": true, "word_similarity_op": true, "word_similarity_commutator_op": true,
	"strict_word_similarity_op": true, "strict_word_similarity_commutator_op": true,
}

// keepingExtensions are those that keep what they get in a setting.
var keepingExtensions = map[string]harm{
	"set_limit": {effect: hoop.EffectSession, keeps: true, what: "sets a threshold"},
}

// retains reports whether a function is one of those.
func retains(f *catalog.Function) bool {
	return f.Extension && f.Language == "c" && keepingExtensions[f.Name] != harm{}
}

// PostgreSQL's own OIDs of the types that trigger functions return (pg_type.dat).
const (
	oidTrigger      = 2279
	oidEventTrigger = 3838
)

// trusted reports whether a user's function needs no look: it computes, and came with
// what runs the server.
func trusted(f *catalog.Function) bool {
	switch {
	case !f.Extension:
		return false // whoever makes a function in C may call it immutable, whatever it runs
	case f.Volatility == catalog.Immutable:
		return true
	case f.Returns == oidTrigger || f.Returns == oidEventTrigger:
		return true // only a trigger can call it, with no arguments but constants
	}
	return f.Language == "c" && pureExtensions[f.Name]
}

func (c *code) function(f *catalog.Function) {
	switch {
	case c.seen[f.OID]:
		return
	case f.System:
		c.builtin(f)
		return
	case trusted(f):
		return
	case retains(f):
		c.keeps = true
		return
	}
	c.seen[f.OID] = true
	if f.Identity {
		c.identity = hoop.TableName(f.Schema, f.Name)
		c.unreadable()
	}
	c.types[f.Returns] = true
	for _, list := range [][]uint32{f.ArgTypes, f.OutTypes} {
		for _, oid := range list {
			c.types[oid] = true
		}
	}
	c.functions(f.Calls)
	switch {
	case f.Kind == 'a':
	case f.Language == "sql", f.Language == "plpgsql":
		c.body(f.Source, f.Language)
	default:
		c.commits = c.commits || f.Kind == 'p'
		c.unreadable()
	}
}

func (c *code) functions(oids []uint32) {
	for _, oid := range oids {
		if f, ok := c.cat.Function(oid); ok {
			if c.function(f); f.System && readsSequence[f.Name] {
				c.anySequence()
			}
		} else {
			c.unreadable()
		}
	}
}

// builtin judges one of PostgreSQL's own functions, whose arguments are not known.
func (c *code) builtin(f *catalog.Function) {
	if c.builtins[f.Name] {
		return
	}
	c.builtins[f.Name] = true
	h, listed := harmOf(f.Name)
	switch {
	case f.Name == "set_config":
		c.temp = true
	case f.Name == "current_setting":
		c.session = true
	case !listed:
		if f.Volatility == catalog.Volatile {
			c.unreadable()
		}
	case h.effect == hoop.EffectOpaque, strings.HasPrefix(f.Name, "dblink"):
		c.unreadable()
	default:
		c.reads = c.reads || h.blind
		c.acts = c.acts || h.effect != "" && h.effect != hoop.EffectSession
		// A sequence, a large object or a lock may hold the value of a row. What nextval
		// keeps is which sequence it was.
		lasting := h.effect == hoop.EffectWrite && f.Name != "nextval" || h.effect == hoop.EffectServer
		c.writes = c.writes || h.keeps && lasting
		c.keeps = c.keeps || h.keeps
	}
}

// anySequence notes that a sequence is read which is not known.
func (c *code) anySequence() {
	for _, t := range allSequences(c.cat) {
		c.source(t)
	}
}

// source notes that a relation is read.
func (c *code) source(t *catalog.Table) {
	if c.sources[t] {
		return
	}
	if t.System {
		c.reads = c.reads || blindRelations[t.Name] || secretRelations[t.Name] || strings.HasPrefix(t.Name, "pg_stat_progress")
		return
	}
	c.sources[t] = true
	if t.Temporary {
		c.holds(t)
		for _, oid := range t.Uses {
			if used, ok := c.cat.Table(oid); ok {
				c.source(used)
			} else {
				c.reads = true
			}
		}
		return
	}
	for _, rel := range c.cat.Related(t) {
		c.source(rel)
	}
	c.functions(t.Policies)
	switch t.Kind {
	case catalog.KindView:
		c.reads = c.reads || t.Foggy
		c.functions(t.Calls)
		for _, oid := range t.Types {
			c.types[oid] = true
		}
		for _, oid := range t.Uses {
			if used, ok := c.cat.Table(oid); ok {
				c.source(used)
			}
		}
	case catalog.KindMatView, catalog.KindForeign, catalog.KindToast:
		c.reads = true
	}
	c.reads = c.reads || t.RowSecurity
}

// holds notes that a table of the session's own is read.
func (c *code) holds(t *catalog.Table) {
	all := t.Everything()
	c.reads = c.reads || all.Any
	for _, col := range all.Columns {
		from := c.cat.Base().Lookup(col.Schema, col.Table)
		for _, t := range from {
			c.source(t)
		}
		c.reads = c.reads || len(from) == 0
	}
}

// write notes that a relation is changed, in whatever way.
func (c *code) write(t *catalog.Table) {
	if c.written[t] {
		return
	}
	c.written[t] = true
	c.source(t)
	if t.System {
		c.unreadable()
		return
	}
	c.into[t.Canonical()] = true
	c.temp = c.temp || t.Temporary
	for _, rel := range c.cat.Related(t) {
		c.write(rel)
	}
	for _, tr := range t.Triggers {
		c.functions([]uint32{tr.Function})
		c.functions(tr.Calls)
	}
	c.functions(t.Values)
	c.functions(t.Checks)
	c.functions(t.RuleCalls)
	for _, col := range t.Columns {
		c.functions(c.cat.TypeCode(col.Type))
	}
	uses := t.RuleUses
	if t.Kind == catalog.KindView {
		uses = append(uses[:len(uses):len(uses)], t.Uses...)
	}
	for _, fk := range t.Cascades {
		if fk.OnDelete || fk.OnUpdate {
			uses = append(uses[:len(uses):len(uses)], fk.Table)
		}
	}
	for _, oid := range uses {
		if used, ok := c.cat.Table(oid); ok {
			c.write(used)
		}
	}
}
