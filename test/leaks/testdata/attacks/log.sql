-- auto_explain of what code runs
LOAD 'auto_explain'
SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET client_min_messages = log
DO $$ BEGIN EXECUTE format('SELECT %L', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
-- the log of a statement that code prepared
SET log_statement = 'all'; SET client_min_messages = log
DO $$ BEGIN EXECUTE format('PREPARE q AS SELECT 1 WHERE %L IS NULL', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
EXECUTE q
-- the duration of a statement that code prepared
SET log_min_duration_statement = 0; SET client_min_messages = log
DO $$ BEGIN EXECUTE format('PREPARE q AS SELECT 1 WHERE %L IS NULL', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
EXECUTE q
-- the parameters of a strict INTO
DO E'#print_strict_params on\nDECLARE v text := (SELECT full_name FROM clinic.patients WHERE id = 2); r int; BEGIN SELECT 1 INTO STRICT r WHERE v IS NULL; END'
-- messages of debugging, of a temporary table's name
SET client_min_messages = debug5
DO $$ BEGIN EXECUTE format('CREATE TEMP TABLE %I (id int PRIMARY KEY)', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
-- the plan of what code runs, with its constants
SET client_min_messages = log; SET debug_print_rewritten = on
DO $$ BEGIN EXECUTE format('SELECT 1 AS %I', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
-- the text of a statement of code, in the context of its error
DO $$ BEGIN EXECUTE format('SELECT 1 / 0 AS %I', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
-- the name of a cursor
DO $$ BEGIN EXECUTE format('DECLARE %I CURSOR WITH HOLD FOR SELECT 1', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
SELECT name FROM pg_cursors
