package sqlscan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// world is what each case has, in a schema of its own, which stands for $S.
const world = `
create schema $S;
create table $S.patients (id int primary key, name text, ward int);
insert into $S.patients select i, 'p' || i, i % 3 from generate_series(1, 9) i;
create table $S.visits (id int primary key, patient int references $S.patients on delete cascade);
insert into $S.visits select i, i from generate_series(1, 9) i;
create table $S.audit (id serial primary key, line text, at timestamptz default now());
create table $S.counts (ward int primary key, n int);
insert into $S.counts select i, 0 from generate_series(0, 2) i;
create table $S.t (id int primary key, note text, patient int, tags text[], updated timestamptz, who text, doc tsvector, lob oid);
insert into $S.t select i, 'n' || i, i from generate_series(1, 5) i;
create function $S.log(line text) returns void language plpgsql as $f$ begin insert into $S.audit (line) values ($1); end $f$;
create function $S.wipe() returns int language sql as $f$ delete from $S.patients; select 1 $f$;
create function $S.known(ward int) returns boolean language sql stable as $f$ select exists (select from $S.counts c where c.ward = known.ward) $f$;
`

// bomb is a type with a cast that writes, indexed a table whose index does.
const (
	bomb    = "create type $S.bomb as (n int); create function $S.to_bomb(int) returns $S.bomb language sql as 'select row($S.wipe())::$S.bomb'; create cast (int as $S.bomb) with function $S.to_bomb(int) as assignment; "
	indexed = "create function $S.gone() returns int language plpgsql as 'begin delete from $S.patients; return 1; end'; create function $S.i(int) returns int language plpgsql immutable as 'begin return $S.gone(); end'; create table $S.g (id int); create index gi on $S.g ($S.i(id)); insert into $S.g values (1); insert into $S.patients select i from generate_series(1, 9) i"
)

// setOff is a trigger, or what else a statement sets off, and what that does.
type setOff struct {
	name    string
	body    string // of the trigger function $S.f, in PL/pgSQL; with its DECLARE
	on      string // its events; "" for none of the kind
	also    string // SQL that stands beside
	sql     string
	want    string   // effects, in order of the contract
	touches []string // what some of them are on: "unbounded-write patients"
	fails   bool     // the statement does
}

const (
	insertT = "insert into $S.t (id, note, patient) values (6, 'x', 6)"
	updateT = "update $S.t set note = 'y' where id = 1"
	deleteT = "delete from $S.t where id = 1"
)

var setOffs = []setOff{
	// ordinary work
	{name: "none", sql: insertT, want: "write"},
	{name: "audit", body: "begin insert into $S.audit (line) values (tg_op || new.note); return new; end", on: "after insert or update", sql: insertT, want: "write", touches: []string{"write audit", "write t"}},
	{name: "audit of the row", body: "begin insert into $S.audit (line) select row_to_json(new)::text; return null; end", on: "after update", sql: updateT, want: "write", touches: []string{"write audit"}},
	{name: "touch", body: "begin new.updated := now(); new.who = current_user; return new; end", on: "before insert or update", sql: updateT, want: "write"},
	{name: "touch where it differs", body: "begin if new.note is distinct from old.note then new.updated = clock_timestamp(); elsif tg_op = 'UPDATE' then null; else new.who := upper(new.who); end if; return new; end", on: "before update", sql: updateT, want: "write"},
	{name: "a check", body: "begin if new.note is null or length(new.note) > 1000 then raise exception 'too long: %', length(new.note) using errcode = 'P0001', hint = 'cut it'; end if; return new; end", on: "before insert", sql: insertT, want: "write"},
	{name: "a helper", body: "begin perform $S.log(new.note); return null; end", on: "after insert", sql: insertT, want: "write", touches: []string{"write audit"}},
	{name: "a counter", body: "begin update $S.counts set n = n + 1 where ward = new.patient % 3; return null; end", on: "after insert", sql: insertT, want: "write", touches: []string{"write counts"}},
	{name: "an upsert", body: "begin insert into $S.counts values (new.id % 3, 1) on conflict (ward) do update set n = counts.n + excluded.n; return null; end", on: "after insert", sql: insertT, want: "write"},
	{name: "a notification", body: "begin perform pg_notify('t', json_build_object('id', new.id, 'op', tg_op)::text); return null; end", on: "after insert", sql: insertT, want: "session write"},
	{name: "every kind of command", body: "declare v int := 1; r record; begin case tg_op when 'DELETE' then insert into $S.audit (line) values (old.id); return old; else v := new.id; end case; begin v := v / 0; exception when division_by_zero or others then v := 0; end; <<l>> loop exit l when v >= 0; end loop; for i in 1..2 loop v := v + i; end loop; assert v > 0, 'no'; insert into $S.audit (line) values (v) returning id into strict v; return new; end", on: "before insert or update or delete", sql: deleteT, want: "read write", touches: []string{"write audit"}},
	{name: "rows of the statement", body: "begin insert into $S.audit (line) select note from fresh; update $S.counts c set n = c.n + f.n from (select patient % 3 as ward, count(*) as n from fresh group by 1) f where f.ward = c.ward; return null; end", also: "create trigger x after insert on $S.t referencing new table as fresh for each statement execute function $S.f()", sql: insertT, want: "write", touches: []string{"write audit", "write counts"}},
	{name: "tags", body: "declare tag text; begin foreach tag in array coalesce(new.tags, '{}') loop update $S.counts set n = n + 1 where ward = length(tag); end loop; return null; end", on: "after insert", sql: "insert into $S.t (id, tags) values (7, '{a,bb}')", want: "write"},
	{name: "a loop of parts", body: "declare k text; begin for k in select jsonb_object_keys(to_jsonb(new)) loop delete from $S.counts where ward = length(k) - 90; end loop; return null; end", on: "after insert", sql: insertT, want: "write"},
	{name: "a loop with a limit", body: "declare r record; begin for r in select id from $S.visits where patient = new.patient loop delete from $S.visits where id = r.id; end loop; return null; end", on: "after insert", sql: insertT, want: "read write", touches: []string{"write visits", "read visits"}},
	{name: "PostgreSQL's own", also: "create trigger x before update on $S.t for each row execute function suppress_redundant_updates_trigger(); create trigger y before insert or update on $S.t for each row execute function tsvector_update_trigger(doc, 'pg_catalog.english', note)", sql: updateT, want: "write"},
	{name: "moddatetime", also: "create extension if not exists moddatetime schema public; create trigger x before update on $S.t for each row execute function public.moddatetime(updated)", sql: updateT, want: "write"},
	{name: "insert_username", also: "create extension if not exists insert_username schema public; create trigger x before update on $S.t for each row execute function public.insert_username(who)", sql: updateT, want: "write"},
	{name: "lo_manage", also: "create extension if not exists lo schema public; create trigger x before update on $S.t for each row execute function public.lo_manage(lob)", sql: updateT, want: "write", touches: []string{"write pg_catalog.pg_largeobject"}},

	// what does not fire
	{name: "another event", body: "begin delete from $S.patients; return null; end", on: "after delete", sql: insertT, want: "write"},
	{name: "another column", body: "begin delete from $S.patients; return null; end", on: "after update of patient", sql: updateT, want: "write"},
	{name: "that column", body: "begin delete from $S.patients; return null; end", on: "after update of patient, note", sql: updateT, want: "write unbounded-write", touches: []string{"unbounded-write patients"}},
	{name: "that column by upsert", body: "begin delete from $S.patients; return null; end", on: "after update of note", sql: "insert into $S.t (id) values (1) on conflict (id) do update set note = 'z'", want: "write unbounded-write"},
	{name: "another column by upsert", body: "begin delete from $S.patients; return null; end", on: "after update of patient", sql: "insert into $S.t (id) values (1) on conflict (id) do update set note = 'z'", want: "write"},
	{name: "MERGE that inserts", body: "begin delete from $S.patients; return null; end", on: "after delete", sql: "merge into $S.t using (values (9)) v(i) on t.id = v.i when not matched then insert (id) values (v.i)", want: "write"},
	{name: "MERGE that deletes", body: "begin delete from $S.patients; return null; end", on: "after delete", sql: "merge into $S.t using (values (1)) v(i) on t.id = v.i when matched then delete", want: "write unbounded-write"},
	{name: "switched off", body: "begin delete from $S.patients; return null; end", on: "after insert", also: "alter table $S.t disable trigger x", sql: insertT, want: "write"},
	{name: "always on", body: "begin delete from $S.patients; return null; end", on: "after insert", also: "alter table $S.t enable always trigger x", sql: insertT, want: "write unbounded-write"},
	{name: "TRUNCATE fires no DELETE", body: "begin update $S.patients set name = 'gone'; return null; end", also: "create trigger x after delete on $S.t for each row execute function $S.f()", sql: "truncate $S.t", want: "destroy", touches: []string{"destroy t"}},
	{name: "TRUNCATE", body: "begin update $S.patients set name = 'gone'; return null; end", also: "create trigger x after truncate on $S.t execute function $S.f()", sql: "truncate $S.t", want: "unbounded-write destroy", touches: []string{"unbounded-write patients"}},
	{name: "TRUNCATE CASCADE", body: "begin update $S.counts set n = 9; return null; end", also: "create trigger x after truncate on $S.visits execute function $S.f()", sql: "truncate $S.patients cascade", want: "unbounded-write destroy", touches: []string{"unbounded-write counts"}},

	// every row
	{name: "all patients", body: "begin delete from $S.patients; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write", touches: []string{"unbounded-write patients", "unbounded-write visits"}},
	{name: "all patients, always true", body: "begin update $S.patients set name = '' where name like '%' or id = new.id; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "a pattern of the row", body: "begin delete from $S.patients where name like new.note; return new; end", on: "before insert", sql: "insert into $S.t (id, note) values (8, '%')", want: "write unbounded-write"},
	{name: "a column's own name", body: "declare name text; begin delete from $S.patients where name = patients.name; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write", fails: true},
	{name: "a column, not a variable", body: "#variable_conflict use_column\ndeclare name text; begin delete from $S.patients where name = patients.name; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "a variable, not a column", body: "#variable_conflict use_variable\ndeclare id int := 5; begin delete from $S.patients where id = 5; return new; end", on: "before insert", sql: insertT, want: "write opaque"},
	{name: "a variable", body: "declare p int := new.patient; begin delete from $S.patients where id = p; return new; end", on: "before insert", sql: insertT, want: "write", touches: []string{"write patients", "write visits"}},
	{name: "an alias of a parameter", body: "<<outside>> declare p int := new.patient; q alias for p; begin delete from $S.patients where id = outside.q; return new; end", on: "before insert", sql: insertT, want: "write"},
	{name: "row by row", body: "declare r record; begin for r in select id from $S.patients loop delete from $S.patients where id = r.id; end loop; return new; end", on: "before insert", sql: insertT, want: "read write unbounded-write", touches: []string{"unbounded-write patients"}},
	{name: "number by number", body: "begin for i in 1..100 loop update $S.patients set name = '' where id = i; end loop; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "while", body: "declare i int := 0; begin while i < 100 loop i := i + 1; update $S.patients set name = '' where id = i; end loop; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "while, in the condition", body: "begin while $S.next() < 9 loop null; end loop; return new; end", on: "before insert", also: "create function $S.next() returns int language sql as 'delete from $S.patients where id = (select id from $S.patients limit 1) returning (select count(*)::int + 9 from $S.patients)'", sql: insertT, want: "read write unbounded-write"},
	{name: "rows of variables", body: "begin perform $S.rows(new.id); return new; end", on: "before insert", also: "create function $S.rows(n int, out a int, out b text) returns setof record language plpgsql as $f$ begin a := n; b := 'x'; return next; return next; end $f$", sql: insertT, want: "write"},
	{name: "over a cursor", body: "declare c cursor (least int) for select id from $S.patients where id > least; begin for r in c(0) loop update $S.patients set name = '' where id = r.id; end loop; return new; end", on: "before insert", sql: insertT, want: "read write unbounded-write"},
	{name: "over an array of a table", body: "declare i int; begin foreach i in array (select array_agg(id) from $S.patients) loop delete from $S.patients where id = i; end loop; return new; end", on: "before insert", sql: insertT, want: "read write unbounded-write"},
	{name: "a CTE", body: "declare n int; begin with d as (delete from $S.patients returning id) select count(*) into n from d; return new; end", on: "before insert", sql: insertT, want: "read write unbounded-write"},
	{name: "RETURNING in a loop", body: "declare n int; begin for n in delete from $S.patients returning id loop null; end loop; return new; end", on: "before insert", sql: insertT, want: "read write unbounded-write"},
	{name: "in an exception's handler", body: "begin perform 1 / 0; return new; exception when others then delete from $S.patients; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "in a condition", body: "begin if $S.wipe() = 1 then return new; end if; return null; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "in a declaration", body: "declare n int default $S.wipe(); begin return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "in RAISE", body: "begin raise notice 'x %', $S.wipe() using hint = 'h'; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "in RETURN", body: "begin return case $S.wipe() when 1 then new end; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "in EXIT WHEN", body: "begin loop exit when $S.wipe() = 1; end loop; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "in CASE", body: "begin case when new.id = 0 then null; when $S.wipe() = 1 then null; end case; return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "in an assignment of a field", body: "begin new.patient = $S.wipe(); return new; end", on: "before insert", sql: insertT, want: "write unbounded-write"},
	{name: "WHEN", body: "begin return new; end", also: "create trigger x before insert on $S.t for each row when ($S.wipe() = 1) execute function $S.f()", sql: insertT, want: "write unbounded-write"},
	{name: "of the statement", body: "begin delete from $S.patients; return null; end", also: "create trigger x after update on $S.t for each statement execute function $S.f()", sql: "update $S.t set note = 'x' where id = -1", want: "write unbounded-write"},
	{name: "deferred", body: "begin delete from $S.patients; return null; end", also: "create constraint trigger x after insert on $S.t deferrable initially deferred for each row execute function $S.f()", sql: insertT, want: "write unbounded-write"},
	{name: "another trigger's, deferred", body: "begin insert into $S.audit (line) values ('x'); return null; end", on: "after insert", also: "create function $S.g() returns trigger language plpgsql as $f$ begin delete from $S.patients; return null; end $f$; create constraint trigger y after insert on $S.audit deferrable for each row execute function $S.g()", sql: insertT, want: "write unbounded-write"},
	{name: "a deferred constraint", also: "create function $S.excluded(int) returns int language plpgsql immutable as 'begin return $S.wipe() + $1; end'; alter table $S.t add exclude using btree (($S.excluded(id)) with =) deferrable; insert into $S.patients select i from generate_series(1, 9) i", sql: insertT, want: "write unbounded-write"},
	{name: "COPY", body: "begin delete from $S.patients; return new; end", on: "before insert", sql: "copy $S.t (id) from stdin", want: "import unbounded-write"},
	{name: "by a cascade", body: "begin update $S.counts set n = 0; return null; end", also: "create trigger x after delete on $S.visits for each row execute function $S.f()", sql: "delete from $S.patients where id = 1", want: "write unbounded-write", touches: []string{"write visits", "unbounded-write counts"}},
	{name: "a default by SET DEFAULT", also: "create function $S.d() returns int language plpgsql as 'begin update $S.counts set n = 0; return 2; end'; create table $S.rd (p int default $S.d() references $S.patients on delete set default); insert into $S.rd values (1)", sql: "delete from $S.patients where id = 1", want: "write unbounded-write", touches: []string{"write rd", "unbounded-write counts"}},
	{name: "no default by SET NULL", also: "create function $S.d() returns int language plpgsql as 'begin update $S.counts set n = 0; return 2; end'; create table $S.rd (p int default $S.d() references $S.patients on delete set null); insert into $S.rd values (1)", sql: "delete from $S.patients where id = 1", want: "write", touches: []string{"write rd"}},
	{name: "by another trigger", body: "begin insert into $S.audit (line) values ('x'); return null; end", on: "after insert", also: "create function $S.g() returns trigger language plpgsql as $f$ begin delete from $S.patients; return null; end $f$; create trigger y after insert on $S.audit for each row execute function $S.g()", sql: insertT, want: "write unbounded-write", touches: []string{"unbounded-write patients"}},
	{name: "round and round", body: "begin if pg_trigger_depth() < 3 then update $S.t set note = 'z' where id = new.id; insert into $S.audit (line) values ('z'); end if; return null; end", on: "after update", sql: updateT, want: "write", touches: []string{"write audit"}},
	{name: "of a partition", body: "begin delete from $S.patients; return null; end", also: "create table $S.p (id int, k int) partition by list (k); create table $S.p1 partition of $S.p for values in (1); create table $S.p2 partition of $S.p for values in (2); insert into $S.p values (1, 1); create trigger x after insert on $S.p2 for each row execute function $S.f()", sql: "update $S.p set k = 2 where id = 1", want: "write unbounded-write"},

	{name: "for each of all rows", body: "begin delete from $S.patients where id = new.patient; return null; end", on: "after insert", sql: "insert into $S.t (id, patient) select id + 100, id from $S.patients", want: "read write unbounded-write", touches: []string{"unbounded-write patients"}},
	{name: "for each of some rows", body: "begin delete from $S.patients where id = new.patient; return null; end", on: "after insert", sql: "insert into $S.t (id, patient) select id + 100, id from $S.patients where id = 3", want: "read write", touches: []string{"write patients"}},
	{name: "for each of sent rows", body: "begin delete from $S.patients where id = new.patient; return null; end", on: "after insert", sql: "insert into $S.t (id, patient) select 100 + x, x from unnest('{1,2}'::int[]) x", want: "write"},
	{name: "for each of all updated rows", body: "begin delete from $S.patients where id = new.patient; return null; end", on: "after update", sql: "update $S.t set note = 'x'", want: "unbounded-write", touches: []string{"unbounded-write patients"}},
	{name: "once for all rows", body: "begin delete from $S.patients where id = 3; return null; end", also: "create trigger x after insert on $S.t execute function $S.f()", sql: "insert into $S.t (id, patient) select id + 100, id from $S.patients", want: "read write", touches: []string{"write patients"}},
	{name: "for all rows of the statement", body: "begin delete from $S.patients where id in (select patient from fresh); return null; end", also: "create trigger x after insert on $S.t referencing new table as fresh for each statement execute function $S.f()", sql: "insert into $S.t (id, patient) select id + 100, id from $S.patients", want: "read write unbounded-write"},
	{name: "by a helper, row by row", body: "declare r record; begin for r in select id from $S.patients loop perform $S.gone(r.id); end loop; return new; end", on: "before insert", also: "create function $S.gone(n int) returns void language sql as 'delete from $S.patients where id = n'", sql: insertT, want: "read write unbounded-write"},
	{name: "by a trigger, row by row", body: "begin insert into $S.audit (line) select id from $S.patients; return new; end", on: "before insert", also: "create function $S.g() returns trigger language plpgsql as $f$ begin delete from $S.patients where id = new.line::int; return null; end $f$; create trigger y after insert on $S.audit for each row execute function $S.g()", sql: insertT, want: "read write unbounded-write"},

	// other effects
	{name: "TRUNCATE inside", body: "begin truncate $S.counts; return new; end", on: "before insert", sql: insertT, want: "write destroy", touches: []string{"destroy counts"}},
	{name: "DROP inside", body: "begin drop table $S.counts; return new; end", on: "before insert", sql: insertT, want: "write destroy", touches: []string{"destroy counts"}},
	{name: "CREATE inside", body: "begin create table if not exists $S.made (id int); return new; end", on: "before insert", sql: insertT, want: "write ddl"},
	{name: "a role", body: "begin set local role pg_monitor; return new; end", on: "before insert", sql: insertT, want: "write role"},
	{name: "a role by a setting", body: "begin perform set_config('role', 'pg_monitor', true); return new; end", on: "before insert", sql: insertT, want: "write role"},
	{name: "a grant", body: "begin grant select on $S.patients to pg_monitor; return new; end", on: "before insert", sql: insertT, want: "write role", touches: []string{"role patients"}},
	{name: "server files", body: "begin perform pg_read_file('PG_VERSION'); return new; end", on: "before insert", sql: insertT, want: "write server"},
	{name: "other backends", body: "begin perform pg_terminate_backend(-1); return new; end", on: "before insert", sql: insertT, want: "write server"},
	{name: "COPY to a program", body: "begin copy $S.patients to program 'cat >/dev/null'; return new; end", on: "before insert", sql: insertT, want: "read write server"},
	{name: "reads", body: "begin select name into new.who from $S.patients where id = new.patient; return new; end", on: "before insert", sql: insertT, want: "read write", touches: []string{"read patients"}},
	{name: "a sequence", body: "begin new.patient := nextval('$S.audit_id_seq'); return new; end", on: "before insert", sql: insertT, want: "read write", touches: []string{"write audit_id_seq"}},
	{name: "dynamic", body: "begin execute 'delete from $S.' || 'patients'; return new; end", on: "before insert", sql: insertT, want: "write opaque"},
	{name: "dynamic in a loop", body: "declare r record; begin for r in execute 'delete from $S.patients returning id' loop null; end loop; return new; end", on: "before insert", sql: insertT, want: "write opaque"},
	{name: "a body that is none", body: "begin if true then delete from $S.patients; end; return new; end", on: "before insert", also: "--", sql: insertT, want: "write opaque", fails: true},
	{name: "another language", also: "create function $S.i() returns trigger language internal as 'suppress_redundant_updates_trigger'; create trigger x before update on $S.t for each row execute function $S.i()", sql: updateT, want: "write opaque"},
	{name: "CALL", body: "begin call $S.wiper(); return new; end", on: "before insert", also: "create procedure $S.wiper() language sql as 'delete from $S.patients'", sql: insertT, want: "write unbounded-write opaque"},

	// defaults and checks
	{name: "a default", also: "alter table $S.t alter who set default $S.wipe()", sql: insertT, want: "write unbounded-write", touches: []string{"unbounded-write patients"}},
	{name: "a default of another command", also: "alter table $S.t alter who set default $S.wipe()", sql: updateT, want: "write"},
	{name: "SET DEFAULT", also: "alter table $S.t alter who set default $S.wipe()", sql: "update $S.t set who = default where id = 1", want: "write unbounded-write"},
	{name: "a check that reads", also: "alter table $S.t add check ($S.known(patient % 3))", sql: insertT, want: "read write", touches: []string{"read counts"}},
	{name: "a check that writes", also: "alter table $S.t add check ($S.wipe() = 1) not valid", sql: insertT, want: "write unbounded-write"},
}

// hookedSetOffs are by code that types and tables run where nothing names it: it counts in
// every statement of a database where a name is not found, so they have one of their own.
var hookedSetOffs = []setOff{
	{name: "a domain", also: "create domain $S.d as int check ($S.wipe() = 1); alter table $S.t add column d $S.d; ", sql: "insert into $S.t (id, d) values (6, 6)", want: "write unbounded-write"},
	{name: "a domain of a variable", body: "declare d $S.d; begin d := 5; return new; end", on: "before insert", also: "create function $S.ck(int) returns boolean language sql as 'select $S.wipe() = 1'; create domain $S.d as int check ($S.ck(value))", sql: insertT, want: "read write opaque"},
	{name: "a domain of a variable's field", body: "declare d $S.dd%rowtype; begin d.d := 5; return new; end", on: "before insert", also: "create function $S.ck(int) returns boolean language sql as 'select $S.wipe() = 1'; create domain $S.d as int check ($S.ck(value)); create table $S.dd (d $S.d)", sql: insertT, want: "read write opaque"},
	{name: "a cast into a column", also: bomb + "create table $S.b (b $S.bomb)", sql: "insert into $S.b values (5)", want: "read write unbounded-write opaque"},
	{name: "a cast in a condition", also: bomb + "create table $S.b (b $S.bomb, k int); insert into $S.b values (null, 1)", sql: "update $S.b set b = k where k = 1", want: "read write unbounded-write opaque"},
	{name: "a cast of the row", body: "begin insert into $S.audit (line) values (to_jsonb(new)::text); return new; end", also: "create type $S.e as enum ('a'); create table $S.b (e $S.e); create function $S.j($S.e) returns json language sql as 'select to_json($S.wipe())'; create cast ($S.e as json) with function $S.j($S.e); create trigger x before insert on $S.b for each row execute function $S.f()", sql: "insert into $S.b values ('a')", want: "read write unbounded-write opaque"},
	{name: "a policy that writes, UPDATE", also: "alter table $S.t enable row level security; create policy p on $S.t using ($S.wipe() = 1)", sql: updateT, want: "write unbounded-write", touches: []string{"unbounded-write patients"}},
	{name: "a policy that writes, INSERT", also: "alter table $S.t enable row level security; create policy p on $S.t with check ($S.wipe() = 1)", sql: insertT, want: "write unbounded-write"},
	{name: "a policy that reads, DELETE", also: "alter table $S.t enable row level security; create policy p on $S.t using ($S.known(patient))", sql: deleteT, want: "read write", touches: []string{"read counts"}},
	{name: "ANALYZE", also: indexed, sql: "analyze $S.g", want: "write unbounded-write", touches: []string{"unbounded-write patients"}},
	{name: "ANALYZE of everything", also: indexed, sql: "analyze", want: "write unbounded-write", touches: []string{"unbounded-write patients"}},
	{name: "REINDEX", also: indexed, sql: "reindex index $S.gi", want: "unbounded-write ddl", touches: []string{"unbounded-write patients"}},
	{name: "a domain's values", also: "create domain $S.d as int; create table $S.dd (d $S.d); insert into $S.dd values (1); alter domain $S.d add constraint c check ($S.wipe() = 1) not valid", sql: "alter domain $S.d validate constraint c", want: "unbounded-write ddl"},
	{name: "defaults that LIKE copies", also: "create table $S.g (k int default $S.wipe(), v int)", sql: "create temp table c (like $S.g including defaults)", want: "session unbounded-write ddl"},
	{name: "checks that LIKE copies", also: "create table $S.g (k int, check ($S.wipe() = k))", sql: "create temp table c (like $S.g including all)", want: "session unbounded-write ddl"},
	{name: "defaults that LIKE leaves", also: "create table $S.g (k int default $S.wipe(), v int)", sql: "create temp table c (like $S.g)", want: "session ddl"},
}

// What a change sets off has effects of its own, on the tables that it changes; what the
// server changes is among them.
func TestBehind(t *testing.T) { testBehind(t, "behind", setOffs) }

func TestBehind_Hooked(t *testing.T) { testBehind(t, "behind_hooked", hookedSetOffs) }

// testBehind runs cases in a database of theirs.
func testBehind(t *testing.T, name string, cases []setOff) {
	t.Helper()
	if err := server.Exec(t.Context(), "postgres", "create database "+name+" strategy file_copy"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for i, c := range cases {
		schema := fmt.Sprintf("s%d", i)
		var b strings.Builder
		b.WriteString("set check_function_bodies = off;" + world)
		if c.body != "" {
			b.WriteString("create function $S.f() returns trigger language plpgsql as $f$ " + c.body + " $f$;")
		}
		if c.on != "" {
			b.WriteString("create trigger x " + c.on + " on $S.t for each row execute function $S.f();")
		}
		b.WriteString(c.also)
		if _, err := conn.PgConn().Exec(t.Context(), strings.ReplaceAll(b.String(), "$S", schema)).ReadAll(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	cat := catalog.New(catalog.Options{Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, server.DSN(name)) }})
	defer cat.Close()
	snap, err := cat.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		schema := fmt.Sprintf("s%d", i)
		t.Run(c.name, func(t *testing.T) {
			sql := strings.ReplaceAll(c.sql, "$S", schema)
			p, err := pool.Parse(t.Context(), sql)
			if err != nil {
				t.Fatal(err)
			}
			a := study(t, p, snap, Lineage{})
			var got []string
			for _, e := range hoop.Effects {
				if e.Effect != hoop.EffectInfer && e.Effect != hoop.EffectDerive && a.Has(e.Effect) {
					got = append(got, string(e.Effect))
				}
			}
			if want := strings.Fields(c.want); !slices.Equal(got, want) {
				t.Errorf("%s\n got %v\nwant %v\n%+v", sql, got, want, a.Uses)
			}
			if want := strings.Contains(c.also, "deferrable") || a.Has(hoop.EffectOpaque) && snap.Defers(); a.Defers != want {
				t.Errorf("%s: deferred %t", sql, a.Defers)
			}
			on := func(effect, table string) bool {
				return slices.ContainsFunc(a.Uses, func(u hoop.Use) bool {
					return string(u.Effect) == effect && (slices.Contains(u.Tables, table) || slices.Contains(u.Tables, schema+"."+table) || slices.Contains(u.Tables, "*"))
				})
			}
			for _, use := range c.touches {
				if effect, table, _ := strings.Cut(use, " "); !on(effect, table) {
					t.Errorf("%s: no %s in %+v", sql, use, a.Uses)
				}
			}
			for _, changed := range changedBy(t, conn, schema, sql, c.fails) {
				said := on("opaque", "") || on("destroy", changed.table) || on("unbounded-write", changed.table)
				if said = said || !changed.all && (on("write", changed.table) || on("import", changed.table)); !said {
					t.Errorf("%s changed %+v: %+v", sql, changed, a.Uses)
				}
			}
		})
	}
}

// changedTable is one that the server says has changed.
type changedTable struct {
	table string
	all   bool // every row that was there
}

// changedBy runs a statement and gives the tables that it changed.
func changedBy(t *testing.T, conn *pgx.Conn, schema, sql string, fails bool) (out []changedTable) {
	t.Helper()
	ctx := t.Context()
	if _, err := conn.Exec(ctx, "begin"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := conn.Exec(context.WithoutCancel(ctx), "rollback; reset all"); err != nil {
			t.Error(err)
		}
	}()
	counts := func(table string) (touched, lost, n int64) {
		t.Helper()
		var there bool
		err := conn.QueryRow(ctx, `select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int8, coalesce(sum(n_tup_upd + n_tup_del), 0)::int8, to_regclass($1 || '.' || $2) is not null
			from pg_stat_xact_user_tables where schemaname = $1 and relname = $2`, schema, table).Scan(&touched, &lost, &there)
		if err == nil && there {
			err = conn.QueryRow(ctx, "select count(*) from "+schema+"."+table).Scan(&n)
		}
		if err != nil {
			t.Fatal(err)
		}
		return touched, lost, n
	}
	before := map[string][3]int64{}
	rows, err := conn.Query(ctx, "select relname::text from pg_class where relnamespace = $1::text::regnamespace and relkind = 'r'", schema)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		touched, lost, n := counts(table)
		before[table] = [3]int64{touched, lost, n}
	}
	if strings.HasPrefix(sql, "copy") {
		_, err = conn.PgConn().CopyFrom(ctx, strings.NewReader("77\n"), sql)
	} else {
		_, err = conn.Exec(ctx, sql)
	}
	if fails != (err != nil) {
		t.Errorf("%s: %v", sql, err)
	}
	if err != nil {
		return nil
	}
	if _, err := conn.Exec(ctx, "set constraints all immediate; reset role"); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		touched, lost, n := counts(table)
		if was := before[table]; touched > was[0] || n != was[2] {
			out = append(out, changedTable{table, was[2] > 1 && (lost-was[1] >= was[2] || n == 0)})
		}
	}
	return out
}

// Whatever a body is, it is read in bounds, and where it is understood, each command in it
// stands in a piece.
func FuzzPlpgsql(f *testing.F) {
	for _, c := range setOffs {
		f.Add(c.body)
	}
	f.Add("declare delete int; begin delete := 1; get diagnostics delete = row_count; open c for select 1; fetch next from c into delete; close c; end")
	commands := []string{"insert", "delete", "truncate", "merge", "drop", "grant", "copy", "create"}
	f.Fuzz(func(t *testing.T, body string) {
		out, ok := plpgsql(body)
		if !ok {
			return
		}
		toks, _ := tokenize(body)
		missing := map[string]int{}
		for i, w := range toks {
			begins := i > 0 && slices.Contains([]string{";", "then", "begin", "else", "loop"}, toks[i-1].text) && toks[i-1].kind != tokString && toks[i-1].kind != tokName
			assigned := i+1 < len(toks) && slices.Contains([]string{":=", "=", ".", "["}, toks[i+1].text)
			if w.kind == tokWord && slices.Contains(commands, w.text) && begins && !assigned && !out.vars[w.text] {
				missing[w.text]++
			}
		}
		for _, p := range out.pieces {
			inside, ok := tokenize(p.sql)
			if !ok {
				t.Fatalf("%q of %q", p.sql, body)
			}
			for i, w := range inside {
				if w.kind == tokWord && (i == 0 || inside[i-1].text != ".") {
					missing[w.text]--
				}
			}
		}
		for word, n := range missing {
			if n > 0 {
				t.Errorf("%s stands in no piece of %q: %+v", word, body, out.pieces)
			}
		}
	})
}
