-- Unicode escapes in names
SELECT U&"\0073sn" FROM clinic.U&"\0070atients"
-- Unicode escapes with another character
SELECT U&"!0073sn" UESCAPE '!' AS x FROM clinic.patients
-- quoted names
SELECT "ssn" FROM "clinic"."patients"
-- upper case
SELECT SSN, Full_Name FROM CLINIC.Patients
-- comments everywhere
SELECT/**/ssn/*x*/FROM/*y*/clinic/**/./**/patients
-- nested comments
SELECT /* a /* b */ c */ ssn /*--*/ FROM clinic . /**/ patients
-- three parts
SELECT rt.ssn FROM clinic.patients rt
-- an escape string that looks like the end of one
SELECT E'\'', ssn, '\' FROM clinic.patients
-- dollar quotes
SELECT $x$'$x$, ssn FROM clinic.patients -- $x$
-- a typed constant
SELECT text 'x' || ssn FROM clinic.patients
-- a Unicode string
SELECT U&'\0041' || full_name FROM clinic.patients
-- another encoding's bytes
SELECT convert_to(full_name, 'UTF8'), convert(full_name::bytea, 'UTF8', 'LATIN1') FROM clinic.patients
-- a national string
SELECT N'x' || ssn FROM clinic.patients
-- standard_conforming_strings
SET standard_conforming_strings = off
SELECT '\'' || ssn || '\\' FROM clinic.patients
-- client_encoding
SET client_encoding = 'LATIN1'
SELECT full_name FROM clinic.patients
-- client_encoding by its SQL name
SET NAMES 'SQL_ASCII'
SELECT ssn FROM clinic.patients
-- backslash_quote
SET backslash_quote = on
SELECT E'\'' || ssn FROM clinic.patients
-- semicolons
;;SELECT ssn FROM clinic.patients;;
-- two statements
SELECT 1; SELECT full_name FROM clinic.patients
-- a transaction in one message
BEGIN; SELECT ssn FROM clinic.patients; COMMIT
-- an array with other bounds
SELECT ('[5:5]={' || ssn || '}')::text[] FROM clinic.patients
-- xmloption
SET xmloption = document
SELECT xmlelement(name x, full_name)::text FROM clinic.patients
-- extra_float_digits and numbers
SELECT replace(ssn, '-', '')::float8 FROM clinic.patients
-- IntervalStyle
SET IntervalStyle = 'iso_8601'
SELECT (replace(ssn, '-', '') || ' seconds')::interval, extract(epoch FROM (replace(ssn, '-', '') || ' seconds')::interval)::int FROM clinic.patients
