package postgres

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/server/resource"
)

const valuesSchema = `
	create table notes (id int, body text);
	insert into notes values (1, E'write to\tann@example.com\\x'), (2, 'say "bob@example.com", or'), (3, E'x\n917-55-1234'), (4, 'nothing')`

// Values that are looked for in texts come out in no form of COPY and in no error.
func TestValues_ReachNeitherCopyNorErrors(t *testing.T) {
	g := setup(t, valuesSchema, resource.MaskRule{Detect: []string{"email", "us-ssn"}})
	c := g.connect()
	for sql, want := range map[string]string{
		"copy notes to stdout":                                 "1\twrite to\\t[email]\\\\x\n2\tsay \"[email]\", or\n3\tx\\n[us-ssn]\n4\tnothing\n",
		"copy notes to stdout with (format csv, header)":       "id,body\n1,\"write to\t[email]\\x\"\n2,\"say \"\"[email]\"\", or\"\n3,\"x\n[us-ssn]\"\n4,nothing\n",
		"copy (select body from notes where id = 4) to stdout": "nothing\n",

		"copy notes to stdout with (delimiter '-')":                         "1-write to\\t[email]\\\\x\n2-say \"[email]\", or\n3-x\\n[us\\-ssn]\n4-nothing\n",
		"copy notes to stdout with (format csv, quote '-')":                 "1,-write to\t[email]\\x-\n2,-say \"[email]\", or-\n3,-x\n[us--ssn]-\n4,nothing\n",
		"copy notes to stdout with (format csv, escape '@', force_quote *)": "\"1\",\"write to\t[email]\\x\"\n\"2\",\"say @\"[email]@\", or\"\n\"3\",\"x\n[us-ssn]\"\n\"4\",\"nothing\"\n",
	} {
		var out bytes.Buffer
		if _, err := c.PgConn().CopyTo(t.Context(), &out, sql); err != nil || out.String() != want {
			t.Errorf("%s: %v\n got %q\nwant %q", sql, err, out.String(), want)
		}
	}
	for _, options := range []string{"format binary, encoding 'UTF16'", "format csv, encoding 'LATIN1'", "encoding 'UTF16'"} {
		var out bytes.Buffer
		_, err := c.PgConn().CopyTo(t.Context(), &out, "copy notes to stdout with ("+options+")")
		if state(err) != "42501" || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", options, err, out.Len())
		}
	}
	for sql, want := range map[string]string{
		"select body::int from notes where id = 2":                                                       `invalid input syntax for type integer: "say "[email]", or"`,
		"do $$ begin raise exception 'of %', 'zoe@example.com'; end $$":                                  withheldText,
		"do $$ begin raise notice 'of zoe@example.com'; end $$":                                          "",
		"do $$ begin raise 'x' using detail = 'zoe@example.com', constraint = 'zoe@example.com'; end $$": withheldText,
	} {
		_, err := g.connect().Exec(t.Context(), sql)
		var pg *pgconn.PgError
		if errors.As(err, &pg); pg == nil {
			pg = &pgconn.PgError{}
		}
		if pg.Message != want || strings.Contains(pg.Detail+pg.ConstraintName, "@") {
			t.Errorf("%s: %+v", sql, pg)
		}
	}
}

// COPY in binary of a table whose columns are known has its texts scanned, each by its type;
// any other is refused, as is one after DDL that nobody else sees yet.
func TestValues_CopyInBinary(t *testing.T) {
	g := setup(t, `create domain dom as text; create table parts (a text, n int, b text[], "C" jsonb, d dom, k bigint generated always as (1) stored) partition by list (n);
		create table notes (n int, gone int, body text, list text[], doc jsonb, d dom, g text generated always as ('a') stored, k char(30));
		alter table notes drop column gone;
		create table back (like notes including generated);
		insert into notes (n, body, list, doc, d, k) values (7, 'to ann@example.com', array['x', null, 'bob@example.com'], '{"cc": "eve@example.com"}', 'joe@example.com', 'kim@example.com'), (8, null, '{}', '1', '', '')`,
		resource.MaskRule{Detect: []string{"email"}})
	c := g.connect()
	copied := func(sql string) (string, error) {
		var out bytes.Buffer
		_, err := c.PgConn().CopyTo(t.Context(), &out, sql)
		return out.String(), err
	}
	for sql, found := range map[string]int{
		"copy notes to stdout (format binary)":                  5,
		"copy notes (d, n, list) to stdout binary":              2,
		"copy notes (n) to stdout binary":                       0,
		"copy public.notes (body, k) to stdout (format binary)": 2,
	} {
		got, err := copied(sql)
		if err != nil || strings.Contains(got, "@") || strings.Count(got, "[email]") != found {
			t.Errorf("%s: %q, %v", sql, got, err)
		}
		admin(t, g.target.Database, "truncate back")
		back := strings.Replace(strings.Replace(sql, "to stdout", "from stdin", 1), "notes", "back", 1)
		took := rawConn(t, shared.pg.DSN(g.target.Database)).exchange(step{
			send: msgs(query(back), &pgproto3.CopyData{Data: []byte(got)}, &pgproto3.CopyDone{}), ready: 1,
		})
		if !strings.Contains(took, "COPY 2") {
			t.Errorf("%s gives what PostgreSQL does not take: %s", sql, took)
		}
	}
	for _, sql := range []string{"copy (select body from notes) to stdout binary", "copy parts to stdout binary", "copy (table notes) to stdout (format binary)"} {
		if got, err := copied(sql); state(err) != "42501" || got != "" {
			t.Errorf("%s: %q, %v", sql, got, err)
		}
	}
	for _, sql := range []string{repeatable, "alter table notes alter n type text using body"} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := copied("copy notes (n) to stdout binary"); state(err) != "42501" || got != "" {
		t.Errorf("after ALTER in the transaction: %q, %v", got, err)
	}
}

// Long rows are not relayed in parts where values are looked for.
func TestValues_AreFoundInLongRows(t *testing.T) {
	g := setup(t, "", resource.MaskRule{Detect: []string{"email"}})
	var out bytes.Buffer
	_, err := g.connect().PgConn().CopyTo(t.Context(), &out, "copy (select repeat('x ', 100000) || 'ann@example.com') to stdout")
	if err != nil || !strings.HasSuffix(out.String(), "x [email]\n") || out.Len() < 200000 {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}

// The channel of a notification is any text too, unless the client named it.
func TestNotification_OnlyOfChannelsTheClientNames(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	cfg, err := pgx.ParseConfig(g.dsn())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	cfg.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { got = append(got, n.Channel+"="+n.Payload) }
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background()) //nolint:errcheck // the test is over
	for _, sql := range []string{
		"listen Mine",
		"do $$ begin execute format('listen %I', (select ssn from patients where id = 1)); end $$",
		"select pg_notify(ssn, ssn), pg_notify('mine', ssn) from patients where id = 1",
		"select 1",
	} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if len(got) != 1 || got[0] != "mine=" {
		t.Errorf("got %q", got)
	}
}

// A value of a domain becomes NULL: a marker could violate the domain's check.
func TestMask_DomainsAreNull(t *testing.T) {
	g := setup(t, `create domain ssn as text check (value ~ '^[0-9-]+$');
		create table people (id int, s ssn, many ssn[]);
		insert into people values (1, '`+marker+`', array['`+marker+`']::ssn[])`, resource.MaskRule{Columns: []string{"public.people.s", "public.people.many"}})
	for name, mode := range modes {
		var s *string
		var many string
		if err := g.connect().QueryRow(t.Context(), "select s, many::text from people", mode).Scan(&s, &many); err != nil || s != nil || strings.Contains(many, marker) {
			t.Errorf("%s: %v %q %v", name, s, many, err)
		}
	}
}

// A default that was computed once stands in pg_attribute.
func TestMask_MissingValues(t *testing.T) {
	g := setup(t, maskSchema+`; create table w (id int); insert into w values (1);
		create function f() returns text stable language sql as $$ select ssn from patients where id = 1 $$;
		alter table w add column extra text default f()`, maskRules()...)
	var s *string
	err := g.connect().QueryRow(t.Context(), "select attmissingval::text from pg_attribute where attrelid = 'w'::regclass and attname = 'extra'").Scan(&s)
	if err != nil || s != nil && strings.Contains(*s, marker) {
		t.Errorf("%v %v", s, err)
	}
	rows, err := g.connect().Query(t.Context(), "select attmissingval from pg_attribute where attrelid = 'w'::regclass and attname = 'extra'", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		if raw := rows.RawValues()[0]; strings.Contains(string(raw), marker) {
			t.Errorf("got %s", raw)
		}
	}
	check(t, rows.Err())
}

// Errors about the client's own words are told as they are, also on protected tables;
// what a value may have chosen is not.
func TestMask_ErrorsOfTheTextItself(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	c := g.connect()
	for sql, want := range map[string]string{
		"select ssm from patients":                                                         `column "ssm" does not exist`,
		"select * from patients p join nothing n on true":                                  `relation "nothing" does not exist`,
		"select id from patients group by name":                                            `column "patients.id" must appear in the GROUP BY clause or be used in an aggregate function`,
		"select ssn::regtype from patients":                                                withheldText,
		"select ssn::int from patients":                                                    withheldText,
		"select query_to_xml('select ' || quote_ident(ssn), true, true, '') from patients": withheldText,
		"do $$ begin execute format('select %I from patients', (select ssn from patients where id = 1)); end $$": withheldText,
	} {
		for name, mode := range modes {
			_, err := c.Exec(t.Context(), sql, mode)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Message != want {
				t.Errorf("%s (%s): %v", sql, name, err)
			}
		}
	}
	if _, err := c.Exec(t.Context(), "begin"); err != nil {
		t.Error(err)
	}
	_, _ = c.Exec(t.Context(), "select 1/0 from patients")
	if _, err := c.Exec(t.Context(), "select 1"); err == nil || !strings.Contains(err.Error(), "current transaction is aborted") {
		t.Errorf("got %v", err)
	}
}

// DISCARD ALL and DISCARD TEMP give a session its sight back, but only when they can
// no longer be undone.
func TestShadows_EndWithDiscard(t *testing.T) {
	const temp = "create temp view patients as select 1 as ssn from pg_stats" // of which nobody knows what it shows
	for name, tc := range map[string]struct {
		texts []string
		clear bool
	}{
		"nothing made":                {nil, true},
		"made":                        {[]string{temp}, false},
		"discard all":                 {[]string{temp, "discard all"}, true},
		"discard temp":                {[]string{temp, "discard temp"}, true},
		"made again":                  {[]string{temp, "discard all", temp}, false},
		"discarded in a transaction":  {[]string{temp, "begin", "discard temp", "rollback"}, false},
		"in one text":                 {[]string{temp, "begin; discard temp; rollback"}, false},
		"discarded with what follows": {[]string{temp, "discard temp; select 1/0"}, false},
		"discard fails":               {[]string{temp, "begin", "discard all", "rollback"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, maskSchema, maskRules()...)
			c := g.connect()
			for _, sql := range tc.texts {
				_, _ = c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
			}
			var sum *int
			if err := c.QueryRow(t.Context(), "select 1 + 1", pgx.QueryExecModeSimpleProtocol).Scan(&sum); err != nil || (sum != nil) != tc.clear {
				t.Errorf("got %v %v", sum, err)
			}
		})
	}
	t.Run("pipelines", func(t *testing.T) {
		g := setup(t, maskSchema, maskRules()...)
		c := rawConn(t, g.dsn())
		got := c.exchange(
			step{send: msgs(query(temp)), ready: 1},
			step{send: msgs(parse("", "discard temp"), bind("", ""), execute("", 0), parse("", "rollback"), bind("", ""), execute("", 0), syncMsg), ready: 1},
			step{send: msgs(query("select 41 + 1")), ready: 1},
			step{send: msgs(parse("", "discard temp"), bind("", ""), execute("", 0), parse("", "select 1/0"), bind("", ""), execute("", 0), syncMsg), ready: 1},
			step{send: msgs(query("select 42 + 1")), ready: 1},
			step{send: msgs(parse("", "discard temp"), bind("", ""), execute("", 0), syncMsg), ready: 1},
			step{send: msgs(query("select 43 + 1")), ready: 1},
		)
		if strings.Contains(got, `"42"`) || strings.Contains(got, `"43"`) || !strings.Contains(got, `"44"`) {
			t.Errorf("got\n%s", got)
		}
	})
}
