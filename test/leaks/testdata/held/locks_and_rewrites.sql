-- by hand
LOCK TABLE clinic.rooms
LOCK TABLE clinic.rooms IN ROW SHARE MODE
LOCK TABLE clinic.rooms IN SHARE MODE
LOCK TABLE clinic.rooms IN ACCESS EXCLUSIVE MODE NOWAIT
VACUUM FULL clinic.rooms
VACUUM (FULL, ANALYZE) clinic.rooms
CLUSTER clinic.rooms USING rooms_pkey
CLUSTER
