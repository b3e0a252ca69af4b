package postgres

import (
	"encoding/binary"
	"strconv"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// spelled reports whether the names of every answer to the text stand in the text itself,
// or are PostgreSQL's own (FigureColname in parse_target.c), so that the catalog has no
// part in them. A star anywhere gives names that somebody else chose.
func spelled(tree *pg_query.ParseResult) bool {
	for _, raw := range tree.GetStmts() {
		if !spells(raw.GetStmt()) {
			return false
		}
	}
	return true
}

func spells(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_PrepareStmt:
		return spells(x.PrepareStmt.Query)
	case *pg_query.Node_DeclareCursorStmt:
		return spells(x.DeclareCursorStmt.Query)
	case *pg_query.Node_TransactionStmt, *pg_query.Node_ExplainStmt: // no names, and QUERY PLAN
		return true
	case *pg_query.Node_SelectStmt, *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt:
		return starless(n)
	}
	return false
}

func starless(n *pg_query.Node) bool {
	if _, star := n.GetNode().(*pg_query.Node_AStar); star {
		return false
	}
	ok := true
	known := sqlscan.Children(n, func(c *pg_query.Node) { ok = ok && starless(c) })
	return known && ok
}

// ownNames reports whether the rows that e asks for have names of the client's own.
func (a *answerer) ownNames(e *expected) bool {
	m := e.described
	switch {
	case e.portal != nil:
		m, _ = e.portal.run.answers(0)
	case e.run != nil:
		m, _ = e.run.answers(e.tags)
	}
	if m == nil {
		return false
	}
	p, err := a.proxy.cfg.Parser.Parse(a.ctx, m.text)
	return err == nil && spelled(p.Tree) // an error is a lack of time or memory: it was parsed before
}

// anonymous appends a RowDescription without what code may have chosen to carry a value:
// the numbers of columns, the modifiers of types and, unless they are the client's own,
// the names of columns.
func anonymous(dst, m []byte, ownNames bool) ([]byte, error) {
	dst, at := begin(dst, m[0])
	f := fields{b: m[headerSize:]}
	n := f.uint16()
	dst = binary.BigEndian.AppendUint16(dst, n)
	for i := range int(n) {
		name := f.cstring()
		if !ownNames {
			name = strconv.AppendInt([]byte("column"), int64(i)+1, 10)
		}
		f.uint32()
		f.uint16()
		typ, size := f.uint32(), f.uint16()
		f.uint32()
		format := f.uint16()
		if f.err != nil {
			return nil, f.err
		}
		dst = append(append(dst, name...), 0)
		dst = append(dst, 0, 0, 0, 0, 0, 0) // of no table
		dst = binary.BigEndian.AppendUint32(dst, typ)
		dst = binary.BigEndian.AppendUint16(dst, size)
		dst = append(dst, 0xff, 0xff, 0xff, 0xff) // no modifier
		dst = binary.BigEndian.AppendUint16(dst, format)
	}
	return end(dst, at), f.done()
}
