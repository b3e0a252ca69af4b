package postgres

import "github.com/jackc/pgx/v5/pgconn"

// What code leaves in pg_temp no text tells. Once nothing can take it back the target is asked,
// so that a session in which there is nothing of that kind goes on as before.

// stock asks whether anything in the session's own schema runs code or stands for other tables,
// and for the names of the tables there. Its operators are PostgreSQL's own, whatever the
// search_path says.
const stock = `select pg_catalog.count(*) filter (where x.more), x.name from (
	select c.relname::pg_catalog.text as name, not (c.relkind operator(pg_catalog.=) any ('{r,i,S,c}'::pg_catalog."char"[])) or c.relhastriggers or c.relhasrules
			or c.relrowsecurity or c.relchecks operator(pg_catalog.>) 0 or c.relispartition or c.relhassubclass
			or exists (select from pg_catalog.pg_attrdef d where d.adrelid operator(pg_catalog.=) c.oid)
			or exists (select from pg_catalog.pg_inherits i where i.inhrelid operator(pg_catalog.=) c.oid)
			or exists (select from pg_catalog.pg_index i where i.indrelid operator(pg_catalog.=) c.oid and (i.indexprs is not null or i.indpred is not null))
			or exists (select from pg_catalog.pg_attribute a where a.attrelid operator(pg_catalog.=) c.oid and a.atttypid operator(pg_catalog.>=) 16384::pg_catalog.oid)
			as more
		from pg_catalog.pg_class c where c.relnamespace operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()
	union all select null, true from pg_catalog.pg_type t where t.typnamespace operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()
		and t.typtype operator(pg_catalog.<>) 'c' and t.typelem operator(pg_catalog.=) 0::pg_catalog.oid
	union all select null, true from pg_catalog.pg_depend d where d.refclassid operator(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
		and d.refobjid operator(pg_catalog.=) pg_catalog.pg_my_temp_schema() and d.classid operator(pg_catalog.<>) 'pg_catalog.pg_class'::pg_catalog.regclass
		and d.classid operator(pg_catalog.<>) 'pg_catalog.pg_type'::pg_catalog.regclass
	) x group by x.name`

// takeStock asks that where code may have left something and no transaction is open.
func (c *conn) takeStock() error {
	c.mu.Lock()
	unsure := c.shadows.unsure
	c.mu.Unlock()
	if !unsure {
		return nil
	}
	if err := c.barrier(c.ctx); err != nil {
		return errTerminated
	}
	c.mu.Lock()
	open := c.status != 'I' || c.midBatch || c.skipping
	c.mu.Unlock()
	if open {
		return nil
	}
	more, names := false, []string(nil)
	err := c.ask(c.ctx, stock, func(_ []pgconn.FieldDescription, row [][]byte) error {
		if more = more || string(row[0]) != "0"; row[1] != nil {
			names = append(names, string(row[1]))
		}
		return nil
	})
	switch {
	case c.ctx.Err() != nil:
		return errTerminated
	case err != nil:
		return nil // it stays unsure
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shadows.unsure = false; !more {
		c.shadows.sown = 0
	}
	c.shadows.hide(names...)
	return nil
}
