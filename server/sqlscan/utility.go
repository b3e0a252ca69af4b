package sqlscan

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// cursorHold is CURSOR_OPT_HOLD of PostgreSQL's nodes/parsenodes.h.
const cursorHold = 0x0020

// utility analyses a whole statement: queries, and the commands of PostgreSQL's
// reference that are none.
func (s *stmt) utility(n *pg_query.Node) {
	top := where{scope: s.around, output: true}
	switch x := n.GetNode().(type) {
	case nil:
		return // an empty statement: ";"
	case *pg_query.Node_SelectStmt:
		s.cmd.Verb, s.cmd.ReturnsRows = "SELECT", true
		if intoOf(x.SelectStmt) != nil {
			s.cmd.Verb, s.cmd.ReturnsRows = "SELECT INTO", false
		}
		s.rows = s.rows || s.cmd.ReturnsRows
		s.walk(n, top)
	case *pg_query.Node_InsertStmt:
		s.cmd.Verb, s.cmd.ReturnsRows = "INSERT", len(x.InsertStmt.ReturningList) > 0
		s.walk(n, top)
	case *pg_query.Node_UpdateStmt:
		s.cmd.Verb, s.cmd.ReturnsRows = "UPDATE", len(x.UpdateStmt.ReturningList) > 0
		s.walk(n, top)
	case *pg_query.Node_DeleteStmt:
		s.cmd.Verb, s.cmd.ReturnsRows = "DELETE", len(x.DeleteStmt.ReturningList) > 0
		s.walk(n, top)
	case *pg_query.Node_MergeStmt:
		s.cmd.Verb, s.cmd.ReturnsRows = "MERGE", len(x.MergeStmt.ReturningList) > 0
		s.walk(n, top)
	default:
		if !s.sessionCommand(n) && !s.dataCommand(n) && !s.schemaCommand(n) && !s.serverCommand(n) {
			s.cmd.Verb = "UNKNOWN"
			s.unknown("a command that is not known")
		}
	}
}

// intoOf finds SELECT … INTO, which stands in the leftmost branch of a set operation.
func intoOf(q *pg_query.SelectStmt) *pg_query.IntoClause {
	for ; q != nil; q = q.Larg {
		if q.IntoClause != nil {
			return q.IntoClause
		}
	}
	return nil
}

// sessionCommand handles what touches this session only.
func (s *stmt) sessionCommand(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_TransactionStmt:
		s.transaction(x.TransactionStmt)
	case *pg_query.Node_VariableSetStmt:
		s.cmd.Verb = "SET"
		if k := x.VariableSetStmt.Kind; k == pg_query.VariableSetKind_VAR_RESET || k == pg_query.VariableSetKind_VAR_RESET_ALL {
			s.cmd.Verb = "RESET"
		}
		s.set(x.VariableSetStmt)
	case *pg_query.Node_VariableShowStmt:
		s.cmd.Verb, s.cmd.ReturnsRows, s.rows = "SHOW", true, true
	case *pg_query.Node_PrepareStmt:
		s.utility(x.PrepareStmt.Query)
		for _, t := range x.PrepareStmt.Argtypes {
			s.walk(t, where{})
		}
		s.cmd.Verb, s.cmd.ReturnsRows, s.cmd.Prepare = "PREPARE", false, x.PrepareStmt.Name
		s.use(hoop.EffectSession, "")
	case *pg_query.Node_ExecuteStmt:
		s.cmd.Verb, s.cmd.ReturnsRows = "EXECUTE", true
		s.execute(x.ExecuteStmt)
	case *pg_query.Node_DeallocateStmt:
		s.cmd.Verb, s.cmd.Deallocate = "DEALLOCATE", x.DeallocateStmt.Name
		if x.DeallocateStmt.Isall {
			s.cmd.Deallocate = "*"
		}
		s.use(hoop.EffectSession, "")
	case *pg_query.Node_DeclareCursorStmt:
		s.utility(x.DeclareCursorStmt.Query)
		s.cmd.Verb, s.cmd.ReturnsRows, s.cmd.Declare = "DECLARE CURSOR", false, x.DeclareCursorStmt.Portalname
		s.cmd.Holds = x.DeclareCursorStmt.Options&cursorHold != 0
		s.use(hoop.EffectSession, "")
	case *pg_query.Node_FetchStmt:
		s.cmd.Verb, s.cmd.ReturnsRows, s.cmd.Fetch = "FETCH", true, x.FetchStmt.Portalname
		s.cmd.Rewinds = x.FetchStmt.Direction != pg_query.FetchDirection_FETCH_FORWARD || x.FetchStmt.HowMany <= 0
		if x.FetchStmt.Ismove {
			s.cmd.Verb, s.cmd.ReturnsRows = "MOVE", false
		} else {
			s.rows = true
		}
		s.out.Cursors = true
		s.use(hoop.EffectSession, "")
	case *pg_query.Node_ClosePortalStmt:
		s.cmd.Verb, s.cmd.CloseCursor = "CLOSE", x.ClosePortalStmt.Portalname
		if x.ClosePortalStmt.Portalname == "" {
			s.cmd.CloseCursor = "*"
		}
		s.use(hoop.EffectSession, "")
	case *pg_query.Node_DiscardStmt:
		s.cmd.Verb = "DISCARD"
		switch x.DiscardStmt.Target {
		case pg_query.DiscardMode_DISCARD_ALL:
			s.cmd.Deallocate, s.cmd.CloseCursor, s.cmd.Discard, s.cmd.Untemp, s.cmd.ResetAll = "*", "*", true, true, true
		case pg_query.DiscardMode_DISCARD_TEMP:
			s.cmd.Untemp = true
		}
		s.use(hoop.EffectSession, "")
	case *pg_query.Node_ListenStmt:
		s.cmd.Verb = "LISTEN"
		s.use(hoop.EffectSession, "")
	case *pg_query.Node_UnlistenStmt:
		s.cmd.Verb = "UNLISTEN"
		s.use(hoop.EffectSession, "")
	case *pg_query.Node_NotifyStmt:
		s.cmd.Verb = "NOTIFY"
		s.use(hoop.EffectSession, "")
	case *pg_query.Node_ConstraintsSetStmt:
		s.cmd.Verb, s.cmd.Hurries = "SET CONSTRAINTS", true
		s.out.Opaque = true // deferred triggers may fire at once
		s.use(hoop.EffectSession, "")
	default:
		return false
	}
	return true
}

var transactions = map[pg_query.TransactionStmtKind]struct {
	verb string
	tx   Tx
}{
	pg_query.TransactionStmtKind_TRANS_STMT_BEGIN:             {"BEGIN", TxBegin},
	pg_query.TransactionStmtKind_TRANS_STMT_START:             {"START TRANSACTION", TxBegin},
	pg_query.TransactionStmtKind_TRANS_STMT_COMMIT:            {"COMMIT", TxCommit},
	pg_query.TransactionStmtKind_TRANS_STMT_ROLLBACK:          {"ROLLBACK", TxRollback},
	pg_query.TransactionStmtKind_TRANS_STMT_SAVEPOINT:         {"SAVEPOINT", TxSavepoint},
	pg_query.TransactionStmtKind_TRANS_STMT_RELEASE:           {"RELEASE", TxRelease},
	pg_query.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:       {"ROLLBACK TO SAVEPOINT", TxRollbackTo},
	pg_query.TransactionStmtKind_TRANS_STMT_PREPARE:           {"PREPARE TRANSACTION", TxPrepare},
	pg_query.TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED:   {"COMMIT PREPARED", TxCommitPrepared},
	pg_query.TransactionStmtKind_TRANS_STMT_ROLLBACK_PREPARED: {"ROLLBACK PREPARED", TxRollbackPrepared},
}

func (s *stmt) transaction(t *pg_query.TransactionStmt) {
	kind, ok := transactions[t.Kind]
	if !ok {
		s.cmd.Verb = "UNKNOWN"
		s.unknown("a transaction command that is not known")
		return
	}
	s.cmd.Verb, s.cmd.Tx, s.cmd.Chain = kind.verb, kind.tx, t.Chain
	s.use(hoop.EffectSession, "")
	switch kind.tx {
	case TxCommit, TxPrepare:
		s.out.Opaque = true // deferred triggers and constraints fire now
	case TxCommitPrepared, TxRollbackPrepared:
		s.opaque("ends a transaction whose statements are not in this session")
		if kind.tx == TxCommitPrepared { // with whatever it changed in the catalog
			s.out.DDL, s.out.Joins = true, true
		}
	case TxRollback, TxRollbackTo:
		s.shifted = true // settings and objects are what they were before
	}
}

// dataCommand handles what moves rows or runs code.
func (s *stmt) dataCommand(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CopyStmt:
		s.copy(x.CopyStmt)
	case *pg_query.Node_ExplainStmt:
		s.utility(x.ExplainStmt.Query)
		local := s.cmd.Local
		s.cmd = Command{Verb: "EXPLAIN", ReturnsRows: true, Explain: true, Execute: s.cmd.Execute, Start: s.cmd.Start, End: s.cmd.End}
		if runs(x.ExplainStmt) {
			s.cmd.Local = local // with ANALYZE what it stores is stored
		}
		s.rows = true
		// Plans show constants that code may have made, and statistics by their estimates: of
		// tables that the text does not name, unless it only plans what needs no code.
		if why := plans(x.ExplainStmt.Query, s.cat); why != "" || runs(x.ExplainStmt) {
			s.out.Opaque = true
		}
	case *pg_query.Node_CallStmt:
		s.cmd.Verb, s.cmd.ReturnsRows, s.rows = "CALL", true, true
		s.walk(&pg_query.Node{Node: &pg_query.Node_FuncCall{FuncCall: x.CallStmt.Funccall}}, where{})
		s.opaque("CALL runs a procedure")
		s.leavesAny()
	case *pg_query.Node_DoStmt:
		s.cmd.Verb = "DO"
		s.opaque("DO runs code")
		s.do(x.DoStmt)
		s.leavesAny()
	case *pg_query.Node_TruncateStmt:
		s.cmd.Verb = "TRUNCATE"
		s.truncate(x.TruncateStmt)
	case *pg_query.Node_LockStmt:
		s.lock(x.LockStmt)
	case *pg_query.Node_RefreshMatViewStmt:
		s.cmd.Verb = "REFRESH MATERIALIZED VIEW"
		s.alerted = true
		into := s.canonical(x.RefreshMatViewStmt.Relation)
		for _, t := range s.lookup(x.RefreshMatViewStmt.Relation) {
			s.taking(true, func() { s.view(t) })
		}
		s.lookedUp(s.ran)
		s.out.Opaque = true
		s.use(hoop.EffectWrite, "REFRESH", into...)
		if !x.RefreshMatViewStmt.SkipData {
			s.derive("REFRESH MATERIALIZED VIEW", into)
		}
	default:
		return false
	}
	return true
}

// do reads the body of DO.
func (s *stmt) do(d *pg_query.DoStmt) {
	body, lang := "", "plpgsql"
	for _, o := range d.Args {
		switch e := o.GetDefElem(); strings.ToLower(e.GetDefname()) {
		case "as":
			body = e.GetArg().GetString_().GetSval()
		case "language":
			lang = strings.ToLower(e.GetArg().GetString_().GetSval())
		}
	}
	c := newCode(s.cat)
	if lang == "plpgsql" || lang == "sql" {
		c.body(body, lang)
	} else {
		c.unreadable()
		c.commits = true
	}
	s.cmd.Commits = c.commits
	s.explicit(c, "DO runs code")
}

// execute is EXECUTE, whose statement has an analysis of its own, where the parameters
// are the client's own values. What the arguments read may end up wherever it keeps a
// parameter: in a table, a sequence or a setting.
func (s *stmt) execute(e *pg_query.ExecuteStmt) {
	s.cmd.Execute = e.Name
	for _, p := range e.Params {
		s.walk(p, where{})
	}
	s.opaque("runs what was prepared before")
	if !s.on.given(e.Params...) {
		s.anything("what was prepared before may keep what its arguments read")
	}
}

// copy handles COPY in its four forms.
func (s *stmt) copy(c *pg_query.CopyStmt) {
	s.cmd.Verb = "COPY"
	if c.IsProgram || c.Filename != "" {
		var from []string
		if c.IsFrom {
			from = []string{"*"} // tables are files, too
		}
		s.use(hoop.EffectServer, "COPY with a server file or program", from...)
	}
	if c.IsFrom {
		s.cmd.CopyFile = c.IsProgram || c.Filename != ""
		s.cmd.CopyIn = !s.cmd.CopyFile
		into := s.target(c.Relation, inserts)
		s.use(hoop.EffectImport, "", into...)
		s.loaded(c.Relation, stringsOf(c.Attlist), false)
		if !s.cmd.CopyIn {
			s.derive("COPY from a server file or program", into, "*")
		}
		s.walk(c.WhereClause, where{})
		return
	}
	s.cmd.CopyOut = !c.IsProgram && c.Filename == ""
	s.rows = true
	if c.Relation != nil {
		s.relation(c.Relation, nil)
	}
	if c.Query != nil {
		cmd := s.cmd
		s.utility(c.Query)
		s.cmd = cmd
	}
}

func (s *stmt) truncate(t *pg_query.TruncateStmt) {
	var tables []string
	for _, n := range t.Relations {
		rv := n.GetRangeVar()
		if into := s.target(rv, truncates); !isOwn(into) {
			tables = append(tables, into...)
		}
		if t.Behavior != pg_query.DropBehavior_DROP_CASCADE {
			continue
		}
		for _, table := range s.lookup(rv) {
			more := map[uint32]bool{}
			tables = append(tables, s.referencing(table.OID, more)...)
			for oid := range more {
				if ref, ok := s.cat.Table(oid); ok && ref != table {
					s.fires(ref, truncates)
				}
			}
		}
	}
	if len(tables) > 0 {
		s.use(hoop.EffectDestroy, "TRUNCATE", tables...)
	}
}

// referencing names the tables with a foreign key to a table, transitively.
func (s *stmt) referencing(oid uint32, seen map[uint32]bool) []string {
	t, ok := s.cat.Table(oid)
	if !ok || seen[oid] {
		return nil
	}
	seen[oid] = true
	var out []string
	for _, fk := range t.Cascades {
		if ref, ok := s.cat.Table(fk.Table); ok {
			s.note(ref)
			out = append(out, ref.Canonical())
			out = append(out, s.referencing(fk.Table, seen)...)
		}
	}
	return out
}

// accessShare is AccessShareLock of PostgreSQL's lockdefs.h.
const accessShare = 1

func (s *stmt) lock(l *pg_query.LockStmt) {
	s.cmd.Verb = "LOCK"
	var tables []string
	for _, n := range l.Relations {
		tables = append(tables, s.canonical(n.GetRangeVar())...)
	}
	if l.Mode == accessShare {
		s.use(hoop.EffectSession, "")
		return
	}
	s.use(hoop.EffectServer, "a lock above ACCESS SHARE", tables...)
}

// runs reports whether EXPLAIN may run the statement, or shows more than its plan. Tools
// name each option, most of them switched off.
func runs(e *pg_query.ExplainStmt) bool {
	for _, o := range e.Options {
		switch d := o.GetDefElem(); d.GetDefname() {
		case "costs", "verbose", "format", "summary":
		case "analyze", "buffers", "settings", "timing", "wal", "memory", "generic_plan":
			if chosen(d) {
				return true
			}
		default:
			return true
		}
	}
	return false
}
