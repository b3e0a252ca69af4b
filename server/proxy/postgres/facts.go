package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/session"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// Limits of what is found out for approvers.
const (
	maxAsking    = 4               // connections of the gateway's own, all targets together
	writingTime  = 2 * time.Second // to read the text again
	factsTime    = 5 * time.Second // to ask the target, connecting included
	maxProtected = 100             // columns listed
	maxLocks     = 50
)

// asking is a statement for the session, with what those who decide about it are told.
func (c *conn) asking(st *hoop.Statement, m *meaning, by *basis, also []executed) session.Ask {
	return session.Ask{
		Statement: st,
		Columns:   by.snap.Base(), Others: by.others(),
		Catalog: by.snap.Version,
		Tree: func(ctx context.Context) (all [][]byte, err error) {
			for _, text := range texts(m, also) {
				tree, err := c.proxy.cfg.Parser.Canonical(ctx, text)
				if err != nil {
					return nil, err
				}
				all = append(all, tree)
			}
			return all, nil
		},
		Ready: func(ctx context.Context) error { return c.ready(ctx, m) },
		Writing: func(ctx context.Context) ([]string, []hoop.Writing) {
			return c.writings(ctx, st, m, also)
		},
		Facts: func(ctx context.Context) (f hoop.Facts) {
			if err := isolate(func() error { f = c.facts(ctx, st, m, also); return nil }); err != nil {
				c.proxy.cfg.Log.ErrorContext(ctx, "facts for approvers", "session", c.sess.ID(), "err", err)
				f = hoop.Facts{Estimate: hoop.Estimate{Why: unasked}, Locks: hoop.Locks{Why: unasked}}
			}
			return f
		},
	}
}

// texts is the statement's own, and those that it executes by name.
func texts(m *meaning, also []executed) []string {
	all := []string{m.text}
	for _, x := range also {
		all = append(all, x.meaning.text)
	}
	return all
}

// unasked is why nothing is known where the cause is for the log.
const unasked = "the target could not be asked"

// writings tells about the literals of the text, and of those that it executes by name.
func (c *conn) writings(ctx context.Context, st *hoop.Statement, m *meaning, also []executed) (texts []string, all []hoop.Writing) {
	ctx, cancel := context.WithTimeout(ctx, writingTime)
	defer cancel()
	snap, err := c.known(ctx)
	if err != nil {
		snap = nil
	}
	tables := touched(st)
	tell := func(m *meaning, secrets []hoop.Secret, params int) {
		w := hoop.Writing{}
		if p, err := c.proxy.cfg.Parser.Parse(ctx, m.text); err == nil && snap != nil {
			w = sqlscan.Write(p, snap, params)
			w.Places = hoop.PlacesBeside(w.Places, secrets)
		}
		w.Tables, w.Opaque = tables, st.Opaque
		all = append(all, w)
	}
	tell(m, st.Secrets, len(st.Params))
	for _, x := range also {
		texts = append(texts, hoop.Conceal(x.meaning.text, x.meaning.secrets))
		tell(x.meaning, x.meaning.secrets, 0)
	}
	return texts, all
}

// known is what the database contains, with the session's own tables, as far as that is
// known without delay.
func (c *conn) known(ctx context.Context) (*catalog.Snapshot, error) {
	base, err := c.cat.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.overlay.on(base), nil
}

// touched are all tables that a statement touches.
func touched(st *hoop.Statement) []string {
	all := slices.Clone(st.Reads)
	for _, u := range st.Uses {
		all = append(append(all, u.Tables...), u.Into...)
	}
	return merge(all, nil)
}

// facts asks the target what approvers should know, over a connection of the gateway's
// own.
func (c *conn) facts(ctx context.Context, st *hoop.Statement, m *meaning, also []executed) hoop.Facts {
	ctx, cancel := context.WithTimeout(ctx, factsTime)
	defer cancel()
	f := hoop.Facts{Transaction: c.transaction(), Estimate: hoop.Estimate{Why: unasked}, Locks: hoop.Locks{Why: unasked}}
	snap, err := c.known(ctx)
	if err != nil {
		return f
	}
	f.Protected, f.More = protected(c.sess.AllRules().Protects, touched(st), snap)
	if c.proxy.cfg.Own == nil {
		return f
	}
	select {
	case c.proxy.asking <- struct{}{}:
		defer func() { <-c.proxy.asking }()
	case <-ctx.Done():
		return f
	}
	own, err := c.proxy.cfg.Own(ctx, c.sess.Target(), c.database)
	if err != nil {
		c.unasked(ctx, "connect", err)
		return f
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = own.Close(ctx)
	}()
	// Whatever is asked here changes nothing and waits for nobody.
	if _, err := own.Exec(ctx, "SET default_transaction_read_only = on; SET statement_timeout = '2s'; SET lock_timeout = '250ms'; "+
		"SET standard_conforming_strings = on; SET jit = off; SET search_path = pg_catalog"); err != nil {
		c.unasked(ctx, "settings", err)
		return f
	}
	f.Locks = c.locks(ctx, own)
	f.Estimate = c.estimate(ctx, own, st, m, also, snap)
	return f
}

func (c *conn) unasked(ctx context.Context, step string, err error) {
	if ctx.Err() == nil {
		c.proxy.cfg.Log.WarnContext(ctx, "facts for approvers", "session", c.sess.ID(), "step", step, "err", err)
	}
}

// transaction says in which state the session's transaction is.
func (c *conn) transaction() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.status == 'E':
		return "one is open and has failed"
	case c.status == 'T':
		return "one is open, and keeps its locks while this waits"
	case c.begunBatch:
		return "an implicit one is open, and keeps its locks while this waits"
	}
	return "none is open"
}

// protected lists the columns of tables that some rule protects.
func protected(protects func(hoop.ColumnRef) (string, bool), tables []string, snap *catalog.Snapshot) (found []hoop.ColumnRef, more bool) {
	found = []hoop.ColumnRef{}
	wanted := map[string]bool{}
	for _, t := range tables {
		wanted[t] = true
	}
	snap.Tables(func(t *catalog.Table) bool {
		if t.System || t.Temporary || !wanted["*"] && !wanted[t.Canonical()] {
			return true
		}
		for _, col := range t.Columns {
			ref := hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: col.Name}
			if _, ok := protects(ref); ok {
				found = append(found, ref)
			}
		}
		return true
	})
	slices.SortFunc(found, func(a, b hoop.ColumnRef) int { return strings.Compare(a.String(), b.String()) })
	if len(found) > maxProtected {
		return found[:maxProtected], true
	}
	return found, false
}

// locks asks which locks the waiting backend holds. Those on indexes come with their
// table's and are left out.
func (c *conn) locks(ctx context.Context, own *pgx.Conn) hoop.Locks {
	pid := c.up.PID
	out := hoop.Locks{Held: []hoop.Lock{}}
	no := func(step string, err error) hoop.Locks {
		c.unasked(ctx, step, err)
		return hoop.Locks{Held: []hoop.Lock{}, Why: unasked}
	}
	var seen bool
	err := own.QueryRow(ctx, `select count(*) > 0, (select count(*) from pg_catalog.pg_stat_activity b where $1::int4 = any (pg_catalog.pg_blocking_pids(b.pid)))
		from pg_catalog.pg_stat_activity a where a.pid = $1::int4`, int32(pid)).Scan(&seen, &out.Blocked)
	if err != nil {
		return no("blocked backends", err)
	}
	if !seen {
		out.Why = "the target does not know the session's backend: is there a connection pooler before it?"
		return out
	}
	rows, err := own.Query(ctx, `select distinct coalesce(n.nspname::text, ''), coalesce(c.relname::text, ''), l.locktype, l.mode
		from pg_catalog.pg_locks l left join pg_catalog.pg_class c on c.oid = l.relation
			and l.database in (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
			left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where l.pid = $1::int4 and l.granted and l.locktype not in ('virtualxid', 'transactionid') and c.relkind is distinct from 'i' and c.relkind is distinct from 'I'
		order by 1, 2, 3, 4 limit $2`, int32(pid), maxLocks+1)
	if err != nil {
		return no("locks", err)
	}
	var schema, name, kind, mode string
	if _, err = pgx.ForEachRow(rows, []any{&schema, &name, &kind, &mode}, func() error {
		on := kind
		if name != "" {
			on = hoop.TableName(schema, name)
		}
		out.Held = append(out.Held, hoop.Lock{On: on, Mode: mode})
		return nil
	}); err != nil {
		return no("locks", err)
	}
	if out.More = len(out.Held) > maxLocks; out.More {
		out.Held = out.Held[:maxLocks]
	}
	return out
}

// estimate asks the planner how many rows it expects. EXPLAIN without ANALYZE plans and
// does not run; that planning runs no code of users is for sqlscan.Plannable to say.
// The parameters are bound, so that no text is made of them; those of an EXECUTE are
// the target's to read, after what its name stands for was prepared as it was before.
func (c *conn) estimate(ctx context.Context, own *pgx.Conn, st *hoop.Statement, m *meaning, also []executed, snap *catalog.Snapshot) hoop.Estimate {
	c.mu.Lock()
	changed := c.shadows.any() || c.ddl >= 0
	c.mu.Unlock()
	if changed {
		return hoop.Estimate{Why: "the session has objects or settings of its own"}
	}
	parsed, err := c.proxy.cfg.Parser.Parse(ctx, m.text)
	if err != nil {
		return hoop.Estimate{Why: unasked}
	}
	q := question{params: st.Params}
	var prepared *pgparse.Parsed
	types := make([]uint32, 0, len(st.Params))
	for _, p := range st.Params {
		types = append(types, p.Type)
	}
	if len(also) == 1 {
		if also[0].tainted {
			return hoop.Estimate{Why: "code may have replaced what it executes"}
		}
		if prepared, err = c.proxy.cfg.Parser.Parse(ctx, also[0].meaning.text); err != nil {
			return hoop.Estimate{Why: unasked}
		}
		types = append(types, also[0].types...)
		q.prepare, q.types = prepared, also[0].types
	}
	planned, why := sqlscan.Plannable(parsed, prepared, types, snap)
	if why != "" {
		return hoop.Estimate{Why: why}
	}
	var ok bool
	if q.text, ok = c.explained(ctx, parsed, planned); !ok {
		return hoop.Estimate{Why: "its query cannot be put behind EXPLAIN"}
	}
	if planned.Execute {
		q.name = planned.Query.GetExecuteStmt().GetName()
	} else {
		q.prepare = nil
	}
	q.schemas = planned.Schemas
	plan, err := planOf(ctx, own, q)
	if err != nil {
		return hoop.Estimate{Why: c.unplanned(ctx, err)}
	}
	rows, what := plan.rows()
	if planned.What != "" {
		what = planned.What
	}
	return hoop.Estimate{Known: true, Rows: rows, What: what}
}

const explain = "EXPLAIN (FORMAT JSON) "

// explained puts what is planned behind EXPLAIN, and reads that again: it must be one
// EXPLAIN that runs nothing, of the very query.
func (c *conn) explained(ctx context.Context, p *pgparse.Parsed, planned sqlscan.Planned) (string, bool) {
	if planned.Text != "" {
		return explain + planned.Text, true
	}
	all := func(yield func(string) bool) { yield(p.SQL) }
	if !planned.Whole {
		all = parts(p.SQL)
	}
	tries := maxParts
	for query := range all {
		if tries--; tries < 0 {
			break
		}
		again, err := c.proxy.cfg.Parser.Parse(ctx, explain+query)
		if err == nil && len(again.Tree.GetStmts()) == 1 {
			x := again.Tree.Stmts[0].GetStmt().GetExplainStmt()
			if x != nil && len(x.Options) == 1 && x.Options[0].GetDefElem().GetDefname() == "format" && pgparse.Same(x.Query, planned.Query) {
				return explain + query, true
			}
		}
	}
	return "", false
}

// Limits of the search for the query in a text.
const (
	maxParts     = 40       // tried
	maxPartBytes = 64 << 10 // of the text
)

// What a query in a text can begin with, and what can stand behind one.
var (
	begins = regexp.MustCompile(`(?i)\b(?:select|with|values|table|insert|update|delete|execute)\b|\(`)
	ends   = regexp.MustCompile(`(?i)\bwith\b|\)`)
)

// parts gives what may be the query in a text. Which it is, is for the grammar to say.
func parts(sql string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if len(sql) > maxPartBytes {
			return
		}
		until := ends.FindAllStringIndex(sql, -1)
		until = until[max(0, len(until)-4):]
		for _, at := range begins.FindAllStringIndex(sql, maxParts) {
			from := at[0]
			if sql[from] == '(' {
				from++
			}
			if !yield(sql[from:]) {
				return
			}
			for _, to := range slices.Backward(until) {
				if to[0] > from && !yield(sql[from:to[0]]) {
					return
				}
			}
		}
	}
}

// unplanned says why there is no plan, without the target's words: they may quote values.
func (c *conn) unplanned(ctx context.Context, err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		c.unasked(ctx, "explain", err)
		return unasked
	}
	switch pg.Code {
	case "57014", "55P03": // query_canceled, lock_not_available
		return "planning took too long, or a lock was in the way"
	case "42501":
		return "the gateway's own connection may not"
	}
	return "PostgreSQL does not plan it (SQLSTATE " + pg.Code + ")"
}

// question is what the planner is asked.
type question struct {
	text    string // an EXPLAIN
	schemas []string
	params  []hoop.Param
	// prepare is prepared first, under name, where text executes it; types are its
	// parameters', where it was prepared in the protocol.
	prepare *pgparse.Parsed
	name    string
	types   []uint32
}

// planOf asks for the plan of an EXPLAIN in a read-only transaction that is rolled back.
func planOf(ctx context.Context, own *pgx.Conn, q question) (*plan, error) {
	tx, err := own.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // the connection is closed next
	if len(q.schemas) > 0 {
		path := append([]string{"pg_catalog"}, q.schemas...)
		for i := range path {
			path[i] = pgx.Identifier{path[i]}.Sanitize()
		}
		if _, err := tx.Exec(ctx, "select pg_catalog.set_config('search_path', $1, true)", strings.Join(path, ", ")); err != nil {
			return nil, err
		}
	}
	if err := q.prepareOn(ctx, own.PgConn()); err != nil {
		return nil, err
	}
	params := q.params
	values, types, formats := make([][]byte, len(params)), make([]uint32, len(params)), make([]int16, len(params))
	for i, p := range params {
		values[i], types[i] = p.Value, p.Type
		if p.Binary {
			formats[i] = 1
		}
	}
	res := own.PgConn().ExecParams(ctx, q.text, values, types, formats, nil).Read()
	if res.Err != nil {
		return nil, res.Err
	}
	if len(res.Rows) != 1 || len(res.Rows[0]) != 1 {
		return nil, fmt.Errorf("a plan of %d rows", len(res.Rows))
	}
	var out []struct{ Plan plan }
	if err := json.Unmarshal(res.Rows[0][0], &out); err != nil {
		return nil, err
	}
	if len(out) != 1 {
		return nil, fmt.Errorf("%d plans", len(out))
	}
	return &out[0].Plan, nil
}

// prepareOn gives the name its meaning: by the PREPARE that gave it, or as the client did in
// the protocol.
func (q *question) prepareOn(ctx context.Context, own *pgconn.PgConn) (err error) {
	switch {
	case q.prepare == nil:
	case q.prepare.Tree.Stmts[0].GetStmt().GetPrepareStmt() != nil:
		err = own.ExecParams(ctx, q.prepare.SQL, nil, nil, nil, nil).Read().Err
	default:
		_, err = own.Prepare(ctx, q.name, q.prepare.SQL, q.types)
	}
	return err
}

// plan is a node of EXPLAIN's JSON (PostgreSQL manual, "EXPLAIN").
type plan struct {
	Node  string  `json:"Node Type"`
	Rows  float64 `json:"Plan Rows"`
	Role  string  `json:"Parent Relationship"`
	Plans []plan
}

// rows is how many rows come back, or change. A ModifyTable node itself has none.
func (p *plan) rows() (int64, string) {
	if p.Node != "ModifyTable" {
		return int64(p.Rows), "come back"
	}
	total := 0.0
	for _, child := range p.Plans {
		if child.Role == "Outer" || child.Role == "Member" {
			total += child.Rows
		}
	}
	return int64(total), "change"
}
