package sqlscan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// Every volatile function that PostgreSQL has by itself stands in the list, with its
// effect; and what the list calls harmless writes nothing: where it can be called
// without arguments, a READ ONLY transaction of the real server takes it.
func TestFunctions_EveryVolatileOneIsListed(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `select proname::text, bool_or(pronargs = 0 and prokind = 'f' and prorettype <> 'internal'::regtype
			and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype))
		from pg_proc where provolatile = 'v' and pronamespace = 'pg_catalog'::regnamespace group by 1 order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	type function struct {
		Name  string
		Plain bool // can be called as f()
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[function])
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 200 {
		t.Errorf("only %d volatile functions", len(all))
	}
	called := 0
	for _, f := range all {
		h, listed := harmOf(f.Name)
		if !listed {
			t.Errorf("%s is not listed", f.Name)
			continue
		}
		if h.effect != "" && h.effect != hoop.EffectRead || !f.Plain {
			continue
		}
		called++
		if err := readOnly(t, conn, "select pg_catalog."+pgx.Identifier{f.Name}.Sanitize()+"()"); err != nil {
			t.Errorf("%s is called harmless: %v", f.Name, err)
		}
	}
	if called < 20 {
		t.Errorf("only %d were called", called)
	}
}

// Every volatile function with arguments that may run without anybody's decision, as
// reading and the session's own business do, either keeps them or was found to forget
// them: what can be read again afterwards does not depend on them.
func TestFunctions_EveryVolatileOneKeepsOrForgets(t *testing.T) {
	forgets := strings.Fields(`amvalidate array_sample array_shuffle currval lo_get lo_tell lo_tell64 pg_blocking_pids pg_collation_actual_version
		pg_current_logfile pg_database_collation_actual_version pg_database_size pg_get_multixact_members pg_get_sequence_data pg_indexes_size
		pg_isolation_test_session_is_blocked pg_partition_ancestors pg_partition_tree pg_relation_size
		pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_sleep pg_sleep_for pg_sleep_until pg_stat_get_backend_io
		pg_stat_get_backend_wal pg_stat_get_xact_blocks_fetched
		pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls pg_stat_get_xact_function_self_time
		pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted
		pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_newpage_updated
		pg_stat_get_xact_tuples_returned pg_stat_get_xact_tuples_updated pg_stat_have_stats pg_table_size pg_tablespace_size
		pg_total_relation_size pg_wal_summary_contents pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status random random_normal timezone txid_status uuidv7
		set_config`) // its value must be given
	kept := 0
	for _, name := range strings.Fields(ask(t, "postgres", `select string_agg(distinct proname, ' ') from pg_proc
			where provolatile = 'v' and pronargs > 0 and pronamespace = 'pg_catalog'::regnamespace`)) {
		switch h, _ := harmOf(name); {
		case h.keeps:
			kept++
		case h.effect != "" && h.effect != hoop.EffectSession && h.effect != hoop.EffectWrite:
		case !slices.Contains(forgets, name):
			t.Errorf("%s has no entry: does it keep its arguments?", name)
		}
	}
	if kept < 40 {
		t.Errorf("only %d keep their arguments", kept)
	}
}

// Of PostgreSQL's extensions, every function in C that is not immutable is opaque, but
// those that were found to compute, to keep their arguments or to act on the server.
func TestFunctions_EveryOneOfExtensionsIsListed(t *testing.T) {
	if err := server.Exec(t.Context(), "postgres", "create database contrib"); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(ask(t, "postgres", "select string_agg(name, ' ') from pg_available_extensions")) {
		err := server.Exec(t.Context(), "contrib", "create extension if not exists "+pgx.Identifier{name}.Sanitize()+" cascade")
		if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && pe.Code == "58P01" {
			t.Logf("%s: %v", name, err) // a language that is not installed
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	found := map[string][]string{}
	for _, line := range strings.Split(ask(t, "contrib", `select string_agg(distinct concat_ws(' ', p.proname, p.provolatile, p.prorettype), E'\n')
			from pg_proc p join pg_depend d on d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e'
			join pg_language l on l.oid = p.prolang where p.provolatile <> 'i' and l.lanname = 'c'`), "\n") {
		var name, volatility string
		f := &catalog.Function{Language: "c", Extension: true}
		if _, err := fmt.Sscan(line, &name, &volatility, &f.Returns); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		f.Name, f.Volatility = name, catalog.Volatility(volatility[0])
		switch h, listed := harmOf(name); {
		case f.Returns == oidTrigger || f.Returns == oidEventTrigger:
		case retains(f):
			found["keeps"] = append(found["keeps"], name)
		case trusted(f):
			found["computes"] = append(found["computes"], name)
		case listed && h.effect == hoop.EffectServer:
			found["server"] = append(found["server"], name)
		default:
			found["opaque"] = append(found["opaque"], name)
		}
	}
	want := map[string]string{
		"keeps": "set_limit",
		"computes": `gen_random_bytes gen_random_uuid gen_salt normal_rand pgp_pub_encrypt pgp_pub_encrypt_bytea pgp_sym_encrypt
			pgp_sym_encrypt_bytea show_limit similarity_op strict_word_similarity_commutator_op strict_word_similarity_op unaccent
			unaccent_lexize uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 word_similarity_commutator_op word_similarity_op`,
		"server": `dblink dblink_build_sql_delete dblink_build_sql_insert dblink_build_sql_update dblink_cancel_query dblink_close
			dblink_connect dblink_connect_u dblink_current_query dblink_disconnect dblink_error_message dblink_exec dblink_fdw_validator
			dblink_fetch dblink_get_connections dblink_get_notify dblink_get_pkey dblink_get_result dblink_is_busy dblink_open
			dblink_send_query pg_file_rename pg_file_sync pg_file_unlink pg_file_write pg_prewarm`,
	}
	if snap.Server >= 170000 { // there is no adminpack any more
		want["server"] = strings.Replace(want["server"], "pg_file_rename pg_file_sync pg_file_unlink pg_file_write", "", 1)
	}
	for class, names := range want {
		slices.Sort(found[class])
		if diff := cmp.Diff(strings.Fields(names), found[class]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", class, diff)
		}
	}
	if len(found["opaque"]) < 50 {
		t.Errorf("only %d are opaque", len(found["opaque"]))
	}
}

// ask gives the one value that a query answers with.
func ask(t *testing.T, database, sql string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
