package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// usersCast is SQL for the casts that users made, not those that come with a range.
const usersCast = `oid >= 16384 and castfunc not in (select p.oid from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
	where l.lanname = 'internal' and p.prosrc ~ '^multirange_constructor[0-2]$')`

// versionQuery digests the rows of every catalog table that load reads by their
// identity and the transaction that wrote them (xmin). Temporary relations, types and
// functions come and go and are left out, as load leaves them out. Operators are not, since a
// statement that names one may mean that of another session.
const versionQuery = `
with temp as (select oid from pg_catalog.pg_namespace where nspname ~ '^pg_(toast_)?temp_'),
fleeting as (select oid from pg_catalog.pg_class where relnamespace in (select oid from temp)),
fleeting_types as (select oid from pg_catalog.pg_type where typnamespace in (select oid from temp)),
rows(kind, id, made) as (
	select 'n', oid::int8, xmin from pg_catalog.pg_namespace where oid not in (select oid from temp)
	union all select 'c', oid::int8, xmin from pg_catalog.pg_class where relnamespace not in (select oid from temp) and relkind not in ('i', 'I', 't')
	union all select 'a', (attrelid::int8 << 16) + attnum, xmin from pg_catalog.pg_attribute where attrelid >= 16384 and attnum > 0
		and attrelid in (select oid from pg_catalog.pg_class where relnamespace not in (select oid from temp) and relkind not in ('i', 'I', 't'))
	union all select 't', oid::int8, xmin from pg_catalog.pg_type where oid >= 16384 and typnamespace not in (select oid from temp)
	union all select 'p', oid::int8, xmin from pg_catalog.pg_proc where pronamespace not in (select oid from temp)
	union all select 'o', oid::int8, xmin from pg_catalog.pg_operator where oid >= 16384
	union all select 's', oid::int8, xmin from pg_catalog.pg_cast where ` + usersCast + `
	union all select 'i', (inhrelid::int8 << 32) + inhparent::int8, xmin from pg_catalog.pg_inherits where inhrelid not in (select oid from fleeting)
	union all select 'g', oid::int8, xmin from pg_catalog.pg_trigger where (not tgisinternal or tgenabled <> 'O') and tgrelid not in (select oid from fleeting)
	union all select 'r', oid::int8, xmin from pg_catalog.pg_rewrite where oid >= 16384 and ev_class not in (select oid from fleeting)
	union all select 'k', oid::int8, xmin from pg_catalog.pg_constraint where connamespace not in (select oid from temp)
	union all select 'd', oid::int8, xmin from pg_catalog.pg_attrdef where adrelid not in (select oid from fleeting)
	union all select 'l', oid::int8, xmin from pg_catalog.pg_policy where polrelid not in (select oid from fleeting)
	union all select 'e', oid::int8, xmin from pg_catalog.pg_event_trigger
	union all select 'x', indexrelid::int8, xmin from pg_catalog.pg_index
		where (indexprs is not null or indpred is not null or indisunique) and indexrelid >= 16384 and indrelid not in (select oid from fleeting)
	union all select 'q', seqrelid::int8, xmin from pg_catalog.pg_sequence where seqrelid not in (select oid from fleeting)
	union all select 'm', oid::int8, xmin from pg_catalog.pg_enum where enumtypid not in (select oid from fleeting_types)
	union all select 'P', partrelid::int8, xmin from pg_catalog.pg_partitioned_table where partrelid not in (select oid from fleeting)
	union all select 'f', ftrelid::int8, xmin from pg_catalog.pg_foreign_table where ftrelid not in (select oid from fleeting)
	union all select 'R', rngtypid::int8, xmin from pg_catalog.pg_range where rngtypid >= 16384 and rngtypid not in (select oid from fleeting_types)
	union all select 'C', oid::int8, xmin from pg_catalog.pg_opclass where oid >= 16384
	union all select 'F', oid::int8, xmin from pg_catalog.pg_opfamily where oid >= 16384
	union all select 'O', oid::int8, xmin from pg_catalog.pg_amop where oid >= 16384
	union all select 'A', oid::int8, xmin from pg_catalog.pg_amproc where oid >= 16384
	union all select 'y', oid::int8, xmin from pg_catalog.pg_collation where oid >= 16384
	union all select 'z', oid::int8, xmin from pg_catalog.pg_language where oid >= 16384
	union all select 'v', oid::int8, xmin from pg_catalog.pg_conversion where oid >= 16384
	union all select 'T', oid::int8, xmin from pg_catalog.pg_transform
	union all select 'w', oid::int8, xmin from pg_catalog.pg_ts_config where oid >= 16384
	union all select 'W', (mapcfg::int8 << 32) + (maptokentype << 16) + mapseqno, xmin from pg_catalog.pg_ts_config_map where mapcfg >= 16384
	union all select 'D', oid::int8, xmin from pg_catalog.pg_ts_dict where oid >= 16384
	union all select 'u', oid::int8, xmin from pg_catalog.pg_ts_parser where oid >= 16384
	union all select 'U', oid::int8, xmin from pg_catalog.pg_ts_template where oid >= 16384
	union all select 'E', oid::int8, xmin from pg_catalog.pg_statistic_ext where stxrelid not in (select oid from fleeting)
	union all select 'G', oid::int8, xmin from pg_catalog.pg_default_acl
	union all select 'h', oid::int8, xmin from pg_catalog.pg_foreign_data_wrapper
	union all select 'H', oid::int8, xmin from pg_catalog.pg_foreign_server
	union all select 'j', pg_catalog.hashtextextended(pg_catalog.to_jsonb(x)::text, umid::int8), '0' from pg_catalog.pg_user_mappings x
	union all select 'M', (roleid::int8 << 32) + member::int8, xmin from pg_catalog.pg_auth_members
	union all select 'S', pg_catalog.hashtextextended(rolname || ':' || rolsuper || ':' || rolbypassrls, oid::int8), '0' from pg_catalog.pg_roles where rolsuper or rolbypassrls
)
select count(*)::text || ':' || coalesce(sum(pg_catalog.hashint8extended(id, seed)), 0)::text || ':' ||
	coalesce(sum(pg_catalog.hashint8extended(seed, id)), 0)::text
from (select id, (pg_catalog.ascii(kind)::int8 << 32) + made::text::int8 as seed from rows offset 0) x`

func readVersion(ctx context.Context, conn *pgx.Conn) (string, error) {
	var v string
	if err := conn.QueryRow(ctx, versionQuery).Scan(&v); err != nil {
		return "", fmt.Errorf("look for changes of the catalog: %w", err)
	}
	return v, nil
}

// Ask runs a statement of the loader's, and gives row the rows of its answer, one after
// the other; their values are valid until it returns. An error of the server's is a *pgconn.PgError.
type Ask func(ctx context.Context, sql string, row func(fields []pgconn.FieldDescription, values [][]byte) error) error

// loader fills a snapshot from one transaction.
type loader struct {
	ask    Ask
	values *pgtype.Map
	snap   *Snapshot
	raw    map[uint32]*rawType
	schema map[uint32]string
}

// load reads the catalog in one REPEATABLE READ transaction, so that all its parts
// are of the same moment.
func load(ctx context.Context, conn *pgx.Conn) (*Snapshot, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("begin to load the catalog: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // it has read only
	l := newLoader(func(ctx context.Context, sql string, row func([]pgconn.FieldDescription, [][]byte) error) error {
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := row(rows.FieldDescriptions(), rows.RawValues()); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	if err := l.read(ctx); err != nil {
		return nil, err
	}
	return l.snap, nil
}

func newLoader(ask Ask) *loader {
	return &loader{ask: ask, values: pgtype.NewMap(), schema: map[uint32]string{}, snap: &Snapshot{
		tables: map[uint32]*Table{}, byName: map[string][]*Table{}, types: map[uint32]*hoop.Type{},
		functions: map[string][]*Function{}, byOID: map[uint32]*Function{}, operators: map[string][]*Operator{},
		views: &sync.Map{}, bodies: &sync.Map{}, memo: &memo{}, comparing: map[uint32][]uint32{}, userTypes: map[string][]UserType{}, schemas: map[string]bool{}, loose: map[string]bool{}, collating: map[uint32]bool{}, typeCode: map[uint32][]uint32{}, defaults: map[uint32][]uint32{},
	}}
}

// settle sees to it, until the transaction ends, that names which are not qualified are
// PostgreSQL's own and that texts are written and read in one way, whatever the role or the session has set.
func (l *loader) settle(ctx context.Context) error {
	const sql = `select pg_catalog.set_config(s, v, true) from (values ('search_path', 'pg_catalog, pg_temp'), ('standard_conforming_strings', 'on'),
		('quote_all_identifiers', 'off'), ('transform_null_equals', 'off'), ('DateStyle', 'ISO, MDY'), ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'),
		('extra_float_digits', '1'), ('bytea_output', 'hex'), ('xmlbinary', 'base64'), ('jit', 'off')) x(s, v)`
	if err := l.ask(ctx, sql, discard); err != nil {
		return fmt.Errorf("settings to load the catalog with: %w", err)
	}
	return nil
}

func discard([]pgconn.FieldDescription, [][]byte) error { return nil }

// read fills the snapshot.
func (l *loader) read(ctx context.Context) error {
	for _, step := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"version", l.version},
		{"schemas", l.namespaces},
		{"relations", l.classes},
		{"columns", l.attributes},
		{"types", l.types},
		{"functions", l.functions},
		{"operators", l.operators},
		{"casts", l.casts},
		{"inheritance", l.inheritance},
		{"triggers", l.triggers},
		{"rules", l.rules},
		{"foreign keys", l.cascades},
		{"views", l.views},
		{"keys", l.keys},
		{"constraints", l.clashes},
		{"code of tables", l.code},
		{"types of values", l.typed},
		{"defaults of domains", l.domainDefaults},
		{"generated columns", l.generated},
		{"event triggers", l.eventTriggers},
		{"sequences", l.sequences},
		{"operator classes", l.comparisons},
		{"what is compared loosely", l.loose},
		{"definitions", l.defined},
	} {
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("load %s: %w", step.what, err)
		}
	}
	return nil
}

func (l *loader) version(ctx context.Context) error {
	if err := l.one(ctx, versionQuery, &l.snap.Version); err != nil {
		return err
	}
	var num string
	if err := l.one(ctx, "select pg_catalog.current_setting('server_version_num')", &num); err != nil {
		return err
	}
	var err error
	l.snap.Server, err = strconv.Atoi(num)
	return err
}

// each runs a query and calls row after each row was scanned into dest.
func (l *loader) each(ctx context.Context, sql string, dest []any, row func()) error {
	return l.ask(ctx, sql, func(fields []pgconn.FieldDescription, values [][]byte) error {
		if len(fields) != len(dest) {
			return fmt.Errorf("%d columns where %d were asked for", len(fields), len(dest))
		}
		for i, d := range dest {
			if err := l.values.Scan(fields[i].DataTypeOID, fields[i].Format, values[i], d); err != nil {
				return fmt.Errorf("column %s: %w", fields[i].Name, err)
			}
		}
		row()
		return nil
	})
}

// one runs a query of one row with one value.
func (l *loader) one(ctx context.Context, sql string, dest any) error {
	n := 0
	if err := l.each(ctx, sql, []any{dest}, func() { n++ }); err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%d rows where one was asked for", n)
	}
	return nil
}

func (l *loader) namespaces(ctx context.Context) error {
	var oid uint32
	var name string
	return l.each(ctx, `select oid, nspname::text from pg_catalog.pg_namespace where nspname !~ '^pg_(toast_)?temp_'`,
		[]any{&oid, &name}, func() { l.schema[oid], l.snap.schemas[name] = name, true })
}

func systemSchema(name string) bool { return name == "pg_catalog" || name == "information_schema" }

func (l *loader) classes(ctx context.Context) error {
	var oid, ns, row uint32
	var name, kind string
	var rls, defers bool
	return l.each(ctx, `select oid, relnamespace, reltype, relname::text, relkind::text, relrowsecurity,
			relhasindex and oid >= 16384 and exists (select from pg_catalog.pg_index where indrelid = c.oid and not indimmediate) from pg_catalog.pg_class c`,
		[]any{&oid, &ns, &row, &name, &kind, &rls, &defers}, func() {
			schema, ok := l.schema[ns]
			if !ok {
				return // temporary
			}
			t := &Table{
				OID: oid, RowType: row, Schema: schema, Name: name, Kind: Kind(kind[0]), RowSecurity: rls, Defers: defers,
				System: systemSchema(schema) && oid < firstUserOID,
			}
			l.snap.tables[oid] = t
			l.snap.byName[name] = append(l.snap.byName[name], t)
		})
}

func (l *loader) attributes(ctx context.Context) error {
	var rel, typ uint32
	var name, generated string
	var num int16
	var mod int32
	var def bool
	return l.each(ctx, `select a.attrelid, a.attname::text, a.attnum, a.atttypid, a.atttypmod, a.attgenerated::text, a.atthasdef
		from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r','p','v','m','f','c')
		where a.attnum > 0 and not a.attisdropped order by a.attrelid, a.attnum`,
		[]any{&rel, &name, &num, &typ, &mod, &generated, &def}, func() {
			if t, ok := l.snap.tables[rel]; ok {
				t.Columns = append(t.Columns, Column{Name: name, Attr: num, Type: typ, Mod: mod, Generated: generated != "", HasDefault: def})
			}
		})
}

// calledIn is SQL for the functions in a stored expression (pg_node_tree), by OID, those that are called in
// place of an operator's (see operators) among them.
func calledIn(expr string) string {
	return `array(select m[1]::oid from pg_catalog.regexp_matches(` + expr + `::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') m
		union select f.oprcode::oid from pg_catalog.regexp_matches(` + expr + `::text, ':opno (\d+)', 'g') m join pg_catalog.pg_operator o on o.oid = m[1]::oid
			cross join pg_catalog.unnest(array[o.oprcom, o.oprnegate]) x join pg_catalog.pg_operator f on f.oid = x where x >= 16384 and f.oprcode <> 0)`
}

// typesIn is SQL for users' types in a stored query or expression, those of columns that
// functions in FROM make among them.
func typesIn(query string) string {
	return `array(select distinct x::oid from pg_catalog.regexp_matches(` + query + `::text, ':\w*typ(?:e|id|eid) (\d{5,10}) |coltypes \(o ([\d ]+)\)', 'g') m,
		pg_catalog.regexp_split_to_table(coalesce(m[1], m[2]), ' ') x where x::int8 >= 16384)`
}

// comparingIn is SQL for the functions of users' operators that sort and group in a stored
// query, and those of its windows' frames.
func comparingIn(query string) string {
	return `array(select o.oprcode::oid from pg_catalog.regexp_matches(` + query + `::text, ':(?:sortop|eqop) (\d+)', 'g') m
		join pg_catalog.pg_operator o on o.oid = m[1]::oid and o.oid >= 16384
		union select m[1]::oid from pg_catalog.regexp_matches(` + query + `::text, ':(?:startInRangeFunc|endInRangeFunc) (\d+)', 'g') m where m[1] <> '0')`
}

// usedIn is SQL for the relations in a stored query. From version 16 on sub-selects in FROM
// have the number 0 (_outRangeTblEntry in outfuncs.c).
func usedIn(query string) string {
	return `array(select distinct m[1]::oid from pg_catalog.regexp_matches(` + query + `::text, ':relid (\d+)', 'g') m where m[1]::oid not in (0, ev_class))`
}

func (l *loader) functions(ctx context.Context) error {
	body := "p.prosrc"
	if l.snap.Server >= 140000 { // the body may be stored as a tree
		body = "coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)"
	}
	var oid, ns, ret uint32
	var name, lang, kind, vol, src string
	var definer, set, ext, identity bool
	var args int
	var calls, argTypes, outTypes []uint32
	var argNames []string
	return l.each(ctx, `select p.oid, p.pronamespace, p.proname::text, l.lanname::text, p.prokind::text, p.provolatile::text, p.prosecdef,
			p.pronargs::int4, p.prorettype, p.proretset, case when p.oid >= 16384 then `+body+` else '' end,
			p.oid >= 16384 and exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'),
			case when p.oid >= 16384 then `+calledIn("p.proargdefaults")+` || array(select f::oid from pg_catalog.pg_aggregate a,
				pg_catalog.unnest(array[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn, aggmfinalfn]) f
				where a.aggfnoid = p.oid and f <> 0) end,
			case when p.oid >= 16384 then array(select pg_catalog.unnest(p.proargtypes)) end,
			case when p.oid >= 16384 then p.proallargtypes end,
			case when p.oid >= 16384 then p.proargnames end,
			exists (select from pg_catalog.unnest(p.proconfig) s where pg_catalog.lower(s) like 'hoop.%')
		from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang`,
		[]any{&oid, &ns, &name, &lang, &kind, &vol, &definer, &args, &ret, &set, &src, &ext, &calls, &argTypes, &outTypes, &argNames, &identity}, func() {
			schema, ok := l.schema[ns]
			if !ok {
				return
			}
			f := &Function{
				OID: oid, Schema: schema, Name: name, Language: lang, Kind: kind[0], Volatility: Volatility(vol[0]),
				SecurityDefiner: definer, Identity: identity, Args: args, ArgTypes: argTypes, OutTypes: outTypes, ArgNames: argNames, Source: src, Calls: calls, Returns: ret, Set: set, Extension: ext,
				// A built-in that was replaced by PL code is a user's.
				System: systemSchema(schema) && oid < firstUserOID && (lang == "internal" || lang == "sql" || lang == "c"),
			}
			l.snap.functions[name] = append(l.snap.functions[name], f)
			l.snap.byOID[oid] = f
			calls, argTypes, outTypes, argNames = nil, nil, nil, nil
		})
}

// operators finds users' operators, each with the functions of its negator and its commutator
// too: PostgreSQL calls those in its place, the one where NOT stands before it, the other where an
// index does.
func (l *loader) operators(ctx context.Context) error {
	var ns, fn uint32
	var name string
	return l.each(ctx, `with recursive r(op, other) as (
			select oid, oid from pg_catalog.pg_operator where greatest(oid, oprcom, oprnegate) >= 16384
			union select r.op, x from r join pg_catalog.pg_operator o on o.oid = r.other, pg_catalog.unnest(array[o.oprcom, o.oprnegate]) x where x <> 0)
		select o.oprnamespace, o.oprname::text, f.oprcode::oid from r join pg_catalog.pg_operator f on f.oid = r.other
			join pg_catalog.pg_operator o on o.oid = r.op where f.oid >= 16384 and (o.oid = f.oid or f.oprcode <> 0)
		order by o.oid, f.oid`,
		[]any{&ns, &name, &fn}, func() {
			l.snap.operators[name] = append(l.snap.operators[name], &Operator{Schema: l.schema[ns], Name: name, Function: fn})
		})
}

func (l *loader) casts(ctx context.Context) error {
	var c Cast
	return l.each(ctx, `select castsource, casttarget, castfunc, castcontext = 'i' from pg_catalog.pg_cast where `+usersCast,
		[]any{&c.Source, &c.Target, &c.Function, &c.Implicit}, func() { l.snap.casts = append(l.snap.casts, c) })
}

func (l *loader) inheritance(ctx context.Context) error {
	var child, parent uint32
	return l.each(ctx, `select inhrelid, inhparent from pg_catalog.pg_inherits order by inhparent, inhrelid`,
		[]any{&child, &parent}, func() {
			c, ok1 := l.snap.tables[child]
			p, ok2 := l.snap.tables[parent]
			if ok1 && ok2 {
				c.Parents = append(c.Parents, parent)
				p.Children = append(p.Children, child)
			}
		})
}

func (l *loader) triggers(ctx context.Context) error {
	const forEachRow, before, insteadOf = 1 << 0, 1 << 1, 1 << 6 // TRIGGER_TYPE_ROW and its kin
	var rel uint32
	var tr Trigger
	var kind int32
	var off bool
	return l.each(ctx, `select tgrelid, tgname::text, tgfoid, tgtype::int4, tgenabled = 'D', tgdeferrable, `+calledIn("tgqual")+`,
			array(select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = tgrelid and a.attnum = any (tgattr) order by a.attnum),
			array(select x::text from pg_catalog.unnest(array[tgoldtable, tgnewtable]) x where x is not null)
		from pg_catalog.pg_trigger where not tgisinternal order by tgrelid, tgname`,
		[]any{&rel, &tr.Name, &tr.Function, &kind, &off, &tr.Defers, &tr.Calls, &tr.Columns, &tr.Moved}, func() {
			if t, ok := l.snap.tables[rel]; ok {
				tr.On = Event(kind) & (OnInsert | OnDelete | OnUpdate | OnTruncate)
				tr.EachRow = kind&forEachRow != 0
				tr.Rewrites = kind&forEachRow != 0 && kind&(before|insteadOf) != 0
				if off {
					t.Asleep = append(t.Asleep, tr)
				} else {
					t.HasTriggers = true
					l.snap.defers = l.snap.defers || tr.Defers
					t.Triggers = append(t.Triggers, tr)
				}
			}
			tr = Trigger{}
		})
}

// sequences finds those whose numbers defaults give, those of domains too, and those of
// identity columns. 0 stands for one that the expression finds by a text, or as lastval does.
func (l *loader) sequences(ctx context.Context) error {
	var rel, seq uint32
	return l.each(ctx, `
		with made(rel, class, obj, expr) as (
			select adrelid, 'pg_catalog.pg_attrdef'::regclass, oid, adbin::text from pg_catalog.pg_attrdef
			union all select a.attrelid, 'pg_catalog.pg_type'::regclass, y.oid, y.typdefaultbin::text from pg_catalog.pg_type y join pg_catalog.pg_attribute a
				on a.atttypid = y.oid and a.attnum > 0 and not a.attisdropped where y.typtype = 'd' and y.typdefaultbin is not null)
		select m.rel, d.refobjid from made m
			join pg_catalog.pg_depend d on d.classid = m.class and d.objid = m.obj and d.refclassid = 'pg_catalog.pg_class'::regclass
			join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind = 'S'
		union select rel, 0 from made where `+numbersIn("expr", "")+` > `+numbersIn("expr", `[^(){}]* :args \(\{CONST :consttype 2205 `)+`
		union select d.refobjid, d.objid from pg_catalog.pg_depend d join pg_catalog.pg_class c on c.oid = d.objid and c.relkind = 'S'
			where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass and d.deptype = 'i'
		order by 1, 2`,
		[]any{&rel, &seq}, func() {
			if t, ok := l.snap.tables[rel]; ok {
				t.Sequences = append(t.Sequences, seq)
			}
		})
}

// numbersIn is SQL for how many calls of functions there are in a stored expression that give
// the number of a sequence, where more follows their OID. 2205 is that of regclass.
func numbersIn(expr, more string) string {
	return `(select count(*) from pg_catalog.regexp_matches(` + expr + `, ':funcid (\d+) ` + more + `', 'g') m join pg_catalog.pg_proc p on p.oid = m[1]::oid
		where p.oid < 16384 and p.proname in ('nextval', 'currval', 'lastval'))`
}

func (l *loader) eventTriggers(ctx context.Context) error {
	var fn uint32
	return l.each(ctx, `select distinct evtfoid from pg_catalog.pg_event_trigger where evtevent <> 'login' order by evtfoid`,
		[]any{&fn}, func() { l.snap.events = append(l.snap.events, fn) })
}

func (l *loader) rules(ctx context.Context) error {
	var rel uint32
	var calls, uses []uint32
	return l.each(ctx, `select ev_class, `+calledIn("(ev_qual::text || ev_action::text)")+`, `+usedIn("(ev_qual::text || ev_action::text)")+`
		from pg_catalog.pg_rewrite where rulename <> '_RETURN' and oid >= 16384`,
		[]any{&rel, &calls, &uses}, func() {
			if t, ok := l.snap.tables[rel]; ok {
				t.HasRules = true
				t.RuleCalls, t.RuleUses = append(t.RuleCalls, calls...), append(t.RuleUses, uses...)
			}
			calls, uses = nil, nil
		})
}

func (l *loader) cascades(ctx context.Context) error {
	var from, to uint32
	var del, upd, resets bool
	return l.each(ctx, `select conrelid, confrelid, confdeltype in ('c','n','d'), confupdtype in ('c','n','d'), 'd' in (confdeltype, confupdtype)
		from pg_catalog.pg_constraint where contype = 'f'`,
		[]any{&from, &to, &del, &upd, &resets}, func() {
			if t, ok := l.snap.tables[to]; ok {
				t.Cascades = append(t.Cascades, Cascade{Table: from, OnDelete: del, OnUpdate: upd, Resets: resets})
			}
		})
}

// fog finds, in a stored query, what runs functions that it does not name: checks of
// domains, and users' operators that compare rows, sort and group, frames of windows and
// sampling methods.
const fog = `\{COERCETODOMAIN |(:(sortop|eqop|startInRangeFunc|endInRangeFunc|tsmhandler) |:opnos \(o (\d+ )*)(1638[4-9]|1639\d|16[4-9]\d\d|1[7-9]\d{3}|[2-9]\d{4}|\d{6,})[ )]`

// views reads what users' views use from their stored parse trees (pg_rewrite), which
// name every function and relation by OID. pg_depend does not: it leaves out built-in
// functions. The view itself stands there too, as OLD and NEW of its rule.
//
// Asking for a definition locks what the view reads (AcquireRewriteLocks in
// rewriteHandler.c), so it waits for whoever has altered that and not committed. Nobody
// may make everybody wait so: then there are no definitions, and the version says
// that this is not all, so that the next poll asks again.
func (l *loader) views(ctx context.Context) error {
	err := l.within(ctx, "views", func() error {
		if err := l.ask(ctx, "set local lock_timeout = '100ms'", discard); err != nil {
			return err
		}
		return l.viewsWith(ctx, "pg_catalog.pg_get_viewdef(ev_class)")
	})
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && pe.Code == stateLocked {
		l.snap.Version += " without views"
		return l.viewsWith(ctx, "''")
	}
	return err
}

// within runs f in a savepoint that is rolled back: what f has set or locked is then as before.
func (l *loader) within(ctx context.Context, savepoint string, f func() error) error {
	if err := l.ask(ctx, "savepoint "+savepoint, discard); err != nil {
		return err
	}
	err := f()
	lasting := context.WithoutCancel(ctx) // whose transaction it is goes on
	for _, sql := range []string{"rollback to savepoint " + savepoint, "release savepoint " + savepoint} {
		if undone := l.ask(lasting, sql, discard); undone != nil {
			return errors.Join(undone, err)
		}
	}
	return err
}

// stateLocked is lock_not_available (PostgreSQL manual, appendix "PostgreSQL Error Codes").
const stateLocked = "55P03"

func (l *loader) viewsWith(ctx context.Context, definitionOf string) error {
	var view uint32
	var calls, uses, types []uint32
	var definition string
	var foggy bool
	return l.each(ctx, `select ev_class, `+calledIn("ev_action")+` || `+comparingIn("ev_action")+`, `+usedIn("ev_action")+`, `+typesIn("ev_action")+`,
			`+definitionOf+`, ev_action::text ~ '`+fog+`'
		from pg_catalog.pg_rewrite where rulename = '_RETURN' and oid >= 16384
			and ev_class in (select oid from pg_catalog.pg_class where relnamespace in `+lasting+`)`,
		[]any{&view, &calls, &uses, &types, &definition, &foggy}, func() {
			if t, ok := l.snap.tables[view]; ok {
				t.Calls, t.Uses, t.Types, t.Definition, t.Foggy = calls, uses, types, definition, foggy
			}
			calls, uses, types = nil, nil, nil
		})
}

// generated finds what generated columns are computed from. The dependency is the
// column's, or in later versions the expression's.
func (l *loader) generated(ctx context.Context) error {
	var rel uint32
	var attr int16
	var from []string
	return l.each(ctx, `select a.attrelid, a.attnum, array(select distinct s.attname::text
				from pg_catalog.pg_depend d join pg_catalog.pg_attribute s on s.attrelid = a.attrelid and s.attnum = d.refobjsubid
				where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid not in (0, a.attnum)
					and (d.classid = 'pg_catalog.pg_class'::regclass and d.objid = a.attrelid and d.objsubid = a.attnum
						or d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = (select oid from pg_catalog.pg_attrdef where adrelid = a.attrelid and adnum = a.attnum))
				order by 1)
			from pg_catalog.pg_attribute a where a.attgenerated <> '' and not a.attisdropped`,
		[]any{&rel, &attr, &from}, func() {
			if t, ok := l.snap.tables[rel]; ok {
				for i := range t.Columns {
					if t.Columns[i].Attr == attr {
						t.Columns[i].From = from
					}
				}
			}
			from = nil
		})
}
