package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/resource"
)

// With signs of the client's choice, COPY TO gives what PostgreSQL writes of the same rows
// with the values replaced, byte for byte.
func TestCopySigns(t *testing.T) {
	const rows = `create table NAME (id int, body text, other text);
		insert into NAME values (1, E'a;b|c''d"e\\f\tg MAIL', 'x,y'), (2, null, ''), (3, E'|;"\\', E'MAIL\n|'), (4, '\.', '\N'), (5, 'MAIL', E'\r\b\f\v');`
	fill := func(name, mail string) string {
		return strings.NewReplacer("NAME", name, "MAIL", mail).Replace(rows)
	}
	g := setup(t, fill("notes", "ann@example.com")+fill("wanted", "[email]"), resource.MaskRule{Detect: []string{"email"}})
	c := g.connect()
	direct, err := pgx.Connect(t.Context(), shared.pg.DSN(g.target.Database))
	check(t, err)
	t.Cleanup(func() { _ = direct.Close(t.Context()) })
	for _, options := range []string{
		"delimiter '|'", "delimiter ';' null 'none'", "(delimiter '''')", "(delimiter E'\\x01', header)", "(format text, delimiter '\"')",
		"(format csv, delimiter ';', force_quote *)", "(format csv, delimiter '|', force_quote *)", "(format csv, quote '''', force_quote *)", "(format csv, escape '\\', force_quote *)",
		"(format csv, quote '|', escape ';', delimiter E'\\t', force_quote *, header)", "(format csv, escape ',', force_quote *)", "csv quote '|' escape '\\' force quote *",
		"(encoding 'UTF8')", "(format csv, encoding 'utf-8', force_quote *)",
	} {
		want, err := copiedOut(t, direct, "copy wanted to stdout "+options)
		check(t, err)
		if got, err := copiedOut(t, c, "copy notes to stdout "+options); err != nil || got != want {
			t.Errorf("%s: %v\n got %q\nwant %q", options, err, got, want)
		}
	}
	for _, options := range []string{"(encoding 'LATIN1')", "(format csv, encoding 'SQL_ASCII')"} {
		if got, err := copiedOut(t, c, "copy notes to stdout "+options); state(err) != "42501" || got != "" {
			t.Errorf("%s: %q, %v", options, got, err)
		}
	}
}
