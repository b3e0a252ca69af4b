package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/resource"
)

const relativesSchema = `
	create table parent (id int, ssn text); insert into parent values (1, '` + marker + `');
	create table child (extra text) inherits (parent); insert into child values (2, '` + marker + `', 'x');
	create table grandchild () inherits (child); insert into grandchild values (3, '` + marker + `', 'y');
	create table parted (id int, region int, ssn text) partition by list (region);
	create table parted_1 partition of parted for values in (1); insert into parted values (1, 1, '` + marker + `');
	create table parted_sub partition of parted for values in (2, 3) partition by list (region);
	create table parted_2 partition of parted_sub for values in (2); insert into parted values (2, 2, '` + marker + `');
	create table solo (id int, ssn text); insert into solo values (4, 'solo ` + marker + `');
	create table apart (id int, region int, ssn text); insert into apart values (5, 5, 'apart ` + marker + `');
	create table outside (id int, ssn text); insert into outside values (6, 'outside ` + marker + `')`

// A rule on a table is one on its children and partitions, at any depth: on those there
// are, from the statement on that makes a table one of them, and within moments where
// that happens past the gateway.
func TestMask_ChildrenAndPartitions(t *testing.T) {
	g := setup(t, relativesSchema, resource.MaskRule{Columns: []string{"public.parent.ssn", "public.parted.ssn"}})
	conn, tap := g.tapped()
	shown := func(sql string) string {
		t.Helper()
		var s string
		if err := conn.QueryRow(t.Context(), sql).Scan(&s); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return s
	}
	for _, table := range []string{"parent", "only parent", "child", "grandchild", "parted", "parted_1", "parted_sub", "parted_2"} {
		for _, expr := range []string{"ssn", "upper(ssn)"} {
			if got := shown("select " + expr + " from " + table + " order by id desc limit 1"); got != "[masked]" {
				t.Errorf("%s of %s: %q", expr, table, got)
			}
		}
	}
	if got := tap.String(); strings.Contains(got, marker) {
		t.Fatalf("the client received the marker: …%q", around(got, marker))
	}
	for _, c := range []struct{ table, ddl string }{
		{"solo", "alter table public.solo inherit parent"},
		{"apart", "alter table parted attach partition apart for values in (5)"},
	} {
		if got := shown("select ssn from " + c.table); got != c.table+" "+marker {
			t.Errorf("%s before: %q", c.table, got)
		}
		if _, err := conn.Exec(t.Context(), "begin"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), c.ddl); err != nil {
			t.Fatal(err)
		}
		if got := shown("select ssn from " + c.table); got != "[masked]" {
			t.Errorf("%s in the transaction: %q", c.table, got)
		}
		if _, err := conn.Exec(t.Context(), "commit"); err != nil {
			t.Fatal(err)
		}
		for _, expr := range []string{"ssn", "upper(ssn)"} {
			if got := shown("select " + expr + " from " + c.table); got != "[masked]" {
				t.Errorf("%s of %s afterwards: %q", expr, c.table, got)
			}
		}
	}
	for _, sql := range []string{
		"begin", "create table late (id int, region int, ssn text)", "alter table parted attach partition late for values in (7)",
		"update parted set region = 7 where region = 1",
	} {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if got := shown("select ssn from late"); got != "[masked]" {
		t.Errorf("a row that moved into the new partition: %q", got)
	}
	if _, err := conn.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	if got := shown("select ssn from outside"); got != "outside "+marker {
		t.Errorf("before: %q", got)
	}
	admin(t, g.target.Database, "alter table outside inherit parent")
	eventually(t, "it is masked", func() bool { // the catalog is looked at every second
		var got string
		err := conn.QueryRow(t.Context(), "select ssn from outside").Scan(&got)
		if err != nil && state(err) != "42501" { // between Bind and Execute
			t.Fatal(err)
		}
		return got == "[masked]"
	})
	if got := shown("select upper(ssn) from outside"); got != "[masked]" {
		t.Errorf("computed: %q", got)
	}
}

// Where the catalog cannot be read nothing is judged, so nothing runs; once it can, the
// same connection goes on.
func TestCatalog_MissingRefuses(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	there := g.proxy.cfg.Catalog
	missing := catalog.New(catalog.Options{Connect: func(context.Context) (*pgx.Conn, error) { return nil, errors.New("down") }})
	defer func() { check(t, missing.Close()) }()
	conn := g.connect()
	_, err := conn.Exec(t.Context(), "select 1", pgx.QueryExecModeSimpleProtocol)
	check(t, err)

	g.proxy.cfg.Catalog = func(hoop.Target, string) *catalog.Catalog { return missing }
	var pg *pgconn.PgError
	other, err := pgx.Connect(t.Context(), g.dsn())
	if err == nil {
		defer other.Close(context.Background()) //nolint:errcheck // the test is over
		_, err = other.Exec(t.Context(), "update patients set name = 'x' where id = 1", pgx.QueryExecModeSimpleProtocol)
	}
	if !errors.As(err, &pg) || pg.Code != "57P03" || !strings.Contains(pg.Message, "catalog") {
		t.Errorf("got %v", err)
	}
	g.proxy.cfg.Catalog = there
	var name string
	if err := g.connect().QueryRow(t.Context(), "select name from patients where id = 1").Scan(&name); err != nil || name != "Ann" {
		t.Errorf("afterwards: %q, %v", name, err)
	}
}
