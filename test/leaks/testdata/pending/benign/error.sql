-- a function that does not exist
SELECT no_such_function(1)
-- a syntax error
SELEC 1
-- a syntax error at the end
SELECT 1 FROM
-- a syntax error with a position after other text
SELECT 'äöü', "x FROM t
