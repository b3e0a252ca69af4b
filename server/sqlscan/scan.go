package sqlscan

import (
	"maps"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// Lineage is what the text does not show: what package lineage knows, which is built on
// this one, and what the client said beside the text. All of it may be nil.
type Lineage struct {
	// Params are types of parameters, as the client declared them; 0 where the target finds
	// one.
	Params []uint32
	// Values are those of the parameters, for the question only whether what the text
	// changes has a limit: where they are nil, each counts as one that limits. The types of
	// those that are known count as those of constants do.
	Values []Value
	// Local says what command i of p makes of the session's own tables; ok is false where
	// it cannot tell which tables there are afterwards. Without it a session's own objects
	// are not followed: what makes one has Analysis.Temp.
	Local func(p *pgparse.Parsed, i int, cat *catalog.Snapshot) (changes []catalog.Change, ok bool)
	// Stored says what everything derives from that the text of command i of p stores, or a view
	// that it makes shows.
	Stored func(p *pgparse.Parsed, i int, cat *catalog.Snapshot) Stored
	// View gives, by name, the columns that those of a view derive from, its own among
	// them; a column that it does not have may derive from anything that the view reads.
	// Under the name "" are those that decide in its own text which rows it has.
	View func(view *catalog.Table, cat *catalog.Snapshot) map[string][]hoop.ColumnRef
}

// Stored is what Lineage.Stored tells of a statement.
type Stored struct {
	// Columns are all that what it stores derives from, with those that decide which rows these
	// are; Known is false where there may be others. Values are those of them that are stored themselves.
	Columns, Values []hoop.ColumnRef
	Known           bool
	// Apart are those that decide which rows an UPDATE or DELETE in it changes, beside the
	// columns of these rows; hoop.AnyColumn where that is not known.
	Apart []hoop.ColumnRef
	// Rows, Elements and Shaped are those of hoop.Use; Rows and Elements without those of what it
	// executes by a name that its own text does not prepare. Fills says that it puts rows into a table.
	Rows, Elements []hoop.ColumnRef
	Shaped, Fills  bool
}

// Analyze says what p can do in a database that contains cat. It never fails: what it
// does not understand has effect unknown. It may be called concurrently.
func Analyze(p *pgparse.Parsed, cat *catalog.Snapshot, known Lineage) *Analysis {
	b := newBuilder(cat, known)
	b.sql = p.SQL
	stmts := p.Tree.GetStmts()
	b.out.Multi = len(stmts)
	for i, raw := range stmts {
		if b.shifted {
			// What follows may mean something else than the catalog says.
			b.out.Opaque = true
		}
		st := newStmt(b, raw.GetStmt())
		st.cmd.Start = int(raw.StmtLocation)
		st.cmd.End = len(p.SQL)
		if raw.StmtLen > 0 {
			st.cmd.End = min(len(p.SQL), int(raw.StmtLocation+raw.StmtLen))
		}
		if known.Local != nil {
			st.cmd.Local, st.followed = known.Local(p, i, b.cat)
		}
		if known.Stored != nil {
			st.traces = func() Stored { return known.Stored(p, i, b.cat) }
		}
		st.run()
		b.cat = b.cat.After(st.cmd.Local)
		if i == 0 {
			b.out.Verb = st.cmd.Verb
		}
		b.out.Commands = append(b.out.Commands, st.cmd)
	}
	if len(stmts) == 0 {
		// Nothing but white space, comments and semicolons, which drivers send to see
		// whether anybody is there. Without a use it would count as unknown.
		b.add(hoop.Use{Effect: hoop.EffectRead, Why: "an empty text"})
	}
	out := b.finish()
	if !b.named {
		out.Free = freeLiterals(p)
	}
	return out
}

// builder gathers the analysis of one text.
type builder struct {
	cat        *catalog.Snapshot
	known      Lineage
	views      map[*catalog.Table]map[string][]hoop.ColumnRef // what known.View has said
	sql        string
	out        *Analysis
	uses       []*hoop.Use
	reads      map[string]bool
	settings   map[string]bool
	finds      map[string]bool     // see Analysis.Finds; nil for none
	wholes     map[string]string   // see hoop.Use.Parts; of all tables that were mentioned
	parents    map[string][]string // see hoop.Use.Parents; the same
	behindOnce map[firing]bool     // code whose effects are told, that runs unseen
	unseen     bool                // what is analysed is such code
	foretells  bool                // what is analysed may come later
	named      bool                // a literal that is compared with a column names a setting
	shifted    bool                // an earlier statement changed names, roles, settings or objects
}

func newBuilder(cat *catalog.Snapshot, known Lineage) *builder {
	return &builder{cat: cat, known: known, out: &Analysis{}, reads: map[string]bool{}, wholes: map[string]string{}, parents: map[string][]string{}, settings: map[string]bool{}, behindOnce: map[firing]bool{}}
}

// add merges a use into those of the same effect and reason.
func (b *builder) add(u hoop.Use) {
	for _, have := range b.uses {
		// Columns are all that a use touches, if it has any: one without must not gain some.
		if have.Effect == u.Effect && have.Why == u.Why && (len(have.Columns) > 0) == (len(u.Columns) > 0) {
			have.Tables = append(have.Tables, u.Tables...)
			have.Into = append(have.Into, u.Into...)
			have.Columns = append(have.Columns, u.Columns...)
			have.Rows = append(have.Rows, u.Rows...)
			have.Elements = append(have.Elements, u.Elements...)
			have.Shaped, have.Behind = have.Shaped && u.Shaped, have.Behind && u.Behind
			return
		}
	}
	b.uses = append(b.uses, &u)
}

func (b *builder) finish() *Analysis {
	out := b.out
	for _, e := range hoop.Effects {
		for _, u := range b.uses {
			if u.Effect != e.Effect {
				continue
			}
			c := *u
			c.Tables, c.Into = sortedSet(c.Tables), sortedSet(c.Into)
			for _, name := range slices.Concat(c.Tables, c.Into) {
				if whole, ok := b.wholes[name]; ok {
					if c.Parts == nil {
						c.Parts = map[string]string{}
					}
					c.Parts[name] = whole
				}
			}
			for _, name := range c.Tables {
				if parents, ok := b.parents[name]; ok {
					if c.Parents == nil {
						c.Parents = map[string][]string{}
					}
					c.Parents[name] = parents
				}
			}
			for _, list := range []*[]hoop.ColumnRef{&c.Columns, &c.Rows, &c.Elements} {
				slices.SortFunc(*list, func(a, b hoop.ColumnRef) int { return strings.Compare(a.String(), b.String()) })
				*list = slices.Compact(*list)
			}
			out.Uses = append(out.Uses, c)
		}
	}
	for t := range b.reads {
		out.Reads = append(out.Reads, t)
	}
	slices.Sort(out.Reads)
	for s := range b.settings {
		out.Settings = append(out.Settings, s)
	}
	slices.Sort(out.Settings)
	for name := range b.finds {
		out.Finds = append(out.Finds, name)
	}
	slices.Sort(out.Finds)
	out.Defers = out.Defers || out.Has(hoop.EffectOpaque) && b.cat.Defers()
	return out
}

func (b *builder) forbid(why string) {
	if b.out.Forbidden == "" {
		b.out.Forbidden = why
	}
	b.add(hoop.Use{Effect: hoop.EffectUnknown, Why: why})
}

func sortedSet(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

// stmt is one statement of the text while it is analysed.
type stmt struct {
	*builder
	node     *pg_query.Node
	cmd      Command
	followed bool                    // cmd.Local is all that it makes of the session's own objects
	tables   map[*catalog.Table]bool // every table mentioned, relatives and views' sources included
	sources  map[*catalog.Table]bool // those of tables that the statement takes data from
	sourcing bool                    // what is noted now is a source
	seen     map[*catalog.Table]bool // those of tables whose rows it reads, for the effect read
	inside   map[string]bool         // relations of pg_catalog that it reads by functions: canonical names
	lost     bool                    // it reads what has a name that was not found
	reading  bool                    // rows of what is noted now are read
	defining bool                    // names stand for what is defined, or changed, not for rows
	inCTE    int                     // depth of WITH queries: what they return is used again
	stray    bool                    // a name was not found: any table may be meant
	strays   []string                // what such names can be
	names    names                   // what decides, for infer
	quiet    bool                    // do not gather names: the columns do not exist yet
	rows     bool                    // rows come back
	home     string                  // the schema that CREATE SCHEMA makes its elements in
	derived  []copied                // sources are filled in at the end
	ran      *code                   // what the text calls
	on       *dependence
	changed  []string                // tables that the statement writes to
	about    string                  // the one name of pg_settings that the query at hand is about
	kept     []keptCall              // with more than constants
	holding  bool                    // it keeps values where they can be told without reading a table
	alone    []*catalog.Table        // what an UPDATE at hand changes, where its assignments can read nothing else
	values   map[uint32]bool         // types that values may have: what users' functions take and give, what is named or declared
	anyType  bool                    // they may have every type
	types    map[string]bool         // users' types that the text names
	decided  map[hoop.ColumnRef]bool // columns that decide in code
	asks     int                     // calls in the text of code that reads tables
	asksRows bool                    // one of them is asked for what a row has
	asksMany bool                    // one of them decides, by values that the text does not list

	wrote     []hoop.Look          // what the statement writes, and may fail on
	conflicts []hoop.Look          // what ON CONFLICT compares, and others do that no expression shows
	sized     bool                 // it has noted what sizes tell
	clashing  []clash              // of both: what is told when the statement was walked
	copying   []hoop.Use           // of derived: those that copy something
	targets   []*pg_query.RangeVar // what it writes to
	fresh     *pg_query.RangeVar   // the relation that it makes
	given     *looker              // reads what is written

	opened     bool     // it has effect opaque
	coded      bool     // it may run users' code, in its text or unseen
	cataloging bool     // it changes the catalog
	alerted    bool     // event triggers fire though it does not
	owned      bool     // of nothing but the session's own
	configured bool     // it calls set_config
	planted    bool     // what it copies with LIKE runs code that does more than what its text says
	leaving    bool     // it leaves code behind
	awakes     bool     // it switches triggers or rules on
	fired      []string // tables on which it makes a trigger
	depth      int

	assigned map[string]bool // columns that an UPDATE at hand sets; nil for any
	resets   bool            // and to their defaults
	around   *scope          // names that code has for the rows that fired it
	endless  bool            // it runs as often as a query without a limit has rows
	many     bool            // so do triggers of what it changes

	traces func() Stored // nil where nobody knows

	limitedCTE map[*pg_query.CommonTableExpr]bool
	steps      int  // of limiters
	stars      int  // that were looked at: see starCells
	met        bool // they have met a parameter,
	doubting   bool // and take none for a value that limits
}

func newStmt(b *builder, n *pg_query.Node) *stmt {
	return &stmt{
		builder: b, node: n, tables: map[*catalog.Table]bool{}, sources: map[*catalog.Table]bool{}, names: newNames(),
		seen: map[*catalog.Table]bool{}, inside: map[string]bool{},
		ran: newCode(b.cat), on: newDependence(b.cat), values: map[uint32]bool{}, types: map[string]bool{}, decided: map[hoop.ColumnRef]bool{},
		limitedCTE: map[*pg_query.CommonTableExpr]bool{},
	}
}

// run analyses the statement and adds its effects to the builder.
func (s *stmt) run() {
	s.utility(s.node)
	s.cmd.Commits = s.cmd.Commits || s.commits(s.node)
	s.declared(s.known.Params)
	s.fieldFunctions()
	s.blindParts()
	s.sizes(false)
	s.flushCode()
	s.out.Coded, s.out.Changes = s.out.Coded || s.codes(), append(s.out.Changes, s.changed...)
	s.flush()
	s.out.Temp = s.out.Temp || s.cataloging && !s.owned && s.ownToo()
	code := s.leave()
	if s.recodes(code) {
		s.out.Recodes = true
		s.recoded()
	}
	s.plant()
}

// flush turns what the walk gathered into Reads, read and infer.
func (s *stmt) flush() {
	all := s.tableNames()
	for _, t := range all {
		if t != "*" {
			s.reads[t] = true
		}
	}
	if read := s.readNames(); s.rows {
		s.use(hoop.EffectRead, "", append(read, all...)...)
	} else if len(read) > 0 {
		s.use(hoop.EffectRead, "", read...)
	}
	cols := s.inferred()
	for c := range s.decided {
		cols = append(cols, c)
	}
	s.clashed()
	deciding := slices.Clip(cols)
	for _, look := range s.conflicts {
		deciding = append(deciding, look.Columns...)
	}
	s.flushKept(deciding)
	s.flushDerive(deciding)
	s.hidden()
	for _, look := range s.conflicts {
		cols = append(cols, look.Columns...)
	}
	s.out.Looks = append(append(s.out.Looks, s.conflicts...), s.wrote...)
	if len(cols) > 0 {
		s.add(hoop.Use{Effect: hoop.EffectInfer, Tables: all, Columns: cols, Why: "columns decide what comes back"})
		s.out.Looks = append(s.out.Looks, s.looks()...)
	}
}

// tableNames are the canonical names of all tables mentioned; "*" is among them where
// a name was not found.
func (s *stmt) tableNames() []string {
	return s.namesOf(s.tables)
}

// readNames are the canonical names of everything whose rows the statement reads, whether
// they come back or not: PostgreSQL demands the privilege SELECT on it. What a statement
// changes is not among it, for its own conditions and expressions.
func (s *stmt) readNames() []string {
	names := append(canonicals(slices.Collect(maps.Keys(s.seen))), slices.Collect(maps.Keys(s.inside))...)
	if s.lost {
		names = append(names, "*")
	}
	return sortedSet(names)
}

func (s *stmt) namesOf(tables map[*catalog.Table]bool) []string {
	var out []string
	for t := range tables {
		out = append(out, t.Canonical())
	}
	if s.stray {
		out = append(out, "*")
	}
	return sortedSet(out)
}

func (s *stmt) use(e hoop.Effect, why string, tables ...string) {
	s.add(hoop.Use{Effect: e, Why: why, Tables: tables})
}

// opaque says that code runs which the text does not show.
func (s *stmt) opaque(why string) {
	s.out.Opaque, s.opened = true, true
	s.use(hoop.EffectOpaque, why, "*")
}

// leavesAny says that anything may be otherwise in the session, and in the catalog, after what
// runs.
func (s *stmt) leavesAny() {
	s.out.Temp, s.out.Paths, s.out.DDL, s.shifted = true, true, true, true
}

func (s *stmt) unknown(why string) {
	s.out.Opaque = true
	s.leavesAny()
	s.use(hoop.EffectUnknown, why, "*")
}
