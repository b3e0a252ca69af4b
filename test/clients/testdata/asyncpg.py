# What users of asyncpg do. It speaks binary, prepares everything, and asks the catalog
# for types that it does not know.
import asyncio
import io
import os

import asyncpg

core = "CORE" in os.environ
dsn = os.environ["DATABASE_URL"]


async def main():
    conn = await asyncpg.connect(dsn)
    print(conn.get_server_version(), conn.get_settings().client_encoding)
    print("pid", await conn.fetchval("SELECT pg_backend_pid()") == conn.get_server_pid())

    for row in await conn.fetch("SELECT id, name, ssn, card, born FROM clinic.patients WHERE id < $1 ORDER BY id", 10):
        print(*(str(v) for v in row))
    for row in await conn.fetch("SELECT * FROM clinic.kinds ORDER BY id"):
        for k, v in row.items():
            print(k, repr(v))
    print(await conn.fetchrow("SELECT $1::int[], $2::jsonb, $3::numeric, $4::clinic.mood, $5::clinic.address",
                              [1, None, 3], '{"a": 1}', 1.5, "high", ("x", "12345")))
    await conn.set_type_codec("jsonb", encoder=str, decoder=len, schema="pg_catalog")
    print(await conn.fetchval("SELECT jb FROM clinic.kinds WHERE id = 1"))

    # Introspection, by the standard's views and by PostgreSQL's tables.
    for query in (
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'clinic' AND table_name IN ('patients', 'visits') ORDER BY table_name, ordinal_position",
        "SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'clinic' AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, a.attnum",
    ):
        for row in await conn.fetch(query):
            print(*row)

    st = await conn.prepare("SELECT id, ssn FROM clinic.patients WHERE id = ANY($1::int[]) ORDER BY id")
    print([p.name for p in st.get_parameters()], [(a.name, a.type.name) for a in st.get_attributes()])
    for row in await st.fetch([1, 3]):
        print(*row)
    for _ in range(3):
        print(await st.fetchval([2], column=1))

    await conn.executemany("INSERT INTO clinic.items VALUES ($1, $2, $3)", [(i, "label", i) for i in range(1000)])
    print(await conn.execute("UPDATE clinic.items SET price = 0 WHERE id = 5"), await conn.execute("SELECT 1; SELECT 2"))

    # Errors, savepoints, transactions.
    try:
        await conn.execute("INSERT INTO clinic.visits (patient_id) VALUES (12345)")
    except asyncpg.ForeignKeyViolationError as e:
        print(e, e.detail, e.constraint_name, e.server_source_function)
    async with conn.transaction():
        try:
            async with conn.transaction():
                await conn.execute("INSERT INTO clinic.items VALUES (5000, 'lost', 1)")
                await conn.execute("SELECT 1/0")
        except asyncpg.DivisionByZeroError as e:
            print(e)
        await conn.execute("INSERT INTO clinic.items VALUES (5001, 'kept', 1)")
    print(await conn.fetch("SELECT id FROM clinic.items WHERE id >= 5000"))
    tr = conn.transaction(isolation="serializable", readonly=True, deferrable=True)
    await tr.start()
    try:
        await conn.execute("DELETE FROM clinic.items WHERE id = 1")
    except asyncpg.ReadOnlySQLTransactionError as e:
        print(e)
    await tr.rollback()

    # Cursors: portals with a row limit.
    async with conn.transaction():
        seen = [row["id"] async for row in conn.cursor("SELECT id, ssn FROM clinic.patients ORDER BY id", prefetch=2)]
        print(seen)
        cur = await conn.cursor("SELECT id, reason FROM clinic.visits ORDER BY id")
        print(await cur.fetch(3), await cur.forward(2), await cur.fetchrow())
        big = 0
        async for row in conn.cursor("SELECT repeat('x', 100) AS x FROM generate_series(1, 5000)", prefetch=500):
            big += len(row["x"])
        print(big)

    # COPY both ways.
    print(await conn.copy_records_to_table("items", schema_name="clinic", records=[(i, "binary", None) for i in range(9000, 9500)]))
    print(await conn.copy_to_table("items", schema_name="clinic", source=io.BytesIO(b"9500,csv,1\n9501,,2\n"), format="csv"))
    out = io.BytesIO()
    print(await conn.copy_from_query("SELECT * FROM clinic.items WHERE id >= $1 ORDER BY id", 9499, output=out, format="csv", header=True))
    print(out.getvalue())
    out = io.BytesIO()
    print(await conn.copy_from_table("items", schema_name="clinic", output=out, format="binary"), len(out.getvalue()))

    # Cancel: by a time limit, and by cancelling the task.
    try:
        await conn.execute("SELECT pg_sleep(60)", timeout=0.3)
    except asyncio.TimeoutError:
        print("timed out")
    print(await conn.fetchval("SELECT 'alive'"))
    task = asyncio.create_task(conn.execute("SELECT pg_sleep(60)"))
    await asyncio.wait([task], timeout=0.3)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")
    print(await conn.fetchval("SELECT 'alive'"))

    # LISTEN and NOTIFY.
    other = await asyncpg.connect(dsn)
    heard = asyncio.get_running_loop().create_future()
    await conn.add_listener("news", lambda c, pid, channel, payload: heard.set_result((pid, channel, payload)))
    await other.execute("NOTIFY news, 'extra'")
    pid, channel, payload = await asyncio.wait_for(heard, 10)
    print(channel, "payload" if core else payload, pid == other.get_server_pid())
    await other.close()

    if not core:
        notices = []
        conn.add_log_listener(lambda c, m: notices.append((m.severity, m.message, m.hint)))
        print(await conn.fetchval("SELECT clinic.shout('x')"), notices)
        await conn.execute("CREATE TEMP TABLE mine (a int)")
        await conn.execute("INSERT INTO mine VALUES (1)")
        print(await conn.fetch("SELECT * FROM mine"))
        await conn.execute("ALTER TABLE clinic.items ADD extra int DEFAULT 7")
        print(await conn.fetchrow("SELECT * FROM clinic.items WHERE id = 5"))
        # A type of a table made just now.
        await conn.execute("CREATE TYPE clinic.fresh AS ENUM ('a', 'b')")
        print(await conn.fetchval("SELECT 'b'::clinic.fresh"))
    await conn.reset()
    await conn.close()

    # A pool resets what it gets back.
    async with asyncpg.create_pool(dsn, min_size=2, max_size=4) as pool:
        print(await asyncio.gather(*(pool.fetchval("SELECT name FROM clinic.patients WHERE id = $1", i % 4 + 1) for i in range(20))))
        if not core:  # RESET ALL makes the session opaque to the gateway
            print(await asyncio.gather(*(pool.fetchval("SELECT $1::int * 2", i) for i in range(20))))
        async with pool.acquire() as c:
            print([tuple(r) for r in await c.fetch("SELECT id, card FROM clinic.patients ORDER BY id")])


asyncio.run(main())
