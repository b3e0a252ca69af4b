package session_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// movable has code that finds its tables by their names.
const movable = counted + `
	INSERT INTO allowed VALUES (0);
	CREATE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + 1 WHERE true; RETURN 1; END'`

// A view of the session's own that has a table's name stands before it. What is done to
// the name may reach any table, so people are told, and rules for other tables count. So they
// do behind DDL that is not committed, for what names stand for by then.
func TestApproval_ViewsOfTheSessionStandBeforeTables(t *testing.T) {
	const guarded = `
---
kind: StatementRule
name: nobody-writes-allowed
spec: {targets: [pg-prod], groups: ["*"], effects: [write, unbounded-write], tables: [public.allowed], decision: deny}
`
	a := startApprovals(t, servertest.Options{Setup: movable + `;
		CREATE TABLE other.allowed (n int);
		CREATE VIEW shown AS SELECT n FROM hits;
		CREATE VIEW over AS SELECT n FROM shown;
		CREATE TABLE parts (n int) PARTITION BY RANGE (n);
		CREATE TABLE owners (id int PRIMARY KEY);
		INSERT INTO owners VALUES (0);
		CREATE FUNCTION notes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + 1 WHERE n >= 0; RETURN NULL; END';
		CREATE TABLE soon (n int);
		CREATE TRIGGER t AFTER INSERT ON soon FOR EACH ROW EXECUTE FUNCTION notes();
		CREATE TABLE later (n int);
		CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION notes();
		CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.bump(); RETURN NULL; END';
		CREATE TABLE fired (n int);
		INSERT INTO fired VALUES (7);
		CREATE TRIGGER t AFTER INSERT OR DELETE ON fired FOR EACH ROW EXECUTE FUNCTION fires();
		CREATE TABLE whole (n int) PARTITION BY RANGE (n);
		CREATE TRIGGER w AFTER INSERT ON whole FOR EACH ROW EXECUTE FUNCTION fires();
		CREATE VIEW runs AS SELECT bump()`})
	simple := func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol }
	conn := open(t, a.Gateway, simple)
	run(t, conn, "CREATE TEMP VIEW hits AS SELECT n FROM allowed")
	done := exec(conn, hit)
	held := a.pending(1)[0]
	if !slices.ContainsFunc(held.Effects, func(u hoop.Use) bool {
		return u.Effect == hoop.EffectUnboundedWrite && slices.Contains(u.Tables, "*") && strings.Contains(u.Why, "view of its own")
	}) {
		t.Errorf("nothing is said of the view: %+v", held.Effects)
	}
	a.decide(held.ID, false)
	if err := <-done; state(err) != "42501" {
		t.Error(err)
	}
	run(t, conn, "DISCARD TEMP")
	done = exec(conn, hit)
	if held = a.pending(1)[0]; slices.ContainsFunc(held.Effects, func(u hoop.Use) bool { return slices.Contains(u.Tables, "*") }) {
		t.Errorf("the view is gone: %+v", held.Effects)
	}
	a.decide(held.ID, false)
	<-done

	a.Reload(servertest.Resources+guarded, "")
	for _, sqls := range [][]string{
		{"CREATE TEMP VIEW hits AS SELECT n FROM allowed", "UPDATE hits SET n = n + 1 WHERE n < 1000"},
		{"CREATE TEMP VIEW hits AS SELECT n FROM allowed", "PREPARE p AS UPDATE hits SET n = n + 1 WHERE n < 1000"},
		{"PREPARE p AS UPDATE hits SET n = n + 1 WHERE n < 1000", "CREATE TEMP VIEW hits AS SELECT n FROM allowed", "EXECUTE p"},
		{"CREATE TEMP VIEW hits AS SELECT n FROM allowed; UPDATE hits SET n = n + 1 WHERE n < 1000"},
		{"CREATE VIEW pg_temp.hits AS SELECT n FROM allowed", "UPDATE hits SET n = n + 1 WHERE n < 1000"},
		{"CREATE TEMP VIEW hits AS SELECT n FROM allowed", "BEGIN", "ROLLBACK", "DISCARD ALL", "CREATE TEMP VIEW hits AS SELECT n FROM allowed", "UPDATE hits SET n = n + 1 WHERE n < 1000"},
	} {
		conn := open(t, a.Gateway, simple)
		var last error
		for _, sql := range sqls {
			_, last = conn.Exec(t.Context(), sql)
		}
		if state(last) != "42501" {
			t.Errorf("%s: %v", sqls, last)
		}
	}
	const update, hidden = "UPDATE hits SET n = n + 1 WHERE n < 1000", "CREATE TEMP TABLE hits (n int, EXCLUDE USING gist (int4range(n, n + 1) WITH &&))" // which is not followed
	for name, tt := range map[string]struct {
		free, asked []string // nobody is asked about those, and then people agree to these
		last        string   // is denied
		told        bool     // by people
	}{
		"another name":          {[]string{"BEGIN"}, []string{"ALTER TABLE hits RENAME TO was", "ALTER TABLE allowed RENAME TO hits"}, update, false},
		"another name, in one":  {nil, nil, "ALTER TABLE hits RENAME TO was; CREATE VIEW hits AS SELECT n FROM allowed; " + update, false},
		"a view":                {[]string{"BEGIN"}, []string{"ALTER TABLE hits RENAME TO was", "CREATE VIEW hits AS SELECT n FROM allowed"}, update, false},
		"another view":          {[]string{"BEGIN"}, []string{"CREATE OR REPLACE VIEW public.shown AS SELECT n FROM allowed"}, "UPDATE over SET n = n + 1 WHERE n < 1000", false},
		"a child, prepared":     {[]string{"PREPARE p AS " + update, "BEGIN"}, []string{"ALTER TABLE allowed INHERIT hits"}, "EXECUTE p", false},
		"a child, renamed":      {[]string{"BEGIN"}, []string{"ALTER TABLE allowed INHERIT hits", "ALTER TABLE hits RENAME TO now"}, "UPDATE now SET n = n + 1 WHERE n < 1000", false},
		"a partition":           {[]string{"BEGIN"}, []string{"ALTER TABLE parts ATTACH PARTITION allowed FOR VALUES FROM (0) TO (1000)"}, "INSERT INTO parts VALUES (1)", false},
		"a new child":           {[]string{"BEGIN"}, []string{"ALTER TABLE hits RENAME TO was", "CREATE TABLE hits () INHERITS (allowed)"}, "INSERT INTO hits VALUES (1)", false},
		"a cascade":             {[]string{"BEGIN"}, []string{"ALTER TABLE allowed ADD FOREIGN KEY (n) REFERENCES owners ON DELETE CASCADE"}, "DELETE FROM owners WHERE id = 7", false},
		"another schema":        {[]string{"BEGIN"}, []string{"ALTER TABLE other.allowed RENAME TO was", "ALTER TABLE allowed SET SCHEMA other"}, "UPDATE other.allowed SET n = n + 1 WHERE n < 1000", false},
		"over what is hidden":   {[]string{strings.Replace(hidden, "hits", "note", 1)}, []string{"CREATE VIEW hits AS SELECT n FROM allowed WHERE (SELECT count(*) FROM note) >= 0"}, update, false},
		"a check of it":         {[]string{hidden}, []string{"ALTER TABLE hits ADD CHECK (bump() > 0)"}, update, true},
		"a rule of it":          {[]string{hidden}, []string{"CREATE RULE r AS ON UPDATE TO hits DO INSTEAD SELECT bump()"}, update, true},
		"which a trigger finds": {[]string{hidden}, nil, "INSERT INTO soon VALUES (1)", true},
		"by code":               {nil, []string{"DO $$ BEGIN EXECUTE 'CREATE TEMP TABLE hits (n int)'; END $$"}, "INSERT INTO soon VALUES (1)", true},
		"a child, by code":      {[]string{"BEGIN"}, []string{"DO $$ BEGIN ALTER TABLE allowed INHERIT hits; END $$"}, update, false},
		"schemas":               {[]string{"BEGIN"}, []string{"ALTER SCHEMA other RENAME TO was", "ALTER SCHEMA public RENAME TO other"}, "UPDATE other.allowed SET n = n + 1 WHERE n < 1000", false},
		"its trigger":           {[]string{"BEGIN"}, []string{"ALTER TABLE later RENAME TO was", "ALTER TABLE fired RENAME TO later"}, "INSERT INTO later VALUES (1)", true},
		"a child's trigger":     {[]string{"BEGIN"}, []string{"ALTER TABLE fired INHERIT soon"}, "DELETE FROM soon WHERE n = 7", true},
		"a parent's trigger":    {[]string{"BEGIN"}, []string{"ALTER TABLE whole ATTACH PARTITION later FOR VALUES FROM (0) TO (10)"}, "INSERT INTO later VALUES (1)", true},
		"one under a view":      {[]string{"BEGIN"}, []string{"ALTER TABLE later RENAME TO was", "CREATE VIEW later AS SELECT n FROM fired"}, "INSERT INTO later VALUES (1)", true},
		"a view that runs code": {[]string{"BEGIN"}, []string{"ALTER VIEW runs RENAME TO fresh"}, "SELECT * FROM fresh", true},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			conn := open(t, a.Gateway, simple)
			for _, sql := range tt.free {
				run(t, conn, sql)
			}
			a.runs(conn, tt.asked, slices.Repeat([]bool{true}, len(tt.asked)))
			if tt.told {
				a.refuses(conn, tt.last)
			} else if _, err := conn.Exec(t.Context(), tt.last); state(err) != "42501" {
				t.Errorf("%s: %v", tt.last, err)
			}
		})
	}
	if n, m := a.Count("SELECT sum(n) FROM allowed"), a.hits(); n != 0 || m != 0 {
		t.Errorf("the table that nobody may write has %d, and code ran %d times", n, m)
	}
}

// Who agreed to a cursor over code agreed to what that code found when it was declared.
// Where a name may stand for something else since, going on is asked about.
func TestApproval_CursorsGoOnAsTheyWere(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable})
	for _, change := range []string{
		"SET search_path = other", "SET LOCAL search_path = other", "SELECT set_config('search_path', 'other', true)",
		"CREATE TEMP TABLE hits (n int)", "CREATE TEMP VIEW hits AS SELECT n FROM allowed", "SET app.tenant = '2'",
		"DROP TABLE pg_temp.gone", "DISCARD TEMP", "FETCH ALL FROM s",
	} {
		conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
		run(t, conn, "CREATE TEMP TABLE gone (n int)")
		for _, between := range []string{"", "; "} { // in a text of its own, and in one with FETCH
			run(t, conn, "BEGIN")
			run(t, conn, "DECLARE s CURSOR FOR SELECT set_config('search_path', 'other', true)")
			done := exec(conn, "DECLARE c CURSOR FOR SELECT bump() FROM generate_series(1, 3)")
			a.decide(a.pending(1)[0].ID, true)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			run(t, conn, "FETCH 1 FROM c")
			goes := change + between + "FETCH ALL FROM c"
			if between == "" {
				run(t, conn, change)
				goes = "FETCH ALL FROM c"
			}
			done = exec(conn, goes)
			a.decide(a.pending(1)[0].ID, false)
			if err := <-done; state(err) != "42501" {
				t.Errorf("%s: %v", goes, err)
			}
			run(t, conn, "ROLLBACK")
		}
	}
	if n, m := a.hits(), a.Count("SELECT sum(n) FROM allowed"); n != 0 || m != 0 {
		t.Errorf("%d and %d", n, m)
	}
}

// runs has conn run texts in order, those that are asked about with an approval. What begins
// with "@" others run, past the gateway.
func (a *approvals) runs(conn *pgx.Conn, texts []string, asked []bool) {
	a.t.Helper()
	for i, sql := range texts {
		if past, ok := strings.CutPrefix(sql, "@"); ok {
			a.Direct(past)
			continue
		}
		done := exec(conn, sql)
		if asked[i] {
			a.decide(a.pending(1)[0].ID, true)
		}
		if err := <-done; err != nil {
			a.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// asks has a connection of its own run texts, and then the last, which is denied.
func (a *approvals) asks(t *testing.T, texts []string, asked []bool, last string) {
	a.t = t
	conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	a.runs(conn, texts, asked)
	done := exec(conn, last)
	a.decide(a.pending(1)[0].ID, false)
	if err := <-done; state(err) != "42501" {
		t.Errorf("%s: %v", last, err)
	}
}

// The same of a cursor WITH HOLD, whose query runs when its transaction ends. Who changes
// what it finds is asked about that, and who commits, where others changed it.
func TestApproval_CursorsHeldRunAsTheyWere(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable + `;
		CREATE FUNCTION sets() RETURNS int LANGUAGE plpgsql AS 'BEGIN SET search_path = other; RETURN 1; END'`})
	const declare = "DECLARE c CURSOR WITH HOLD FOR SELECT bump() FROM generate_series(1, 3)"
	for name, tt := range map[string]struct {
		texts []string
		asked []bool // of all but the last
		last  string // which is asked about, and denied
	}{
		"the search_path":          {[]string{"BEGIN", declare}, []bool{false, true}, "SET search_path = other"},
		"of the transaction":       {[]string{"BEGIN", declare}, []bool{false, true}, "SELECT set_config('search_path', 'other', true)"},
		"of a prepared statement":  {[]string{"PREPARE p AS SELECT set_config('search_path', 'other', true)", "BEGIN", declare}, []bool{false, false, true}, "EXECUTE p"},
		"a table that goes":        {[]string{"CREATE TEMP TABLE hits (n int)", "BEGIN", declare}, []bool{false, false, true}, "DROP TABLE pg_temp.hits"},
		"all tables that go":       {[]string{"CREATE TEMP TABLE hits (n int)", "BEGIN", declare}, []bool{false, false, true}, "DISCARD TEMP"},
		"with COMMIT":              {[]string{"BEGIN", declare}, []bool{false, true}, "SET search_path = other; COMMIT"},
		"a table of its own":       {[]string{"BEGIN", declare}, []bool{false, true}, "CREATE TEMP TABLE hits (n int)"},
		"a view of its own":        {[]string{"BEGIN", declare}, []bool{false, true}, "CREATE TEMP VIEW hits AS SELECT n FROM allowed"},
		"code that people allowed": {[]string{"BEGIN", declare, "SELECT sets()"}, []bool{false, true, true}, "COMMIT"},
		"others, before COMMIT":    {[]string{"BEGIN", declare, "@CREATE OR REPLACE FUNCTION step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2'"}, []bool{false, true, false}, "COMMIT"},
	} {
		t.Run(name, func(t *testing.T) { a.asks(t, tt.texts, tt.asked, tt.last) })
	}

	// Which of two runs first nobody knows, so who agrees to the second is told of the first.
	a.t = t
	sets := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	run(t, sets, "BEGIN")
	run(t, sets, "DECLARE s CURSOR WITH HOLD FOR SELECT set_config('search_path', 'other', false)")
	done := exec(sets, declare)
	held := a.pending(1)[0]
	if !slices.ContainsFunc(held.Effects, func(u hoop.Use) bool {
		return u.Effect == hoop.EffectOpaque && strings.HasPrefix(u.Why, "the cursor WITH HOLD s may change settings")
	}) {
		t.Errorf("nothing is said of the first: %+v", held.Effects)
	}
	a.decide(held.ID, false)
	<-done
	run(t, sets, "ROLLBACK")

	// In a pipeline, whose end commits.
	l := dial(t, a)
	l.send(slices.Concat(pipelined(declare), pipelined("SET search_path = other"), []pgproto3.FrontendMessage{&pgproto3.Sync{}})...)
	l.until(notice)
	a.decide(a.pending(1)[0].ID, true)
	l.until(notice)
	a.decide(a.pending(1)[0].ID, false)
	l.until(ready)
	if n, m := a.hits(), a.Count("SELECT sum(n) FROM allowed"); n != 0 || m != 0 {
		t.Errorf("%d and %d", n, m)
	}

	// As it was, it runs; what reads is nobody's business.
	conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	for _, sql := range []string{"BEGIN", declare, "COMMIT", "SET search_path = other", "FETCH ALL FROM c", "BEGIN", "DECLARE d CURSOR WITH HOLD FOR SELECT 1", "SET search_path = public", "COMMIT", "FETCH ALL FROM d"} {
		done := exec(conn, sql)
		if sql == declare {
			a.decide(a.pending(1)[0].ID, true)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if n := a.Count("SELECT sum(n) FROM hits"); n != 3 {
		t.Errorf("it ran %d times", n)
	}
}

// The same of triggers that are deferred, behind a statement that people agreed to.
func TestApproval_DeferredTriggersRunAsTheyWere(t *testing.T) {
	const notes = "CREATE OR REPLACE FUNCTION notes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + %s WHERE n >= 0; RETURN NULL; END'"
	one, two := fmt.Sprintf(notes, "1"), fmt.Sprintf(notes, "2")
	a := startApprovals(t, servertest.Options{Setup: movable + ";" + one + `;
		CREATE TABLE later (n int); CREATE TABLE before (n int); CREATE TABLE soon (n int);
		CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION notes();
		CREATE TRIGGER t AFTER UPDATE ON soon FOR EACH ROW EXECUTE FUNCTION notes();
		CREATE FUNCTION passes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE public.later SET n = 1 WHERE n = 1; RETURN NULL; END';
		CREATE TRIGGER t AFTER UPDATE ON before FOR EACH ROW EXECUTE FUNCTION passes();
		CREATE FUNCTION updates() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE public.later SET n = 1 WHERE n = 1; RETURN 1; END';
		CREATE FUNCTION sets() RETURNS int LANGUAGE plpgsql AS 'BEGIN SET search_path = other; RETURN 1; END';
		INSERT INTO later VALUES (1); INSERT INTO before VALUES (1); INSERT INTO soon VALUES (1)`})
	const update, path = "UPDATE later SET n = n WHERE true", "SET search_path = other"
	for name, tt := range map[string]struct {
		texts []string
		asked []bool
		last  string
	}{
		"the search_path":          {[]string{"BEGIN", update}, []bool{false, true}, path},
		"of the transaction":       {[]string{"BEGIN", update}, []bool{false, true}, "SELECT set_config('search_path', 'other', true)"},
		"with COMMIT":              {[]string{"BEGIN", update}, []bool{false, true}, path + "; COMMIT"},
		"behind a trigger":         {[]string{"BEGIN", "UPDATE before SET n = n WHERE true"}, []bool{false, true}, path},
		"behind a function":        {[]string{"BEGIN", "SELECT updates()"}, []bool{false, true}, path},
		"behind DO":                {[]string{"BEGIN", "DO $$BEGIN EXECUTE 'UPDATE la' || 'ter SET n = 1'; END$$"}, []bool{false, true}, path},
		"behind what was prepared": {[]string{"PREPARE p AS " + update, "BEGIN", "EXECUTE p"}, []bool{true, false, true}, path},
		"a trigger of its own":     {[]string{"BEGIN", "CREATE CONSTRAINT TRIGGER o AFTER UPDATE ON allowed DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION notes()", "UPDATE allowed SET n = n WHERE true"}, []bool{false, true, true}, path},
		"other settings":           {[]string{"BEGIN", update}, []bool{false, true}, "SET LOCAL app.tenant = '2'"},
		"code that people allowed": {[]string{"BEGIN", update, "SELECT sets()"}, []bool{false, true, true}, "COMMIT"},
		"by SET CONSTRAINTS":       {[]string{"BEGIN", update, "SELECT sets()"}, []bool{false, true, true}, "SET CONSTRAINTS ALL IMMEDIATE"},
		"others, before COMMIT":    {[]string{"BEGIN", update, "@" + two}, []bool{false, true, false}, "COMMIT"},
		"others, before it fires":  {[]string{"BEGIN", update, "@" + fmt.Sprintf(notes, "3")}, []bool{false, true, false}, "SET CONSTRAINTS ALL IMMEDIATE"},
	} {
		t.Run(name, func(t *testing.T) { a.asks(t, tt.texts, tt.asked, tt.last) })
	}

	// In a pipeline, whose end commits.
	a.t = t
	l := dial(t, a)
	l.send(slices.Concat(pipelined(update), pipelined(path), []pgproto3.FrontendMessage{&pgproto3.Sync{}})...)
	l.until(notice)
	a.decide(a.pending(1)[0].ID, true)
	l.until(notice)
	a.decide(a.pending(1)[0].ID, false)
	l.until(ready)
	if n := a.hits(); n != 0 {
		t.Errorf("it ran: %d", n)
	}

	// Others, before the pipeline ends. The gateway looks again behind what people agreed to, and
	// may meet the change there: then a Query is skipped, as all is up to Sync.
	for i, sql := range []string{update, "DECLARE c CURSOR WITH HOLD FOR SELECT bump()"} {
		for j, end := range [][]pgproto3.FrontendMessage{{&pgproto3.Sync{}}, {&pgproto3.Query{String: "SELECT 1"}, &pgproto3.Sync{}}, {&pgproto3.Flush{}, &pgproto3.Sync{}}} {
			l := dial(t, a)
			l.send(append(pipelined(sql), &pgproto3.Flush{})...)
			l.until(notice)
			a.decide(a.pending(1)[0].ID, true)
			l.until(func(m pgproto3.BackendMessage) bool { _, ok := m.(*pgproto3.CommandComplete); return ok })
			a.Direct(fmt.Sprintf(notes, strconv.Itoa(10+3*i+j)))
			l.send(end...)
			if seen := l.until(ready); !slices.Equal(seen, []string{"42501"}) {
				t.Errorf("%s, then %T: %v", sql, end[0], seen)
			}
		}
	}
	if n := a.hits(); n != 0 {
		t.Errorf("it ran: %d", n)
	}
	a.anew(one)

	// As it was, it runs. What fires at once has run; what nobody was asked about, and the
	// next transaction, are nobody's business.
	conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	a.runs(conn, []string{
		"BEGIN", update, "@CREATE TABLE elsewhere (n int)", "SELECT 1", "COMMIT", "BEGIN", path, "ROLLBACK",
		"BEGIN", "UPDATE soon SET n = n WHERE true", path, "COMMIT", "RESET search_path",
		"BEGIN", "UPDATE later SET n = n WHERE n = 7", path, "COMMIT",
	}, []bool{1: true, 9: true, 16: false})
	if n := a.Count("SELECT sum(n) FROM public.hits"); n != 2 {
		t.Errorf("it ran %d times", n)
	}
}

// FETCH goes on in a portal, too, and so does Execute once its name may stand for a cursor.
// That is asked about where the portal does more than read and things have changed.
func TestApproval_PortalsGoOnAsTheyWere(t *testing.T) {
	const own, notes = "CREATE OR REPLACE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
		"CREATE OR REPLACE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + 1 WHERE true; RETURN NEW; END'"
	a := startApprovals(t, servertest.Options{Setup: raced})
	type msgs = []pgproto3.FrontendMessage
	text := func(sql string) msgs { return msgs{&pgproto3.Query{String: sql}} }
	execute := msgs{&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{}}
	const call, write = "SELECT bump() FROM generate_series(1, 3)", "UPDATE fired SET n = 2 WHERE n = 1 RETURNING n"
	for name, tt := range map[string]struct {
		sql    string
		change msgs
		past   string
		goes   msgs
		free   bool // nobody is asked about it
	}{
		"FETCH behind a search_path":         {call, text("SET search_path = other"), "", text("FETCH ALL FROM p"), false},
		"MOVE behind it":                     {call, text("SET search_path = other"), "", text("MOVE ALL FROM p"), false},
		"a prepared FETCH behind it":         {call, text("SET search_path = other"), "", append(pipelined("FETCH ALL FROM p"), &pgproto3.Sync{}), false},
		"FETCH behind a view of its own":     {call, text("CREATE TEMP VIEW hits AS SELECT n FROM allowed"), "", text("FETCH ALL FROM p"), false},
		"Execute behind another cursor":      {call, text("DECLARE c CURSOR FOR SELECT 1"), "", execute, false},
		"FETCH in one text with it":          {call, nil, "", text("SET search_path = other; FETCH ALL FROM p"), false},
		"FETCH behind a function of others":  {call, nil, "CREATE OR REPLACE FUNCTION step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2'", text("FETCH ALL FROM p"), false},
		"FETCH of writes, behind a trigger":  {write, nil, notes, text("FETCH ALL FROM p"), false},
		"FETCH of a portal as it was":        {call, text("SELECT 1"), "", text("FETCH ALL FROM p"), true},
		"FETCH of writes as they were":       {write, text("SELECT 1"), "", text("FETCH ALL FROM p"), true},
		"FETCH of reads behind what changes": {"SELECT 1", text("SET search_path = other"), "", text("FETCH ALL FROM p"), true},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			before := a.Count("SELECT (SELECT sum(n) FROM public.hits) + 100 * (SELECT sum(n) FROM other.hits) + (SELECT sum(n) FROM allowed)")
			l := dial(t, a)
			l.send(&pgproto3.Query{String: "BEGIN"})
			l.until(ready)
			bind := msgs{&pgproto3.Parse{Query: tt.sql}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{}}
			if tt.sql == call {
				l.send(bind...)
				l.until(notice)
				a.decide(a.pending(1)[0].ID, true)
				l.until(ready)
				bind = nil
			}
			if tt.past == "" { // in one burst
				l.send(slices.Concat(bind, tt.change, tt.goes)...)
			} else {
				l.send(bind...)
				if bind != nil {
					l.until(ready)
				}
				a.Direct(tt.past)
				l.send(tt.goes...)
			}
			if !tt.free {
				l.until(notice)
				a.decide(a.pending(1)[0].ID, false)
				if seen := l.until(ready); !slices.Equal(seen, []string{"42501"}) {
					t.Errorf("%v", seen)
				}
				if n := a.Count("SELECT (SELECT sum(n) FROM public.hits) + 100 * (SELECT sum(n) FROM other.hits) + (SELECT sum(n) FROM allowed)"); n != before {
					t.Errorf("it ran: %d", n-before)
				}
			} else {
				if tt.sql != call {
					l.until(ready)
				}
				l.until(ready)
				if seen := l.until(ready); len(seen) == 0 || !strings.HasPrefix(seen[len(seen)-1], "FETCH ") {
					t.Errorf("%v", seen)
				}
			}
			l.send(&pgproto3.Query{String: "ROLLBACK"})
			l.until(ready)
			if tt.past == notes {
				a.anew(own)
			}
		})
	}
}

// So it is where a portal does that which was bound before: it is not executed. And what code
// opened that people allowed goes on as any cursor.
func TestApproval_PortalsBoundBeforeCursors(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable + `;
		CREATE FUNCTION notes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + 1 WHERE n >= 0; RETURN NULL; END';
		CREATE TABLE later (n int);
		CREATE FUNCTION opens() RETURNS refcursor LANGUAGE plpgsql AS 'DECLARE c refcursor := ''c''; BEGIN OPEN c FOR SELECT bump(); RETURN c; END';
		CREATE FUNCTION swaps() RETURNS refcursor LANGUAGE plpgsql AS 'DECLARE c refcursor := ''c''; BEGIN CLOSE c; OPEN c FOR SELECT bump(); RETURN c; END'`})
	const cursor, held = "DECLARE c CURSOR FOR SELECT bump()", "DECLARE c CURSOR WITH HOLD FOR SELECT bump()"
	for name, tt := range map[string]struct {
		before string   // asked about, unless it is ""
		bound  string   // the portal
		behind string   // asked about where it calls or declares
		change string   // nobody is asked about it
		want   []string // of Execute
	}{
		"FETCH, and the search_path":   {cursor, "FETCH ALL FROM c", "", "SET search_path = other", []string{"42501"}},
		"FETCH, and nothing":           {cursor, "FETCH ALL FROM c", "", "SELECT 1", []string{"FETCH 1"}},
		"FETCH of what code opened":    {"SELECT opens()", "FETCH ALL FROM c", "", "SET search_path = other", []string{"42501"}},
		"the search_path":              {"", "SET search_path = other", held, "SELECT 1", []string{"34000"}},
		"set_config":                   {"", "SELECT set_config('search_path', 'other', true)", held, "SELECT 1", []string{"34000"}},
		"a table of its own":           {"", "CREATE TEMP TABLE hits (n int)", held, "SELECT 1", []string{"34000"}},
		"a table, of a trigger":        {"", "CREATE TEMP TABLE hits (n int)", "", "INSERT INTO later VALUES (1)", []string{"42501"}},
		"a view, of a trigger":         {"", "CREATE TEMP VIEW hits AS SELECT n FROM allowed", "", "INSERT INTO later VALUES (1)", []string{"42501"}},
		"a setting, and no such thing": {"", "SET search_path = other", "", "INSERT INTO later VALUES (1)", []string{"SET"}},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			if strings.HasPrefix(tt.change, "INSERT") {
				a.anew("CREATE CONSTRAINT TRIGGER t AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION notes()")
				defer a.anew("DROP TRIGGER t ON later")
			}
			l := dial(t, a)
			text := func(sql string, asked bool) {
				t.Helper()
				l.send(&pgproto3.Query{String: sql})
				if asked {
					l.until(notice)
					a.decide(a.pending(1)[0].ID, true)
				}
				l.until(ready)
			}
			text("BEGIN", false)
			if tt.before != "" {
				text(tt.before, true)
			}
			l.send(&pgproto3.Parse{Query: tt.bound}, &pgproto3.Bind{DestinationPortal: "x"}, &pgproto3.Sync{})
			l.until(ready)
			if tt.behind != "" {
				text(tt.behind, true)
			}
			text(tt.change, false)
			l.send(&pgproto3.Execute{Portal: "x"}, &pgproto3.Sync{})
			if seen := l.until(ready); !slices.Equal(seen, tt.want) {
				t.Errorf("%v, want %v", seen, tt.want)
			}
			text("ROLLBACK", false)
		})
	}
	// In SQL it is asked about; so it is where a cursor or a portal is what changes the path.
	a.t = t
	l := dial(t, a)
	for _, sqls := range [][]string{
		{"DECLARE s CURSOR FOR SELECT set_config('search_path', 'other', true)", "FETCH ALL FROM s", "FETCH ALL FROM p"},
		{"SELECT 1", "SET search_path = other", "FETCH ALL FROM f"}, // f fetches from p
		{"SELECT 1", "FETCH ALL FROM s", "FETCH ALL FROM p"},
	} {
		l.send(&pgproto3.Query{String: "BEGIN"}, &pgproto3.Query{String: sqls[0]})
		l.until(ready)
		l.until(ready)
		if sqls[1] == "FETCH ALL FROM s" && sqls[0] == "SELECT 1" {
			l.send(&pgproto3.Parse{Query: "SELECT set_config('search_path', 'other', true)"}, &pgproto3.Bind{DestinationPortal: "s"})
		}
		l.send(&pgproto3.Parse{Query: "SELECT bump()"}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Parse{Query: "FETCH ALL FROM p"}, &pgproto3.Bind{DestinationPortal: "f"}, &pgproto3.Sync{})
		l.until(notice)
		a.decide(a.pending(1)[0].ID, true)
		l.until(ready)
		l.send(&pgproto3.Query{String: sqls[1]})
		l.until(ready)
		l.send(&pgproto3.Query{String: sqls[2]})
		l.until(notice)
		a.decide(a.pending(1)[0].ID, false)
		if seen := l.until(ready); !slices.Equal(seen, []string{"42501"}) {
			t.Errorf("%s: %v", sqls, seen)
		}
		l.send(&pgproto3.Query{String: "ROLLBACK"})
		l.until(ready)
	}
	conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	for _, change := range []string{"SELECT 1", "SET search_path = other", "SET LOCAL search_path = other"} {
		run(t, conn, "BEGIN")
		code := "SELECT opens()"
		if strings.HasPrefix(change, "SET LOCAL") {
			run(t, conn, "DECLARE c CURSOR FOR SELECT 1")
			code = "SELECT swaps()"
		}
		done := exec(conn, code)
		a.decide(a.pending(1)[0].ID, true)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		run(t, conn, change)
		done = exec(conn, "FETCH ALL FROM c")
		want := ""
		if change != "SELECT 1" {
			a.decide(a.pending(1)[0].ID, false)
			want = "42501"
		}
		if err := <-done; state(err) != want {
			t.Errorf("behind %s: %v", change, err)
		}
		run(t, conn, "ROLLBACK")
	}
}

// A portal of EXECUTE runs what the name stands for when it runs. FETCH from it, and Execute
// once its own name is uncertain, are no way to run what nobody was asked about.
func TestApproval_PortalsOfExecute(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	type msgs = []pgproto3.FrontendMessage
	sync, text := &pgproto3.Sync{}, func(sql string) msgs { return msgs{&pgproto3.Query{String: sql}} }
	for name, tt := range map[string]struct {
		behind msgs
		asked  bool
		want   string // SQLSTATE
	}{
		"FETCH":                             {text("FETCH ALL FROM x"), true, "42501"},
		"MOVE":                              {text("MOVE ALL FROM x"), true, "42501"},
		"FETCH by a portal":                 {msgs{&pgproto3.Parse{Name: "f", Query: "FETCH ALL FROM x"}, &pgproto3.Bind{DestinationPortal: "y", PreparedStatement: "f"}, &pgproto3.Execute{Portal: "y"}, sync}, true, "42501"},
		"Execute":                           {msgs{&pgproto3.Execute{Portal: "x"}, sync}, false, "42501"},
		"Execute behind a cursor's DECLARE": {append(pipelined("DECLARE d CURSOR FOR SELECT 1"), &pgproto3.Execute{Portal: "x"}, sync), false, "34000"},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			l := dial(t, a)
			l.send(&pgproto3.Query{String: "BEGIN"})
			l.until(ready)
			l.send(&pgproto3.Parse{Name: "p", Query: "SELECT 1"}, &pgproto3.Parse{Name: "e", Query: "EXECUTE p"}, &pgproto3.Bind{DestinationPortal: "x", PreparedStatement: "e"}, sync)
			l.send(&pgproto3.Close{ObjectType: 'S', Name: "p"}, &pgproto3.Parse{Name: "p", Query: hit + " RETURNING n"}, sync)
			l.send(tt.behind...)
			l.until(ready)
			l.until(ready)
			if tt.asked {
				l.until(notice)
				a.decide(a.pending(1)[0].ID, false)
			}
			if seen := l.until(ready); len(seen) == 0 || seen[len(seen)-1] != tt.want {
				t.Errorf("%v", seen)
			}
			l.send(&pgproto3.Query{String: "COMMIT"})
			l.until(ready)
			if n := a.hits(); n != 0 {
				t.Errorf("it ran %d times", n)
			}
		})
	}
}

// The target keeps 63 bytes of the name of a statement: longer ones that begin alike are one.
func TestApproval_LongNames(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable})
	name := strings.Repeat("x", 63)
	type msgs = []pgproto3.FrontendMessage
	sync := &pgproto3.Sync{}
	for what, steps := range map[string][]msgs{
		"a statement that is closed": {
			{&pgproto3.Parse{Name: name + "1", Query: "SELECT 1"}, sync},
			{&pgproto3.Close{ObjectType: 'S', Name: name + "2"}, &pgproto3.Parse{Name: name + "3", Query: hit}, sync},
			{&pgproto3.Bind{PreparedStatement: name + "1"}, &pgproto3.Execute{}, sync},
		},
		"a statement that is deallocated": {
			{&pgproto3.Parse{Name: name + "1", Query: "SELECT 1"}, sync},
			{&pgproto3.Query{String: "DEALLOCATE " + name + "2"}},
			{&pgproto3.Parse{Name: name + "3", Query: hit}, sync},
			{&pgproto3.Bind{PreparedStatement: name + "1"}, &pgproto3.Execute{}, sync},
		},
	} {
		t.Run(what, func(t *testing.T) {
			a.t = t
			l := dial(t, a)
			for _, step := range steps[:len(steps)-1] {
				l.send(step...)
				l.until(ready)
			}
			l.send(steps[len(steps)-1]...)
			l.until(notice)
			a.decide(a.pending(1)[0].ID, false)
			if seen := l.until(ready); !slices.Equal(seen, []string{"42501"}) {
				t.Errorf("%v", seen)
			}
		})
	}
	if n := a.hits(); n != 0 {
		t.Errorf("it ran %d times", n)
	}
}

// The same of a portal, that was approved at Bind and is executed later.
func TestApproval_PortalsRunAsTheyWereBound(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable})
	l := dial(t, a)
	const call = "SELECT bump() FROM generate_series(1, 3)"
	l.send(&pgproto3.Query{String: "CREATE TEMP TABLE gone (n int)"})
	l.until(ready)
	for _, change := range []string{"SET search_path = other", "CREATE TEMP VIEW hits AS SELECT n FROM allowed", "DROP TABLE pg_temp.gone", "DISCARD TEMP"} {
		for _, rows := range []uint32{0, 1} { // 1: executed once before, and suspended
			l.send(&pgproto3.Query{String: "BEGIN"})
			l.until(ready)
			l.send(&pgproto3.Parse{Query: call}, &pgproto3.Bind{DestinationPortal: "p"})
			if rows > 0 {
				l.send(&pgproto3.Execute{Portal: "p", MaxRows: rows})
			}
			l.send(&pgproto3.Sync{})
			l.until(notice)
			a.decide(a.pending(1)[0].ID, true)
			l.until(ready)
			l.send(&pgproto3.Query{String: change})
			l.until(ready)
			l.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
			if seen := l.until(ready); !slices.Equal(seen, []string{"42501"}) {
				t.Errorf("%s: %v", change, seen)
			}
			l.send(&pgproto3.Query{String: "ROLLBACK"})
			l.until(ready)
		}
	}
	// In one pipeline: bound, approved, and then the path before it is executed.
	l.send(&pgproto3.Parse{Query: call}, &pgproto3.Bind{DestinationPortal: "p"})
	l.send(pipelined("SET search_path = other")...)
	l.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
	l.until(notice)
	a.decide(a.pending(1)[0].ID, true)
	if seen := l.until(ready); !slices.Equal(seen, []string{"SET", "42501"}) {
		t.Errorf("in a pipeline: %v", seen)
	}
	if n, m := a.hits(), a.Count("SELECT sum(n) FROM allowed"); n != 0 || m != 0 {
		t.Errorf("%d and %d", n, m)
	}
}

// Code of the database's that nobody calls finds relations by their names too: triggers,
// defaults. Where the session has one of its own by such a name, or makes one before
// a deferred trigger has run, people are asked: what that code does goes there.
func TestApproval_TriggersFindWhatTheSessionMade(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable + `;
		CREATE FUNCTION notes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + 1 WHERE n >= 0; RETURN NULL; END';
		CREATE FUNCTION exactly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE public.hits SET n = n + 1 WHERE n >= 0; RETURN NULL; END';
		CREATE FUNCTION anything() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE ''UPDATE h'' || ''its SET n = n + 1''; RETURN NULL; END';
		CREATE FUNCTION most() RETURNS int LANGUAGE sql STABLE AS 'SELECT max(n) FROM hits';
		CREATE FUNCTION passes() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.noted VALUES (1); RETURN NULL; END';
		CREATE TABLE noted (n int); CREATE TABLE passed (n int); CREATE TABLE later (n int); CREATE TABLE exact (n int); CREATE TABLE dynamic (n int); CREATE TABLE filled (n int, m int DEFAULT most());
		CREATE FUNCTION highest() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT max(n) FROM hits); EXCEPTION WHEN undefined_table THEN RETURN 0; END'; -- from 17 on REFRESH looks into pg_catalog and pg_temp only
		CREATE MATERIALIZED VIEW tops AS SELECT highest() AS n;
		CREATE TRIGGER t AFTER INSERT ON noted FOR EACH ROW EXECUTE FUNCTION notes();
		CREATE CONSTRAINT TRIGGER t AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION notes();
		CREATE TRIGGER t AFTER INSERT ON passed FOR EACH ROW EXECUTE FUNCTION passes();
		CREATE TRIGGER t AFTER INSERT ON exact FOR EACH ROW EXECUTE FUNCTION exactly();
		CREATE TRIGGER t AFTER INSERT ON dynamic FOR EACH ROW EXECUTE FUNCTION anything()`})
	const view, table = "CREATE TEMP VIEW hits AS SELECT n FROM allowed", "CREATE TEMP TABLE hits (n int)"
	for name, tt := range map[string]struct {
		texts []string
		asked bool // the last, and denied
	}{
		"a view before a trigger":              {[]string{view, "INSERT INTO noted VALUES (1)"}, true},
		"a table before a trigger":             {[]string{table, "INSERT INTO noted VALUES (1)"}, true},
		"in one text":                          {[]string{table + "; INSERT INTO noted VALUES (1)"}, true},
		"a table before a trigger's trigger":   {[]string{table, "INSERT INTO passed VALUES (1)"}, true},
		"a table before a default":             {[]string{table, "INSERT INTO filled (n) VALUES (1)"}, true},
		"a table before what REFRESH runs":     {[]string{table, "REFRESH MATERIALIZED VIEW tops"}, true},
		"REFRESH":                              {[]string{"REFRESH MATERIALIZED VIEW tops"}, false},
		"a view before code that is not read":  {[]string{view, "INSERT INTO dynamic VALUES (1)"}, true},
		"a prepared statement":                 {[]string{"PREPARE p AS INSERT INTO noted VALUES (1)", view, "EXECUTE p"}, true},
		"a view between trigger and COMMIT":    {[]string{"BEGIN", "INSERT INTO later VALUES (1)", view}, true},
		"a table between trigger and COMMIT":   {[]string{"BEGIN", "INSERT INTO later VALUES (1)", "SELECT 1", table}, true},
		"in one text that commits":             {[]string{"BEGIN; INSERT INTO later VALUES (1); " + view + "; COMMIT"}, true},
		"another name":                         {[]string{"CREATE TEMP TABLE mine (n int)", "BEGIN", "INSERT INTO later VALUES (1)", "CREATE TEMP TABLE mine_too (n int)", "INSERT INTO noted VALUES (1)"}, false},
		"a schema in the code":                 {[]string{view, "INSERT INTO exact VALUES (1)"}, false},
		"after COMMIT":                         {[]string{"BEGIN", "INSERT INTO later VALUES (1)", "COMMIT", view}, false},
		"gone again":                           {[]string{view, "DISCARD TEMP", "INSERT INTO noted VALUES (1)"}, false},
		"a table before code that is not read": {[]string{table, "INSERT INTO allowed VALUES (0)"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
			last := len(tt.texts) - 1
			for _, sql := range tt.texts[:last] {
				run(t, conn, sql)
			}
			done := exec(conn, tt.texts[last])
			if !tt.asked {
				if err := <-done; err != nil {
					t.Error(err)
				}
				return
			}
			held := a.pending(1)[0]
			if !slices.ContainsFunc(held.Effects, func(u hoop.Use) bool {
				return u.Effect == hoop.EffectOpaque && strings.Contains(u.Why, "what the session has made for itself")
			}) {
				t.Errorf("%+v", held.Effects)
			}
			a.decide(held.ID, false)
			if err := <-done; state(err) != "42501" {
				t.Error(err)
			}
		})
	}

	// In a pipeline, whose end commits.
	a.t = t
	l := dial(t, a)
	l.send(slices.Concat(pipelined("INSERT INTO later VALUES (1)"), pipelined(view), []pgproto3.FrontendMessage{&pgproto3.Sync{}})...)
	l.until(notice)
	a.decide(a.pending(1)[0].ID, false)
	if seen := l.until(ready); !slices.Equal(seen, []string{"42501"}) {
		t.Errorf("in a pipeline: %v", seen)
	}
	if n := a.Count("SELECT sum(n) FROM allowed"); n != 0 {
		t.Errorf("code of the database's changed another table: %d", n)
	}
}

// Whoever reads the log finds with each statement that people were asked about the request
// that asked them, whatever became of it; with others none.
func TestApproval_EventsNameTheRequest(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	conn := open(t, a.Gateway, nil)
	run(t, conn, "SELECT 1")
	want := []int64{0}
	ask := func(decide func(held hoop.Request)) {
		t.Helper()
		done := exec(conn, hit)
		held := a.pending(1)[0]
		decide(held)
		<-done
		want = append(want, held.ID)
	}
	ask(func(held hoop.Request) { a.decide(held.ID, true) })
	ask(func(held hoop.Request) { a.decide(held.ID, false) })
	ask(func(held hoop.Request) {
		a.Direct("CREATE RULE r AS ON UPDATE TO hits DO ALSO UPDATE other.hits SET n = 1000")
		a.decide(held.ID, true)
	})
	var got []int64
	for _, e := range events(t, a.Gateway) {
		if e.Type == hoop.EventStatement {
			got = append(got, e.Request)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
