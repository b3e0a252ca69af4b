package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// commits reports whether a command commits by itself where no transaction is open: what
// PostgreSQL runs in transactions of the command's own (callers of PreventInTransactionBlock),
// and procedures that may do so. Inside of a transaction it fails.
func (s *stmt) commits(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_IndexStmt:
		return x.IndexStmt.Concurrent
	case *pg_query.Node_DropStmt:
		return x.DropStmt.Concurrent
	case *pg_query.Node_ReindexStmt:
		return s.reindexCommits(x.ReindexStmt)
	case *pg_query.Node_ClusterStmt:
		return x.ClusterStmt.Relation == nil || s.partitioned(x.ClusterStmt.Relation)
	case *pg_query.Node_AlterTableStmt:
		return slices.ContainsFunc(x.AlterTableStmt.Cmds, func(cmd *pg_query.Node) bool {
			return cmd.GetAlterTableCmd().GetDef().GetPartitionCmd().GetConcurrent() // DETACH PARTITION
		})
	case *pg_query.Node_AlterDatabaseStmt:
		return option(x.AlterDatabaseStmt.Options, "tablespace")
	case *pg_query.Node_VacuumStmt:
		return x.VacuumStmt.IsVacuumcmd || len(x.VacuumStmt.Rels) != 1
	case *pg_query.Node_DiscardStmt:
		return x.DiscardStmt.Target == pg_query.DiscardMode_DISCARD_ALL
	case *pg_query.Node_CallStmt:
		return s.procedureCommits(x.CallStmt.GetFunccall())
	case *pg_query.Node_CreatedbStmt, *pg_query.Node_DropdbStmt, *pg_query.Node_CreateTableSpaceStmt, *pg_query.Node_DropTableSpaceStmt,
		*pg_query.Node_AlterSystemStmt, *pg_query.Node_CreateSubscriptionStmt, *pg_query.Node_AlterSubscriptionStmt, *pg_query.Node_DropSubscriptionStmt:
		return true
	}
	return false
}

func (s *stmt) reindexCommits(r *pg_query.ReindexStmt) bool {
	switch r.Kind {
	case pg_query.ReindexObjectType_REINDEX_OBJECT_INDEX, pg_query.ReindexObjectType_REINDEX_OBJECT_TABLE:
		return option(r.Params, "concurrently") || s.partitioned(r.Relation)
	}
	return true // of a schema or database
}

// partitioned reports whether rv may be a table or index with partitions.
func (s *stmt) partitioned(rv *pg_query.RangeVar) bool {
	return slices.ContainsFunc(s.lookup(rv), func(t *catalog.Table) bool {
		return t.Kind == catalog.KindPartitioned || t.Kind == catalog.KindPartIndex
	})
}

// option reports whether an option is given, and not as false.
func option(list []*pg_query.Node, name string) bool {
	return slices.ContainsFunc(list, func(o *pg_query.Node) bool {
		return strings.EqualFold(o.GetDefElem().GetDefname(), name) && !isFalse(o.GetDefElem().GetArg())
	})
}

// procedureCommits reports whether one of the procedures that CALL may mean has COMMIT or
// ROLLBACK in it, or in what it calls; one that nobody knows may.
func (s *stmt) procedureCommits(f *pg_query.FuncCall) bool {
	names := f.GetFuncname()
	if len(names) == 0 {
		return true
	}
	found := s.cat.Functions("", names[len(names)-1].GetString_().GetSval())
	c := newCode(s.cat)
	for _, p := range found {
		c.function(p)
	}
	return c.commits || len(found) == 0
}
