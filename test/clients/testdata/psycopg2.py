# What users of psycopg2 do.
import io
import os
import select
import threading

import psycopg2
import psycopg2.errors
import psycopg2.extras
from psycopg2 import sql

core = "CORE" in os.environ
dsn = os.environ["DATABASE_URL"]
conn = psycopg2.connect(dsn)
cur = conn.cursor()
print("protocol", conn.protocol_version, conn.encoding, conn.info.dbname, conn.info.server_version)
for name in ("server_encoding", "DateStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings"):
    print(name, conn.get_parameter_status(name))

# The process id is the target's own.
cur.execute("SELECT pg_backend_pid()")
print("pid", cur.fetchone()[0] == conn.info.backend_pid)

# Introspection.
cur.execute("""SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
    WHERE table_schema = 'clinic' ORDER BY 1, ordinal_position""")
for row in cur:
    print(row)

# Rows and types.
cur.execute("SELECT id, name, ssn, card, born FROM clinic.patients WHERE id < %s ORDER BY id", (10,))
print([(c.name, c.type_code) for c in cur.description])
for row in cur.fetchall():
    print(*(str(v) for v in row))
cur = conn.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
cur.execute("SELECT * FROM clinic.kinds ORDER BY id")
for row in cur:
    for k, v in row.items():
        print(k, repr(bytes(v) if isinstance(v, memoryview) else v))
cur = conn.cursor()
cur.execute("SELECT %s, %s, %s, %s", ([1, 2, None], ["a", 'b"c'], psycopg2.extras.Json({"k": [1]}), psycopg2.Binary(b"\0\xff")))
print([bytes(v) if isinstance(v, memoryview) else v for v in cur.fetchone()])
print(cur.mogrify("%(a)s", {"a": "it's"}))
cur.execute(sql.SQL("SELECT {} FROM {} WHERE id = 1").format(sql.Identifier("name"), sql.Identifier("clinic", "patients")))
print(cur.fetchall(), cur.query)

# executemany and execute_values.
cur.executemany("INSERT INTO clinic.items VALUES (%s, %s, %s)", [(i, "label %d" % i, i) for i in range(3)])
print(psycopg2.extras.execute_values(
    cur, "INSERT INTO clinic.items (id, label) VALUES %s RETURNING id", [(i, "many") for i in range(100, 350)], page_size=100, fetch=True)[-1])
psycopg2.extras.execute_batch(cur, "UPDATE clinic.items SET price = %s WHERE id = %s", [(i, i) for i in range(100, 120)])
conn.commit()

# Errors, savepoints, transactions.
try:
    cur.execute("INSERT INTO clinic.visits (patient_id) VALUES (12345)")
except psycopg2.errors.ForeignKeyViolation as e:
    d = e.diag
    print(d.sqlstate, d.message_primary, d.message_detail, d.constraint_name, d.table_name, d.source_function)
try:
    cur.execute("SELECT 1")
except psycopg2.errors.InFailedSqlTransaction as e:
    print(e.pgerror)
conn.rollback()
cur.execute("SAVEPOINT s")
try:
    cur.execute("SELECT 1/0")
except psycopg2.errors.DivisionByZero as e:
    print(e.pgerror)
cur.execute("ROLLBACK TO s")
cur.execute("INSERT INTO clinic.items VALUES (500, 'kept', 1)")
conn.commit()
with conn:
    with conn.cursor() as c:
        c.execute("SELECT count(*) FROM clinic.items")
        print(c.fetchone())
print(conn.get_transaction_status(), conn.isolation_level)
conn.set_session(isolation_level="SERIALIZABLE", readonly=True)
try:
    cur.execute("INSERT INTO clinic.items VALUES (1)")
except psycopg2.errors.ReadOnlySqlTransaction as e:
    print(e.pgerror)
conn.rollback()
conn.set_session(isolation_level="READ COMMITTED", readonly=False)

# COPY both ways.
cur.copy_expert("COPY clinic.items FROM STDIN (FORMAT csv)", io.StringIO("1000,a,1.5\n1001,\"b,c\",\n"))
print(cur.rowcount)
out = io.StringIO()
cur.copy_expert("COPY (SELECT * FROM clinic.items WHERE id >= 1000 ORDER BY id) TO STDOUT", out)
print(out.getvalue())
try:
    cur.copy_expert("COPY clinic.items FROM STDIN", io.StringIO("not\ta\tnumber\n"))
except psycopg2.errors.InvalidTextRepresentation as e:
    print(e.pgerror, e.diag.context)
conn.rollback()
big = io.StringIO("".join("%d\t%s\t\\N\n" % (i, "x" * 100) for i in range(20000)))
cur.copy_expert("COPY clinic.items FROM STDIN", big)
print(cur.rowcount)

# Prepared statements, which are SQL's here.
cur.execute("PREPARE by_id (int) AS SELECT name, ssn FROM clinic.patients WHERE id = $1")
for i in range(1, 4):
    cur.execute("EXECUTE by_id(%s)", (i,))
    print(cur.fetchall())
cur.execute("DEALLOCATE by_id")

# Server-side cursors.
named = conn.cursor("named", scrollable=True)
named.itersize = 1000
named.execute("SELECT id, label FROM clinic.items ORDER BY id, label")
print(sum(1 for _ in named))
named.scroll(5, mode="absolute")
print(named.fetchmany(2))
named.close()
hold = conn.cursor("hold", withhold=True)
hold.execute("SELECT id, ssn FROM clinic.patients ORDER BY id")
conn.commit()
for row in hold:
    print(*row)
hold.close()
conn.commit()

# Cancel from another thread.
done = threading.Event()


def cancel():
    while not done.wait(0.2):
        conn.cancel()


thread = threading.Thread(target=cancel)
thread.start()
try:
    cur.execute("SELECT pg_sleep(60)")
except psycopg2.errors.QueryCanceled as e:
    print(e.pgerror)
done.set()
thread.join()
conn.rollback()
cur.execute("SELECT 'alive'")
print(cur.fetchone())
conn.commit()

# LISTEN and NOTIFY, between connections.
conn.autocommit = True
other = psycopg2.connect(dsn)
other.autocommit = True
cur.execute("LISTEN news")
other.cursor().execute("NOTIFY news, 'extra'")
while not conn.notifies:
    select.select([conn], [], [], 10)
    conn.poll()
n = conn.notifies.pop()
print(n.channel, "payload" if core else n.payload, n.pid == other.info.backend_pid)
if not core:
    cur.execute("SELECT clinic.shout('x')")
    print(cur.fetchall(), conn.notices)
    cur.execute("CREATE TEMP TABLE mine (a int, b text)")
    cur.copy_from(io.StringIO("1\tone\n2\ttwo\n"), "mine")
    cur.execute("SELECT * FROM mine")
    print(cur.fetchall())
    cur.execute("CALL clinic.tidy()")
    cur.callproc("clinic.shout", ["called"])
    print(cur.fetchall())

# Asynchronous.
a = psycopg2.connect(dsn, async_=True)


def wait():
    while True:
        state = a.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        if state == psycopg2.extensions.POLL_WRITE:
            select.select([], [a], [])
        else:
            select.select([a], [], [])


wait()
acur = a.cursor()
acur.execute("SELECT id, name FROM clinic.patients ORDER BY id")
wait()
print(acur.fetchall())
a.close()

# Two-phase commit needs max_prepared_transactions: an error that must be the same.
try:
    conn.autocommit = False
    conn.tpc_begin(conn.xid(1, "gtrid", "bqual"))
    conn.tpc_prepare()
except psycopg2.Error as e:
    print(type(e).__name__, e.pgcode)
conn.close()
