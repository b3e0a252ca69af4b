package sqlscan

import (
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// What stands where a credential would, however it is spelled; the rest stays as it was
// written. An empty want is the text itself.
func TestSecrets(t *testing.T) {
	const hidden = "'[secret]'"
	snap := database(t, "secrets", "secrets")
	for _, tt := range []struct{ sql, want string }{
		{"SELECT 'password', 'CONNECTION ''x'''", ""},
		{"UPDATE users SET password = 'x' WHERE token = 'y'", ""},
		{"SELECT * FROM a WHERE id = 'password=42' AND b = set_config('app.key', 'k', false)", ""},
		{"ALTER ROLE r PASSWORD NULL VALID UNTIL '2030-01-01'", ""},
		{"CREATE ROLE r LOGIN PASSWORD 'CANARY' VALID UNTIL '2030-01-01'", "CREATE ROLE r LOGIN PASSWORD " + hidden + " VALID UNTIL '2030-01-01'"},
		{"create user r encrypted password/* a */'CANARY'", "create user r encrypted password/* a */" + hidden},
		{"ALTER USER r PASSWORD E'CAN\\101RY'; SELECT 'x'", "ALTER USER r PASSWORD " + hidden + "; SELECT 'x'"},
		{"SELECT 'CANARYS'; ALTER USER r PASSWORD $a$CANARY$a$", "SELECT 'CANARYS'; ALTER USER r PASSWORD " + hidden},
		{"ALTER USER r PASSWORD U&'CAN!0041RY' UESCAPE '!'", "ALTER USER r PASSWORD " + hidden + " UESCAPE '!'"},
		{"CREATE SUBSCRIPTION U&\"s\" UESCAPE E'!' CONNECTION E'password=CANARY' PUBLICATION p", "CREATE SUBSCRIPTION U&\"s\" UESCAPE E'!' CONNECTION 'password=[secret]' PUBLICATION p"},
		{"ALTER USER r PASSWORD 'it''s CANARY'", "ALTER USER r PASSWORD " + hidden},
		{"ALTER USER r PASSWORD 'SCRAM-SHA-256$4096:CANARY==$CANARY=:CANARY='", "ALTER USER r PASSWORD " + hidden},
		{"CREATE USER MAPPING FOR r SERVER s OPTIONS (user 'u', password 'CANARY', \"API_x\" 'CANARY')", "CREATE USER MAPPING FOR r SERVER s OPTIONS (user 'u', password " + hidden + ", \"API_x\" " + hidden + ")"},
		{"ALTER USER MAPPING FOR r SERVER s OPTIONS (DROP user, SET password 'CANARY', ADD password_required 'false')", "ALTER USER MAPPING FOR r SERVER s OPTIONS (DROP user, SET password " + hidden + ", ADD password_required 'false')"},
		{"ALTER USER MAPPING FOR r SERVER s OPTIONS (SET U&\"p!0061ssword\" UESCAPE '!' 'CANARY')", "ALTER USER MAPPING FOR r SERVER s OPTIONS (SET U&\"p!0061ssword\" UESCAPE '!' " + hidden + ")"},
		{"CREATE SERVER s FOREIGN DATA WRAPPER f OPTIONS (host 'h', access_token 'CANARY', connect 'Server=pass.h;Pwd=CANARY;x')", "CREATE SERVER s FOREIGN DATA WRAPPER f OPTIONS (host 'h', access_token " + hidden + ", connect 'Server=pass.h;Pwd=[secret];x')"},
		{"ALTER SERVER s OPTIONS (SET url 'https://u:CANARY@h/', ADD host 'pass')", "ALTER SERVER s OPTIONS (SET url 'https://u:[secret]@h/', ADD host 'pass')"},
		{"CREATE FOREIGN TABLE f (a int) SERVER s OPTIONS (secret 'CANARY')", "CREATE FOREIGN TABLE f (a int) SERVER s OPTIONS (secret " + hidden + ")"},
		{"ALTER FOREIGN TABLE f OPTIONS (ADD secret 'CANARY')", "ALTER FOREIGN TABLE f OPTIONS (ADD secret " + hidden + ")"},
		{"CREATE SUBSCRIPTION s CONNECTION 'host=h password=CANARY dbname=''d''' PUBLICATION p", "CREATE SUBSCRIPTION s CONNECTION 'host=h password=[secret] dbname=''d''' PUBLICATION p"},
		{"ALTER SUBSCRIPTION s CONNECTION $$host=h password = 'CAN\\'ARY' user=u$$", "ALTER SUBSCRIPTION s CONNECTION $$host=h password = [secret] user=u$$"},
		{"ALTER SUBSCRIPTION s CONNECTION E'host=h password=CAN\\101RY user=u'", "ALTER SUBSCRIPTION s CONNECTION 'host=h password=[secret] user=u'"},
		{"ALTER SUBSCRIPTION s CONNECTION 'host=h password CANARY'", "ALTER SUBSCRIPTION s CONNECTION " + hidden},
		{"ALTER SUBSCRIPTION s CONNECTION 'postgresql://u:CANARY@h:5/d?sslpassword=CANARY&sslmode=require'", "ALTER SUBSCRIPTION s CONNECTION 'postgresql://u:[secret]@h:5/d?sslpassword=[secret]&sslmode=require'"},
		{"ALTER SUBSCRIPTION s CONNECTION 'postgres://h/d?p%61ssword=CANARY'", "ALTER SUBSCRIPTION s CONNECTION 'postgres://h/d?p%61ssword=[secret]'"},
		{"ALTER SYSTEM SET primary_conninfo = 'host=h password=CANARY'", "ALTER SYSTEM SET primary_conninfo = 'host=h password=[secret]'"},
		{"SET \"Primary_ConnInfo\" TO 'host=h password=CANARY'", "SET \"Primary_ConnInfo\" TO 'host=h password=[secret]'"},
		{"ALTER SYSTEM SET ssl_passphrase_command = 'echo password=x'", ""},
		{"SELECT pg_catalog.set_config('PRIMARY_conninfo', 'password=CANARY', false)", "SELECT pg_catalog.set_config('PRIMARY_conninfo', 'password=[secret]', false)"},
		{"SELECT * FROM dblink('host=h password=CANARY', 'SELECT 1') AS t (a int)", "SELECT * FROM dblink('host=h password=[secret]', 'SELECT 1') AS t (a int)"},
		{"SELECT x.dblink_connect('c', 'host=h' || ' password=CANARY' || $1), 'y'", "SELECT x.dblink_connect('c', 'host=h' || ' password=[secret]' || $1), 'y'"},
		{"SELECT dblink_connect('host=h password=' || 'CANARY' || ' dbname=d')", "SELECT dblink_connect('host=h password=' || '[secret]' || ' dbname=d')"},
		{"SELECT dblink_connect('host=' || 'h password=CAN' || 'ARY port=1')", "SELECT dblink_connect('host=' || 'h password=[secret]' || '[secret] port=1')"},
		{"SELECT dblink_connect(concat('password=', 'CANARY', ' port=1'))", "SELECT dblink_connect(concat('password=', '[secret]', ' port=1'))"},
		{"SELECT dblink_exec('c', 'ALTER ROLE r PASSWORD ''x''')", ""},
		{"SELECT dblink_exec('password=CANARY', 'VACUUM', false)", "SELECT dblink_exec('password=[secret]', 'VACUUM', false)"},
		// What runs, where data goes and what others are given is shown.
		{"SELECT dblink_exec('DROP TABLE p'), dblink_exec('DELETE FROM p WHERE password = 1', 1 = 1), dblink_open('a b', 'DELETE FROM p')", ""},
		{"SELECT dblink_exec('DROP TABLE p', pg_is_in_recovery()), dblink('TABLE p', u.b) FROM u", ""},
		{"SELECT dblink('host=h password=CANARY', u.q), dblink('host=h password=CANARY', 'TABLE p'::text) FROM u", "SELECT dblink('host=h password=[secret]', u.q), dblink('host=h password=[secret]', 'TABLE p'::text) FROM u"},
		{"SELECT * FROM dblink('DELETE FROM p RETURNING id') AS t (a int), dblink('TABLE p', 'f'::bool) AS u (a int)", ""},
		{"SELECT dblink_connect('password=' || dblink_like('delete patient 5') || ' host=h')", ""},
		{"SELECT dblink_connect('password=' || (SELECT 'x') || ' host=h')", ""},
		{"CREATE FOREIGN TABLE f (a int) SERVER s OPTIONS (program 'password=$(rm${IFS}x) true')", ""},
		{"SELECT dblink_like('password=x')", ""},
		{"SELECT dblink_gone('password=x')", ""},
		{"DO $$BEGIN ALTER ROLE r PASSWORD 'x'; END$$", ""},
		{"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'SELECT dblink_connect(''password=x'')'", ""},
		{"SELECT dblink_connect(dblink_connect('password=CANARY'))", "SELECT dblink_connect(dblink_connect('password=[secret]'))"},
		{"EXPLAIN SELECT dblink_connect('password=CANARY')", "EXPLAIN SELECT dblink_connect('password=[secret]')"},
		{"CREATE VIEW v AS SELECT dblink_connect('password=CANARY')", "CREATE VIEW v AS SELECT dblink_connect('password=[secret]')"},
	} {
		p, err := pool.Parse(t.Context(), tt.sql)
		if err != nil {
			t.Fatalf("%s: %v", tt.sql, err)
		}
		found, _, placed := Secrets(p, snap)
		got := hoop.Conceal(tt.sql, found)
		if want := tt.want; got != want && (want != "" || got != tt.sql) {
			t.Errorf("%s\n got %s\nwant %s", tt.sql, got, tt.want)
		}
		if !placed {
			t.Errorf("%s: not placed", tt.sql)
		}
		if tt.want != "" && (strings.Contains(got, "CANARY") != strings.Contains(tt.want, "CANARY") || len(found) == 0) {
			t.Errorf("%s: %s", tt.sql, got)
		}
	}
	for sql, want := range map[string][]int{
		"SELECT dblink_connect('c', $2), $1":                   {2},
		"SELECT dblink($1, $2)":                                nil, // $2 may be a boolean
		"SELECT dblink($1, 'TABLE p')":                         {1},
		"PREPARE d (text, bool) AS SELECT dblink_exec($1, $2)": nil,
		"SELECT dblink_exec($1, pg_is_in_recovery())":          nil,
		"SELECT set_config('primary_conninfo', $1)":            {1},
		"SELECT dblink_connect('a' || $1::text)":               {1},
		"SELECT dblink_connect(lower($1))":                     {1},
		"SELECT dblink_connect(dblink_like($1))":               nil,
		"SELECT dblink_exec($1), dblink($1, true)":             nil,
		"PREPARE d (text, text) AS SELECT dblink_exec($1, $2)": {1},
		"SELECT set_config('work_mem', $1, false)":             nil,
		"SELECT * FROM t WHERE password = $1":                  nil,
	} {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if _, got, _ := Secrets(p, snap); !slices.Equal(got, want) {
			t.Errorf("%s: parameters %v, want %v", sql, got, want)
		}
	}
	for _, sql := range []string{
		"SELECT 'x'; ALTER USER r PASSWORD 'CAN'\n'ARY'", // a literal in two parts is at no one place
		// Others may take what would be concealed for the host.
		"SELECT dblink_connect('postgres://u:p@h/d?application_name=@g')",
		"SELECT dblink_connect('postgres://u:p@h/x@g' || '')",
		"CREATE SERVER s FOREIGN DATA WRAPPER f OPTIONS (url 'https://u:p@h/x@g/')",
		"SELECT dblink_connect('host=g application_name=password='' host=h fallback_application_name=''' || '')",
		"SELECT dblink_connect('password=' || chr(32) || 'host=h')",
		"SELECT dblink_connect(concat_ws(' ', 'password=', 'host=h'))",
		"SELECT dblink_connect(format('host=h password=%s', 'CANARY'))",
	} {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if found, _, placed := Secrets(p, snap); placed || hoop.Conceal(p.SQL, found) != p.Shape {
			t.Errorf("%s is placed: %v", sql, found)
		}
	}
	// Of an EXECUTE what its prepared statement takes for a credential.
	for sql, want := range map[string]string{
		"EXECUTE d('CANARY', 'x')":                    "EXECUTE d('[secret]', 'x')",
		"SELECT 'CANARYS'; EXECUTE d('CANARY', 'x')":  "SELECT 'CANARYS'; EXECUTE d('[secret]', 'x')",
		"CREATE TABLE t AS EXECUTE d('CANARY'||$1,7)": "CREATE TABLE t AS EXECUTE d('[secret]'||$1,7)",
	} {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		found, held, placed := Held(p, snap, len(p.Tree.GetStmts())-1, []int{1})
		if got := hoop.Conceal(sql, found); got != want || !placed || len(held) != strings.Count(sql, "$1") {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
	// What does not parse, and may have a credential, has no literal.
	for sql, want := range map[string]string{
		"SELECT 'x' FROM 'y'":                      "SELECT 'x' FROM 'y'",
		"alter ROLE r PASWORD 'x'":                 "alter ROLE r PASWORD '[secret]'",
		"ALTER ROLE r PASSWORD \"CANARY\" LOGIN":   "ALTER ROLE r PASSWORD \"[secret]\" LOGIN",
		"ALTER ROLE r PASSWORD CANARY":             "ALTER ROLE r PASSWORD [secret]",
		"ALTER ROLE r PASSWORD 'CANARY":            "ALTER ROLE r PASSWORD '[secret]'",
		"CREATE SUBSCRIPTION s CONNECTON 'CANARY'": "CREATE SUBSCRIPTION s CONNECTON '[secret]'",
	} {
		if got := hoop.Conceal(sql, Unread(sql)); got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
}
