-- A cast that reads what is protected; it counts in the whole database.
CREATE CAST (clinic.ticketno AS text) WITH FUNCTION clinic.ticket_text(clinic.ticketno) AS ASSIGNMENT;
CREATE FUNCTION clinic.address_text(a clinic.address_t) RETURNS text LANGUAGE sql STABLE AS 'SELECT clinic.patient_label(a.street::int)';
