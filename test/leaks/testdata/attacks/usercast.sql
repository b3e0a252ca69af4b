-- over a table
@database cast
SELECT ROW(id)::clinic.ticketno::text FROM clinic.departments
-- of one's own
@database cast
CREATE CAST (clinic.address_t AS text) WITH FUNCTION clinic.address_text(clinic.address_t)
SELECT ROW('2', '', '')::clinic.address_t::text
-- in the text
@database cast
SELECT ROW(2)::clinic.ticketno::text
-- inserted
@database cast
INSERT INTO $V.scratch (id, code) VALUES (8, ROW(2)::clinic.ticketno::text) RETURNING code
-- by assignment
@database cast
INSERT INTO $V.scratch (id, code) VALUES (8, ROW(2)::clinic.ticketno) RETURNING code
-- by assignment in an UPDATE
@database cast
UPDATE $V.scratch SET code = ROW(2)::clinic.ticketno WHERE id = 1
SELECT code FROM $V.scratch
-- in a function's argument
@database cast
SELECT format('%s', ROW(2)::clinic.ticketno::text)
