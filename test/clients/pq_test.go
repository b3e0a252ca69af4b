//go:build clients

package clients

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
)

// TestPq uses lib/pq.
func TestPq(t *testing.T) {
	compare(t, "pq", "<nil>", func(t *testing.T, dsn string, r route) string {
		connector, err := pq.NewConnector(dsn)
		must(t, err)
		u := &sqlUser{t: t, p: &printer{}, db: sql.OpenDB(connector), core: r.core}
		defer u.db.Close() //nolint:errcheck // nothing hangs on it
		u.use()
		u.p.say("== copy")
		tx, err := u.db.BeginTx(t.Context(), nil)
		must(t, err)
		st, err := tx.Prepare("COPY clinic.items (id, label) FROM STDIN")
		must(t, err)
		for i := range 5000 {
			_, err := st.Exec(i, "copied")
			must(t, err)
		}
		res, err := st.Exec()
		must(t, err)
		n, err := res.RowsAffected()
		u.p.say("%d %v", n, err)
		must(t, st.Close())
		must(t, tx.Commit())
		u.p.say("== arrays and JSON")
		var ints []int64
		var texts []string
		var doc string
		must(t, u.db.QueryRow("SELECT $1::int[] || 3, $2::text[], $3::jsonb", pq.Array([]int{1, 2}), pq.Array([]string{"a", `"b", {c}`}), `{"k": [1]}`).Scan(pq.Array(&ints), pq.Array(&texts), &doc))
		u.p.say("%v %q %s", ints, texts, doc)
		u.p.say("== listen")
		l := pq.NewListener(dsn, time.Second, time.Second, nil)
		defer l.Close() //nolint:errcheck // nothing hangs on it
		must(t, l.Listen("news"))
		u.rows("SELECT pg_notify('news', 'payload')")
		said := <-l.Notify
		if r.core {
			said.Extra = "payload" // withheld where values are masked
		}
		u.p.say("%s %s", said.Channel, said.Extra)
		return u.p.b.String()
	})
}

// TestDatabaseSQL uses database/sql over pgx.
func TestDatabaseSQL(t *testing.T) {
	compare(t, "stdlib", "<nil>", func(t *testing.T, dsn string, r route) string {
		db, err := sql.Open("pgx", dsn)
		must(t, err)
		defer db.Close() //nolint:errcheck // nothing hangs on it
		_ = stdlib.GetDefaultDriver()
		u := &sqlUser{t: t, p: &printer{}, db: db, core: r.core}
		u.use()
		return u.p.b.String()
	})
}

// sqlUser does what users of database/sql do.
type sqlUser struct {
	t    *testing.T
	p    *printer
	db   *sql.DB
	core bool
}

func (u *sqlUser) use() {
	u.rows("SELECT id, name, ssn, card, born::text FROM clinic.patients WHERE id > $1 AND id IS NULL", 0)
	u.rows("SELECT id, name, ssn, card FROM clinic.patients WHERE id < $1 ORDER BY id", 10)
	u.rows("SELECT id, b, i2, i4, i8, f4, f8, n, t, v, c, ba, u, j, jb, ia, ta, mood, zip FROM clinic.kinds ORDER BY id")
	u.rows("SELECT 1; SELECT 2")
	st, err := u.db.PrepareContext(u.t.Context(), "SELECT ssn FROM clinic.patients WHERE id = $1")
	must(u.t, err)
	for id := range 5 {
		var ssn sql.NullString
		err := st.QueryRow(id).Scan(&ssn)
		u.p.say("%d %v %v", id, ssn.String, err)
	}
	must(u.t, st.Close())
	u.transactions()
	u.rows(columnsOfSchema)
	u.rows(columnsOfCatalog)
	u.cursor()
	ctx, cancel := context.WithTimeout(u.t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = u.db.ExecContext(ctx, "SELECT pg_sleep(60)")
	u.p.say("stopped %t", err != nil)
	u.rows("SELECT name FROM clinic.patients WHERE id = 1")
	var size int
	must(u.t, u.db.QueryRow("SELECT sum(length(x)) FROM (SELECT repeat('x', i) AS x FROM generate_series(1, 1000) i) q").Scan(&size))
	u.p.say("%d", size)
	if !u.core {
		u.rows("SELECT clinic.shout('x')")
		u.rows("SELECT * FROM clinic.busy ORDER BY 1")
	}
}

func (u *sqlUser) transactions() {
	tx, err := u.db.BeginTx(u.t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable})
	must(u.t, err)
	for _, stmt := range []string{
		"INSERT INTO clinic.items VALUES (9000, 'kept', 1)", "SAVEPOINT s", "SELECT 1/0", "SELECT 1", "ROLLBACK TO s",
		"UPDATE clinic.items SET label = 'changed' WHERE id = 9000",
	} {
		res, err := tx.Exec(stmt)
		if err != nil {
			u.failed(err)
			continue
		}
		n, err := res.RowsAffected()
		u.p.say("%d %v", n, err)
	}
	must(u.t, tx.Commit())
	u.rows("SELECT * FROM clinic.items")
	_, err = u.db.Exec("INSERT INTO clinic.visits (patient_id) VALUES ($1)", 12345)
	u.failed(err)
}

// cursor reads an answer in parts.
func (u *sqlUser) cursor() {
	tx, err := u.db.BeginTx(u.t.Context(), nil)
	must(u.t, err)
	_, err = tx.Exec("DECLARE cur SCROLL CURSOR FOR SELECT id, ssn FROM clinic.patients ORDER BY id")
	must(u.t, err)
	for _, fetch := range []string{"FETCH 2 FROM cur", "FETCH PRIOR FROM cur", "FETCH ALL FROM cur", "FETCH NEXT FROM cur"} {
		rows, err := tx.Query(fetch)
		must(u.t, err)
		for rows.Next() {
			var id int
			var ssn sql.NullString
			must(u.t, rows.Scan(&id, &ssn))
			u.p.say("%s: %d %s", fetch, id, ssn.String)
		}
		must(u.t, rows.Err())
	}
	must(u.t, tx.Commit())
}

func (u *sqlUser) rows(query string, args ...any) {
	rows, err := u.db.QueryContext(u.t.Context(), query, args...)
	if err != nil {
		u.failed(err)
		return
	}
	defer rows.Close() //nolint:errcheck // read only
	types, err := rows.ColumnTypes()
	must(u.t, err)
	for _, c := range types {
		length, ok := c.Length()
		u.p.say("%s %s %d %t", c.Name(), c.DatabaseTypeName(), length, ok)
	}
	for {
		for rows.Next() {
			values := make([]any, len(types))
			into := make([]any, len(types))
			for i := range values {
				into[i] = &values[i]
			}
			must(u.t, rows.Scan(into...))
			line := ""
			for _, v := range values {
				if b, ok := v.([]byte); ok {
					v = fmt.Sprintf("%q", b)
				}
				line += fmt.Sprintf("%v ", v)
			}
			u.p.say("%s", line)
		}
		if !rows.NextResultSet() {
			break
		}
	}
	u.failed(rows.Err())
}

func (u *sqlUser) failed(err error) {
	var pe *pq.Error
	switch {
	case err == nil:
	case errors.As(err, &pe):
		u.p.say("%s %s: %s (%s) %s %s", pe.Severity, pe.Code, pe.Message, pe.Detail, pe.Constraint, pe.Routine)
	default:
		u.p.say("%v", err)
	}
}
