-- over a table
@database cast
SELECT ROW(id)::clinic.ticketno::text FROM clinic.departments
-- of one's own
@database cast
CREATE CAST (clinic.address_t AS text) WITH FUNCTION clinic.address_text(clinic.address_t)
SELECT ROW('2', '', '')::clinic.address_t::text
