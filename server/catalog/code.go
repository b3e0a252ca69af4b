package catalog

import (
	"context"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// readsUnasked is SQL for those of PostgreSQL's own functions whose values a default may
// store though they are of other tables or of files: but for those that are known to be none.
const readsUnasked = `p.oid < 16384 and (p.proname ~ '_to_xml|^pg_stat_get_' or p.provolatile = 'v' and p.proname not in
	('nextval', 'currval', 'lastval', 'random', 'random_normal', 'clock_timestamp', 'timeofday', 'gen_random_uuid', 'uuidv4', 'uuidv7'))`

// code finds users' functions that tables and types call on their own. pg_depend has
// them: of built-in functions, which it leaves out, volatile ones are sought where no write is needed to run them,
// and where values that they read are stored.
func (l *loader) code(ctx context.Context) error {
	var rel, typ, fn uint32
	var kind string
	return l.each(ctx, `
		with d(classid, objid, fn) as (
			select classid, objid, refobjid from pg_catalog.pg_depend where refclassid = 'pg_catalog.pg_proc'::regclass and refobjid >= 16384
			union select d.classid, d.objid, o.oprcode::oid from pg_catalog.pg_depend d join pg_catalog.pg_operator x on x.oid = d.refobjid
				cross join pg_catalog.unnest(array[x.oid, x.oprcom, x.oprnegate]) y join pg_catalog.pg_operator o on o.oid = y -- see operators
				where o.oprcode <> 0 and d.refclassid = 'pg_catalog.pg_operator'::regclass and d.refobjid >= 16384)
		select adrelid, 0::oid, fn, 'value' from pg_catalog.pg_attrdef x join d on d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = x.oid
		union select x.adrelid, 0, p.oid, 'value' from pg_catalog.pg_attrdef x, pg_catalog.unnest(`+calledIn("x.adbin")+`) c
			join pg_catalog.pg_proc p on p.oid = c and `+readsUnasked+`
		union select a.attrelid, 0, fn, 'value' from pg_catalog.pg_attribute a join d on d.classid = 'pg_catalog.pg_type'::regclass and d.objid = a.atttypid -- a domain's
			where a.attnum > 0 and not a.attisdropped
		union select a.attrelid, 0, p.oid, 'value' from pg_catalog.pg_attribute a join pg_catalog.pg_type y on y.oid = a.atttypid and y.typtype = 'd'
			cross join pg_catalog.unnest(`+calledIn("y.typdefaultbin")+`) c join pg_catalog.pg_proc p on p.oid = c and `+readsUnasked+`
			where y.typdefaultbin is not null and a.attnum > 0 and not a.attisdropped
		union select conrelid, contypid, fn, 'check' from pg_catalog.pg_constraint x join d on d.classid = 'pg_catalog.pg_constraint'::regclass and d.objid = x.oid
		union select 0, contypid, p.oid, 'type' from pg_catalog.pg_constraint x join pg_catalog.pg_proc p on p.provolatile = 'v' and p.oid = any (`+calledIn("x.conbin")+`)
			where contypid <> 0
		union select polrelid, 0, p.oid, 'policy' from pg_catalog.pg_policy x
			join pg_catalog.pg_proc p on p.provolatile = 'v' and p.oid = any (`+calledIn("(coalesce(x.polqual::text, '') || coalesce(x.polwithcheck::text, ''))")+`)
		union select polrelid, 0, fn, 'policy' from pg_catalog.pg_policy x join d on d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = x.oid
		union select indrelid, 0, fn, 'check' from pg_catalog.pg_index x join d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = x.indexrelid
		union select stxrelid, 0, fn, 'check' from pg_catalog.pg_statistic_ext x join d on d.classid = 'pg_catalog.pg_statistic_ext'::regclass and d.objid = x.oid
		union select partrelid, 0, fn, 'check' from pg_catalog.pg_partitioned_table x join d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = x.partrelid
		union select objid, 0, fn, 'value' from d where classid = 'pg_catalog.pg_class'::regclass -- generated columns; partition keys
		union select 0, objid, fn, 'type' from d where classid = 'pg_catalog.pg_type'::regclass
		order by 1, 2, 3`,
		[]any{&rel, &typ, &fn, &kind}, func() {
			if t, ok := l.snap.tables[rel]; ok {
				t.RunsCode = true
				l.snap.defers = l.snap.defers || t.Defers
				switch kind {
				case "value":
					t.Values = append(t.Values, fn)
				case "check":
					t.Checks = append(t.Checks, fn)
				case "policy":
					t.Policies = append(t.Policies, fn)
				}
			}
			if r, ok := l.raw[typ]; ok {
				l.typeRuns(typ, r, fn)
			}
		})
}

// domainDefaults finds what the defaults of domains call.
func (l *loader) domainDefaults(ctx context.Context) error {
	var typ uint32
	var calls []uint32
	return l.each(ctx, `select oid, `+calledIn("typdefaultbin")+` from pg_catalog.pg_type where typtype = 'd' and typdefaultbin is not null`,
		[]any{&typ, &calls}, func() { l.snap.defaults[typ], calls = calls, nil })
}

// typed adds the code of types to what expressions call on their own that make their values:
// the checks of domains, which run wherever a value is made, also on the way to another type.
func (l *loader) typed(ctx context.Context) error {
	if len(l.snap.typeCode) == 0 {
		return nil
	}
	type maker struct {
		kind, name string
		owner, typ uint32
	}
	var m maker
	var all []maker
	err := l.each(ctx, `
		select 'value', adrelid, '', pg_catalog.unnest(`+typesIn("adbin")+`) from pg_catalog.pg_attrdef
		union select 'type', contypid, '', pg_catalog.unnest(`+typesIn("conbin")+`) from pg_catalog.pg_constraint where contypid <> 0
		union select 'type', oid, '', pg_catalog.unnest(`+typesIn("typdefaultbin")+`) from pg_catalog.pg_type where typtype = 'd' and typdefaultbin is not null
		union select 'check', conrelid, '', pg_catalog.unnest(`+typesIn("conbin")+`) from pg_catalog.pg_constraint where conrelid <> 0 and conbin is not null
		union select 'check', indrelid, '', pg_catalog.unnest(`+typesIn("(coalesce(indexprs::text, '') || coalesce(indpred::text, ''))")+`) from pg_catalog.pg_index
			where indexprs is not null or indpred is not null
		union select 'check', partrelid, '', pg_catalog.unnest(`+typesIn("partexprs")+`) from pg_catalog.pg_partitioned_table where partexprs is not null
		union select 'check', stxrelid, '', d.refobjid from pg_catalog.pg_statistic_ext x join pg_catalog.pg_depend d
			on d.classid = 'pg_catalog.pg_statistic_ext'::regclass and d.objid = x.oid and d.refclassid = 'pg_catalog.pg_type'::regclass
		union select 'policy', polrelid, '', pg_catalog.unnest(`+typesIn("(coalesce(polqual::text, '') || coalesce(polwithcheck::text, ''))")+`) from pg_catalog.pg_policy
		union select 'trigger', tgrelid, tgname::text, pg_catalog.unnest(`+typesIn("tgqual")+`) from pg_catalog.pg_trigger where tgqual is not null
		union select 'rule', ev_class, '', pg_catalog.unnest(`+typesIn("(ev_qual::text || ev_action::text)")+`) from pg_catalog.pg_rewrite where rulename <> '_RETURN' and oid >= 16384
		union select 'call', oid, '', pg_catalog.unnest(`+typesIn("proargdefaults")+`) from pg_catalog.pg_proc where oid >= 16384 and proargdefaults is not null
		union select 'call', aggfnoid::oid, '', x from pg_catalog.pg_aggregate, pg_catalog.unnest(array[aggtranstype, aggmtranstype]) x where x >= 16384
		order by 1, 2, 3, 4`,
		[]any{&m.kind, &m.owner, &m.name, &m.typ}, func() { all = append(all, m) })
	if err != nil {
		return err
	}
	for again := true; again; { // domains make values of others
		again = false
		for _, m := range all {
			if m.kind != "type" || l.raw[m.owner] == nil {
				continue
			}
			for _, fn := range l.snap.TypeCode(m.typ) {
				if !slices.Contains(l.snap.typeCode[m.owner], fn) {
					l.typeRuns(m.owner, l.raw[m.owner], fn)
					again = true
				}
			}
		}
	}
	for _, m := range all {
		if code := l.snap.TypeCode(m.typ); len(code) > 0 {
			l.makes(m.kind, m.owner, m.name, code)
		}
	}
	return nil
}

// makes adds functions to those that an expression of a table or of a function calls.
func (l *loader) makes(kind string, owner uint32, name string, code []uint32) {
	if f, ok := l.snap.byOID[owner]; ok && kind == "call" {
		f.Calls = append(f.Calls, code...)
	}
	t, ok := l.snap.tables[owner]
	if !ok || kind == "call" {
		return
	}
	switch kind {
	case "rule":
		t.RuleCalls = append(t.RuleCalls, code...)
		return
	case "trigger":
		for i := range t.Triggers {
			if t.Triggers[i].Name == name {
				t.Triggers[i].Calls = append(t.Triggers[i].Calls, code...)
			}
		}
		return
	case "value":
		t.Values = append(t.Values, code...)
	case "check":
		t.Checks = append(t.Checks, code...)
	case "policy":
		t.Policies = append(t.Policies, code...)
	}
	t.RunsCode = true
	l.snap.defers = l.snap.defers || t.Defers
}

// comparisons finds users' functions by which values of a type are sorted, hashed and
// compared, in operator families.
func (l *loader) comparisons(ctx context.Context) error {
	var typ, fn uint32
	return l.each(ctx, `
		select amproclefttype, amproc::oid from pg_catalog.pg_amproc where oid >= 16384 and amproc::oid >= 16384
		union select amoplefttype, o.oprcode::oid from pg_catalog.pg_amop a join pg_catalog.pg_operator o on o.oid = a.amopopr
			where a.oid >= 16384 and o.oprcode::oid >= 16384
		order by 1, 2`,
		[]any{&typ, &fn}, func() { l.snap.comparing[typ] = append(l.snap.comparing[typ], fn) })
}

// typeRuns notes a function that makes values of a type. Those of base types are left
// out: only who runs the server can make them.
func (l *loader) typeRuns(oid uint32, r *rawType, fn uint32) {
	if kind := kindOf(r); kind == hoop.TypeDomain || kind == hoop.TypeRange {
		l.snap.typeCode[oid] = append(l.snap.typeCode[oid], fn)
	}
	for i, ut := range l.snap.userTypes[r.name] {
		if ut.OID == oid {
			l.snap.userTypes[r.name][i].RunsCode = true
		}
	}
}
