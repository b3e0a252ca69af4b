package catalog

import (
	"maps"
	"slices"
	"sync"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Kind is what a relation is (pg_class.relkind).
type Kind byte

// The kinds of relation.
const (
	KindOrdinary    Kind = 'r'
	KindPartitioned Kind = 'p'
	KindView        Kind = 'v'
	KindMatView     Kind = 'm'
	KindForeign     Kind = 'f'
	KindSequence    Kind = 'S'
	KindIndex       Kind = 'i'
	KindPartIndex   Kind = 'I'
	KindToast       Kind = 't'
	KindComposite   Kind = 'c'
)

// firstUserOID is FirstNormalObjectId of PostgreSQL's access/transam.h: objects below
// it were made by initdb.
const firstUserOID = 16384

// Snapshot is what a database contained at one moment. It never changes.
type Snapshot struct {
	Version string // differs whenever anything that snapshots hold differs
	Server  int    // server_version_num: 150018

	tables    map[uint32]*Table
	byName    map[string][]*Table
	types     map[uint32]*hoop.Type
	functions map[string][]*Function
	byOID     map[uint32]*Function
	operators map[string][]*Operator
	userTypes map[string][]UserType
	casts     []Cast
	schemas   map[string]bool
	loose     map[string]bool     // see Loose
	collating map[uint32]bool     // see Collates
	typeCode  map[uint32][]uint32 // of domains and ranges: functions that make their values
	defaults  map[uint32][]uint32 // of domains: functions that their defaults call
	events    []uint32
	defers    bool   // a trigger or a constraint with code of users is DEFERRABLE
	rest      Digest // of what belongs to no relation and is no function
	comparing map[uint32][]uint32
	memo      *memo
	views     *sync.Map // OID of a view to its query, *pg_query.Node: see Define
	bodies    *sync.Map // OID of a function to its *Body: see Tell

	base  *Snapshot // without local; nil where there are none
	local []*Table  // of one session
}

// Table is a relation of any kind.
type Table struct {
	OID          uint32
	RowType      uint32 // the type of its rows, 0 for none
	Schema, Name string
	Kind         Kind
	Columns      []Column           // in order, without dropped and system columns
	Parents      []uint32           // what it inherits from or is a partition of, direct
	Children     []uint32           // direct
	Keys         [][]string         // columns that no two rows of this table itself have in common
	Clashes      [][]hoop.ColumnRef // columns of what a change of this table may fail on: of a constraint or a unique index, of a session's own of a generated column, an index or a type too
	Triggers     []Trigger
	Asleep       []Trigger // that are switched off
	HasTriggers  bool      // users' triggers
	HasRules     bool      // rules other than a view's _RETURN
	Defers       bool      // a key or an exclusion constraint may be checked when the transaction ends: DEFERRABLE
	RowSecurity  bool      // row-level security is enabled
	// Users' functions that run unseen, by what calls them, operators' included.
	RunsCode bool     // there is one below
	Values   []uint32 // defaults and generated columns: they make values of new rows
	Checks   []uint32 // constraints, indexes, statistics and partition keys
	Policies []uint32 // row-level security; volatile built-in functions too
	// PolicyUses are relations in policies.
	PolicyUses []uint32
	Sequences  []uint32  // that number its rows: of identity columns and defaults; 0 for any
	RuleCalls  []uint32  // rules other than a view's _RETURN; built-in functions too
	RuleUses   []uint32  // relations in such rules
	Cascades   []Cascade // foreign keys that refer to this table
	Calls      []uint32  // of a user's view: functions in its query, operators' and casts' included
	Uses       []uint32  // of a user's view, a session's own too: relations of the catalog in its query
	Types      []uint32  // of a user's view: users' types in its query
	// Definition of a user's view or materialized view is its query, names qualified.
	Definition string
	Foggy      bool    // of such a view: its query runs code that Calls does not have
	System     bool    // of pg_catalog or information_schema, made by initdb
	Temporary  bool    // of one session; what it holds is in Counts, in Chosen and in its columns
	Counts     Holds   // of a temporary table: what decides how many rows it has, but for conditions
	Over       []Place // of a temporary view: where Counts grow with
	Chosen     Holds   // of a temporary table: what decides, by conditions and the like, which rows it has
	Among      []Place // of a temporary view: where Chosen grows with, beside that of what it is over
	// Defined is a digest of the whole definition of a user's relation: policies, defaults,
	// constraints, triggers, rules and bounds word for word, and its owner.
	Defined Digest
}

// Canonical is the table's canonical name.
func (t *Table) Canonical() string { return hoop.TableName(t.Schema, t.Name) }

// Column finds a column by name.
func (t *Table) Column(name string) (*Column, bool) {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return &t.Columns[i], true
}

// Column is a column of a table.
type Column struct {
	Name       string
	Attr       int16 // number in the table, from 1
	Type       uint32
	Mod        int32    // type modifier, -1 for none
	Generated  bool     // GENERATED ALWAYS AS (…) STORED
	From       []string // of a generated column: the columns it is computed from
	HasDefault bool
	Loose      bool    // its values may be equal though they differ: see Snapshot.Loose
	Holds      Holds   // of a temporary table: what its values come from
	Over       []Place // of a temporary view: what else they come from
	Stored     bool    // of a temporary view: they are values of tables, as they are
}

// Trigger is a user's trigger that is not switched off.
type Trigger struct {
	Name     string
	Function uint32
	Calls    []uint32 // functions of its WHEN condition
	On       Event
	Columns  []string // of UPDATE OF: the columns; none where any UPDATE fires it
	Moved    []string // names that its function has for the rows that were changed: REFERENCING
	EachRow  bool     // it fires for each row, not once
	Rewrites bool     // it may change the row that is written: BEFORE or INSTEAD OF, for each row
	Defers   bool     // it may run when the transaction ends: DEFERRABLE
}

// Event is a set of kinds of change.
type Event byte

// The kinds, as pg_trigger.tgtype has them (TRIGGER_TYPE_INSERT in catalog/pg_trigger.h).
const (
	OnInsert   Event = 1 << 2
	OnDelete   Event = 1 << 3
	OnUpdate   Event = 1 << 4
	OnTruncate Event = 1 << 5
)

// Cascade is a foreign key as the referenced table sees it.
type Cascade struct {
	Table    uint32 // the referencing table
	OnDelete bool   // its rows change when referenced ones are deleted
	OnUpdate bool   // or updated
	Resets   bool   // to their defaults: SET DEFAULT
}

// UserType is a type made by a user, row types of tables left out.
type UserType struct {
	Schema   string
	Kind     hoop.TypeKind
	RunsCode bool // its values are made by a user's function: input functions, a domain's check
	OID      uint32
}

// Volatility is pg_proc.provolatile.
type Volatility byte

// The volatilities.
const (
	Immutable Volatility = 'i'
	Stable    Volatility = 's'
	Volatile  Volatility = 'v'
)

// Function is a function, procedure, aggregate or window function.
type Function struct {
	OID             uint32
	Schema, Name    string
	Language        string
	Kind            byte // f function, p procedure, a aggregate, w window function
	Volatility      Volatility
	SecurityDefiner bool
	Identity        bool // it runs with hoop.* settings of its own: a SET clause
	Args            int
	ArgTypes        []uint32 // of users' functions: types of the arguments that a caller gives
	OutTypes        []uint32 // of users' functions with OUT arguments or RETURNS TABLE: types of all arguments
	ArgNames        []string // of users' functions: names of arguments, "" for none
	Source          string   // the body of users' functions; "" of PostgreSQL's
	Calls           []uint32 // functions of an aggregate; functions in the arguments' defaults
	Returns         uint32
	Set             bool   // returns rows
	Extension       bool   // a member of an extension
	System          bool   // PostgreSQL's own
	Defined         Digest // of its whole definition, its owner and settings too
}

// Operator is an operator made by a user.
type Operator struct {
	Schema, Name string
	Function     uint32
}

// Cast is a cast made by a user; those that PostgreSQL makes for a range type are
// left out.
type Cast struct {
	Source, Target uint32
	Function       uint32 // 0 for none
	Implicit       bool   // it is done unasked, in any expression
}

// Table finds a relation by OID.
func (s *Snapshot) Table(oid uint32) (*Table, bool) {
	t, ok := s.tables[oid]
	return t, ok
}

// Lookup finds relations by name; schema "" is every schema. The result must not be
// changed.
func (s *Snapshot) Lookup(schema, name string) []*Table {
	found := inSchema(s.byName[name], schema, func(t *Table) string { return t.Schema })
	if local := s.ofSession(schema, name); len(local) > 0 {
		return slices.Concat(found, local)
	}
	return found
}

// Tables calls yield for every relation but those of a session's own, in no order,
// until it returns false.
func (s *Snapshot) Tables(yield func(*Table) bool) {
	for _, t := range s.tables {
		if !yield(t) {
			return
		}
	}
}

// Define tells the tree of a view's Definition, which the catalog does not parse. It
// may be called concurrently; the tree must not be changed any more.
func (s *Snapshot) Define(view *Table, query *pg_query.Node) { s.views.Store(view.OID, query) }

// Query is the tree of a view's Definition; nil where nobody told it.
func (s *Snapshot) Query(view *Table) *pg_query.Node {
	q, _ := s.views.Load(view.OID)
	n, _ := q.(*pg_query.Node)
	return n
}

// Body is what the code of a function runs, as PostgreSQL's grammar reads it: statements, and
// expressions as SELECT. A parameter in them is a variable.
type Body struct{ Pieces []Piece }

// Piece is one statement of a function.
type Piece struct {
	Stmt  *pg_query.Node
	Loops []int // the pieces that the loops around it go over; -1 for a loop that nothing is known to limit
}

// Tell tells the body of a function, which the catalog does not parse; nil where nobody can
// read it. It may be called concurrently; the body must not be changed any more.
func (s *Snapshot) Tell(f *Function, b *Body) { s.bodies.Store(f.OID, b) }

// Body is what was told of a function; told is false where nothing was.
func (s *Snapshot) Body(f *Function) (b *Body, told bool) {
	v, told := s.bodies.Load(f.OID)
	b, _ = v.(*Body)
	return b, told
}

// Type finds a type by OID; nil where there is none.
func (s *Snapshot) Type(oid uint32) *hoop.Type { return s.types[oid] }

// HasSchema reports whether the schema exists.
func (s *Snapshot) HasSchema(name string) bool { return s.schemas[name] }

// Functions finds functions by name; schema "" is every schema. The result must not
// be changed.
func (s *Snapshot) Functions(schema, name string) []*Function {
	return inSchema(s.functions[name], schema, func(f *Function) string { return f.Schema })
}

// Function finds a function by OID.
func (s *Snapshot) Function(oid uint32) (*Function, bool) {
	f, ok := s.byOID[oid]
	return f, ok
}

// TypeCode gives users' functions that run when a value of the type is made: those of
// domains and ranges in it.
func (s *Snapshot) TypeCode(oid uint32) []uint32 {
	if len(s.typeCode) == 0 {
		return nil
	}
	var out []uint32
	seen := map[uint32]bool{}
	var look func(t *hoop.Type)
	look = func(t *hoop.Type) {
		if t == nil || seen[t.OID] {
			return
		}
		seen[t.OID] = true
		out = append(out, s.typeCode[t.OID]...)
		look(t.Elem)
		for _, f := range t.Fields {
			look(f)
		}
	}
	look(s.types[oid])
	return out
}

// Default gives the functions that the default of a type calls, PostgreSQL's own too.
func (s *Snapshot) Default(oid uint32) []uint32 { return s.defaults[oid] }

// TypeCodes calls yield for every type that runs a function when a value of its own is
// made, in order.
func (s *Snapshot) TypeCodes(yield func(oid uint32, functions []uint32) bool) {
	inOrder(s.typeCode, yield)
}

// Comparisons calls yield for every type of which users' functions sort, hash or compare
// values, in order: support functions of operator classes, and their operators'.
func (s *Snapshot) Comparisons(yield func(oid uint32, functions []uint32) bool) {
	inOrder(s.comparing, yield)
}

func inOrder(m map[uint32][]uint32, yield func(oid uint32, functions []uint32) bool) {
	for _, oid := range slices.Sorted(maps.Keys(m)) {
		if !yield(oid, m[oid]) {
			return
		}
	}
}

// memo keeps what is derived from a snapshot.
type memo struct {
	once  sync.Once
	value any
}

// Derived gives what derive made of the snapshot when it was asked first. There is one
// such thing. It may be called concurrently; derive must not call it.
func (s *Snapshot) Derived(derive func() any) any {
	s.memo.once.Do(func() { s.memo.value = derive() })
	return s.memo.value
}

// EventTriggers are the functions that run with commands that change the catalog.
func (s *Snapshot) EventTriggers() []uint32 { return s.events }

// Defers reports whether a change of some table may set off code of users that runs when the
// transaction ends.
func (s *Snapshot) Defers() bool { return s.defers }

// Schemas are the names of all schemas but temporary ones, sorted.
func (s *Snapshot) Schemas() []string { return slices.Sorted(maps.Keys(s.schemas)) }

// Operators finds users' operators by name, in every schema.
func (s *Snapshot) Operators(name string) []*Operator { return s.operators[name] }

// Casts are the users' casts.
func (s *Snapshot) Casts() []Cast { return s.casts }

// UserTypes finds users' types by name, in every schema.
func (s *Snapshot) UserTypes(name string) []UserType { return s.userTypes[name] }

// Loose reports whether a collation or a type of that name, in any schema, may call values equal
// that are written in other letters, as one that is not deterministic does.
func (s *Snapshot) Loose(name string) bool { return s.loose[name] }

// Collates reports whether values of a type bring along a collation that is not deterministic: a
// column that is compared with one is compared by that, too.
func (s *Snapshot) Collates(oid uint32) bool { return s.collating[oid] }

// Related gives all partitions, inheritance children and parents of t, transitively,
// without t.
func (s *Snapshot) Related(t *Table) []*Table {
	return s.reached(t, func(at *Table) []uint32 { return slices.Concat(at.Parents, at.Children) })
}

// Ancestors gives all that t inherits from, or is a partition of, transitively.
func (s *Snapshot) Ancestors(t *Table) []*Table {
	return s.reached(t, func(at *Table) []uint32 { return at.Parents })
}

// reached gives the tables that next leads to from t, one after the other, without t.
func (s *Snapshot) reached(t *Table, next func(*Table) []uint32) []*Table {
	seen := map[uint32]bool{t.OID: true}
	var out []*Table
	queue := []*Table{t}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, oid := range next(at) {
			if rel, ok := s.tables[oid]; ok && !seen[oid] {
				seen[oid] = true
				out = append(out, rel)
				queue = append(queue, rel)
			}
		}
	}
	return out
}

// PartitionOf gives the table that t is a partition of; nil where it is none.
func (s *Snapshot) PartitionOf(t *Table) *Table {
	for _, oid := range t.Parents {
		if whole := s.tables[oid]; whole != nil && whole.Kind == KindPartitioned {
			return whole
		}
	}
	return nil
}

func inSchema[T any](all []T, schema string, of func(T) string) []T {
	if schema == "" {
		return all
	}
	if len(all) == 1 && of(all[0]) == schema {
		return all
	}
	var out []T
	for _, v := range all {
		if of(v) == schema {
			out = append(out, v)
		}
	}
	return out
}
