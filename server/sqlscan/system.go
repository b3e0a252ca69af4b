package sqlscan

import (
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// blindRelations are relations of pg_catalog that hold values from users' tables or
// the text of statements.
var blindRelations = map[string]bool{
	"pg_statistic": true, "pg_statistic_ext_data": true, "pg_stats": true, "pg_stats_ext": true, "pg_stats_ext_exprs": true,
	"pg_stat_activity": true, "pg_stat_statements": true, "pg_prepared_statements": true, "pg_cursors": true,
	"pg_largeobject": true, "pg_largeobject_metadata": true, "pg_stat_ssl": true, "pg_stat_gssapi": true, "pg_stat_replication": true, "pg_settings": false,
}

// secretRelations hold credentials.
var secretRelations = map[string]bool{
	"pg_authid": true, "pg_shadow": true, "pg_user_mapping": true, "pg_user_mappings": true, "pg_subscription": true,
	"pg_hba_file_rules": true, "pg_ident_file_mappings": true, "pg_file_settings": true, "pg_dist_authinfo": true,
	"user_mapping_options": true, "_pg_user_mappings": true, // of information_schema
}

// systemRelation judges reading a relation of pg_catalog or information_schema.
func (s *stmt) systemRelation(t *catalog.Table) {
	switch {
	case secretRelations[t.Name]:
		s.out.Opaque = true
		s.use(hoop.EffectServer, "reads credentials or the server's own files", t.Canonical())
	case blindRelations[t.Name] || strings.HasPrefix(t.Name, "pg_stat_progress"):
		s.out.Opaque = true
	}
}

// systemWrite judges DML on the catalog. pg_settings passes it on to set_config.
func (s *stmt) systemWrite(t *catalog.Table) {
	s.out.DDL, s.out.Temp, s.shifted = true, true, true
	s.use(hoop.EffectServer, "changes the system catalog", t.Canonical())
	if t.Name == "pg_settings" {
		s.forbid("settings are set with SET")
	}
}
