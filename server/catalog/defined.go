package catalog

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
)

// Digest is a SHA-256 of catalog rows, as text. It is the same for the same definition
// in one database, and says nothing across databases.
type Digest [sha256.Size]byte

// digestOf is SQL for the digest of a text. A cast to bytea reads backslashes, and takes
// all else as it is, whatever the encoding.
func digestOf(text string) string {
	return `pg_catalog.sha256(pg_catalog.replace(` + text + `, '\', '\\')::bytea)`
}

// rowsOf is SQL for whole rows of a catalog table as text, with the OID of what they
// belong to.
func rowsOf(owner, table, where string) string { return columnsOf(owner, table, "x", where) }

// columnsOf does so for some columns, where others say who may use an object, where it
// lies on disk, or how much there is of it.
func columnsOf(owner, table, columns, where string) string {
	if columns != "x" {
		columns = "row(" + columns + ")"
	}
	return fmt.Sprintf("select %s::oid, '%s ' || %s::text from pg_catalog.%s x where %s", owner, table, columns, table, where)
}

// tableRows is SQL for what defines a relation, by its OID: what its values may be, what
// fires, who may see which row, where a sequence goes.
var tableRows = strings.Join([]string{
	columnsOf("oid", "pg_class", `relkind, relowner, relpersistence, relam, reloftype, relrowsecurity,
		relforcerowsecurity, relreplident, reloptions, relpartbound`, "oid >= 16384 and relkind not in ('i', 'I', 't')"),
	columnsOf("attrelid", "pg_attribute", `attnum, attname, atttypid, atttypmod, attnotnull, attidentity, attgenerated,
		attcollation, attfdwoptions`, `attrelid >= 16384 and attnum > 0 and not attisdropped
		and attrelid in (select oid from pg_catalog.pg_class where relkind not in ('i', 'I', 't'))`),
	rowsOf("adrelid", "pg_attrdef", "true"),
	rowsOf("conrelid", "pg_constraint", "conrelid <> 0"),
	rowsOf("tgrelid", "pg_trigger", "not tgisinternal or tgenabled <> 'O'"),
	rowsOf("ev_class", "pg_rewrite", "ev_class >= 16384"),
	rowsOf("polrelid", "pg_policy", "true"),
	rowsOf("stxrelid", "pg_statistic_ext", "true"),
	rowsOf("inhrelid", "pg_inherits", "true"),
	rowsOf("partrelid", "pg_partitioned_table", "true"),
	rowsOf("seqrelid", "pg_sequence", "true"),
	rowsOf("ftrelid", "pg_foreign_table", "true"),
	columnsOf("indrelid", "pg_index", "indexrelid, indisunique, indisexclusion, indimmediate, indisvalid, indkey, indcollation, indclass, indoption, indexprs, indpred",
		"indrelid >= 16384 and (indisunique or indisexclusion or indexprs is not null or indpred is not null)"),
}, " union all ")

// lasting is SQL for the schemas that are not one session's own.
const lasting = `(select oid from pg_catalog.pg_namespace where nspname !~ '^pg_(toast_)?temp_')`

// lastingTypes is SQL for the types there.
const lastingTypes = `(select oid from pg_catalog.pg_type where typnamespace in ` + lasting + `)`

// restRows is SQL for what belongs to no relation and is no function: types, operators,
// and how they compare; languages and text search; foreign servers; what rights new
// objects come with; and which roles policies do not count for. Row types of tables are
// their tables' matter, as are the arrays of them.
var restRows = strings.Join([]string{
	columnsOf("0", "pg_type", `oid, typname, typnamespace, typowner, typlen, typbyval, typtype, typcategory, typelem, typinput, typoutput, typreceive,
		typsend, typmodin, typmodout, typanalyze, typnotnull, typbasetype, typtypmod, typndims, typcollation, typdefaultbin, typdefault`,
		"oid >= 16384 and typtype <> 'c' and not (typelem <> 0 and typlen = -1) and typnamespace in "+lasting),
	columnsOf("0", "pg_attribute", "attrelid, attnum, attname, atttypid, atttypmod, attcollation",
		"attnum > 0 and not attisdropped and attrelid in (select oid from pg_catalog.pg_class where relkind = 'c' and relnamespace in "+lasting+")"),
	rowsOf("0", "pg_constraint", "contypid <> 0 and connamespace in "+lasting),
	rowsOf("0", "pg_enum", "enumtypid in "+lastingTypes),
	rowsOf("0", "pg_range", "rngtypid >= 16384 and rngtypid in "+lastingTypes),
	rowsOf("0", "pg_operator", "oid >= 16384"),
	rowsOf("0", "pg_cast", usersCast),
	rowsOf("0", "pg_opclass", "oid >= 16384"),
	rowsOf("0", "pg_opfamily", "oid >= 16384"),
	rowsOf("0", "pg_amop", "oid >= 16384"),
	rowsOf("0", "pg_amproc", "oid >= 16384"),
	rowsOf("0", "pg_collation", "oid >= 16384"),
	rowsOf("0", "pg_language", "oid >= 16384"),
	rowsOf("0", "pg_conversion", "oid >= 16384"),
	rowsOf("0", "pg_transform", "true"),
	rowsOf("0", "pg_ts_config", "oid >= 16384"),
	rowsOf("0", "pg_ts_config_map", "mapcfg >= 16384"),
	rowsOf("0", "pg_ts_dict", "oid >= 16384"),
	rowsOf("0", "pg_ts_parser", "oid >= 16384"),
	rowsOf("0", "pg_ts_template", "oid >= 16384"),
	rowsOf("0", "pg_event_trigger", "true"),
	rowsOf("0", "pg_default_acl", "true"),
	rowsOf("0", "pg_foreign_data_wrapper", "true"),
	rowsOf("0", "pg_foreign_server", "true"),
	rowsOf("0", "pg_user_mappings", "true"),
	rowsOf("0", "pg_auth_members", "true"),
	columnsOf("0", "pg_roles", "oid, rolname, rolsuper, rolbypassrls", "rolsuper or rolbypassrls"),
}, " union all ")

// functionRow is SQL for what defines the function p. Who replaces one of PostgreSQL's
// own leaves a trace in xmin.
const functionRow = `case when p.oid < 16384 then p.xmin::text else (pg_catalog.to_jsonb(p) - 'proacl')::text
	|| coalesce((select pg_catalog.to_jsonb(g)::text from pg_catalog.pg_aggregate g where g.aggfnoid = p.oid), '') end`

// defined digests what the other steps of load do not read in full, so that Same can
// tell whether anything was defined otherwise.
func (l *loader) defined(ctx context.Context) error {
	var oid uint32
	var sum []byte
	err := l.each(ctx, `select owner, `+digestOf(`pg_catalog.string_agg(k, E'\n' order by k collate "C")`)+`
		from (`+tableRows+`) as r(owner, k) group by owner`, []any{&oid, &sum}, func() {
		if t, ok := l.snap.tables[oid]; ok {
			copy(t.Defined[:], sum)
		}
	})
	if err != nil {
		return err
	}
	if err := l.one(ctx, `select `+digestOf(`coalesce(pg_catalog.string_agg(k, E'\n' order by k collate "C"), '')`)+`
		from (`+restRows+`) as r(owner, k)`, &sum); err != nil {
		return err
	}
	copy(l.snap.rest[:], sum)
	err = l.each(ctx, `select p.oid, `+digestOf(functionRow)+` from pg_catalog.pg_proc p`, []any{&oid, &sum}, func() {
		if f, ok := l.snap.byOID[oid]; ok {
			copy(f.Defined[:], sum)
		}
	})
	if err != nil {
		return err
	}
	var rel uint32
	var uses []uint32
	return l.each(ctx, `select polrelid, array(select distinct m[1]::oid
				from pg_catalog.regexp_matches(coalesce(polqual::text, '') || coalesce(polwithcheck::text, ''), ':relid (\d+)', 'g') m where m[1] <> '0')
			from pg_catalog.pg_policy order by oid`, []any{&rel, &uses}, func() {
		if t, ok := l.snap.tables[rel]; ok {
			t.PolicyUses = append(t.PolicyUses, uses...)
		}
		uses = nil
	})
}
