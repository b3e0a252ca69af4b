package postgres

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"
	"weak"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/lineage"
	"github.com/hoopctl/hoopctl/server/pglex"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// meaning is what a text does, as far as a snapshot of the catalog shows. It is shared
// between connections and must not be changed.
type meaning struct {
	text     string // as sent
	shape    string
	bare     bool // one EXECUTE whose arguments are constants
	analysis *sqlscan.Analysis
	carries  []hoop.Carry // see hoop.Statement
	version  string       // of the snapshot
	listens  []string     // channels of LISTEN
	copies   []copying
	rawCopy  bool
	copied   []hoop.Use      // see hoop.Statement
	verbs    []string        // of the commands
	encodes  *string         // client_encoding that it sets, and nothing else; "" is what the connection began with
	outputs  *outputs        // shared by texts alike
	types    []uint32        // of parameters, as the client declared them, where some are users' own
	secrets  []hoop.Secret   // see hoop.Statement
	held     []int           // parameters that hold secrets
	values   []sqlscan.Value // of parameters, where what it changes has a limit or none by them
}

// means finds out what text does in a database that contains snap, with parameters of the
// types that the client declared. Users' own matter, as a value of one may run users' code
// that the text does not name.
func (c *conn) means(ctx context.Context, text string, types []uint32, snap *catalog.Snapshot) (*meaning, error) {
	if !slices.ContainsFunc(types, func(oid uint32) bool { return oid != 0 && (oid >= firstUserOID || snap.Type(oid) == nil) }) && !sqlscan.Inexact(snap, types) {
		return c.meansPlain(ctx, text, snap)
	}
	if !matter(types, snap) {
		plain, err := c.meansPlain(ctx, text, snap)
		if err != nil {
			return nil, err
		}
		m := *plain
		m.types = types // they may matter later
		return &m, nil
	}
	known := c.proxy.meanings
	key := meaningKey{weak.Make(snap), formExact, fmt.Sprintf("%s\x00%d", text, types)} // a text has no NUL bytes
	if m := known.exact(key); m != nil {
		return m, nil
	}
	parsed, err := c.proxy.cfg.Parser.Parse(ctx, text)
	if err != nil {
		return nil, err
	}
	c.define(ctx, parsed, snap)
	a, err := c.study(ctx, parsed, snap, sqlscan.Lineage{Params: types})
	if err != nil {
		return nil, err
	}
	m := meaningOf(parsed, a, snap, types)
	m.types = types
	known.mu.Lock()
	defer known.mu.Unlock()
	known.putLocked(&remembered{key: key, meaning: m})
	return m, nil
}

func (c *conn) meansPlain(ctx context.Context, text string, snap *catalog.Snapshot) (*meaning, error) {
	known := c.proxy.meanings
	if m := known.find(snap, text); m != nil {
		return m, nil
	}
	parsed, err := c.proxy.cfg.Parser.Parse(ctx, text)
	if err != nil {
		return nil, err
	}
	c.define(ctx, parsed, snap)
	a, err := c.study(ctx, parsed, snap, sqlscan.Lineage{})
	if err != nil {
		return nil, err
	}
	return known.add(snap, parsed, a), nil
}

// study analyses a text, after the bodies of the code that it sets off were parsed.
func (c *conn) study(ctx context.Context, p *pgparse.Parsed, snap *catalog.Snapshot, known sqlscan.Lineage) (*sqlscan.Analysis, error) {
	known.Local, known.Stored, known.View = lineage.Local, lineage.Stored, lineage.View
	return sqlscan.Study(p, snap, known, func(sql string) (*pgparse.Parsed, error) { return c.proxy.cfg.Parser.Parse(ctx, sql) })
}

// firstUserOID is FirstNormalObjectId of PostgreSQL's access/transam.h.
const firstUserOID = 16384

// matter reports whether declared types change what a text does: a type that the catalog
// does not have may do anything, the others where there is code that runs unnamed, or where
// one value may be equal to several of a key.
func matter(types []uint32, snap *catalog.Snapshot) bool {
	return sqlscan.Hooked(snap) || unknownType(types, snap) || sqlscan.Inexact(snap, types)
}

func unknownType(types []uint32, snap *catalog.Snapshot) bool {
	return slices.ContainsFunc(types, func(oid uint32) bool { return oid != 0 && snap.Type(oid) == nil })
}

const unplaced = "a password here is not one plain literal whose end is certain, so it could not be kept out of what people see"

func meaningOf(p *pgparse.Parsed, a *sqlscan.Analysis, snap *catalog.Snapshot, types []uint32) *meaning {
	secrets, held, placed := sqlscan.Secrets(p, snap)
	if !placed {
		a.Forbidden = cmp.Or(a.Forbidden, unplaced)
	}
	return &meaning{
		text: p.SQL, shape: p.Shape, bare: plainExecute(p), analysis: a, carries: sqlscan.Carries(p, snap, a.Reads, types), version: snap.Version,
		copied: takesAway(p, a, snap, types), verbs: verbs(a), listens: listens(p), copies: copiesOf(p, snap), rawCopy: rawCopy(p), encodes: setsEncoding(p), outputs: &outputs{}, secrets: secrets, held: held,
	}
}

func verbs(a *sqlscan.Analysis) (all []string) {
	for _, cmd := range a.Commands {
		all = append(all, cmd.Verb)
	}
	return all
}

// takesAway is what a text copies (see hoop.Statement): of a, but for tables of which it takes
// rows that a key names.
func takesAway(p *pgparse.Parsed, a *sqlscan.Analysis, snap *catalog.Snapshot, types []uint32) (out []hoop.Use) {
	if len(a.Copied) == 0 {
		return nil
	}
	named := sqlscan.Keyed(p, snap, a.Reads, types)
	keyed := func(table string) bool { return slices.Contains(named, table) }
	for _, u := range a.Copied {
		columns := len(u.Columns)
		u.Columns = slices.DeleteFunc(slices.Clone(u.Columns), func(c hoop.ColumnRef) bool { return keyed(hoop.TableName(c.Schema, c.Table)) })
		u.Tables = slices.DeleteFunc(slices.Clone(u.Tables), keyed)
		if len(u.Tables) > 0 && (columns == 0 || len(u.Columns) > 0) {
			out = append(out, u)
		}
	}
	return out
}

// meanings remembers what texts do, least recently used out first. A text that was
// seen before is found as it is. A new one is found where it differs from an old one
// in nothing but white space, comments and literals that the analysis does not depend
// on: they have the same tokens, so the grammar makes the same tree of them but for
// the values of constants at places where sqlscan reads none.
//
// An analysis belongs to the snapshot it was made with, and is found with no other.
type meanings struct {
	scratch sync.Pool // of *scratch

	mu    sync.Mutex // guards what follows
	limit int        // estimated memory of all entries, in bytes
	used  int
	order *list.List // of *remembered, most recently used first
	byKey map[meaningKey]*list.Element
}

// form tells what the text of a key is.
type form byte

const (
	formExact form = iota // the text itself
	formKey               // a pglex key: leads to which literals are free
	formAlike             // the key, then each literal: its text where it counts, and a NUL byte
)

type meaningKey struct {
	snap weak.Pointer[catalog.Snapshot] // does not keep an old snapshot in memory
	form form
	text string
}

type remembered struct {
	key     meaningKey
	meaning *meaning // nil for formKey
	free    []bool   // for formKey: the literals that were free in the latest text of the key
	cost    int
}

// scratch is the memory of one look-up.
type scratch struct {
	text pglex.Text
	key  []byte
}

const meaningsLimit = 32 << 20

func newMeanings(limit int) *meanings {
	return &meanings{
		scratch: sync.Pool{New: func() any { return new(scratch) }},
		limit:   limit, order: list.New(), byKey: map[meaningKey]*list.Element{},
	}
}

// find gives what text does, or nil where it is not known.
func (k *meanings) find(snap *catalog.Snapshot, text string) *meaning {
	ref := weak.Make(snap)
	if m := k.exact(meaningKey{ref, formExact, text}); m != nil {
		return m
	}
	s := k.scratch.Get().(*scratch)
	defer k.scratch.Put(s)
	if !s.text.Read(text) {
		return nil
	}
	k.mu.Lock()
	r := k.getLocked(ref, formKey, s.text.Key)
	if r != nil {
		s.key = alike(s.key[:0], text, &s.text, r.free)
		r = k.getLocked(ref, formAlike, s.key)
	}
	k.mu.Unlock()
	if r == nil || r.meaning == nil {
		return nil
	}
	return r.meaning.of(text, s.text.End)
}

// alike appends the key under which texts are found that differ in free literals only.
func alike(key []byte, text string, t *pglex.Text, free []bool) []byte {
	key = append(key, t.Key...)
	for i, l := range t.Literals {
		if !free[i] {
			key = append(key, text[l.Start:l.End]...)
		}
		key = append(key, 0)
	}
	return key
}

// of gives m to another text that means the same, whose statement ends at end.
func (m *meaning) of(text string, end int) *meaning {
	a := m.analysis
	if a.Commands[0].End != end {
		own := *a
		own.Commands = slices.Clone(a.Commands)
		own.Commands[0].End = end
		a = &own
	}
	out := *m
	out.text, out.analysis = text, a
	return &out
}

// add remembers the analysis of p, for texts alike where that is possible.
func (k *meanings) add(snap *catalog.Snapshot, p *pgparse.Parsed, a *sqlscan.Analysis) *meaning {
	ref := weak.Make(snap)
	m := meaningOf(p, a, snap, nil)
	s := k.scratch.Get().(*scratch)
	defer k.scratch.Put(s)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(m.secrets) > 0 || !shareable(p, a, &s.text) {
		k.putLocked(&remembered{key: meaningKey{ref, formExact, p.SQL}, meaning: m})
		return m
	}
	// Under another text's idea of what is free, this meaning would not be found.
	s.key = alike(s.key[:0], p.SQL, &s.text, a.Free)
	k.putLocked(&remembered{key: meaningKey{ref, formKey, string(s.text.Key)}, free: a.Free})
	k.putLocked(&remembered{key: meaningKey{ref, formAlike, string(s.key)}, meaning: m})
	return m
}

// shareable reports whether other texts may mean the same, and reads p's into text.
// The shape is compared as well: the lexer has read the text as PostgreSQL does.
func shareable(p *pgparse.Parsed, a *sqlscan.Analysis, text *pglex.Text) bool {
	return slices.Contains(a.Free, true) && len(a.Commands) == 1 && text.Read(p.SQL) &&
		len(a.Free) == len(text.Literals) && text.End == a.Commands[0].End && text.Shape() == p.Shape
}

func (k *meanings) exact(key meaningKey) *meaning {
	k.mu.Lock()
	defer k.mu.Unlock()
	el, ok := k.byKey[key]
	if !ok {
		return nil
	}
	k.order.MoveToFront(el)
	return el.Value.(*remembered).meaning
}

// getLocked finds an entry; nil where there is none.
func (k *meanings) getLocked(ref weak.Pointer[catalog.Snapshot], f form, text []byte) *remembered {
	el, ok := k.byKey[meaningKey{ref, f, string(text)}] // does not allocate
	if !ok {
		return nil
	}
	k.order.MoveToFront(el)
	return el.Value.(*remembered)
}

// putLocked adds an entry, or replaces it, and forgets others until there is room.
func (k *meanings) putLocked(r *remembered) {
	r.cost = r.estimate()
	if r.cost > k.limit/8 {
		return
	}
	if el, ok := k.byKey[r.key]; ok {
		k.dropLocked(el)
	}
	k.byKey[r.key] = k.order.PushFront(r)
	for k.used += r.cost; k.used > k.limit; {
		k.dropLocked(k.order.Back())
	}
}

func (k *meanings) dropLocked(el *list.Element) {
	r := k.order.Remove(el).(*remembered)
	delete(k.byKey, r.key)
	k.used -= r.cost
}

// estimate gives the memory of an entry, in bytes. Names are counted as if each were
// the entry's own.
func (r *remembered) estimate() int {
	const entry, name, column = 512, 48, 96
	n := entry + len(r.key.text) + len(r.free)
	if r.meaning == nil {
		return n
	}
	n += len(r.meaning.text) + len(r.meaning.shape) + name*len(r.meaning.analysis.Reads)
	for _, c := range r.meaning.carries {
		n += entry/8 + name*len(c.Tables)
	}
	for _, cmd := range r.meaning.analysis.Commands {
		for _, c := range cmd.Local {
			n += c.Size()
		}
	}
	for _, u := range r.meaning.analysis.Uses {
		n += entry/2 + name*(len(u.Tables)+len(u.Into)) + column*len(u.Columns)
	}
	return n
}
