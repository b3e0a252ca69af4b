// Package sqlscan says what a PostgreSQL statement can do: its effects, the tables it
// can read and write, whether code decides that the text does not show.
//
// It is pure: a parse tree and a snapshot of the catalog in, an Analysis out, no I/O
// and no clock. It is sound before it is precise: a node, a name or a function that
// it does not know makes the statement opaque or unknown. What an effect leads to is
// left to policy; how answers are masked, to mask.
package sqlscan

//go:generate go run ./internal/walkgen/cmd
//go:generate go test -run "Statements|Reference" -update .

import (
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// Analysis is what one text (all its statements) can do.
type Analysis struct {
	Verb string     // "SELECT", "DROP TABLE"; the first statement's, for lists
	Uses []hoop.Use // effects with what they touch, in the order of hoop.Effects, one per effect and reason
	// Reads are the tables whose values can reach the client, an error text or a new
	// place, with their partitions and inheritance relatives; canonical names, sorted.
	Reads []string
	// Opaque says that the text can read what it does not show: views, functions,
	// triggers, names that the catalog does not have.
	Opaque bool
	// Cursors says that the text fetches from cursors, by Command.Fetch: it is Opaque
	// where their queries are not known, and reads what these read.
	Cursors bool
	// Absent says that the text calls a function of a name that the catalog does not have,
	// so that it fails before any of it runs; "" where it does not. Where the session may
	// have made what the catalog does not show yet, it is effect opaque instead.
	Absent string
	// Swayed says that what the text changes has a limit unless values of parameters take it
	// away: Lineage.Values tells.
	Swayed   bool
	Commands []Command // one per statement in the text
	// Temp says that the text may create session-local objects or settings that the
	// catalog does not show, or act as another role: later statements of the session
	// count as Opaque, until one with Command.Untemp has succeeded. Temporary tables that
	// Command.Local tells of are no reason.
	//
	// The search_path is no reason: a name without a schema means every table, function,
	// operator and type of that name, in any schema, so none is found that was not
	// counted. The one schema that is not in the catalog is pg_temp, and whatever puts
	// something into it has Temp itself, or Unplaced.
	Temp bool
	// Unplaced are the names, quoted where necessary, of what the text makes without that of a
	// schema: it is the session's own, as with Temp, where pg_temp stands first in the
	// search_path. That is for the session to know: see Paths.
	Unplaced []string
	// Copied is what the text itself may put where it is not followed (into tables that others
	// see, settings, notifications and the like, or under another name): Columns, or where there are
	// none anything of Tables. What code copies that it sets off is in Uses alone.
	Copied []hoop.Use
	// Renamed are the names, likewise, that relations get which the catalog shows or which are
	// not known, and views without a schema: what has the old one, or is shown, may be the
	// session's own where such are not followed, and what it becomes is so, too.
	Renamed []string
	// Strays are the names, likewise, of relations in the text that the catalog does not have.
	Strays []string
	// Restates tells what names of relations stand for, or reach, other than the catalog shows
	// until that shows it.
	Restates []Restated
	// Named are the canonical names that relations get, and Schemas those of schemas, until the
	// catalog shows them: where a text says no schema, a name may stand for one of these.
	Named, Schemas []string
	// Paths says that the text may set the session's search_path so that pg_temp is in it.
	Paths bool
	// Hides says that the text may make a table of the session's own that is not followed, or
	// alter one so, until one with Command.Untemp has succeeded.
	Hides bool
	// Hidden are the names of such tables, as in Finds.
	Hidden []string
	// Veils are the names that views get which may be the session's own, quoted where
	// necessary: PostgreSQL finds those before any table of the name, and what later texts
	// do to it reaches the tables that the view shows.
	Veils []string
	// Finds are the names, sorted, by which code that the text does not call (triggers, defaults,
	// checks, policies) finds tables in any schema, one of the session's own before all
	// others: when it runs, which may be at COMMIT. "*" is among them where it can find any.
	Finds []string
	// Lands is where such code puts what it finds; "*" is among them where it may be anywhere.
	Lands []string
	// Defers says that code of users which the text sets off may run when the transaction ends:
	// constraint triggers, and checks of keys and exclusion constraints, that are DEFERRABLE.
	Defers bool
	DDL    bool // it changes the catalog: refresh it before the next statement is judged
	// Joins says that it makes a table a child or a partition of another. Until the catalog
	// shows that, rows of the one may stand in the other, and its columns prove nothing.
	Joins bool
	// JoinsOwn says that the child may be a table of the session's own, which no catalog
	// shows: the same holds until Command.Untemp.
	JoinsOwn bool
	Settings []string // names of the settings it sets, lower case, sorted
	Multi    int      // number of statements
	// Recodes says that it may change what code runs by a name, or with a type: until the
	// catalog shows that, what runs behind it in its transaction may be any code.
	Recodes bool
	// Plants says that it leaves code that does more than read in something of the session's
	// own: a view, a default, a check, a trigger. No catalog shows that, so what runs behind it
	// may run the code, until one with Command.Untemp has succeeded.
	Plants bool
	// PlantsUnplaced says that this is so where pg_temp stands first in the search_path, a
	// table of the session's own is not followed, or behind Types.
	PlantsUnplaced bool
	// Leaves says that code in it may do so, and which is not known.
	Leaves bool
	// Types says that it may make something of the session's own that is no table or view.
	Types bool
	// Parses is what runs code that does more than read as soon as the target parses the
	// text, as it may: it reads constants of arrays, rows and ranges then. "" where nothing does.
	Parses string
	// Forbidden is why the text is refused whatever the rules say; "" where it is not.
	Forbidden string
	// Looks are the places where columns decide, for the effect infer: see hoop.Look.
	// Operands name literals of the text as pglex counts them.
	Looks []hoop.Look
	// Left is what it leaves behind that runs later: until a catalog shows it, Left.Copies tells
	// what that copies. Coded says that the text may run users' code, or reaches what the
	// catalog does not have; Changes are the tables whose rows it changes.
	Left    []Left
	Coded   bool
	Changes []string
	// Untold are functions that run unseen and whose body the catalog was not told, so that
	// they count as code that cannot be read: see Study.
	Untold []*catalog.Function
	// Free says, for each literal of the text as pglex counts them, that its value does
	// not change the analysis (but for Command.End): a text with the same key whose other
	// literals are the same has the same one. It is nil where that is not known.
	Free []bool
}

// Restated is the name of a relation, quoted where necessary and without that of a schema, which
// stands for others, or by which others are reached: their canonical names, and what reading
// and changing these sets off.
type Restated struct {
	Name          string
	Tables        []string
	Read, Changed []hoop.Use
	Code          bool // it is the same relation, with other code
	View          bool // it may be one whose query says how many rows it has
}

// Has reports whether the analysis has the effect.
func (a *Analysis) Has(e hoop.Effect) bool {
	for _, u := range a.Uses {
		if u.Effect == e {
			return true
		}
	}
	return false
}

// inert are commands that run no code of anybody's, but for what COMMIT fires that was
// put off.
var inert = map[string]bool{
	"SET": true, "RESET": true, "SHOW": true, "LISTEN": true, "UNLISTEN": true, "CLOSE": true, "DEALLOCATE": true, "DISCARD": true,
}

// Inert reports whether the text only controls the transaction and the session.
func (a *Analysis) Inert() bool {
	for _, c := range a.Commands {
		if c.Tx == TxNone && !inert[c.Verb] {
			return false
		}
	}
	return true
}

// Exits reports whether the text begins with a command that PostgreSQL runs in a
// transaction that has failed (IsTransactionExitStmt in postgres.c).
func (a *Analysis) Exits() bool {
	if len(a.Commands) == 0 {
		return false
	}
	switch a.Commands[0].Tx {
	case TxCommit, TxRollback, TxRollbackTo, TxPrepare:
		return true
	}
	return false
}

// Tx is what a command does to the transaction.
type Tx byte

// The kinds of transaction command.
const (
	TxNone Tx = iota
	TxBegin
	TxCommit
	TxRollback
	TxSavepoint
	TxRelease
	TxRollbackTo
	TxPrepare // PREPARE TRANSACTION: the session has no transaction afterwards
	TxCommitPrepared
	TxRollbackPrepared
)

// Command is one statement of a text, as the wire sees it.
type Command struct {
	Verb        string
	Tx          Tx
	Chain       bool   // COMMIT or ROLLBACK AND CHAIN: a new transaction begins at once
	CopyIn      bool   // COPY … FROM STDIN
	CopyFile    bool   // COPY … FROM a server file or program
	CopyOut     bool   // COPY … TO STDOUT
	ReturnsRows bool   // a result set comes back
	Prepare     string // PREPARE name: the analysis is that of the prepared statement
	Execute     string // EXECUTE name: judge by what was prepared under that name
	// Fills are the tables that it copies rows into, but for those of the session's own of which is told
	// what they hold; with Execute, those with which the prepared statement answers.
	Fills       []string
	Deallocate  string // DEALLOCATE name; "*" is all, DISCARD ALL too
	Declare     string // DECLARE name CURSOR
	Holds       bool   // of Declare: WITH HOLD, so that its query runs when the transaction ends
	Fetch       string // FETCH or MOVE from name
	Rewinds     bool   // of Fetch: it does not only go on, so the cursor's query may run again
	CloseCursor string // CLOSE name; "*" is all
	Discard     bool   // DISCARD ALL: the session is as new
	ResetAll    bool   // RESET ALL or DISCARD ALL: settings are those the connection began with
	Untemp      bool   // DISCARD ALL or TEMP: with no transaction open, what earlier Temp warned of is gone
	Drops       bool   // DROP of what is the session's own: its name stands for another relation then
	Explain     bool   // EXPLAIN: the answer is a plan, whose text can carry values
	Hurries     bool   // SET CONSTRAINTS: what was put off until the transaction ends may run now
	Commits     bool   // it may commit by itself where no transaction is open
	Start, End  int    // bytes in the text; End is exclusive
	// Local is what becomes of the session's own tables when it succeeds.
	Local []catalog.Change
}
