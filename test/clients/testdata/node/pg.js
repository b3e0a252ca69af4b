// What users of node's pg do.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import Cursor from 'pg-cursor'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'

const core = 'CORE' in process.env
const connectionString = process.env.DATABASE_URL
const print = (...v) => console.log(...v.map((x) => (typeof x === 'string' ? x : JSON.stringify(x))))
pg.types.setTypeParser(1082, (v) => v) // dates as they come

const client = new pg.Client({ connectionString, application_name: 'node' })
await client.connect()
print('pid', (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid === client.processID)

let r = await client.query('SELECT id, name, ssn, card, born FROM clinic.patients WHERE id < $1 ORDER BY id', [10])
print(r.command, r.rowCount, r.fields.map((f) => [f.name, f.dataTypeID, f.format, f.columnID]))
for (const row of r.rows) print(Object.values(row).map(String).join(' '))
r = await client.query('SELECT * FROM clinic.kinds ORDER BY id')
for (const row of r.rows) for (const [k, v] of Object.entries(row)) print(k, v)
r = await client.query({ text: 'SELECT * FROM clinic.kinds ORDER BY id LIMIT 1', rowMode: 'array' })
print(r.rows)
for (let i = 0; i < 3; i++) {
  r = await client.query({ name: 'by-id', text: 'SELECT name, ssn FROM clinic.patients WHERE id = ANY($1) ORDER BY id', values: [[1, i + 2]] })
  print(...r.rows.map((row) => Object.values(row).join(' ')))
}
r = await client.query({ text: 'SELECT id, ssn, i4, ba FROM clinic.patients JOIN clinic.kinds USING (id) WHERE id = $1', values: [1], binary: true })
print(r.fields.map((f) => f.format), Object.values(r.rows[0]).map(String).join(' '))
print((await client.query('SELECT $1::json AS j, $2::int[] AS a, $3::bytea AS b, $4::timestamptz AS t',
  [{ k: [1] }, [1, null, 3], Buffer.from([0, 255]), new Date(0)])).rows)
print((await client.query('SELECT 1 AS a; SELECT 2 AS b, 3 AS c; UPDATE clinic.items SET id = 1 WHERE id = 0')).map((x) => [x.command, x.rowCount, x.rows]))
print((await client.query('')).command, (await client.query('SELECT')).rows)

// Introspection, by the standard's views and by PostgreSQL's tables.
for (const text of [
  "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'clinic' AND table_name IN ('patients', 'visits') ORDER BY table_name, ordinal_position",
  "SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'clinic' AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, a.attnum",
]) for (const row of (await client.query({ text, rowMode: 'array' })).rows) print(row)

// Queued queries, one of which fails.
const results = await Promise.allSettled([
  client.query('SELECT 1 AS one'),
  client.query('SELECT 1/0'),
  client.query('SELECT $1::text AS two', ['two']),
  client.query('SELECT $1::int AS bad', ['x']),
  client.query('SELECT 3 AS three'),
])
for (const x of results) {
  if (x.status === 'fulfilled') print(x.value.rows)
  else print(x.reason.code, x.reason.message, x.reason.severity, x.reason.routine, x.reason.position)
}

// Transactions, savepoints.
await client.query('BEGIN')
await client.query("INSERT INTO clinic.items VALUES (1, 'one', 1)")
await client.query('SAVEPOINT s')
try {
  await client.query('INSERT INTO clinic.visits (patient_id) VALUES ($1)', [12345])
} catch (e) {
  print(e.code, e.detail, e.constraint, e.table, e.schema)
}
await client.query('ROLLBACK TO s')
await client.query('COMMIT')
print((await client.query('SELECT * FROM clinic.items')).rows)

// Portals with a row limit.
const cursor = client.query(new Cursor('SELECT id, ssn FROM clinic.patients WHERE id > $1 ORDER BY id', [0]))
for (;;) {
  const rows = await cursor.read(3)
  if (rows.length === 0) break
  print(rows.map((row) => Object.values(row).join(' ')))
}
await cursor.close()
const early = client.query(new Cursor('SELECT i FROM generate_series(1, 100000) i'))
print((await early.read(2)).length)
await early.close()
print((await client.query('SELECT 4 AS after')).rows)

// COPY both ways.
const lines = Array.from({ length: 20000 }, (_, i) => `${i + 100}\tlabel ${i}\t\\N\n`)
const into = client.query(copyFrom('COPY clinic.items FROM STDIN'))
await pipeline(Readable.from(lines), into)
print(into.rowCount)
{
  let bytes = 0
  const out = client.query(copyTo('COPY (SELECT * FROM clinic.items ORDER BY id) TO STDOUT WITH (FORMAT csv)'))
  for await (const chunk of out) bytes += chunk.length
  print(bytes, out.rowCount)
}
try {
  await pipeline(Readable.from(['bad\n']), client.query(copyFrom('COPY clinic.items FROM STDIN')))
} catch (e) {
  print(e.code, e.message)
}

// Cancel by a request on another connection, and by a time limit of the server.
{
  const config = { text: 'SELECT pg_sleep(60)' }
  const slow = new pg.Query(config)
  const ended = new Promise((resolve) => { slow.on('error', resolve); slow.on('end', resolve) })
  client.query(slow)
  const asked = [] // requests under way: one that comes late must not hit what follows
  const timer = setInterval(() => {
    const other = new pg.Client({ connectionString })
    asked.push(new Promise((resolve) => other.connection.once('end', resolve)))
    other.cancel(client, slow)
  }, 300)
  const e = await ended
  clearInterval(timer)
  await Promise.all(asked)
  print(e.code, e.message)
}
await client.query('SET statement_timeout = 200')
try {
  await client.query('SELECT pg_sleep(60)')
} catch (e) {
  print(e.code, e.message)
}
await client.query('SET statement_timeout = 0')

// A large result, and large parameters.
r = await client.query("SELECT i, repeat('x', 100) AS x FROM generate_series(1, 20000) i")
print(r.rowCount, r.rows.reduce((n, row) => n + row.x.length, 0))
print((await client.query('SELECT length($1::text) AS n', ['y'.repeat(3 << 20)])).rows)

// LISTEN and NOTIFY.
const pool = new pg.Pool({ connectionString, max: 3 })
const heard = new Promise((resolve) => client.once('notification', resolve))
await client.query('LISTEN news')
await pool.query("SELECT pg_notify('news', 'extra')")
const n = await heard
print(n.channel, core ? 'payload' : n.payload)
print(await Promise.all(Array.from({ length: 10 }, async (_, i) => (await pool.query('SELECT name FROM clinic.patients WHERE id = $1', [(i % 4) + 1])).rows[0].name)))
await pool.end()

if (!core) {
  const notice = new Promise((resolve) => client.once('notice', resolve))
  print((await client.query("SELECT clinic.shout('x')")).rows)
  const said = await notice
  print(said.message, said.hint, said.severity)
  await client.query('CREATE TEMP TABLE mine (a int)')
  print((await client.query('INSERT INTO mine VALUES (1), (2) RETURNING a')).rows)
}
await client.end()
