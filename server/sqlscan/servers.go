package sqlscan

import (
	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// server gives the effect of reaching beyond the database.
func (s *stmt) server(verb string, tables ...string) {
	s.cmd.Verb = verb
	s.changesCatalog()
	s.out.Temp = true // it may run a script
	s.use(hoop.EffectServer, verb, tables...)
}

// serverCommand handles what concerns the whole server, other servers and files.
func (s *stmt) serverCommand(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CreatedbStmt:
		s.server("CREATE DATABASE")
	case *pg_query.Node_AlterDatabaseStmt, *pg_query.Node_AlterDatabaseRefreshCollStmt:
		s.server("ALTER DATABASE")
	case *pg_query.Node_AlterDatabaseSetStmt:
		s.server("ALTER DATABASE")
		s.set(x.AlterDatabaseSetStmt.Setstmt)
	case *pg_query.Node_DropdbStmt:
		s.server("DROP DATABASE")
		s.use(hoop.EffectDestroy, "DROP DATABASE", "*")
	case *pg_query.Node_CreateTableSpaceStmt:
		s.server("CREATE TABLESPACE")
	case *pg_query.Node_DropTableSpaceStmt:
		s.server("DROP TABLESPACE")
		s.use(hoop.EffectDestroy, "DROP TABLESPACE")
	case *pg_query.Node_AlterTableSpaceOptionsStmt:
		s.server("ALTER TABLESPACE")
	case *pg_query.Node_AlterTableMoveAllStmt:
		s.server("ALTER TABLE ALL IN TABLESPACE", "*")
	case *pg_query.Node_AlterSystemStmt:
		s.server("ALTER SYSTEM")
		if set := x.AlterSystemStmt.Setstmt; set != nil && set.Name != "" {
			s.set(set)
		}
	case *pg_query.Node_LoadStmt:
		s.server("LOAD")
		s.opaque("LOAD runs code of the server")
	case *pg_query.Node_CheckPointStmt:
		s.server("CHECKPOINT")
	case *pg_query.Node_ClusterStmt:
		var tables []string
		if x.ClusterStmt.Relation != nil {
			tables = s.canonical(x.ClusterStmt.Relation)
		} else {
			tables = []string{"*"}
		}
		s.server("CLUSTER", tables...)
		s.out.Opaque = true // index expressions run
		s.indexes(x.ClusterStmt.Relation == nil)
	case *pg_query.Node_CreateExtensionStmt:
		s.server("CREATE EXTENSION")
		s.opaque("an extension brings code")
	case *pg_query.Node_AlterExtensionStmt, *pg_query.Node_AlterExtensionContentsStmt:
		s.server("ALTER EXTENSION")
		s.opaque("an extension brings code")
	case *pg_query.Node_CreatePlangStmt:
		s.server("CREATE LANGUAGE")
	case *pg_query.Node_CreateAmStmt:
		s.server("CREATE ACCESS METHOD")
	default:
		return s.foreignCommand(n)
	}
	return true
}

// foreignCommand handles other servers: foreign data, publications, subscriptions.
func (s *stmt) foreignCommand(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CreateFdwStmt:
		s.server("CREATE FOREIGN DATA WRAPPER")
	case *pg_query.Node_AlterFdwStmt:
		s.server("ALTER FOREIGN DATA WRAPPER")
	case *pg_query.Node_CreateForeignServerStmt:
		s.server("CREATE SERVER")
	case *pg_query.Node_AlterForeignServerStmt:
		s.server("ALTER SERVER")
	case *pg_query.Node_CreateUserMappingStmt:
		s.server("CREATE USER MAPPING")
	case *pg_query.Node_AlterUserMappingStmt:
		s.server("ALTER USER MAPPING")
	case *pg_query.Node_DropUserMappingStmt:
		s.server("DROP USER MAPPING")
		s.use(hoop.EffectDestroy, "DROP USER MAPPING")
	case *pg_query.Node_CreateForeignTableStmt:
		s.server("CREATE FOREIGN TABLE")
		if base := x.CreateForeignTableStmt.BaseStmt; base != nil && base.Relation != nil {
			s.use(hoop.EffectDDL, "", s.places(base.Relation)...)
		}
	case *pg_query.Node_ImportForeignSchemaStmt:
		s.server("IMPORT FOREIGN SCHEMA")
	case *pg_query.Node_CreatePublicationStmt:
		s.server("CREATE PUBLICATION", "*")
	case *pg_query.Node_AlterPublicationStmt:
		s.server("ALTER PUBLICATION", "*")
	case *pg_query.Node_CreateSubscriptionStmt:
		s.server("CREATE SUBSCRIPTION", "*")
	case *pg_query.Node_AlterSubscriptionStmt:
		s.server("ALTER SUBSCRIPTION", "*")
	case *pg_query.Node_DropSubscriptionStmt:
		s.server("DROP SUBSCRIPTION")
		s.use(hoop.EffectDestroy, "DROP SUBSCRIPTION")
	default:
		return false
	}
	return true
}
