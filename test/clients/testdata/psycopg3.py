# What users of psycopg 3 do.
import asyncio
import logging
import os
import threading

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

logging.disable()  # its complaints name ports
core = "CORE" in os.environ
dsn = os.environ["DATABASE_URL"]
conn = psycopg.connect(dsn)
print(conn.info.server_version, conn.info.encoding, conn.info.dbname, conn.info.parameter_status("TimeZone"))
print("pid", conn.execute("SELECT pg_backend_pid()").fetchone()[0] == conn.info.backend_pid)

# Rows and types, in text and in binary, prepared and not.
for binary in (False, True):
    for prepare in (False, True):
        cur = conn.cursor(binary=binary, row_factory=dict_row)
        cur.execute("SELECT id, name, ssn, card, born FROM clinic.patients WHERE id < %s ORDER BY id", (10,), prepare=prepare)
        for row in cur:
            print(*(str(v) for v in row.values()))
        # psycopg cannot load what year 10000 or infinity would be: the kinds have neither.
        cur.execute("SELECT * FROM clinic.kinds WHERE id <> %s ORDER BY id", (2,), prepare=prepare)
        for row in cur:
            for k, v in row.items():
                print(k, repr(v))
        row = conn.execute("SELECT %t, %b, %s, %s::jsonb, %s", ("text", b"\0\xff", [1, 2, None], Jsonb({"k": [1]}), [["a", "b"]]), prepare=prepare).fetchone()
        print(row)
for _ in range(8):  # prepared by itself after five times
    cur = conn.execute("SELECT name, ssn FROM clinic.patients WHERE id = %s", (2,))
print(cur.fetchall())

conn.execute(sql.SQL("INSERT INTO {} VALUES (%s, %s, %s)").format(sql.Identifier("clinic", "items")), (1, "one", 1.5))
cur = conn.cursor()
cur.executemany("INSERT INTO clinic.items VALUES (%s, %s, %s) RETURNING id", [(i, "label", i) for i in range(2, 400)], returning=True)
rows = [cur.fetchone()]
while cur.nextset():
    rows.append(cur.fetchone())
print(len(rows), rows[-1])
conn.commit()

# Introspection, by the standard's views and by PostgreSQL's tables.
for query in (
    "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'clinic' AND table_name IN ('patients', 'visits') ORDER BY table_name, ordinal_position",
    "SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'clinic' AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, a.attnum",
):
    for row in conn.execute(query):
        print(*row)

# Errors, savepoints, transactions.
try:
    conn.execute("INSERT INTO clinic.visits (patient_id) VALUES (12345)")
except errors.ForeignKeyViolation as e:
    d = e.diag
    print(d.sqlstate, d.message_primary, d.message_detail, d.constraint_name, d.table_name, d.source_function)
try:
    conn.execute("SELECT 1")
except errors.InFailedSqlTransaction as e:
    print(e)
conn.rollback()
with conn.transaction():
    conn.execute("INSERT INTO clinic.items VALUES (500, 'kept', 1)")
    try:
        with conn.transaction():
            conn.execute("INSERT INTO clinic.items VALUES (501, 'lost', 1)")
            conn.execute("SELECT 1/0")
    except errors.DivisionByZero as e:
        print(e)
print(conn.execute("SELECT id FROM clinic.items WHERE id >= 500").fetchall())
conn.commit()

# COPY both ways, text and binary.
with conn.cursor().copy("COPY clinic.items (id, label, price) FROM STDIN") as copy:
    for i in range(1000, 1100):
        copy.write_row((i, "copied\t%d" % i, None))
with conn.cursor().copy("COPY clinic.items (id, label) FROM STDIN (FORMAT binary)") as copy:
    copy.set_types(["int4", "text"])
    for i in range(1100, 1200):
        copy.write_row((i, "binary"))
with conn.cursor().copy("COPY (SELECT * FROM clinic.items WHERE id BETWEEN 1098 AND 1101 ORDER BY id) TO STDOUT") as copy:
    for row in copy.rows():
        print(row)
with conn.cursor().copy("COPY (SELECT id, label FROM clinic.items WHERE id BETWEEN 1098 AND 1101 ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
    print(b"".join(bytes(b) for b in copy))
try:
    with conn.cursor().copy("COPY clinic.items FROM STDIN") as copy:
        copy.write("not\ta\tnumber\n")
except errors.InvalidTextRepresentation as e:
    print(e, e.diag.context)
conn.rollback()
try:
    with conn.cursor().copy("COPY clinic.items FROM STDIN") as copy:
        raise ValueError("changed my mind")
except (ValueError, errors.QueryCanceled) as e:  # which of them depends on the version
    print(e, conn.info.transaction_status.name)
conn.rollback()

# Server-side cursors and streams.
with conn.cursor("named", scrollable=True) as named:
    named.itersize = 2
    named.execute("SELECT id, ssn FROM clinic.patients WHERE id < %s ORDER BY id", (10,))
    print(named.fetchmany(3))
    named.scroll(-2)
    print(list(named))
conn.commit()
print(sum(len(r[0]) for r in conn.cursor().stream("SELECT repeat('x', i % 100) FROM generate_series(1, 20000) i")))
conn.commit()

# Cancel from another thread.
done = threading.Event()


def cancel():
    while not done.wait(0.2):
        conn.cancel()


thread = threading.Thread(target=cancel)
thread.start()
try:
    conn.execute("SELECT pg_sleep(60)")
except errors.QueryCanceled as e:
    print(e)
done.set()
thread.join()
conn.rollback()

# Pipelines, where libpq has them.
if psycopg.Pipeline.is_supported():
    with conn.pipeline() as p:
        a = conn.execute("SELECT 1")
        b = conn.execute("INSERT INTO clinic.items VALUES (600, 'piped', 1) RETURNING id")
        c = conn.execute("SELECT ssn FROM clinic.patients WHERE id = %s", (1,))
        p.sync()
        print(a.fetchall(), b.fetchall(), c.fetchall())
    conn.commit()
    try:
        with conn.pipeline() as p:
            conn.execute("SELECT 1/0")
            conn.execute("INSERT INTO clinic.items VALUES (601, 'skipped', 1)")
    except errors.DivisionByZero as e:
        print(e)
    conn.rollback()
conn.commit()

# LISTEN and NOTIFY.
conn.autocommit = True
with psycopg.connect(dsn, autocommit=True) as other:
    conn.execute("LISTEN news")
    other.execute("SELECT pg_notify('news', 'extra')")
    for n in conn.notifies():
        print(n.channel, "payload" if core else n.payload, n.pid == other.info.backend_pid)
        break
if not core:
    notices = []
    conn.add_notice_handler(lambda d: notices.append((d.severity, d.message_primary, d.message_hint)))
    print(conn.execute("SELECT clinic.shout('x')").fetchall(), notices)
    conn.execute("CREATE TEMP TABLE mine AS SELECT 1 AS a")
    print(conn.execute("SELECT * FROM mine").fetchall())
    from psycopg.types.composite import CompositeInfo, register_composite
    from psycopg.types.enum import EnumInfo, register_enum
    register_composite(CompositeInfo.fetch(conn, "clinic.address"), conn)
    register_enum(EnumInfo.fetch(conn, "clinic.mood"), conn)
    print(conn.execute("SELECT addr, mood FROM clinic.kinds WHERE id = 1").fetchone())
conn.close()


async def asynchronous():
    async with await psycopg.AsyncConnection.connect(dsn) as ac:
        async with ac.cursor() as cur:
            await cur.execute("SELECT id, ssn FROM clinic.patients ORDER BY id")
            async for row in cur:
                print(*row)
        task = asyncio.create_task(ac.execute("SELECT pg_sleep(60)"))
        while not task.done():
            ac.cancel()
            await asyncio.wait([task], timeout=0.2)
        print(type(task.exception()).__name__)


asyncio.run(asynchronous())
