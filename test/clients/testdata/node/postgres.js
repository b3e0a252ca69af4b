// What users of node's postgres (postgres.js) do. It pipelines by itself, prepares
// everything and asks for array types when it connects.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import postgres from 'postgres'

const core = 'CORE' in process.env
const print = (...v) => console.log(...v.map((x) => (typeof x === 'string' ? x : JSON.stringify(x, (_, y) => (typeof y === 'bigint' ? String(y) : y)))))
const notices = []
const sql = postgres(process.env.DATABASE_URL, { max: 3, onnotice: (n) => notices.push([n.severity, n.message]), types: { date: { to: 1082, from: [1082], serialize: String, parse: String } } })

for (const row of await sql`SELECT id, name, ssn, card, born FROM clinic.patients WHERE id < ${10} ORDER BY id`) {
  print(Object.values(row).map(String).join(' '))
}
for (const row of await sql`SELECT * FROM clinic.kinds ORDER BY id`) for (const [k, v] of Object.entries(row)) print(k, v)
print(await sql`SELECT ${sql.array([1, 2, 3])}::int[] AS a, ${sql.json({ k: [1] })}::jsonb AS j, ${Buffer.from([0, 255])}::bytea AS b`)
print(await sql`SELECT name, ssn FROM clinic.patients WHERE id IN ${sql([1, 3])} ORDER BY id`.values().then((rows) => rows.map((x) => x.join(' '))))
print(await sql`INSERT INTO clinic.items ${sql([{ id: 1, label: 'one', price: 1 }, { id: 2, label: 'two', price: 2 }])} RETURNING *`)
print(await sql.unsafe('SELECT 1 AS a; SELECT 2 AS b').then((x) => x.map((y) => [...y])))
const d = await sql`SELECT id, ssn FROM clinic.patients WHERE id = ${1}`.describe()
print(d.types, d.columns.map((c) => [c.name, c.type]))

// Introspection, by the standard's views and by PostgreSQL's tables.
for (const text of [
  "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'clinic' AND table_name IN ('patients', 'visits') ORDER BY table_name, ordinal_position",
  "SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'clinic' AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, a.attnum",
]) for (const row of await sql.unsafe(text).values()) print([...row])

// Pipelined in one transaction; errors.
print(await sql.begin((tx) => [tx`SELECT 1 AS a`, tx`INSERT INTO clinic.items VALUES (3, 'three', 3) RETURNING id`, tx`SELECT count(*)::int AS n FROM clinic.items`]).then((x) => x.map((y) => [...y])))
try {
  await sql.begin(async (tx) => {
    await tx.savepoint(async (sp) => {
      await sp`INSERT INTO clinic.visits (patient_id) VALUES (12345)`
    }).catch((e) => print(e.code, e.detail, e.constraint_name, e.routine))
    await tx`INSERT INTO clinic.items VALUES (4, 'four', 4)`
    await tx`SELECT 1/0`
  })
} catch (e) {
  print(e.code, e.message, e.severity, e.position)
}
const settled = await Promise.allSettled([sql`SELECT 1 AS one`, sql`SELECT ${'x'}::int`, sql`SELECT nothing`, sql`SELECT 2 AS two`])
for (const s of settled) print(s.status === 'fulfilled' ? [...s.value] : [s.reason.code, s.reason.message])
print([...(await Promise.all(Array.from({ length: 200 }, (_, i) => sql`SELECT ${i}::int AS i`)))].reduce((n, [row]) => n + row.i, 0))

// Cursors are portals with a row limit.
for await (const rows of sql`SELECT id, ssn FROM clinic.patients ORDER BY id`.cursor(3)) print(rows.map((row) => Object.values(row).join(' ')))
let seen = 0
await sql`SELECT i FROM generate_series(1, 100000) i`.cursor(100, (rows) => { seen += rows.length; if (seen >= 300) return sql.CLOSE })
print(seen)
let sum = 0
await sql`SELECT repeat('x', 100) AS x FROM generate_series(1, 20000)`.forEach((row) => { sum += row.x.length })
print(sum)

// COPY both ways.
await pipeline(Readable.from(['100\ta\t1\n', '101\tb\t2\n']), await sql`COPY clinic.items FROM STDIN`.writable())
let text = ''
for await (const chunk of await sql`COPY (SELECT * FROM clinic.items WHERE id >= 100 ORDER BY id) TO STDOUT`.readable()) text += chunk
print(text)

// Cancel.
const slow = sql`SELECT pg_sleep(60)`
const timer = setInterval(() => slow.cancel(), 300)
try {
  await slow
} catch (e) {
  print(e.code, e.message)
}
clearInterval(timer)

// LISTEN and NOTIFY.
let hear
const heard = new Promise((resolve) => { hear = resolve })
const { unlisten } = await sql.listen('news', (payload) => hear(payload))
await sql.notify('news', 'extra')
const payload = await heard
print(core ? 'payload' : payload)
await unlisten()

const reserved = await sql.reserve()
print(await reserved`SELECT name FROM clinic.patients WHERE id = 2`)
reserved.release()
if (!core) {
  print(await sql`SELECT clinic.shout('x')`, notices)
  print(await sql`SELECT * FROM clinic.busy ORDER BY 1`)
}
await sql.end()
