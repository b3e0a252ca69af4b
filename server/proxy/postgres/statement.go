package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/lineage"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/session"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// statement is what the session judges: what the text does, and what it does by way of
// statements that were prepared before.
func (c *conn) statement(ctx context.Context, m *meaning, tainted bool, params []hoop.Param) (*hoop.Statement, []executed, error) {
	a := m.analysis
	if a.Forbidden != "" {
		return nil, nil, forbidden(a)
	}
	st := &hoop.Statement{
		Text: m.text, Shape: m.shape, Params: params, Uses: a.Uses, Reads: a.Reads,
		Opaque: a.Opaque, Measured: true, Carries: m.carries, Verb: a.Verb, Verbs: m.verbs, Copied: m.copied, Database: c.database,
		Secrets: m.secrets, SecretParams: m.held,
	}
	st.Opens, st.Fetches = cursors(a)
	if c.sess == nil || c.sess.Compares() { // Read has no session
		st.Looks, st.Literal = a.Looks, c.literals(m.text)
	}
	c.fetched(m, st)
	also, err := c.executed(ctx, m, st, params, 0)
	if err != nil {
		return nil, nil, err
	}
	redefined, err := c.redefined(ctx, m)
	if err != nil {
		return nil, nil, err
	}
	ripe, err := c.ripened(ctx, m)
	if err != nil {
		return nil, nil, err
	}
	st.Uses = slices.Concat(st.Uses, ripe)
	c.mu.Lock()
	defer c.mu.Unlock()
	st.Dialect += c.dialect.read(c.batch, m, also, params)
	st.InTx = c.status != 'I' || c.begunBatch
	sees := c.seesLocked(m)
	made := c.shadows.any() || tainted || c.ddl >= 0 && !sees
	if made || a.DDL || a.Temp {
		st.Uses = append(slices.Clip(st.Uses), absentUses(m, also)...)
	}
	if made {
		st.Opaque, st.Uses = true, inexact(st.Uses)
	}
	unplaced := c.shadows.unplaced(a)
	if !c.shadows.hides() && len(unplaced) == 0 {
		st.Looks = slices.DeleteFunc(slices.Clone(st.Looks), func(l hoop.Look) bool { return l.Hidden })
	}
	if tainted {
		st.Uses = append(slices.Clone(st.Uses), taintedUse)
	}
	if c.recoded && !sees && !a.Inert() {
		st.Uses = append(slices.Clip(st.Uses), recodedUse)
	}
	if c.shadows.sows() && !a.Inert() {
		st.Uses = append(slices.Clip(st.Uses), plantedUse)
	}
	st.Uses = append(slices.Clip(st.Uses), c.leftUses(m, also, sees)...)
	st.Uses = append(slices.Clip(st.Uses), c.overtakes(m, also, redefined)...)
	st.Uses = append(slices.Clip(st.Uses), c.wakes(m)...)
	st.Uses = append(slices.Clip(st.Uses), c.turned(a)...)
	for _, x := range also {
		st.Uses = append(slices.Clip(st.Uses), c.turned(x.meaning.analysis)...)
	}
	st.Uses = c.veils.lift(st.Uses, slices.Concat(a.Veils, unplaced))
	behind := c.restated // rules name what tables were called before, too
	if a.Multi > 1 {
		behind = behind.with(a.Restates)
	}
	strays := a.Strays
	for _, x := range also {
		strays = slices.Concat(strays, x.meaning.analysis.Strays)
	}
	unseen := append(c.beside.others(c), behind, c.veils.unseen(a.Veils))
	if slices.ContainsFunc(unseen, func(r restated) bool { return r.shows(st.Uses, strays) }) {
		for _, x := range append([]executed{{meaning: m}}, also...) {
			for _, cmd := range x.meaning.analysis.Commands {
				st.Uses = multiplied(st.Uses, cmd.Fills, []hoop.ColumnRef{hoop.AnyColumn}, nil)
			}
		}
	}
	named := c.fresh
	if a.Multi > 1 {
		named = named.with(a)
	}
	st.Uses = named.lift(c.lifts(behind.lift(st.Uses, strays, restatedWhy), strays))
	if len(c.finds) > 0 || len(c.veils)+len(c.overlay.tables)+len(c.restated)+len(c.shadows.hidden) > 0 || a.Temp || len(unplaced) > 0 || a.Multi > 1 {
		st.Uses = append(slices.Clip(st.Uses), c.intercepts(m, also)...)
	}
	return st, also, nil
}

// inexact gives uses whose columns are not all that there may be, as names may mean what the
// catalog does not show.
func inexact(uses []hoop.Use) []hoop.Use {
	out := slices.Clone(uses)
	for i, u := range out {
		out[i].Exact = u.Exact && len(u.Columns) == 0
	}
	return out
}

// absentUses are those of calls of functions that the catalog does not have, where the
// session may have made them.
func absentUses(m *meaning, also []executed) (uses []hoop.Use) {
	for _, x := range append([]executed{{meaning: m}}, also...) {
		if why := x.meaning.analysis.Absent; why != "" {
			uses = append(uses, hoop.Use{Effect: hoop.EffectOpaque, Tables: []string{"*"}, Why: why})
		}
	}
	return uses
}

// maxNesting is how deep EXECUTE of EXECUTE is followed.
const maxNesting = 8

// executed adds to st what the statements do that m executes by name, and gives their
// meanings.
func (c *conn) executed(ctx context.Context, m *meaning, st *hoop.Statement, params []hoop.Param, depth int) ([]executed, error) {
	if depth > maxNesting {
		return nil, hoop.Errorf(hoop.CodeInvalid, "EXECUTE is nested too deep").WithHint("prepare the statement itself")
	}
	var all []executed
	own := map[string]bool{}
	for i, cmd := range m.analysis.Commands {
		if cmd.Prepare != "" {
			own[cmd.Prepare] = true // the analysis covers it
		}
		if own[cmd.Execute] {
			looks, err := c.executedLooks(ctx, m, m, i, params)
			if err != nil {
				return nil, err
			}
			st.Looks = slices.Concat(st.Looks, looks)
			continue
		}
		if cmd.Execute == "" {
			continue
		}
		p, err := c.named(ctx, cmd.Execute)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		tainted := p.tainted
		if p.dialect != c.dialect.read(c.batch, m, nil, nil) {
			st.Dialect += p.dialect
		}
		c.mu.Unlock()
		inner, snap, err := c.renew(ctx, p.meaning)
		if err != nil {
			return nil, err
		}
		if inner.analysis.Forbidden != "" {
			return nil, forbidden(inner.analysis)
		}
		if len(cmd.Fills) > 0 {
			if st.Uses, err = c.filling(ctx, st.Uses, cmd.Fills, inner, snap, tainted); err != nil {
				return nil, err
			}
		}
		if inner, err = c.withArguments(ctx, inner, m, i, params); err != nil {
			return nil, err
		}
		if m.bare {
			// The text adds nothing to what was prepared.
			st.Uses, st.Reads, st.Opaque = nil, nil, false
		}
		st.Uses = slices.Concat(st.Uses, inner.analysis.Uses)
		c.fetched(inner, st)
		st.Reads = merge(st.Reads, inner.analysis.Reads)
		st.Opaque = st.Opaque || inner.analysis.Opaque || inner.analysis.Cursors || tainted
		st.Carries = slices.Concat(st.Carries, inner.carries)
		if len(m.copied) > 0 { // CREATE TABLE AS EXECUTE
			st.Copied = append(slices.Clip(st.Copied), hoop.Use{Effect: hoop.EffectDerive, Tables: inner.analysis.Reads})
		}
		st.Copied, st.Verbs = slices.Concat(st.Copied, inner.copied), slices.Concat(st.Verbs, inner.verbs)
		looks, err := c.executedLooks(ctx, inner, m, i, params)
		if err != nil {
			return nil, err
		}
		st.Looks = slices.Concat(st.Looks, looks)
		opens, fetches := cursors(inner.analysis)
		st.Opens, st.Fetches = append(st.Opens, opens...), append(st.Fetches, fetches...)
		if tainted {
			st.Uses = append(st.Uses, taintedUse)
		}
		st.Shape += " -- " + inner.shape
		if len(inner.held) > 0 {
			if err := c.conceals(ctx, m, i, inner.held, depth, st); err != nil {
				return nil, err
			}
		}
		all = append(all, executed{i, inner, p.types, tainted})
		deeper, err := c.executed(ctx, inner, st, nil, depth+1)
		if err != nil {
			return nil, err
		}
		for _, d := range deeper {
			all = append(all, executed{i, d.meaning, d.types, d.tainted})
		}
	}
	return all, nil
}

// filling gives uses with what multiplies the rows that CREATE TABLE AS EXECUTE puts into tables: those
// with which the prepared statement m answers, if it is that.
func (c *conn) filling(ctx context.Context, uses []hoop.Use, into []string, m *meaning, snap *catalog.Snapshot, tainted bool) ([]hoop.Use, error) {
	rows, elements := []hoop.ColumnRef{hoop.AnyColumn}, []hoop.ColumnRef(nil)
	if !tainted {
		p, err := c.proxy.cfg.Parser.Parse(ctx, m.text)
		if err != nil {
			return nil, err
		}
		c.define(ctx, p, snap)
		rows, elements = lineage.Multiplied(p, snap)
	}
	return multiplied(uses, into, rows, elements), nil
}

// multiplied gives uses with more that multiplies the rows of tables that they copy to.
func multiplied(uses []hoop.Use, into []string, rows, elements []hoop.ColumnRef) []hoop.Use {
	out := slices.Clone(uses)
	for i, u := range out {
		if u.Effect == hoop.EffectDerive && slices.ContainsFunc(u.Into, func(t string) bool { return slices.Contains(into, t) }) {
			out[i].Rows, out[i].Elements = slices.Concat(u.Rows, rows), slices.Concat(u.Elements, elements)
		}
	}
	return out
}

// executed is what command at of a text runs by name.
type executed struct {
	at      int
	meaning *meaning
	types   []uint32 // of parameters, as the client declared them in the protocol
	tainted bool     // code may have replaced it
}

// forOthers reports whether a change of the catalog is of more than the session's own objects.
func forOthers(a *sqlscan.Analysis) bool {
	return slices.ContainsFunc(a.Uses, func(u hoop.Use) bool { return !reading(u.Effect) && u.Effect != hoop.EffectDerive }) ||
		slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool { return cmd.Tx == sqlscan.TxCommitPrepared })
}

// recodedUse is for what runs in a transaction behind what changes code, which the catalog
// does not show yet.
var recodedUse = hoop.Use{
	Effect: hoop.EffectOpaque, Tables: []string{"*"}, Why: "this transaction has changed code that may run",
}

// plantedUse is for what runs behind what left such code in something of the session's own.
var plantedUse = hoop.Use{
	Effect: hoop.EffectOpaque, Tables: []string{"*"},
	Why: "a view, table or type of the session's own may run the code that it was made with; DISCARD TEMP, outside of a transaction, ends that",
}

// taintedUse is for a prepared statement that code may have replaced.
var taintedUse = hoop.Use{
	Effect: hoop.EffectOpaque, Tables: []string{"*"},
	Why: "code has run that may have replaced the prepared statement",
}

// unjudged puts a text on record that is refused before it is judged. m is nil where it
// could not be read.
func (c *conn) unjudged(text string, m *meaning, params []hoop.Param, err error) error {
	if c.ctx.Err() != nil {
		return err
	}
	st := &hoop.Statement{Text: text, Params: params, Database: c.database}
	reason := hoop.AsError(err).Message
	var syntax *pgparse.SyntaxError
	switch {
	case m != nil:
		st.Shape, st.Uses, st.Secrets, st.SecretParams = m.shape, m.analysis.Uses, m.secrets, m.held
	case errors.As(err, &syntax):
		reason = "it does not parse" // the words quote it
		if st.Secrets = sqlscan.Unread(text); hoop.Quotes([]byte(syntax.Message), st.Secrets) {
			err = &pgparse.SyntaxError{Message: "syntax error", Position: syntax.Position}
		}
	case errors.Is(err, pgparse.ErrEncoding):
		err = notUTF8(text)
		fallthrough
	default:
		if st.Secrets = sqlscan.Unread(text); len(st.Secrets) > 0 {
			st.SecretParams = numbers(len(params))
		}
	}
	return c.sess.Refuse(c.ctx, st, reason, err)
}

// numbers are those of n parameters.
func numbers(n int) (all []int) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}

// onRecord puts a refusal on record that is not yet: every error in place of the target's
// answer is one. Who cancelled has an event of that, and where the record is at fault there
// can be none.
func (c *conn) onRecord(err error) error {
	if code := asError(err).Code; session.Refused(err) != nil || code == hoop.CodeCancelled || code == hoop.CodeUnrecorded {
		return err
	}
	return c.unjudged("", nil, nil, err)
}

// disallowed puts on record that a statement which was judged is refused after all, and
// ends it.
func (c *conn) disallowed(r *running, err error) error {
	err = c.unjudged(r.meaning.text, r.meaning, r.st.Params, err)
	r.end("", refusal(err).state)
	return err
}

func forbidden(a *sqlscan.Analysis) error {
	if slices.Contains(a.Settings, "client_encoding") {
		return hoop.Errorf(hoop.CodeUnsupported, "%s", a.Forbidden).
			WithHint("set it when connecting (PGCLIENTENCODING), or by a statement on its own, outside transactions")
	}
	return hoop.Errorf(hoop.CodeDenied, "%s", a.Forbidden).WithHint("no rule allows this through the gateway")
}

// conceals adds to st the credentials that the command at a place of what m is gives to a
// prepared statement.
func (c *conn) conceals(ctx context.Context, m *meaning, at int, held []int, depth int, st *hoop.Statement) error {
	uncertain := &sqlscan.Analysis{Forbidden: unplaced}
	if depth > 0 { // it stands in another text
		return forbidden(uncertain)
	}
	snap, err := c.snapshot(ctx)
	if err != nil {
		return err
	}
	parsed, err := c.proxy.cfg.Parser.Parse(ctx, m.text)
	if err != nil {
		return err
	}
	secrets, params, placed := sqlscan.Held(parsed, snap, at, held)
	if !placed {
		return forbidden(uncertain)
	}
	st.Secrets = slices.Concat(st.Secrets, secrets)
	slices.SortFunc(st.Secrets, func(a, b hoop.Secret) int { return a.Start - b.Start })
	st.SecretParams = slices.Concat(st.SecretParams, params)
	return nil
}

// plainExecute reports whether the text is one EXECUTE whose arguments are constants.
func plainExecute(p *pgparse.Parsed) bool {
	if len(p.Tree.GetStmts()) != 1 {
		return false
	}
	x := p.Tree.GetStmts()[0].GetStmt().GetExecuteStmt()
	if x == nil {
		return false
	}
	for _, arg := range x.GetParams() {
		if arg.GetAConst() == nil {
			return false
		}
	}
	return true
}

func merge(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// listens gives the channels that the text itself listens to.
func listens(p *pgparse.Parsed) []string {
	var names []string
	for _, raw := range p.Tree.GetStmts() {
		if l := raw.GetStmt().GetListenStmt(); l != nil {
			names = append(names, l.GetConditionname())
		}
	}
	return names
}

// run judges what m does with params, and gives the statement to be forwarded.
func (c *conn) run(m *meaning, tainted bool, params []hoop.Param) (*running, error) {
	return c.runPortal("", m, tainted, "", params)
}

// runPortal does so for a portal. SQL can read one that has a name as a cursor. parsed is
// the dialect in which the text was parsed.
func (c *conn) runPortal(portal string, m *meaning, tainted bool, parsed string, params []hoop.Param) (*running, error) {
	if err := c.heard(c.ctx); err != nil {
		return nil, err
	}
	if _, err := c.look(m, nil); err != nil {
		return nil, c.unjudged(m.text, nil, params, err)
	}
	w, err := c.weigh(m, tainted, params)
	if err != nil {
		return nil, err
	}
	st := w.st
	if parsed != st.Dialect {
		st.Dialect += parsed
	}
	if portal != "" {
		st.Opens = append(st.Opens, portal)
	}
	if !fits(st.Uses) {
		c.mu.Lock()
		c.worn = true
		c.mu.Unlock()
	}
	run, held, err := c.judge(c.asking(st, w.meaning, &w.by, w.also), c.same(w))
	if err != nil {
		return nil, err
	}
	r := &running{
		run: run, meaning: w.meaning, by: w.by, also: w.also, uses: st.Uses, st: st, held: held,
		opaque: st.Opaque, stores: st.Changes(), fetches: c.fetches(w.meaning),
		masks: run.Rules().Any() || run.Watches(), withheld: run.Withheld(), commands: len(w.meaning.analysis.Commands),
	}
	if err = c.restates(r); err == nil {
		err = c.stillBeside(r, w)
	}
	if err != nil {
		return nil, c.disallowed(r, err)
	}
	return r, nil
}

// meanings gives all that the statement is made of: its text, with -1, and what it runs
// by name, with the number of the command that does.
func (r *running) meanings(yield func(at int, m *meaning) bool) {
	if !yield(-1, r.meaning) {
		return
	}
	for _, x := range r.also {
		if !yield(x.at, x.meaning) {
			return
		}
	}
}

// readsOwn reports whether the statement can read tables of the session's own.
func (r *running) readsOwn() bool {
	for _, m := range r.meanings {
		if slices.ContainsFunc(m.analysis.Reads, func(t string) bool { return strings.HasPrefix(t, catalog.TempSchema+".") }) {
			return true
		}
	}
	return false
}

// forwarded notes what a statement will have changed for those behind it; e was pushed
// and is sent next.
func (c *conn) forwarded(e *expected) {
	c.unsettles(e)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shadows.forwarded(e)
	c.fills(e)
	c.dialect.forwarded(e)
	c.awaits(e)
	sees := e.run.by.own != nil
	if e.run.alters() || c.recoded && e.run.by.altered != c.altered { // what a portal calls may be other code by now
		c.altered++
	}
	for _, m := range e.run.meanings {
		if c.movesLocked(m) {
			c.moved++
		}
	}
	c.tunedLocked(e)
	c.defers(e)
	if e.portal != nil {
		e.portal.moved = c.moved // what it changes itself was judged with it
	}
	for at, m := range e.run.meanings {
		a := m.analysis
		for _, name := range m.listens {
			if c.channels == nil {
				c.channels = map[string]bool{}
			}
			c.channels[name] = true
		}
		if a.DDL {
			c.ddl = e.batch
			c.public = c.public || forOthers(a)
		}
		c.recoded = c.recoded || a.Recodes
		c.behind = sqlscan.Leave(c.behind, a.Left...)
		c.restated = c.restated.with(a.Restates)
		if slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool { return cmd.Tx == sqlscan.TxPrepare }) {
			c.prepares = c.restated
		}
		c.fresh = c.fresh.with(a)
		unplaced := c.shadows.unplaced(a)
		if c.joined = c.joined || a.Joins; a.JoinsOwn || a.Joins && (len(unplaced) > 0 || c.shadows.any()) {
			c.adopted = e.batch
		}
		c.changeNamesLocked(e, at, m)
		followed := c.overlay.forwarded(e, at, m, c.ddl < 0 || sees)
		if !followed {
			c.shadows.lost()
			var names own
			names.makes(a, nil)
			c.shadows.hide(names.tables...)
		}
		c.veils.forwarded(e, a, unplaced, followed)
		for _, cmd := range a.Commands {
			if cmd.CopyIn {
				c.gate, c.gated = e, e
			}
		}
	}
}

// cursors gives the names of cursors that a text opens, and of those that it fetches from.
func cursors(a *sqlscan.Analysis) (opens, fetches []string) {
	for _, cmd := range a.Commands {
		if cmd.Declare != "" {
			opens = append(opens, cmd.Declare)
		}
		if cmd.Fetch != "" {
			fetches = append(fetches, cmd.Fetch)
		}
	}
	return opens, fetches
}
