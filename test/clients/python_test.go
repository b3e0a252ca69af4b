//go:build clients

package clients

import "testing"

// The distribution's Python has the distribution's drivers.
const python = "/usr/bin/python3"

func TestPsycopg2(t *testing.T) { compare(t, "psycopg2", "None", pythonScript("psycopg2.py")) }
func TestPsycopg3(t *testing.T) { compare(t, "psycopg3", "None", pythonScript("psycopg3.py")) }
func TestAsyncpg(t *testing.T)  { compare(t, "asyncpg", "None", pythonScript("asyncpg.py")) }
func TestSQLAlchemy(t *testing.T) {
	compare(t, "sqlalchemy", "None", pythonScript("sqlalchemy_orm.py"))
}

func pythonScript(name string) script {
	return func(t *testing.T, dsn string, r route) string {
		return program(t, dsn, r, "", python, "-P", testdata(t, name))
	}
}
