# What users of SQLAlchemy do: the engine, reflection, the core and the ORM.
import io
import os
import select
import threading

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pgd
from sqlalchemy.orm import declarative_base, relationship, Session, selectinload

core = "CORE" in os.environ
engine = sa.create_engine(os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg2://"), pool_pre_ping=True, future=True)

# Reflection.
insp = sa.inspect(engine)
print(insp.get_schema_names(), insp.get_table_names("clinic"), insp.get_view_names("clinic"))
for table in insp.get_table_names("clinic"):
    for c in insp.get_columns(table, "clinic"):
        print(table, c["name"], c["type"], c["nullable"], c["default"])
    print(insp.get_pk_constraint(table, "clinic"), insp.get_foreign_keys(table, "clinic"), insp.get_indexes(table, "clinic"),
          insp.get_unique_constraints(table, "clinic"), insp.get_check_constraints(table, "clinic"), insp.get_table_comment(table, "clinic"))
print(insp.get_enums("clinic"), insp.get_sequence_names("clinic"))
meta = sa.MetaData()
meta.reflect(engine, schema="clinic", only=["patients", "visits", "items"])
patients, items = meta.tables["clinic.patients"], meta.tables["clinic.items"]

with engine.connect() as c:
    for row in c.execute(sa.select(patients).order_by(patients.c.id)):
        print(*(str(v) for v in row))
    c.execute(items.insert(), [{"id": i, "label": "label", "price": i} for i in range(100)])
    c.commit()
    print(c.execute(sa.select(sa.func.count()).select_from(items)).scalar())
    print(c.execute(sa.text("SELECT :a + 1"), {"a": 41}).scalar())
    print(c.execute(sa.select(sa.cast([1, None, 3], pgd.ARRAY(sa.Integer)), sa.cast({"k": [1]}, pgd.JSONB), sa.func.array_length(pgd.array([1, 2]), 1))).one())
    with engine.connect().execution_options(stream_results=True, yield_per=10) as stream:
        for part in stream.execute(sa.select(items.c.id).order_by(items.c.id)).partitions():
            print([r[0] for r in part][:3])
    ins = pgd.insert(items).values(id=1, label="upsert").on_conflict_do_nothing()
    print(c.execute(ins).rowcount)
    c.rollback()

# What the driver beneath is used for: COPY, LISTEN, cancel, prepared statements.
raw = engine.raw_connection()
cur = raw.cursor()
cur.copy_expert("COPY clinic.items (id, label) FROM STDIN (FORMAT csv)", io.StringIO('1000,"a, b"\n1001,c\n'))
out = io.StringIO()
cur.copy_expert("COPY (SELECT id, label FROM clinic.items WHERE id >= 1000 ORDER BY id) TO STDOUT (FORMAT csv)", out)
print(out.getvalue())
cur.execute("PREPARE by_id AS SELECT name, ssn FROM clinic.patients WHERE id = $1")
cur.execute("EXECUTE by_id(2)")
print(cur.fetchall())
raw.commit()
cur.execute("LISTEN news")
raw.commit()
with engine.begin() as c:
    c.execute(sa.text("SELECT pg_notify('news', 'extra')"))
while not raw.driver_connection.notifies:
    select.select([raw.driver_connection], [], [], 10)
    raw.driver_connection.poll()
n = raw.driver_connection.notifies.pop()
print(n.channel, "payload" if core else n.payload)
done = threading.Event()


def cancel():
    while not done.wait(0.2):
        raw.driver_connection.cancel()


thread = threading.Thread(target=cancel)
thread.start()
try:
    cur.execute("SELECT pg_sleep(60)")
except Exception as e:
    print(type(e).__name__, e)
done.set()
thread.join()
raw.rollback()
raw.close()

Base = declarative_base()


class Patient(Base):
    __tablename__ = "patients"
    __table_args__ = {"schema": "clinic"}
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.Text)
    ssn = sa.Column(sa.Text)
    visits = relationship("Visit", back_populates="patient", order_by="Visit.id")


class Visit(Base):
    __tablename__ = "visits"
    __table_args__ = {"schema": "clinic"}
    id = sa.Column(sa.Integer, primary_key=True)
    patient_id = sa.Column(sa.ForeignKey("clinic.patients.id"))
    reason = sa.Column(sa.Text)
    patient = relationship("Patient", back_populates="visits")


with Session(engine) as s:
    for p in s.execute(sa.select(Patient).options(selectinload(Patient.visits)).order_by(Patient.id)).scalars():
        print(p.id, p.name, p.ssn, [v.reason for v in p.visits])
    v = Visit(patient_id=1, reason="new")
    s.add(v)
    s.flush()
    print(v.id)
    v.reason = "changed"
    s.commit()
    print(s.get(Visit, v.id).reason, v.patient.name)
    nested = s.begin_nested()
    try:
        s.add(Visit(patient_id=12345))
        s.flush()
    except sa.exc.IntegrityError as e:
        print(e.orig.pgcode, e.orig.diag.constraint_name)
        nested.rollback()
    s.delete(s.get(Visit, 1))
    s.commit()
    print(s.execute(sa.select(sa.func.count(Visit.id))).scalar())

if not core:
    class Fresh(Base):
        __tablename__ = "fresh"
        __table_args__ = {"schema": "clinic"}
        id = sa.Column(sa.Integer, primary_key=True)
        data = sa.Column(pgd.JSONB)
        tags = sa.Column(pgd.ARRAY(sa.Text))

    Base.metadata.create_all(engine)
    with Session(engine) as s:
        s.add_all([Fresh(data={"n": i}, tags=["a", str(i)]) for i in range(3)])
        s.commit()
        print([(f.id, f.data, f.tags) for f in s.execute(sa.select(Fresh).where(Fresh.data["n"].as_integer() > 0)).scalars()])
    Fresh.__table__.drop(engine)
engine.dispose()
