-- COPY out in binary
@only simple
COPY clinic.rooms (id, label, beds) TO STDOUT WITH (FORMAT binary)
