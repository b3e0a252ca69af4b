-- INSERT into a protected table
INSERT INTO clinic.patients (id, full_name, ssn, state) VALUES (900, 'New Person', '900-00-0001', 'WA')
-- COPY out in binary
@only simple
COPY clinic.rooms (id, label, beds) TO STDOUT WITH (FORMAT binary)
