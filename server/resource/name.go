package resource

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// maxIdent is NAMEDATALEN-1 in PostgreSQL's pg_config_manual.h: longer names are cut
// by the server, so a rule that has one would never match.
const maxIdent = 63

// Part is one part of a pattern: a name, or any.
type Part struct {
	Any  bool
	Name string // folded as PostgreSQL folds it, unquoted
}

// Match reports whether the part is any or exactly name.
func (p Part) Match(name string) bool { return p.Any || p.Name == name }

// ColumnPattern names columns: schema.table.column.
type ColumnPattern struct{ Schema, Table, Column Part }

// Match reports whether the pattern names c; a Column of "*" stands for each of the
// table's columns, so some column of the table suffices.
func (p ColumnPattern) Match(c hoop.ColumnRef) bool {
	return p.Schema.Match(c.Schema) && p.Table.Match(c.Table) && (c.Column == "*" || p.Column.Match(c.Column))
}

// Tables is the pattern of the tables that have such columns.
func (p ColumnPattern) Tables() TablePattern { return TablePattern{p.Schema, p.Table} }

// TablePattern names tables: schema.table, or "*" for all.
type TablePattern struct{ Schema, Table Part }

// Match reports whether the pattern names the table of that canonical name
// (hoop.TableName). "*" and what is no canonical name could be any table and match.
func (p TablePattern) Match(table string) bool {
	schema, name, ok := SplitTable(table)
	return !ok || p.Schema.Match(schema) && p.Table.Match(name)
}

// Any reports whether the pattern names every table.
func (p TablePattern) Any() bool { return p.Schema.Any && p.Table.Any }

// SplitTable takes a canonical table name apart; false for "*" and for what is none.
func SplitTable(table string) (schema, name string, ok bool) {
	first, rest, err := nextPart(table) // not splitName: every statement comes here, often
	if err != nil || rest == "" || rest[0] != '.' {
		return "", "", false
	}
	second, rest, err := nextPart(rest[1:])
	if err != nil || rest != "" || first.Any || second.Any || max(len(first.Name), len(second.Name)) > maxIdent {
		return "", "", false
	}
	return first.Name, second.Name, true
}

// ParseColumn reads a pattern of columns: schema.table.column, quoted as in SQL.
func ParseColumn(s string) (ColumnPattern, error) {
	parts, err := splitName(s)
	if err != nil {
		return ColumnPattern{}, err
	}
	if len(parts) != 3 {
		return ColumnPattern{}, fmt.Errorf("%q: want schema.table.column, each a name or *", s)
	}
	return ColumnPattern{parts[0], parts[1], parts[2]}, nil
}

// ParseTable reads a pattern of tables: schema.table quoted as in SQL, or "*".
func ParseTable(s string) (TablePattern, error) {
	if s == "*" {
		return TablePattern{Part{Any: true}, Part{Any: true}}, nil
	}
	parts, err := splitName(s)
	if err != nil {
		return TablePattern{}, err
	}
	if len(parts) != 2 {
		return TablePattern{}, fmt.Errorf("%q: want schema.table, each a name or *, or * alone", s)
	}
	return TablePattern{parts[0], parts[1]}, nil
}

// splitName takes a dotted name apart (PostgreSQL manual, "Identifiers and Key
// Words"): "" inside quotes is one quote, what is not quoted is folded to lower case
// (ASCII letters only, as the server does for UTF-8), a bare * is any.
func splitName(s string) ([]Part, error) {
	var parts []Part
	rest := s
	for {
		p, tail, err := nextPart(rest)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		if len(p.Name) > maxIdent {
			return nil, fmt.Errorf("%q: a part has more than %d bytes, PostgreSQL has no such names", s, maxIdent)
		}
		parts = append(parts, p)
		if tail == "" {
			return parts, nil
		}
		if tail[0] != '.' {
			return nil, fmt.Errorf("%q: want a dot between the parts; quote other characters as in SQL", s)
		}
		rest = tail[1:]
	}
}

func nextPart(s string) (p Part, tail string, err error) {
	switch {
	case s == "":
		return p, "", errors.New("a part is empty")
	case s[0] == '*':
		return Part{Any: true}, s[1:], nil
	case s[0] == '"':
		return quotedPart(s[1:])
	}
	i := 0
	for i < len(s) && identByte(s[i], i) {
		i++
	}
	if i == 0 {
		return p, "", fmt.Errorf("%q cannot start a name; quote it as in SQL", s[0])
	}
	return Part{Name: strings.Map(lowerASCII, s[:i])}, s[i:], nil
}

func quotedPart(s string) (p Part, tail string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		if b.Len() == 0 {
			return p, "", errors.New("a part is empty")
		}
		return Part{Name: b.String()}, s[i+1:], nil
	}
	return p, "", errors.New("a quote is not closed")
}

func identByte(c byte, at int) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80 ||
		at > 0 && (c >= '0' && c <= '9' || c == '$')
}

func lowerASCII(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}
