// Package evasions writes forbidden statements so that they do not look it, and sends
// them through a real gateway.
//
// Every script first runs on PostgreSQL itself, where it must change what the rules
// protect, else it is no attack; through the gateway, whose credential is a superuser's,
// nothing may change. It is sent as Query messages, by the extended protocol, as one
// pipeline behind an allowed statement, and as a burst of messages that nobody waits
// for. One file each:
//
//	comments    testdata/comments.sql    comments around, inside and instead of words
//	nesting     testdata/nesting.sql     writing functions in every place of a query
//	do          testdata/do.sql          DO
//	execute     testdata/execute.sql     EXECUTE in PL/pgSQL, SQL in values
//	prepare     testdata/prepare.sql     PREPARE and EXECUTE, names of the protocol
//	cte         testdata/cte.sql         writes in WITH
//	merge       testdata/merge.sql       MERGE
//	rules       testdata/rules.sql       rewrite rules
//	triggers    testdata/triggers.sql    triggers, on temporary tables too
//	role        testdata/role.sql        SET ROLE, SET SESSION AUTHORIZATION, memberships
//	setting     testdata/setting.sql     set_config, pg_settings, settings beyond the session
//	multi       testdata/multi.sql       several statements in one text
//	pipeline    testdata/pipeline.sql    behind a statement that is allowed
//	casing      testdata/casing.sql      upper and lower case, quotes
//	unicode     testdata/unicode.sql     U&"…", U&'…', E'…'
//	always      testdata/always.sql      conditions that are always true
//	reach       testdata/reach.sql       views, joins, cascades and upserts that reach every row
//	server      testdata/server.sql      server files and programs, the catalog
//
// Calls of functions by message are in server/proxy/postgres (TestFunctionCall_IsJudged),
// other encodings in test/leaks (testdata/attacks/encoding.sql).
package evasions
