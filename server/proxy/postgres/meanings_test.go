package postgres

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// snapshotOf is the catalog of the gateway's database.
func (g *gateway) snapshotOf() *catalog.Snapshot {
	g.t.Helper()
	snap, err := g.proxy.cfg.Catalog(g.target, "").Refresh(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	return snap
}

// analyzed is what text means without any memory.
func analyzed(t testing.TB, snap *catalog.Snapshot, text string) (*pgparse.Parsed, *sqlscan.Analysis) {
	t.Helper()
	p, err := shared.parser.Parse(t.Context(), text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p, sqlscan.Analyze(p, snap, sqlscan.Lineage{})
}

const people = "create table people (id int primary key, name text, born date, balance int); create table other (id int)"

func TestMeanings_SharesWhatLiteralsDoNotChange(t *testing.T) {
	snap := setup(t, people).snapshotOf()
	for _, tt := range [][2]string{
		{"SELECT balance FROM people WHERE id = 1;", "SELECT balance FROM people WHERE id = 4711;"},
		{"SELECT balance FROM people WHERE id = 1", "SELECT  balance /* x */ FROM people\nWHERE id = 22 -- y"},
		{"UPDATE people SET balance = balance + 5 WHERE id = 1;", "UPDATE people SET balance = balance + 2000 WHERE id = 0;"},
		{"INSERT INTO people (id, name) VALUES (1, 'x'), (2, 'y')", "INSERT INTO people (id, name) VALUES (30, ''), (4, 'it''s')"},
		{"SELECT name FROM people WHERE born > date '2020-01-01' AND name = '' LIMIT 5", "SELECT name FROM people WHERE born > date 'infinity' AND name = '%' LIMIT 5"},
		{"DELETE FROM people WHERE id IN (1, 2) OR name = 'x'", "DELETE FROM people WHERE id IN (11, 2) OR name = ''"},
		{"SELECT name FROM people WHERE id BETWEEN 5 AND 6", "SELECT name FROM people WHERE id BETWEEN 0 AND 2147483647"},
	} {
		k := newMeanings(1 << 20)
		first, second := tt[0], tt[1]
		p, a := analyzed(t, snap, first)
		end := a.Commands[0].End
		k.add(snap, p, a)
		got := k.find(snap, second)
		if got == nil {
			t.Errorf("%s: not found", second)
			continue
		}
		want, wantAnalysis := analyzed(t, snap, second)
		if got.text != second || got.shape != want.Shape || got.bare || got.version != snap.Version {
			t.Errorf("%s: %+v", second, got)
		}
		if !reflect.DeepEqual(got.analysis, wantAnalysis) {
			t.Errorf("%s: %+v, want %+v", second, got.analysis, wantAnalysis)
		}
		if a.Commands[0].End != end {
			t.Errorf("%s: the analysis that is shared was changed", first)
		}
		if again := k.find(snap, first); again == nil || !reflect.DeepEqual(again.analysis, a) {
			t.Errorf("%s: %+v was changed", first, again)
		}
	}
}

// What the first text of each row means must not be taken for what the second one does.
func TestMeanings_NeverShares(t *testing.T) {
	snap := setup(t, people).snapshotOf()
	for _, tt := range [][2]string{
		{"SELECT name FROM people LIMIT 5", "SELECT name FROM people LIMIT 6"},
		{"SELECT name FROM people WHERE id = 1 LIMIT 5", "SELECT name FROM people WHERE id = 1 LIMIT 5000"},
		{"SELECT name FROM people WHERE id = 1 OFFSET 5", "SELECT name FROM people WHERE id = 1 OFFSET 6"},
		{"SELECT name, balance FROM people ORDER BY 1", "SELECT name, balance FROM people ORDER BY 2"},
		{"SELECT name, balance FROM people WHERE id = 3 GROUP BY 1, 2", "SELECT name, balance FROM people WHERE id = 3 GROUP BY 2, 1"},
		{"SELECT name FROM people WHERE 1 = 2", "SELECT name FROM people WHERE 1 = 1"},
		{"DELETE FROM people WHERE id = 1 OR 1 = 2", "DELETE FROM people WHERE id = 1 OR 1 = 1"},
		{"DELETE FROM people WHERE id = 1 OR 'a' = 'b'", "DELETE FROM people WHERE id = 1 OR 'a' = 'a'"},
		{"DELETE FROM people WHERE name LIKE 'x'", "DELETE FROM people WHERE name LIKE '%'"},
		{"DELETE FROM people WHERE id BETWEEN 5 AND 6", "DELETE FROM people WHERE id BETWEEN 9223372036854775808 AND 2147483647"},
		{"DELETE FROM people WHERE NOT (id BETWEEN 5 AND 6)", "DELETE FROM people WHERE NOT (id BETWEEN 6 AND 5)"},
		{"DELETE FROM people WHERE name ~ 'x'", "DELETE FROM people WHERE name ~ '.*'"},
		{"DELETE FROM people WHERE id IN (SELECT id FROM other WHERE id = 1 LIMIT 5)", "DELETE FROM people WHERE id IN (SELECT id FROM other WHERE id = 1 LIMIT 5000)"},
		{"SELECT set_config('work_mem', '1MB', false)", "SELECT set_config('hoop.user', '1MB', false)"},
		{"SELECT set_config('work_mem', '1MB', false) WHERE 1 = 1", "SELECT set_config('hoop.user', '1MB', false) WHERE 1 = 1"},
		{"SELECT current_setting('work_mem') FROM people WHERE id = 1", "SELECT current_setting('a.b') FROM people WHERE id = 1"},
		{"SELECT name FROM people WHERE id = 'a'::regclass", "SELECT name FROM people WHERE id = 'b'::regclass"},
		{"SELECT name FROM people WHERE balance::float(2) = 1", "SELECT name FROM people WHERE balance::float(53) = 1"},
		{"SET work_mem = '1MB'", "SET work_mem = '2MB'"},
		{"SET client_encoding = 'UTF8'", "SET client_encoding = 'SJIS'"},
		{"EXPLAIN SELECT name FROM people WHERE id = 1", "EXPLAIN SELECT name FROM people WHERE id = 2"},
		{"EXECUTE p(1)", "EXECUTE p(2)"},
		// keys that differ
		{"SELECT name FROM people WHERE id = 1", "SELECT name FROM people WHERE id = '1'"},
		{"SELECT name FROM people WHERE id = 1", "SELECT name FROM people WHERE id = 2147483648"},
		{"SELECT name FROM people WHERE id = 2147483648", "SELECT name FROM people WHERE id = 9223372036854775808"},
		{"SELECT name FROM people WHERE id = 1", "SELECT name FROM people WHERE id = -1"},
		{"SELECT name FROM people WHERE id = 1", "SELECT name FROM people WHERE id = $1"},
		{"SELECT name FROM people WHERE id = 1", "SELECT name FROM people WHERE id = 1; SELECT 2"},
		{"SELECT name FROM people WHERE id = 1", "SELECT name FROM people WHERE id = 1;;"},
		{"SELECT name FROM people WHERE name = 'x'", "SELECT name FROM people WHERE name = \"x\""},
		{"SELECT name FROM people WHERE name = 'x'", "SELECT name FROM people WHERE name = E'x'"},
		{"SELECT name FROM people WHERE name = 'x'", "SELECT name FROM people WHERE name = 'x\\'"},
		{"SELECT name FROM people WHERE name = 'x'", "SELECT name FROM people WHERE name = 'x' OR 'a' = 'a'"},
		{"SELECT name FROM people WHERE name = 'x'", "SELECT name FROM people WHERE name = 'x'\x00"},
		{"SELECT name FROM people WHERE name = 'x'", "SELECT name FROM people WHERE name = '\xff'"},
		{"SELECT name FROM people WHERE id = 1 AND id < 2", "SELECT name FROM people WHERE id = 1 AND id > 2"},
		{"SELECT name FROM people WHERE id = 1 /* AND balance = 2 */", "SELECT name FROM people WHERE id = 1 AND balance = 2"},
		{"SELECT balance- -1 FROM people WHERE id = 1", "SELECT balance--1 FROM people WHERE id = 1"},
		{"SELECT name FROM \"people\" WHERE id = 1", "SELECT name FROM \"People\" WHERE id = 1"},
	} {
		k := newMeanings(1 << 20)
		p, a := analyzed(t, snap, tt[0])
		k.add(snap, p, a)
		if got := k.find(snap, tt[1]); got != nil {
			t.Errorf("%q is taken for %q", tt[1], tt[0])
		}
		if got := k.find(snap, tt[0]); got == nil {
			t.Errorf("%q is not found", tt[0])
		}
	}
}

func TestMeanings_AreThoseOfOneSnapshot(t *testing.T) {
	g := setup(t, people)
	old := g.snapshotOf()
	k := newMeanings(1 << 20)
	texts := []string{"SELECT name FROM people WHERE id = 1", "SELECT name FROM people LIMIT 1"}
	for _, text := range texts {
		p, a := analyzed(t, old, text)
		k.add(old, p, a)
	}
	admin(t, g.target.Database, "alter table people rename to persons; create view people as select * from persons")
	now := g.snapshotOf()
	for _, text := range texts {
		if k.find(now, text) != nil {
			t.Errorf("%s: found for another snapshot", text)
		}
		if k.find(old, text) == nil {
			t.Errorf("%s: not found for its own", text)
		}
	}
	other := setup(t, people).snapshotOf()
	if k.find(other, texts[0]) != nil {
		t.Error("found for another database")
	}
}

// A meaning is found by what its own analysis frees, whatever other texts of the key do.
func TestMeanings_FreeNoMoreThanTheirOwnAnalysis(t *testing.T) {
	snap := setup(t, people).snapshotOf()
	text := func(id, below int) string {
		return fmt.Sprintf("SELECT name FROM people WHERE id = %d AND id < %d", id, below)
	}
	k := newMeanings(1 << 20)
	for _, tt := range []struct {
		id, below int
		free      []bool
		finds     func(id, below int) bool
	}{
		{1, 5, []bool{true, false}, func(_, below int) bool { return below == 5 }},
		{2, 6, []bool{false, true}, func(id, _ int) bool { return id == 2 }},
		{1, 5, []bool{true, false}, func(_, below int) bool { return below == 5 }},
		{4, 8, []bool{true}, func(id, below int) bool { return below == 5 || id == 4 && below == 8 }}, // counted otherwise: as it is
	} {
		p, a := analyzed(t, snap, text(tt.id, tt.below))
		own := *a
		own.Free = tt.free
		k.add(snap, p, &own)
		for id := 1; id < 9; id++ {
			for below := 1; below < 9; below++ {
				if got, want := k.find(snap, text(id, below)) != nil, tt.finds(id, below); got != want {
					t.Errorf("after %s: %s is found: %t, want %t", text(tt.id, tt.below), text(id, below), got, want)
				}
			}
		}
	}
}

func TestMeanings_AreBounded(t *testing.T) {
	snap := setup(t, people).snapshotOf()
	const limit = 40 << 10
	k := newMeanings(limit)
	text := func(i int) string { return fmt.Sprintf("SELECT name FROM people WHERE id = 1 LIMIT %d", i) }
	for i := range 100 {
		p, a := analyzed(t, snap, text(i))
		k.add(snap, p, a)
		if k.used > limit || k.order.Len() != len(k.byKey) {
			t.Fatalf("%d bytes, %d entries in order, %d by key", k.used, k.order.Len(), len(k.byKey))
		}
	}
	if k.find(snap, text(99)) == nil || k.find(snap, text(0)) != nil {
		t.Error("the latest is forgotten, or the oldest is not")
	}
	p, a := analyzed(t, snap, "SELECT '"+strings.Repeat("x", limit)+"'")
	if m := k.add(snap, p, a); m == nil || k.used > limit {
		t.Error("a text larger than the memory is not understood, or kept")
	}
	sum := 0
	for el := k.order.Front(); el != nil; el = el.Next() {
		sum += el.Value.(*remembered).cost
	}
	if sum != k.used {
		t.Errorf("used %d, entries sum up to %d", k.used, sum)
	}
}

// meaningsOf are those that are remembered of a text, one for each analysis.
func (g *gateway) meaningsOf(text string) (all []*meaning) {
	k := g.proxy.meanings
	k.mu.Lock()
	defer k.mu.Unlock()
	for el := k.order.Front(); el != nil; el = el.Next() {
		if m := el.Value.(*remembered).meaning; m != nil && m.text == text {
			all = append(all, m)
		}
	}
	return all
}

// A text is analysed once for each state of the catalog, whoever sends it: what it can mean
// under any search_path, role and setting counts, so that none of them is part of the key. A
// session's own objects are another state.
func TestMeanings_OneForEachTextAndCatalog(t *testing.T) {
	g := setup(t, people+"; create schema alt; create table alt.people (name text)")
	const text = "SELECT name FROM people LIMIT 7"
	run := func(c *pgx.Conn, sqls ...string) {
		t.Helper()
		for _, sql := range sqls {
			if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	made := map[*sqlscan.Analysis]bool{} // so far
	want := func(analyses int, why string) {
		t.Helper()
		for _, m := range g.meaningsOf(text) {
			made[m.analysis] = true
		}
		if len(made) != analyses {
			t.Errorf("%s: %d analyses, want %d", why, len(made), analyses)
		}
	}
	a, b := g.connect(), g.connect()
	run(a, text, text)
	want(1, "sent twice")
	run(b, text)
	want(1, "by another session")
	run(b, "SET search_path = alt", text, "SET DateStyle = 'SQL, DMY'", text, "SET ROLE pg_monitor", "RESET ROLE", text)
	want(1, "under another search_path, and other settings and roles")
	if reads := g.meaningsOf(text)[0].analysis.Reads; !slices.Equal(reads, []string{"alt.people", "public.people"}) {
		t.Errorf("it reads %q whatever the search_path", reads)
	}
	if _, err := a.Exec(t.Context(), text, pgx.QueryExecModeDescribeExec); err != nil {
		t.Fatal(err)
	}
	want(1, "prepared")
	run(a, "CREATE TEMP TABLE people (name text)", text, text)
	want(2, "beside a table of the session's own")
	run(b, text)
	want(2, "without it")
	run(b, "CREATE TABLE more (n int)", text, text)
	want(3, "in another state of the catalog")
	run(a, "DISCARD ALL", text)
	want(3, "in that state by another session")
}

func TestMeanings_ServeManyConnections(t *testing.T) {
	snap := setup(t, people).snapshotOf()
	k := newMeanings(20 << 10)
	p, a := analyzed(t, snap, "SELECT name FROM people WHERE id = 1")
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range 500 {
				text := fmt.Sprintf("SELECT name FROM people WHERE id = %d", n*1000+i)
				m := k.find(snap, text)
				if m == nil {
					m = k.add(snap, p, a)
				} else if m.text != text || m.analysis.Commands[0].End != len(text) {
					t.Errorf("%s: %+v", text, m)
				}
				_ = fmt.Sprint(m.analysis.Uses, m.analysis.Reads)
			}
		})
	}
	wg.Wait()
}

// TestMeanings_RecordTheRealText runs texts that share a meaning: each is judged, and
// recorded as it was sent.
func TestMeanings_RecordTheRealText(t *testing.T) {
	g := setup(t, people)
	c := g.connect("default_query_exec_mode=simple_protocol")
	var want []string
	for i := range 5 {
		sql := fmt.Sprintf("DELETE FROM people WHERE id = %d", i*i*i)
		want = append(want, sql)
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	g.policy.on(hoop.Deny, hoop.EffectWrite)
	if _, err := c.Exec(t.Context(), "DELETE FROM people WHERE id = 5"); err == nil {
		t.Error("a text that is known is not judged")
	}
	// The same text means something else once the catalog has changed.
	g.policy.on(hoop.Deny, hoop.EffectOpaque)
	admin(t, g.target.Database, "alter table people rename to persons; create view people as select * from persons")
	g.snapshotOf()
	if _, err := c.Exec(t.Context(), "DELETE FROM people WHERE id = 4"); err == nil {
		t.Error("what was known of a table is taken for its successor")
	}
	check(t, c.Close(t.Context()))
	check(t, g.ended())
	var got []string
	for _, text := range g.statements() {
		if strings.HasPrefix(text, "DELETE") {
			got = append(got, text)
		}
	}
	if len(got) < len(want) || !reflect.DeepEqual(got[:len(want)], want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

// statements are the texts that the only session put on record.
func (g *gateway) statements() []string {
	g.t.Helper()
	check(g.t, g.journal.Close())
	r, err := g.recorder.Reader(g.t.Context(), g.sessions[0].ID())
	if err != nil {
		g.t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	var out []string
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			g.t.Fatal(err)
		}
		if rec.Kind == recording.KindStatement {
			out = append(out, rec.Statement.Text)
		}
	}
}

// cte is an analyst's query of 476 bytes.
const cte = `WITH recent AS (SELECT p.id, p.name, p.balance FROM people p WHERE p.born > date '1990-01-01' AND p.balance > 1000), totals AS (SELECT r.id, count(*) AS visits, sum(o.id) AS total FROM recent r JOIN other o ON o.id = r.id AND o.id <> 4711 GROUP BY r.id HAVING count(*) > 2) SELECT r.name, t.visits, t.total, coalesce(r.balance, 0) AS balance FROM recent r JOIN totals t ON t.id = r.id LEFT JOIN other x ON x.id = r.id WHERE r.name <> 'nobody' AND t.total > 42 ORDER BY t.total DESC`

func BenchmarkMeanings(b *testing.B) {
	conn, err := pgx.Connect(b.Context(), shared.pg.DSN("postgres"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Exec(b.Context(), strings.ReplaceAll(people, "create table", "create table if not exists"), pgx.QueryExecModeSimpleProtocol); err != nil {
		b.Fatal(err)
	}
	_ = conn.Close(b.Context())
	cat := catalog.New(catalog.Options{Connect: func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.Connect(ctx, shared.pg.DSN("postgres"))
	}})
	defer cat.Close() //nolint:errcheck // the benchmark is over
	snap, err := cat.Snapshot(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	pgbench := "SELECT balance FROM people WHERE id = %d;"
	for _, bm := range []struct{ name, first, text string }{
		{"pgbench-new-text", fmt.Sprintf(pgbench, 1), fmt.Sprintf(pgbench, 54321)},
		{"pgbench-same-text", "SELECT balance FROM people WHERE id = $1", "SELECT balance FROM people WHERE id = $1"},
		{"cte-new-text", cte, strings.ReplaceAll(cte, "4711", "123456")},
	} {
		b.Run(bm.name, func(b *testing.B) {
			k := newMeanings(1 << 20)
			p, a := analyzed(b, snap, bm.first)
			k.add(snap, p, a)
			if k.find(snap, bm.text) == nil {
				b.Fatal("not found")
			}
			b.ReportAllocs()
			for b.Loop() {
				k.find(snap, bm.text)
			}
		})
	}
	b.Run("analyze-cte", func(b *testing.B) {
		p, _ := analyzed(b, snap, cte)
		for b.Loop() {
			sqlscan.Analyze(p, snap, sqlscan.Lineage{})
		}
	})
	b.Run("values-of-a-binding", func(b *testing.B) { // what Bind costs where a limit hangs on them
		const sql = "UPDATE people SET balance = 0 WHERE born < $1 AND name LIKE $2"
		for b.Loop() {
			p, err := shared.parser.Parse(b.Context(), sql)
			if err != nil {
				b.Fatal(err)
			}
			values := valuesOf([]hoop.Param{{Value: []byte("2020-01-01")}, {Value: []byte("a%")}})
			sqlscan.Analyze(p, snap, sqlscan.Lineage{Values: values})
		}
	})
}
