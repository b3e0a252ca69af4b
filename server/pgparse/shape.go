package pgparse

import (
	"fmt"
	"strconv"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// shape writes sql without literals and comments from the scanner's tokens. Only the
// bytes of tokens that are no literal are copied, so whatever the scanner does not
// report cannot get through. It fails when the tokens do not fit the text.
func shape(sql string, tokens []*pg_query.ScanToken) (string, error) {
	next := 1 // number of the next literal: above every parameter of the text
	for _, t := range tokens {
		if t.Token == pg_query.Token_PARAM && fits(sql, t) {
			if n, err := strconv.Atoi(strings.TrimPrefix(sql[t.Start:t.End], "$")); err == nil && n >= next && n < 1<<20 {
				next = n + 1
			}
		}
	}
	var b strings.Builder
	b.Grow(min(len(sql), 1<<20))
	end := int32(0)
	for _, t := range tokens {
		if !fits(sql, t) || t.Start < end {
			return "", fmt.Errorf("token %d-%d does not fit the text", t.Start, t.End)
		}
		if b.Len() > 0 && t.Start > end {
			space(&b)
		}
		end = t.End
		switch t.Token {
		case pg_query.Token_SQL_COMMENT, pg_query.Token_C_COMMENT:
			space(&b)
		case pg_query.Token_SCONST, pg_query.Token_USCONST, pg_query.Token_BCONST, pg_query.Token_XCONST,
			pg_query.Token_FCONST, pg_query.Token_ICONST:
			if endsWord(b.String()) {
				b.WriteByte(' ') // SELECT'x' is not SELECT$1, a name
			}
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(next))
			next++
		default:
			b.WriteString(sql[t.Start:t.End])
		}
	}
	return strings.TrimRight(b.String(), " "), nil
}

func fits(sql string, t *pg_query.ScanToken) bool {
	return t.Start >= 0 && t.Start <= t.End && int(t.End) <= len(sql)
}

func endsWord(s string) bool {
	if s == "" {
		return false
	}
	c := s[len(s)-1]
	return c == '_' || c == '$' || c == '"' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// space separates tokens by one blank, however much stood between them.
func space(b *strings.Builder) {
	if s := b.String(); s != "" && s[len(s)-1] != ' ' {
		b.WriteByte(' ')
	}
}
