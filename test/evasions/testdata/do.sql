-- plainly
DO $$ BEGIN DELETE FROM clinic.victim; END $$
-- with a language
DO LANGUAGE plpgsql $x$ BEGIN DELETE FROM clinic.victim; END $x$
-- in a string
DO 'BEGIN DELETE FROM clinic.victim; END'
-- in a string with escapes
DO E'BEGIN\\u0020DELETE FROM clinic.victim; END'
-- with a language behind the code
DO 'BEGIN PERFORM clinic.wipe(); END' LANGUAGE plpgsql
-- in a string of two parts
DO 'BEGIN DELETE FROM '\n'clinic.victim; END'
