package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// roleCommand handles users, grants, ownership and policies.
func (s *stmt) roleCommand(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CreateRoleStmt:
		s.role("CREATE ROLE", "CREATE ROLE")
	case *pg_query.Node_AlterRoleStmt:
		s.role("ALTER ROLE", "ALTER ROLE")
	case *pg_query.Node_AlterRoleSetStmt:
		s.role("ALTER ROLE", "settings of a role")
		s.set(x.AlterRoleSetStmt.Setstmt)
	case *pg_query.Node_DropRoleStmt:
		s.role("DROP ROLE", "DROP ROLE")
		s.use(hoop.EffectDestroy, "DROP ROLE")
	case *pg_query.Node_GrantRoleStmt:
		s.role(grantVerb(x.GrantRoleStmt.IsGrant), "membership in a role", "*")
	case *pg_query.Node_GrantStmt:
		s.grant(x.GrantStmt)
	case *pg_query.Node_AlterDefaultPrivilegesStmt:
		s.role("ALTER DEFAULT PRIVILEGES", "privileges", "*")
	case *pg_query.Node_AlterOwnerStmt:
		verb := "ALTER " + strings.ReplaceAll(strings.TrimPrefix(x.AlterOwnerStmt.ObjectType.String(), "OBJECT_"), "_", " ")
		s.role(verb, "OWNER TO", "*")
		if serverObject(x.AlterOwnerStmt.ObjectType) {
			s.use(hoop.EffectServer, verb)
		}
	case *pg_query.Node_ReassignOwnedStmt:
		s.role("REASSIGN OWNED", "OWNER TO", "*")
	case *pg_query.Node_DropOwnedStmt:
		s.role("DROP OWNED", "privileges", "*")
		s.use(hoop.EffectDestroy, "DROP OWNED", "*")
	case *pg_query.Node_CreatePolicyStmt:
		s.role("CREATE POLICY", "row-level security", s.canonical(x.CreatePolicyStmt.Table)...)
		s.parts(n)
		s.cmd.Verb = "CREATE POLICY"
	case *pg_query.Node_AlterPolicyStmt:
		s.role("ALTER POLICY", "row-level security", s.canonical(x.AlterPolicyStmt.Table)...)
		s.parts(n)
		s.cmd.Verb = "ALTER POLICY"
	default:
		return false
	}
	return true
}

func grantVerb(is bool) string {
	if is {
		return "GRANT"
	}
	return "REVOKE"
}

func (s *stmt) grant(g *pg_query.GrantStmt) {
	tables := []string{"*"}
	if g.Targtype == pg_query.GrantTargetType_ACL_TARGET_OBJECT && g.Objtype == pg_query.ObjectType_OBJECT_TABLE {
		tables = nil
		for _, o := range g.Objects {
			tables = append(tables, s.canonical(o.GetRangeVar())...)
		}
	}
	s.role(grantVerb(g.IsGrant), "privileges", tables...)
	if serverObject(g.Objtype) {
		s.use(hoop.EffectServer, "privileges on what belongs to the server")
	}
}

// serverObject tells objects of the server from those of a database.
func serverObject(t pg_query.ObjectType) bool {
	switch t {
	case pg_query.ObjectType_OBJECT_DATABASE, pg_query.ObjectType_OBJECT_TABLESPACE, pg_query.ObjectType_OBJECT_FDW,
		pg_query.ObjectType_OBJECT_FOREIGN_SERVER, pg_query.ObjectType_OBJECT_USER_MAPPING, pg_query.ObjectType_OBJECT_SUBSCRIPTION,
		pg_query.ObjectType_OBJECT_PUBLICATION, pg_query.ObjectType_OBJECT_PUBLICATION_REL, pg_query.ObjectType_OBJECT_PUBLICATION_NAMESPACE,
		pg_query.ObjectType_OBJECT_EXTENSION, pg_query.ObjectType_OBJECT_LANGUAGE, pg_query.ObjectType_OBJECT_ACCESS_METHOD,
		pg_query.ObjectType_OBJECT_EVENT_TRIGGER, pg_query.ObjectType_OBJECT_PARAMETER_ACL, pg_query.ObjectType_OBJECT_FOREIGN_TABLE:
		return true
	}
	return false
}

// dropCommand handles DROP of everything that has no command of its own.
func (s *stmt) dropCommand(n *pg_query.Node) bool {
	d := n.GetDropStmt()
	if d == nil {
		return false
	}
	verb := "DROP " + strings.ReplaceAll(strings.TrimPrefix(d.RemoveType.String(), "OBJECT_"), "_", " ")
	s.cmd.Verb = verb
	tables, temp := s.dropped(d)
	followed := s.followed && slices.Contains([]pg_query.ObjectType{pg_query.ObjectType_OBJECT_TABLE, pg_query.ObjectType_OBJECT_SEQUENCE, pg_query.ObjectType_OBJECT_VIEW}, d.RemoveType)
	if s.cataloging, s.owned = true, temp && followed; !s.owned {
		s.changesCatalog()
	}
	if temp {
		s.cmd.Drops = true
		s.use(hoop.EffectSession, "a temporary object")
		return true
	}
	s.use(hoop.EffectDestroy, verb, tables...)
	if serverObject(d.RemoveType) {
		s.use(hoop.EffectServer, verb)
	}
	if d.RemoveType == pg_query.ObjectType_OBJECT_POLICY {
		s.role("", "row-level security", tables...)
	}
	if d.RemoveType == pg_query.ObjectType_OBJECT_TRIGGER || d.RemoveType == pg_query.ObjectType_OBJECT_RULE {
		s.opaque(verb)
	}
	return true
}

// dropped names the tables that go. temp says that all of them are this session's.
func (s *stmt) dropped(d *pg_query.DropStmt) (tables []string, temp bool) {
	cascade := d.Behavior == pg_query.DropBehavior_DROP_CASCADE
	temp = len(d.Objects) > 0
	for _, o := range d.Objects {
		items := listOf(o)
		switch d.RemoveType {
		case pg_query.ObjectType_OBJECT_TABLE, pg_query.ObjectType_OBJECT_VIEW, pg_query.ObjectType_OBJECT_MATVIEW,
			pg_query.ObjectType_OBJECT_FOREIGN_TABLE, pg_query.ObjectType_OBJECT_SEQUENCE, pg_query.ObjectType_OBJECT_INDEX:
			rv := rangeVar(items)
			if isTempSchema(rv.Schemaname) && rv.Schemaname != catalog.TempSchema { // it may be another session's
				temp, tables = false, append(tables, "*")
				continue
			}
			temp = temp && (rv.Schemaname == catalog.TempSchema || s.own(rv))
			tables = append(tables, s.found(s.canonical(rv))...) // a name that is not there is none of another table's
			if cascade {
				for _, t := range s.lookup(rv) {
					tables = append(tables, s.referencing(t.OID, map[uint32]bool{})...)
				}
			}
		case pg_query.ObjectType_OBJECT_POLICY, pg_query.ObjectType_OBJECT_TRIGGER, pg_query.ObjectType_OBJECT_RULE:
			temp = false
			if len(items) > 1 {
				tables = append(tables, s.canonical(rangeVar(items[:len(items)-1]))...)
			}
		case pg_query.ObjectType_OBJECT_SCHEMA:
			temp = false
			tables = append(tables, s.inSchema(o.GetString_().GetSval())...)
			if cascade {
				tables = append(tables, "*")
			}
		default:
			temp = false
			if cascade {
				tables = append(tables, "*") // columns of the type, defaults that call the function
			}
		}
	}
	return tables, temp
}
