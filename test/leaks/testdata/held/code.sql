-- unseen
DO $$ BEGIN NULL; END $$
CALL clinic.give_ssn(1, NULL)
-- made
CREATE FUNCTION clinic.f() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE OR REPLACE FUNCTION clinic.add_tax(n numeric) RETURNS numeric LANGUAGE sql AS 'SELECT n'
CREATE PROCEDURE clinic.p() LANGUAGE sql AS 'SELECT 1'
ALTER FUNCTION clinic.add_tax(numeric) COST 5
CREATE TRIGGER t BEFORE INSERT ON clinic.rooms FOR EACH ROW EXECUTE FUNCTION clinic.on_appointment()
CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION clinic.on_appointment()
CREATE RULE r AS ON INSERT TO clinic.rooms DO INSTEAD NOTHING
CREATE CAST (clinic.ticketno AS text) WITH FUNCTION clinic.ticket_text(clinic.ticketno)
CREATE OPERATOR clinic.### (LEFTARG = int, RIGHTARG = int, FUNCTION = clinic.op_label)
CREATE AGGREGATE clinic.g(int) (SFUNC = clinic.agg_step, STYPE = text)
-- back into the database
SELECT * FROM dblink('dbname=clinic_ruled', 'SELECT 1') AS t(n int)
SELECT dblink_exec('dbname=clinic_ruled', 'DROP TABLE clinic.rooms')
SELECT clinic.any_query('DROP TABLE clinic.rooms')
