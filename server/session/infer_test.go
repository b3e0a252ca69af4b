package session_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

const inferSetup = `
	CREATE SCHEMA clinic;
	CREATE TABLE clinic.patients (id int PRIMARY KEY, ssn text, mrn text, ward int);
	INSERT INTO clinic.patients SELECT g, lpad(g::text, 9, '0'), 'M' || g, g % 3 FROM generate_series(1, 50) g;
	CREATE TABLE clinic.claims (id int PRIMARY KEY, member_ssn text);
	INSERT INTO clinic.claims SELECT id, ssn FROM clinic.patients;
	CREATE VIEW clinic.people AS SELECT id, upper(ssn) AS code, ward FROM clinic.patients;
	CREATE VIEW clinic.cards AS SELECT p.id AS n, p.code AS ssn_, c.id AS claim FROM clinic.people p JOIN clinic.claims c ON c.member_ssn = p.code;
	CREATE MATERIALIZED VIEW clinic.stored AS SELECT id, ssn AS other FROM clinic.patients;
	CREATE FUNCTION clinic.named(text) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM clinic.patients WHERE ssn = $1';
	CREATE FUNCTION clinic.alike(text, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
	CREATE VIEW clinic.chosen AS SELECT id FROM clinic.patients WHERE ssn = current_setting('app.chosen', true);
	CREATE VIEW clinic.ours AS SELECT id, ssn FROM clinic.patients WHERE ward = current_setting('app.ward', true)::int;
	CREATE FUNCTION clinic.code_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM clinic.patients WHERE id = $1';
	CREATE TABLE clinic.guesses (x text);
	CREATE TABLE clinic.stays (id int, seen timestamptz, gone timestamptz);
	CREATE TABLE clinic.cardholders (card text UNIQUE, id int PRIMARY KEY, limit_ int, pin int, CHECK (limit_ <> pin));
	INSERT INTO clinic.cardholders VALUES ('1', 1, 0, 5);
	CREATE TABLE clinic.payments (id int PRIMARY KEY, card text REFERENCES clinic.cardholders (card));
	CREATE TABLE clinic.refunds (id int PRIMARY KEY, card text REFERENCES clinic.cardholders (card) DEFERRABLE INITIALLY DEFERRED);
	INSERT INTO clinic.guesses SELECT lpad(g::text, 9, '0') FROM generate_series(1, 1000) g;`

// inferring is the sample resources with masked columns and limits of so many values
// and scans. Nobody may approve, so that what exceeds them is denied.
func inferring(values, scans int) string {
	return strings.Replace(servertest.Resources, "  credential:",
		fmt.Sprintf("  inference_limits: [{columns: ['clinic.*.*'], values: %d, scans: %d, per: 1h}]\n  credential:", values, scans), 1) + `
---
kind: MaskRule
name: identifiers
spec: {targets: [pg-prod], columns: [clinic.patients.ssn, clinic.patients.mrn, clinic.claims.member_ssn, clinic.stays.seen, clinic.stays.gone, clinic.cardholders.card, clinic.cardholders.pin], with: redact}
---
kind: ServiceAccount
name: reader
spec: {groups: [agents], owner: data-team, secret: {value: reader-secret}}
`
}

// within connects as an account of its own, with limits of so many values and scans.
func within(t *testing.T, g *servertest.Gateway, account string, values, scans int) *pgx.Conn {
	t.Helper()
	g.Reload(inferring(values, scans)+fmt.Sprintf("---\nkind: ServiceAccount\nname: %[1]s\nspec: {groups: [agents], owner: data-team, secret: {value: %[1]s-secret}}\n", account), "")
	conn, err := pgx.Connect(t.Context(), g.Connect(account, "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Each is run by a gateway of its own count: an identity of its own would do, but the
// statements of one case must not spend the limit of the next.
func TestInference_WhatCounts(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: inferring(3, 1)})
	for name, c := range map[string]struct {
		fits []string
		over string
	}{
		"values":                  {[]string{"SELECT id FROM clinic.patients WHERE ssn = '1'", "SELECT id FROM clinic.patients WHERE ssn IN ('2', '3')", "SELECT id FROM clinic.patients WHERE ssn = '3'"}, "SELECT id FROM clinic.patients WHERE ssn = '4'"},
		"members of IN":           {nil, "SELECT id FROM clinic.patients WHERE ssn IN ('1', '2', '3', '4')"},
		"an array":                {nil, "SELECT id FROM clinic.patients WHERE ssn = ANY('{1,2,3,4}')"},
		"an array with bounds":    {nil, "SELECT id FROM clinic.patients WHERE ssn = ANY('[1:4]={1,2,3,4}')"},
		"an array behind a blank": {nil, "SELECT id FROM clinic.patients WHERE ssn = ANY(' {1,2,3,4}'::text[])"},
		"ARRAY[]":                 {nil, "SELECT id FROM clinic.patients WHERE ssn = ANY(ARRAY['1', '2', '3', '4'])"},
		"alternatives":            {nil, "SELECT id FROM clinic.patients WHERE ssn = '1' OR ssn = '2' OR ssn <> '3' OR '4' = ssn"},
		"VALUES":                  {nil, "SELECT p.id FROM clinic.patients p JOIN (VALUES ('1'), ('2'), ('3'), ('4')) v(x) ON p.ssn = v.x"},
		"members of VALUES":       {[]string{"SELECT id FROM clinic.patients WHERE ssn IN (VALUES ('1'), ('2'))", "SELECT id FROM clinic.patients WHERE ssn <> ALL (VALUES ('3'), ('1'))"}, "SELECT id FROM clinic.patients WHERE ssn = ANY (VALUES ('4'))"},
		"a query of constants":    {[]string{"SELECT id FROM clinic.patients WHERE ssn IN (SELECT '1')"}, "SELECT id FROM clinic.patients WHERE ssn IN (SELECT '1' UNION ALL SELECT '2' UNION SELECT '3' UNION ALL SELECT '4')"},
		"one behind a function":   {[]string{"SELECT id FROM clinic.patients WHERE lower(ssn) = '1'", "SELECT id FROM clinic.patients WHERE ssn IN ('1', '2', '3')"}, "SELECT id FROM clinic.patients WHERE ssn = '4'"},
		"some behind a function":  {[]string{"SELECT id FROM clinic.patients WHERE lower(ssn) IN ('1', '2', '3')"}, "SELECT id FROM clinic.patients WHERE ssn = '4'"},
		"an array behind a cast":  {nil, "SELECT id FROM clinic.patients WHERE ssn::varchar = ANY ('{1,2,3,4}')"},
		"a list behind COALESCE":  {nil, "SELECT id FROM clinic.patients WHERE coalesce(ssn, '') IN (VALUES ('1'), ('2'), ('3'), ('4'))"},
		"a list of rows":          {nil, "SELECT id FROM clinic.patients WHERE (ssn, 1) IN (('1', 1), ('2', 1), ('3', 1), ('4', 1))"},
		"what cases result in":    {[]string{"SELECT CASE id WHEN 1 THEN ssn WHEN 2 THEN 'x' END FROM clinic.patients", "SELECT id FROM clinic.patients WHERE ssn IN ('1', '2', '3')"}, "SELECT CASE ssn WHEN '4' THEN id END FROM clinic.patients, clinic.guesses"},
		"a list of cases":         {nil, "SELECT id FROM clinic.patients WHERE CASE ssn WHEN '1' THEN true WHEN '2' THEN true WHEN '3' THEN true WHEN '4' THEN true END"},
		"arrays that overlap":     {nil, "SELECT id FROM clinic.patients WHERE ARRAY[ssn] && ARRAY['1', '2', '3', '4']"},
		"a computed list":         {nil, "SELECT id FROM clinic.patients WHERE ssn IN ('0' || '1', '0' || '2')"},
		"unnest":                  {nil, "SELECT p.id FROM clinic.patients p, unnest('{1,2,3,4}'::text[]) x WHERE x = p.ssn"},
		"a series":                {nil, "SELECT p.id FROM clinic.patients p JOIN generate_series(1, 1000) g ON p.ssn = lpad(g::text, 9, '0')"},
		"another table":           {nil, "SELECT p.id FROM clinic.patients p, clinic.guesses g WHERE p.ssn = g.x"},
		"a sub-select":            {nil, "SELECT id FROM clinic.patients WHERE ssn IN (SELECT x FROM clinic.guesses)"},
		"crossed lists":           {nil, "SELECT p.id FROM clinic.patients p, (VALUES ('0'), ('1')) a(d), (VALUES ('0')) b(d) WHERE p.ssn = a.d || b.d"},
		"crossed inside":          {nil, "SELECT p.id, q.k FROM clinic.patients p, (SELECT a.d || b.d AS k FROM (VALUES ('0'), ('1')) a(d), (VALUES ('0')) b(d)) q WHERE p.ssn = q.k"},
		"VALUES in IN":            {nil, "SELECT id FROM clinic.patients WHERE ssn IN (VALUES ('1'), ('2'), ('3'), ('4'))"},
		"words":                   {nil, "SELECT u.lexeme FROM clinic.patients p, unnest('1 2 3 4'::tsvector) u WHERE u.lexeme = p.ssn"},
		"a vector":                {nil, "SELECT x FROM clinic.cardholders c, unnest('1 2 3 4'::int2vector) x WHERE c.pin = x"},
		"a vector of oids":        {nil, "SELECT id FROM clinic.cardholders WHERE pin = ANY('1 2 3 4'::oidvector)"},
		"a list in the answer":    {nil, "SELECT id, unnest('{1,2}'::text[]) FROM clinic.patients ORDER BY ssn = unnest('{1,2}'::text[]) DESC"},
		"a column of a row":       {nil, "SELECT p.id, (q).id FROM clinic.patients p, clinic.patients q WHERE p.ssn = lpad((q).id::text, 9, '0')"},
		"a row as JSON":           {nil, "SELECT p.id, q.id FROM clinic.patients p, (SELECT to_jsonb(r) ->> 'id' AS k, id FROM clinic.patients r) q WHERE p.ssn = lpad(q.k, 9, '0')"},
		"woven constants":         {nil, "SELECT p.id, q.k FROM clinic.patients p, (SELECT left(ssn, 0) || '000000001' AS v, 1 AS k FROM clinic.patients UNION ALL SELECT left(ssn, 0) || '000000002', 2 FROM clinic.patients) q WHERE p.ssn = q.v"},
		"a sort by an operator":   {[]string{"SELECT id FROM clinic.patients ORDER BY ssn USING ~<~"}, "SELECT id FROM clinic.patients ORDER BY upper(ssn) USING OPERATOR(pg_catalog.>)"},
		"the clock":               {nil, "SELECT clock_timestamp() FROM clinic.stays, generate_series(1, 1000) WHERE seen > clock_timestamp() - interval '20 years'"},
		"a setting that goes on":  {nil, "SELECT set_config('application_name', (current_setting('application_name')::int + 1)::text, false) FROM clinic.patients WHERE ssn > current_setting('application_name')"},
		"a split text":            {nil, "SELECT id FROM clinic.patients WHERE ssn = ANY(string_to_array('1,2,3,4', ','))"},
		"ranges":                  {[]string{"SELECT id FROM clinic.patients WHERE ssn > '1'"}, "SELECT id FROM clinic.patients WHERE ssn > '2'"},
		"two in one":              {nil, "SELECT id FROM clinic.patients WHERE ssn LIKE '1%' OR ssn LIKE '2%'"},
		"parts of values":         {[]string{"SELECT id FROM clinic.patients WHERE left(ssn, 1) = '0'"}, "SELECT id FROM clinic.patients WHERE right(ssn, 1) = '0'"},
		"casts":                   {[]string{"SELECT id FROM clinic.patients WHERE ssn::char(1) = '0'"}, "SELECT id FROM clinic.patients WHERE ssn::char(2) = '0'"},
		"lengths of one value":    {[]string{"SELECT id FROM clinic.patients WHERE ssn = '12345'::char(1)", "SELECT id FROM clinic.patients WHERE ssn IN ('12345'::char(2), '12345'::char(3))"}, "SELECT id FROM clinic.patients WHERE ssn = ANY(ARRAY['12345']::char(4)[])"},
		"one text in many zones": {[]string{
			"SET TimeZone = '1'; SELECT id FROM clinic.stays WHERE seen = '2000-01-01'", "SET TimeZone = '2'", "SELECT id FROM clinic.stays WHERE seen = '2000-01-01'", "SET TimeZone = 'nowhere'", "SET TimeZone = '2'",
			"SELECT id FROM clinic.stays WHERE seen = '2000-01-01'", "BEGIN; SET LOCAL TimeZone = '3'", "SELECT id FROM clinic.stays WHERE seen = '2000-01-01'", "COMMIT", "SELECT id FROM clinic.stays WHERE seen = '2000-01-01'",
		}, "SELECT set_config('TimeZone', '4', false); SELECT id FROM clinic.stays WHERE seen = '2000-01-01'"},
		"computed names":                {nil, "SELECT id FROM (SELECT id, left(ssn, 1) AS ssn FROM clinic.patients) q WHERE ssn = '0'"}, // twice: there and here
		"sorts":                         {[]string{"SELECT id FROM clinic.patients ORDER BY ssn"}, "SELECT count(*) FROM clinic.patients GROUP BY ssn"},
		"joins of masked":               {[]string{"SELECT p.id FROM clinic.patients p JOIN clinic.claims c ON c.member_ssn = p.ssn"}, "SELECT p.id FROM clinic.patients p JOIN clinic.claims c ON c.member_ssn = p.ssn"},
		"writes":                        {[]string{"UPDATE clinic.patients SET ward = 1 WHERE ssn = '1'", "DELETE FROM clinic.claims WHERE member_ssn = '2'"}, "UPDATE clinic.patients SET ward = 1 WHERE ssn IN ('2', '3', '4')"},
		"prepared":                      {[]string{"PREPARE q (text) AS SELECT id FROM clinic.patients WHERE ssn = $1", "EXECUTE q ('1')", "EXECUTE q ('2')", "EXECUTE q ('3')"}, "EXECUTE q ('4')"},
		"prepared, a list":              {[]string{"PREPARE q (text[]) AS SELECT id FROM clinic.patients WHERE ssn = ANY ($1)"}, "EXECUTE q ('{1,2,3,4}')"},
		"several in a text":             {nil, "SELECT id FROM clinic.patients WHERE ssn = '1'; SELECT id FROM clinic.patients WHERE ssn IN ('2', '3', '4')"},
		"how many rows":                 {nil, "SELECT p.id FROM clinic.patients p, generate_series(1, ascii(p.ssn))"},
		"rows of a list":                {nil, "SELECT id, generate_series(1, length(ssn)) FROM clinic.patients"},
		"a limit":                       {nil, "SELECT q.n FROM clinic.patients p, LATERAL (SELECT count(*) AS n FROM (SELECT FROM generate_series(1, 200) LIMIT ascii(p.ssn)) z) q"},
		"an offset":                     {nil, "SELECT id FROM clinic.patients OFFSET (SELECT ascii(ssn) FROM clinic.patients WHERE id = 3)"},
		"a sample":                      {nil, "SELECT id FROM clinic.claims TABLESAMPLE bernoulli ((SELECT ascii(ssn) FROM clinic.patients WHERE id = 3))"},
		"a window":                      {nil, "SELECT count(*) OVER (ROWS (SELECT ascii(ssn) FROM clinic.patients WHERE id = 3) PRECEDING) FROM clinic.guesses"},
		"a wait":                        {nil, "SELECT pg_sleep(ascii(ssn) / 1e6) FROM clinic.patients WHERE id = 3"},
		"a set operation":               {nil, "VALUES ('1'), ('2'), ('3'), ('4') INTERSECT SELECT ssn FROM clinic.patients"},
		"a value by a function":         {[]string{"SELECT id FROM clinic.claims WHERE clinic.code_of(1) > '5'"}, "SELECT id FROM clinic.claims WHERE id = ascii(clinic.code_of(1))"},
		"rows by a function":            {nil, "SELECT id FROM clinic.claims LIMIT ascii(clinic.code_of(1)) - 45"},
		"an offset by a function":       {nil, "SELECT id FROM clinic.claims OFFSET ascii(clinic.code_of(1)) - 45"},
		"a sample by a function":        {nil, "SELECT id FROM clinic.claims TABLESAMPLE bernoulli (ascii(clinic.code_of(1)))"},
		"a view":                        {[]string{"SELECT id FROM clinic.people WHERE code > '1'"}, "SELECT id FROM clinic.people p ORDER BY p.code"},
		"column of a view":              {[]string{"SELECT id FROM clinic.people WHERE code = '1'", "SELECT id FROM clinic.patients WHERE ssn IN ('1', '2', '3')"}, "SELECT n FROM clinic.cards WHERE ssn_ = '4'"},
		"a view and a list":             {nil, "SELECT p.id FROM clinic.people p, clinic.guesses g WHERE p.code = g.x"},
		"a copy":                        {[]string{"SELECT id FROM clinic.stored WHERE other > '1'"}, "SELECT id FROM clinic.stored s, clinic.patients p WHERE s.other = p.ssn"},
		"two views":                     {nil, "SELECT p.id FROM clinic.people p JOIN clinic.stored s ON s.other = p.code"},
		"a function":                    {[]string{"SELECT clinic.named('1')"}, "SELECT clinic.named('2')"},
		"a function twice":              {nil, "SELECT clinic.named('1'), clinic.named('2')"},
		"a function of a series":        {nil, "SELECT clinic.named(lpad(g::text, 9, '0')) FROM generate_series(1, 1000) g"},
		"a function of a list":          {nil, "SELECT clinic.named(x) FROM (VALUES ('1'), ('2')) v (x)"},
		"a function of rows":            {[]string{"SELECT clinic.named(x) FROM clinic.guesses"}, "SELECT x FROM clinic.guesses ORDER BY clinic.named(x)"},
		"rows of a function":            {nil, "SELECT x FROM clinic.guesses WHERE clinic.named(x) > 0"},
		"a function of an expression":   {[]string{"SELECT id FROM clinic.patients WHERE clinic.alike(ssn, '1')"}, "SELECT id FROM clinic.patients WHERE clinic.alike(ssn, '2')"},
		"a function of both":            {nil, "SELECT id FROM clinic.patients, clinic.guesses WHERE clinic.alike(ssn, x)"},
		"a function inside":             {nil, "SELECT x FROM (SELECT x, clinic.named(x) AS n FROM clinic.guesses) q WHERE n > 0"},
		"a view of a setting":           {[]string{"SET app.chosen = '1'; SELECT id FROM clinic.chosen"}, "SET app.chosen = '2'; SELECT id FROM clinic.chosen"},
		"sorted among a list":           {[]string{"SELECT id FROM (SELECT id, ssn FROM clinic.patients UNION ALL VALUES (-1, '1'), (-2, '2')) q ORDER BY ssn"}, "SELECT id FROM clinic.patients WHERE ssn IN ('3', '4')"},
		"sorted among a long list":      {nil, "SELECT id FROM clinic.patients UNION ALL VALUES (-1) ORDER BY 1; SELECT id, ssn FROM clinic.patients UNION ALL VALUES (-1, '1'), (-2, '2'), (-3, '3'), (-4, '4') ORDER BY ssn"},
		"sorted among a series":         {nil, "WITH q AS (SELECT id, ssn FROM clinic.patients UNION ALL SELECT -g, lpad(g::text, 9, '0') FROM generate_series(1, 1000) g) SELECT id FROM q ORDER BY ssn"},
		"sorted among other rows":       {nil, "SELECT id, ssn FROM clinic.patients UNION ALL SELECT -1, x FROM clinic.guesses ORDER BY ssn"},
		"sorted among rows inside":      {nil, "WITH RECURSIVE q AS (SELECT id, ssn FROM clinic.patients UNION ALL SELECT -1, ssn FROM (SELECT x AS ssn FROM clinic.guesses) g) SELECT id FROM q ORDER BY ssn"},
		"sorted among listed rows":      {nil, "WITH a (k) AS (SELECT ssn FROM clinic.patients), b (k) AS (SELECT x FROM clinic.guesses) SELECT k FROM a UNION ALL SELECT k FROM b ORDER BY k"},
		"sorted by what list":           {nil, "SELECT v.b FROM clinic.patients p, LATERAL (VALUES (p.ssn, '0'), (lpad(p.id::text, 9, '0'), '1')) v(a, b) ORDER BY v.a"},
		"sorted by number":              {nil, "SELECT '0', ssn FROM clinic.patients UNION ALL SELECT x, x FROM clinic.guesses ORDER BY 2"},
		"grouped by number":             {nil, "SELECT greatest(p.ssn, g.x) FROM clinic.patients p, clinic.guesses g GROUP BY 1"},
		"told apart with others":        {nil, "SELECT DISTINCT greatest(p.ssn, g.x) FROM clinic.patients p, clinic.guesses g"},
		"elements that are computed":    {nil, "SELECT 1 FROM (SELECT array_fill(0, ARRAY[ssn::int]) AS k FROM clinic.patients) q, unnest(k)"},
		"rows of a document":            {nil, "SELECT 1 FROM clinic.patients, XMLTABLE('/r/i' PASSING (('<r>' || repeat('<i/>', ssn::int) || '</r>')::xml) COLUMNS x text PATH '.')"},
		"sorted with masked":            {[]string{"SELECT id FROM (SELECT id, ssn AS k FROM clinic.patients UNION ALL SELECT id, member_ssn FROM clinic.claims) q ORDER BY k"}, "SELECT id FROM clinic.patients ORDER BY ssn"},
		"under the name of a constant":  {[]string{"SELECT id FROM (SELECT 0 AS id, '1' AS k UNION ALL SELECT id, ssn FROM clinic.patients) q WHERE k > '1'"}, "SELECT id FROM (SELECT 0 AS id, '1' AS k UNION ALL SELECT id, ssn FROM clinic.patients) q WHERE k > '1'"},
		"under a name of a table":       {nil, "SELECT 1 FROM (TABLE clinic.guesses UNION ALL SELECT p.ssn AS other FROM clinic.patients p) q WHERE x > '1'"},
		"under its own name":            {[]string{"SELECT mrn FROM (SELECT * FROM clinic.patients UNION ALL SELECT * FROM clinic.patients) q WHERE mrn > '3' AND ward = 1"}, "SELECT id FROM clinic.patients ORDER BY mrn"},
		"a difference":                  {nil, "SELECT x FROM clinic.patients p, clinic.guesses WHERE p.id = 3 ORDER BY ascii(ssn) - ascii(x)"},
		"a difference that groups":      {nil, "SELECT count(*) FROM clinic.patients p, clinic.guesses GROUP BY ascii(ssn) - ascii(x)"},
		"a difference in a window":      {nil, "SELECT x, row_number() OVER (PARTITION BY ascii(ssn) - ascii(x)) FROM clinic.patients, clinic.guesses"},
		"a difference inside":           {nil, "SELECT x FROM (SELECT x, ascii(ssn) - ascii(x) AS k FROM clinic.patients, clinic.guesses) q WHERE k = 0"},
		"a difference, no comparison":   {nil, "SELECT x FROM clinic.patients, clinic.guesses WHERE NOT (ascii(ssn) - ascii(x))::bool"},
		"a difference in VALUES":        {nil, "SELECT x FROM clinic.patients p, clinic.guesses g, LATERAL (VALUES (ascii(p.ssn) - ascii(g.x))) v WHERE v.column1 = 0"},
		"a difference in VALUES, below": {nil, "SELECT x FROM clinic.patients p, clinic.guesses g, LATERAL (SELECT * FROM (VALUES (ascii(p.ssn) - ascii(g.x))) v) w WHERE w.column1 = 0"},
		"a difference in a function":    {nil, "SELECT x FROM clinic.patients p, clinic.guesses g, LATERAL abs(ascii(p.ssn) - ascii(g.x)) k WHERE k = 0"},
		"a difference in COALESCE":      {nil, "SELECT x FROM clinic.patients p, clinic.guesses g, LATERAL coalesce(ascii(p.ssn) - ascii(g.x)) k WHERE k = 0"},
		"a difference in ROWS FROM":     {nil, "SELECT x FROM clinic.patients p, clinic.guesses g, ROWS FROM (abs(ascii(p.ssn) - ascii(g.x))) AS q (k) ORDER BY k"},
		"a difference in XMLTABLE":      {nil, "SELECT x FROM clinic.patients p, clinic.guesses g, XMLTABLE('/r' PASSING ('<r/>'::xml) COLUMNS k int PATH 'x' DEFAULT (ascii(p.ssn) - ascii(g.x))) v WHERE k = 0"},
		"a field of a row":              {nil, "SELECT g.x FROM clinic.patients p, clinic.guesses g, LATERAL jsonb_populate_record(NULL::clinic.guesses, jsonb_build_object('x', p.ssn)) r WHERE r.x = g.x"},
		"a field that is defined":       {nil, "SELECT g.x FROM clinic.patients p, clinic.guesses g, ROWS FROM (jsonb_to_record(jsonb_build_object('x', p.ssn)) AS (x text)) r WHERE r.x = g.x"},
		"a field of a cast":             {nil, "SELECT g.x FROM clinic.patients p, clinic.guesses g, CAST(ROW(p.ssn) AS clinic.guesses) r WHERE r.x = g.x"},
		"another table beside a list":   {nil, "SELECT p.id FROM clinic.patients p, clinic.guesses AS q (b), (VALUES ('1')) v (k) WHERE p.ssn = q.b"},
		"a query beside a list":         {nil, "WITH q (k) AS (SELECT x FROM clinic.guesses) SELECT p.id FROM clinic.patients p, q, (VALUES ('1')) v (j) WHERE p.ssn = q.k"},
		"a number of rows":              {nil, "SELECT c.id FROM clinic.claims c JOIN clinic.claims d ON d.id <= c.id, clinic.patients p GROUP BY c.id, p.ssn HAVING count(*) = ascii(p.ssn) AND count(DISTINCT p.id) >= 5"},
		"a number of rows of a row":     {nil, "SELECT c.id FROM clinic.claims c JOIN clinic.claims d ON d.id <= c.id, clinic.patients p GROUP BY c.id, p.ssn HAVING d.count = ascii(p.ssn) AND count(DISTINCT p.id) >= 5"},
		"a number of rows of a field":   {nil, "SELECT c.id FROM clinic.claims c JOIN clinic.claims d ON d.id <= c.id, clinic.patients p GROUP BY c.id, p.ssn HAVING (d).count = ascii(p.ssn) AND count(DISTINCT p.id) >= 5"},
		"a choice that sorts":           {nil, "SELECT x FROM clinic.patients p, clinic.guesses ORDER BY CASE WHEN x = '1' THEN ssn ELSE x END"},
		"recursion under its own name":  {nil, "WITH RECURSIVE r (i, ssn) AS (SELECT 0, ssn FROM clinic.patients WHERE id = 3 UNION ALL SELECT i + 1, left(ssn, -1) FROM r WHERE ssn > '') SELECT i FROM r"},
		"recursion":                     {nil, "WITH RECURSIVE r (i, x) AS (SELECT 0, ascii(ssn) FROM clinic.patients WHERE id = 3 UNION ALL SELECT i + 1, x - 1 FROM r WHERE x > 0) SELECT i FROM r"},
		"what was written":              {[]string{"INSERT INTO clinic.claims VALUES (101, '3'), (102, '6')", "SELECT id FROM clinic.claims WHERE member_ssn > '5'", "INSERT INTO clinic.claims VALUES (103, '3'), (104, '4'), (105, '5')"}, "SELECT c.id FROM clinic.claims c ORDER BY member_ssn"},
		"what was written by a query":   {[]string{"INSERT INTO clinic.claims SELECT 1000, x FROM clinic.guesses WHERE x = '000000007'"}, "SELECT p.id, c.id FROM clinic.patients p JOIN clinic.claims c ON c.member_ssn = p.ssn"},
		"what is written":               {nil, "INSERT INTO clinic.claims VALUES (201, '1'), (202, '2'), (203, '3'), (204, '4'); SELECT id FROM clinic.claims ORDER BY member_ssn"},
		"what was written by an update": {[]string{"UPDATE clinic.claims SET member_ssn = '1' || '1' WHERE id = 1", "UPDATE clinic.claims SET member_ssn = '11' WHERE id = 2", "UPDATE clinic.claims SET member_ssn = '3' WHERE id = 3", "UPDATE clinic.claims SET member_ssn = '4' WHERE id = 4"}, "SELECT id FROM clinic.claims WHERE member_ssn > '1'"},
		"a conflict":                    {[]string{"INSERT INTO clinic.cardholders VALUES ('2', 2) ON CONFLICT (card) DO UPDATE SET limit_ = 1", "INSERT INTO clinic.cardholders VALUES ('3', 3), ('4', 4) ON CONFLICT DO NOTHING"}, "INSERT INTO clinic.cardholders VALUES ('5', 5) ON CONFLICT ON CONSTRAINT cardholders_card_key DO NOTHING"},
		"conflicts with a query":        {[]string{"INSERT INTO clinic.cardholders SELECT x, 77 FROM clinic.guesses WHERE x = '000000077' ON CONFLICT (id) DO NOTHING"}, "INSERT INTO clinic.cardholders SELECT x, 77 FROM clinic.guesses WHERE x = '000000077' ON CONFLICT (card) DO NOTHING"},
		"counters of a transaction":     {[]string{"SELECT n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'claims'"}, "SELECT relname FROM pg_stat_xact_user_tables WHERE n_tup_hot_upd = 1"},
		"what had no room":              {[]string{"SELECT datname FROM pg_stat_database WHERE temp_bytes > 5"}, "SELECT datname FROM pg_stat_database WHERE temp_files < 1000"},
		"what had no room, in numbers":  {nil, "SELECT 1 FROM generate_series(1, 9) g WHERE pg_stat_get_db_temp_bytes(1) > g"},
		"a large object":                {nil, "SELECT 1 FROM generate_series(1, 255) g WHERE g <= get_byte(lo_get(7), 0)"},
		"what others send":              {nil, "SELECT 1 FROM pg_stat_activity, generate_series(1, 255) g WHERE g <= ascii(query)"},
		"what others send, by function": {nil, "SELECT 1 FROM pg_stat_get_activity(NULL) a, generate_series(1, 255) g WHERE g <= ascii(a.query)"},
		"a lock on keys":                {[]string{"SELECT id FROM clinic.claims FOR KEY SHARE NOWAIT"}, "SELECT id FROM clinic.claims WHERE id = 1 FOR KEY SHARE SKIP LOCKED"},
		"a counter by a function":       {[]string{"SELECT pg_stat_get_xact_tuples_hot_updated('clinic.claims'::regclass)"}, "SELECT 1 WHERE pg_stat_get_xact_tuples_hot_updated('clinic.claims'::regclass) = 1"},
		"a whole row of the catalog":    {[]string{"SELECT attname FROM pg_attribute a WHERE a::text LIKE '%5%'"}, "SELECT attname FROM pg_attribute ORDER BY pg_attribute LIMIT 1"},
		"what columns had before": {[]string{
			"SELECT a.attname, CASE WHEN a.atthasmissing THEN a.attmissingval END AS attmissingval, ARRAY(SELECT quote_ident(option_name) FROM pg_options_to_table(attfdwoptions) ORDER BY option_name) " +
				"FROM unnest('{1,2}'::oid[]) AS src(tbloid) JOIN pg_attribute a ON src.tbloid = a.attrelid LEFT JOIN pg_type t ON a.atttypid = t.oid WHERE a.attnum > 0::int2 ORDER BY a.attrelid, a.attnum",
		}, "SELECT 1 FROM pg_attribute, unnest(attmissingval::text::text[]) x ORDER BY x"},
		"what columns had, in a list": {[]string{"SELECT a.attmissingval FROM pg_attribute a, LATERAL (VALUES (a.attmissingval::text)) v(x) ORDER BY x"}, "SELECT a.attmissingval FROM pg_attribute a, LATERAL (VALUES (a.attmissingval::text)) v(x) ORDER BY x"},
		"statistics":                  {[]string{"SELECT tablename FROM pg_stats WHERE most_common_vals::text LIKE '%5%'"}, "SELECT tablename FROM pg_stats WHERE histogram_bounds::text LIKE '%5%'"},
		"columns apart":               {[]string{"SELECT id FROM clinic.patients WHERE ssn IN ('1', '2', '3')", "SELECT id FROM clinic.patients WHERE mrn IN ('4', '5', '6') AND ward = 7"}, "SELECT id FROM clinic.patients WHERE mrn = '7'"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := within(t, g, account(name), 3, 1)
			for _, sql := range c.fits {
				if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil && state(err) != "22023" {
					t.Errorf("%s: %v", sql, err)
				}
			}
			if _, err := conn.PgConn().Exec(t.Context(), c.over).ReadAll(); state(err) != "42501" || !strings.Contains(fmt.Sprint(err), "infer") {
				t.Errorf("%s: %v, want 42501 for the inference limit", c.over, err)
			}
			if _, err := conn.PgConn().Exec(t.Context(), "SELECT id FROM clinic.patients WHERE id = 5 ORDER BY ward; SELECT id FROM clinic.ours; "+
				"WITH RECURSIVE r (i, n) AS (SELECT id, 0 FROM clinic.patients WHERE id = 5 UNION ALL SELECT p.id, r.n + 1 FROM clinic.patients p JOIN r ON p.ward = r.i) SELECT i FROM r ORDER BY n").ReadAll(); err != nil {
				t.Errorf("columns that are not protected are limited too: %v", err)
			}
		})
	}
}

// What a constraint says of a value is a search, where it fails.
func TestInference_Constraints(t *testing.T) {
	setup := inferSetup + "INSERT INTO clinic.cardholders VALUES ('2', 2), ('3', 3); INSERT INTO clinic.payments VALUES (5, '3')"
	g := servertest.Start(t, servertest.Options{Setup: setup, Resources: inferring(3, 2)})
	for name, sql := range map[string]string{
		"a unique column":     "INSERT INTO clinic.cardholders VALUES ('1', 7)",
		"a unique column set": "UPDATE clinic.cardholders SET card = '1' WHERE id = 2",
		"a foreign key":       "INSERT INTO clinic.payments VALUES (1, '987')",
		"a referring row":     "DELETE FROM clinic.cardholders WHERE id = 3",
		"a check":             "UPDATE clinic.cardholders SET limit_ = 5 WHERE id = 1",
		"at COMMIT":           "BEGIN; INSERT INTO clinic.refunds VALUES (1, '987'); COMMIT",
		"at COMMIT, apart":    "BEGIN|INSERT INTO clinic.refunds VALUES (1, '987')|COMMIT",
		"at COMMIT, behind":   "BEGIN|INSERT INTO clinic.refunds VALUES (1, '987')|UPDATE clinic.patients SET ward = 4 WHERE id = 3; COMMIT",
		"put off no more":     "BEGIN|INSERT INTO clinic.refunds VALUES (1, '987')|SET CONSTRAINTS ALL IMMEDIATE",
	} {
		t.Run(name, func(t *testing.T) {
			conn := within(t, g, account(name), 3, 2)
			for range 9 { // what does not fail tells nothing
				if _, err := conn.Exec(t.Context(), "UPDATE clinic.cardholders SET card = '1', limit_ = 4 WHERE id = 1"); err != nil {
					t.Fatal(err)
				}
			}
			run := func() (err error) {
				for _, sql := range strings.Split(sql, "|") {
					if _, err = conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
						break
					}
				}
				if conn.PgConn().TxStatus() != 'I' {
					_, _ = conn.Exec(t.Context(), "ROLLBACK")
				}
				return err
			}
			for range 2 {
				if err := run(); !strings.HasPrefix(state(err), "23") {
					t.Errorf("%s: %v, want the target's error", sql, err)
				}
			}
			if err := run(); state(err) != "42501" || !strings.Contains(fmt.Sprint(err), "infer") {
				t.Errorf("%s: %v, want 42501 for the inference limit", sql, err)
			}
			if _, err := conn.Exec(t.Context(), "UPDATE clinic.patients SET ward = 4 WHERE id = 3"); err != nil {
				t.Errorf("another table: %v", err)
			}
		})
	}
}

// A cursor goes on with the settings of the moment: each of these is another comparison.
func TestInference_Cursors(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: inferring(3, 2)})
	const chosen = "SELECT q.id FROM clinic.patients p, clinic.patients q WHERE p.id = 3 AND p.ssn > current_setting('app.k')"
	for name, lines := range map[string][]string{
		"declared":      {"DECLARE c CURSOR FOR " + chosen, "FETCH 1 FROM c", "FETCH 1 FROM c", "SET app.k = '2'", "FETCH 1 FROM c", "FETCH 1 FROM c", "SET app.k = '3'", "FETCH 1 FROM c"},
		"moved":         {"DECLARE c CURSOR FOR " + chosen, "SELECT set_config('app.k', '2', false)", "MOVE 1 FROM c", "SET app.k = '3'; MOVE 1 FROM c"},
		"in one text":   {"DECLARE c CURSOR FOR " + chosen + "; SET app.k = '2'; FETCH 1 FROM c; SET app.k = '3'; FETCH 1 FROM c"},
		"rolled back":   {"DECLARE c CURSOR FOR " + chosen, "SAVEPOINT s; SET app.k = '2'", "FETCH 1 FROM c", "ROLLBACK TO s", "FETCH 1 FROM c"},
		"bound":         {"BIND " + chosen, "EXECUTE", "EXECUTE", "SET app.k = '2'", "EXECUTE"},
		"bound, by SQL": {"BIND " + chosen, "FETCH 1 FROM c", "SET app.k = '2'", "FETCH 1 FROM c", "SET app.k = '3'", "FETCH 1 FROM c"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := within(t, g, account(name), 3, 2)
			fe := conn.PgConn().Frontend()
			run := func(line string) (code string) {
				query, bind := strings.CutPrefix(line, "BIND ")
				switch {
				case bind:
					fe.SendParse(&pgproto3.Parse{Query: query})
					fe.SendBind(&pgproto3.Bind{DestinationPortal: "c"})
					fe.SendSync(&pgproto3.Sync{})
				case line == "EXECUTE":
					fe.SendExecute(&pgproto3.Execute{Portal: "c", MaxRows: 1})
					fe.SendSync(&pgproto3.Sync{})
				default:
					fe.SendQuery(&pgproto3.Query{String: line})
				}
				if err := fe.Flush(); err != nil {
					t.Fatal(err)
				}
				for {
					m, err := fe.Receive()
					if err != nil {
						t.Fatal(err)
					}
					switch m := m.(type) {
					case *pgproto3.ErrorResponse:
						code = m.Code + " " + m.Message
					case *pgproto3.ReadyForQuery:
						return code
					}
				}
			}
			for i, line := range append([]string{"SET app.k = '1'", "BEGIN"}, lines...) {
				got, want := run(line), i == len(lines)+1
				if (got != "") != want || want && !strings.HasPrefix(got, "42501 ") {
					t.Errorf("%s: %q", line, got)
				}
			}
		})
	}
}

func account(name string) string {
	return "a-" + strings.ToLower(strings.NewReplacer(" ", "-", ",", "", "[", "", "]", "").Replace(name))
}

// A target that says nothing has limits too: 50 values and 20 searches of a column.
func TestInference_Defaults(t *testing.T) {
	res := strings.Replace(inferring(1, 1), "inference_limits:", "max_sessions: 50\n  #", 1)
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: res})
	conn := open(t, g, nil)
	run := func(format string, i int) string {
		_, err := conn.PgConn().Exec(t.Context(), fmt.Sprintf(format, i)).ReadAll()
		return state(err)
	}
	for format, limit := range map[string]int{
		"SELECT id FROM clinic.patients WHERE ssn = '%d'":             50,
		"SELECT id FROM clinic.patients WHERE mrn LIKE 'M%d%%'":       20,
		"SELECT id FROM clinic.claims WHERE member_ssn = ANY('{%d}')": 50,
	} {
		for i := range limit {
			if got := run(format, i); got != "" {
				t.Fatalf(format+": %s, the %d. is within the limit", i, got, i+1)
			}
		}
		if got := run(format, limit); got != "42501" {
			t.Errorf(format+": %q, want 42501 beyond the limit of %d", limit, got, limit)
		}
	}
}

// Beyond a limit people decide: what they approve runs, and what they deny does not.
func TestInference_BeyondNeedsApproval(t *testing.T) {
	limit := func(column, by string) string {
		return fmt.Sprintf("{columns: [clinic.patients.%s], values: 1, scans: 1, per: 1h, approval: {groups: [%s], count: 1, timeout: 30s}}", column, by)
	}
	res := strings.Replace(inferring(1, 1), "{columns: ['clinic.*.*'], values: 1, scans: 1, per: 1h}", limit("ssn", "dba")+", "+limit("mrn", "privacy-office"), 1)
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: res})
	conn := open(t, g, nil)
	if n, err := drain(t, conn, "SELECT id FROM clinic.patients WHERE ssn = '000000001'"); n != 1 || err != nil {
		t.Fatalf("within the limit: %d rows, %v", n, err)
	}
	for sql, approve := range map[string]bool{
		"SELECT id FROM clinic.patients WHERE ssn IN ('000000002', '000000003')": true,
		"SELECT id FROM clinic.patients WHERE ssn IN ('000000004', '000000005')": false,
	} {
		decided := answer(t, g, approve, nil)
		n, err := drain(t, conn, sql)
		if derr := <-decided; derr != nil {
			t.Fatal(derr)
		}
		if approve && (n != 2 || err != nil) || !approve && state(err) != "42501" {
			t.Errorf("approved %v: %d rows, %v", approve, n, err)
		}
	}
	// Who agrees to one limit, or to an effect, has not agreed to another's limit.
	a := &approvals{g, t}
	for sql, by := range map[string][]string{
		"SELECT id FROM clinic.patients WHERE ssn IN ('2', '3') AND mrn IN ('2', '3')":                                         {"privacy-officer", "dba"},
		"WITH m AS (SELECT id FROM clinic.patients WHERE mrn IN ('4', '5')) UPDATE clinic.guesses SET x = 1 FROM m WHERE true": {"dba", "privacy-officer"},
	} {
		for _, both := range []bool{false, true} {
			done := exec(conn, sql)
			_, err := g.API(by[0]).Approve(t.Context(), a.inbox(by[0], 1)[0].ID, "")
			must(t, err)
			last := a.inbox(by[1], 1)[0].ID
			if both {
				_, err = g.API(by[1]).Approve(t.Context(), last, "")
			} else {
				_, err = g.API(by[1]).Deny(t.Context(), last, "no")
			}
			must(t, err)
			if err := <-done; both && err != nil || !both && state(err) != "42501" {
				t.Errorf("%s, agreed by both %v: %v", sql, both, err)
			}
		}
	}
	former := 0
	for _, e := range logged(t, g) {
		if e.Type == hoop.EventStatement && slices.ContainsFunc(e.Details, func(d hoop.Detail) bool { return d.Name == "request" }) {
			former++
		}
	}
	if former != 4 {
		t.Errorf("%d statements name two requests, want 4", former)
	}
}

// What only shows masked values in other words is no comparison.
func TestInference_ShowingIsFree(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: inferring(0, 0)})
	conn := open(t, g, nil)
	for _, sql := range []string{
		"SELECT * FROM clinic.patients WHERE id = 1", "SELECT upper(ssn), mrn || '-' || id, concat(ssn, ward) FROM clinic.patients WHERE ward = 1",
		"SELECT p.ssn, c.id FROM clinic.patients p JOIN clinic.claims c ON c.id = p.id", "SELECT count(ssn) FROM clinic.patients", "INSERT INTO clinic.claims VALUES (1000, 'x')",
		"SELECT id FROM (SELECT id, ssn FROM clinic.patients) q WHERE id = 3",
		"SELECT code FROM clinic.people WHERE id = 1 ORDER BY ward", "SELECT p.code, g.x FROM clinic.people p JOIN clinic.guesses g ON g.x = p.ward::text",
		"SELECT ward, count(*) FROM clinic.people GROUP BY ward", "SELECT n, ssn_ FROM clinic.cards JOIN clinic.guesses ON x = claim::text WHERE n < 3",
		"SELECT s.other FROM clinic.stored s JOIN clinic.people USING (id) ORDER BY id",
		// Lists and series beside other columns of a table than those that are protected.
		"SELECT p.id FROM clinic.patients p JOIN (VALUES (1), (2)) v (k) ON v.k = p.id", "WITH v (k) AS (VALUES (1)) SELECT p.ssn FROM v JOIN clinic.patients p ON p.id = v.k",
		"SELECT p.id FROM unnest('{1,2}'::int[]) u (k) JOIN clinic.patients p ON p.id = u.k", "SELECT n FROM unnest(ARRAY[3, 1]) WITH ORDINALITY u (k, n) JOIN clinic.patients ON id = k ORDER BY n",
		"SELECT g, count(p.id) FROM generate_series(0, 3) g LEFT JOIN clinic.patients p ON p.ward = g GROUP BY g ORDER BY g",
		"SELECT p.id FROM clinic.patients p, LATERAL (VALUES (p.ward - 1)) v WHERE v.column1 = 2",
		"SELECT p.id FROM to_tsquery('a') q, clinic.patients p WHERE to_tsvector(p.ward::text) @@ q ORDER BY q", "SELECT id FROM clinic.guesses g, jsonb_each(jsonb_build_object(g.x, 1)) e, clinic.patients p WHERE p.id = 1",
		`SELECT p.id FROM jsonb_to_recordset('[{"k": 1}]') AS x (k int) JOIN clinic.patients p ON p.id = x.k`,
	} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"SELECT 1 / (ascii(ssn) - 48) FROM clinic.patients WHERE id = 1", "SELECT CASE WHEN ssn = '1' THEN 1 / 0 END FROM clinic.patients", "SELECT ssn::int FROM clinic.patients",
		"SELECT id FROM clinic.patients WHERE id IN (SELECT length(ssn) FROM clinic.patients)", "SELECT DISTINCT ssn FROM clinic.patients", "SELECT ssn FROM clinic.patients ORDER BY 1",
		"SELECT upper(ssn) AS u FROM clinic.patients ORDER BY u", "SELECT * FROM clinic.patients NATURAL JOIN clinic.guesses", "SELECT id FROM clinic.patients WHERE starts_with(ssn, '1')",
		"SELECT p.id FROM clinic.patients p, generate_series(1, length(p.ssn))", "SELECT id, generate_series(1, length(ssn)) FROM clinic.patients", "SELECT ward FROM clinic.people WHERE code LIKE '1%'",
		"SELECT DISTINCT code FROM clinic.people", "SELECT id FROM clinic.patients LIMIT (SELECT length(ssn) FROM clinic.patients WHERE id = 1)",
		"SELECT count(*) FROM clinic.people GROUP BY code", "SELECT * FROM clinic.people NATURAL JOIN clinic.stored s (id, code)",
		"SELECT p.id FROM clinic.patients p JOIN (VALUES ('1')) v (k) ON v.k = p.ssn", "SELECT p.id FROM clinic.patients p JOIN (VALUES ('1')) v (ssn) USING (ssn)",
		"SELECT p.id FROM clinic.patients p JOIN unnest(ARRAY['1']) ssn USING (ssn)", "SELECT p.id FROM clinic.patients p NATURAL JOIN (VALUES ('1')) v (ssn)",
		"SELECT 1 FROM clinic.patients p, LATERAL (VALUES (p.ssn)) x (k) WHERE x.k > '1'", "SELECT 1 FROM clinic.patients p, LATERAL unnest(ARRAY[p.ssn]) k WHERE k > '1'",
		"SELECT 1 FROM (VALUES (1)) v (k), LATERAL (SELECT ssn AS k FROM clinic.patients) q WHERE q.k > '1'", "SELECT 1 FROM (VALUES ('1')) k, (SELECT ssn FROM clinic.patients) q (k) WHERE q.k > '1'",
		"SELECT 1 FROM unnest((SELECT array_agg(ssn) FROM clinic.patients)) k WHERE k > '1'", "SELECT 1 FROM (VALUES ((SELECT ssn FROM clinic.patients WHERE id = 1))) v (k) WHERE k > '1'",
		"SELECT 1 FROM ROWS FROM (generate_series(1, 3), unnest((SELECT array_agg(ssn) FROM clinic.patients))) r (a, b) WHERE b > '1'",
		"WITH v (k) AS (VALUES ((SELECT ssn FROM clinic.patients WHERE id = 1))) SELECT 1 FROM v WHERE k > '1'", "SELECT 1 FROM clinic.code_of(1) k WHERE k > '1'",
		"SELECT 1 FROM (VALUES (1)) v (k), clinic.code_of(1) c (k) WHERE c.k > '1'", "SELECT 1 FROM (VALUES (1), (2)) v (k), clinic.code_of(v.k) c WHERE c > '1'",
		"SELECT 1 FROM (SELECT ssn FROM clinic.patients UNION ALL VALUES ('1')) v (k) WHERE k > '1'", "SELECT 1 FROM (VALUES (1)) v (k), clinic.patients p WHERE p::text > '('",
		"SELECT 1 FROM generate_series(1, 2) p, LATERAL (SELECT ssn AS p FROM clinic.patients) q WHERE q.p > '1'", "SELECT k FROM (VALUES (1), (2)) v (k) ORDER BY (SELECT ssn FROM clinic.patients WHERE id = k)",
	} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); state(err) != "42501" {
			t.Errorf("%s: %v, want 42501", sql, err)
		}
	}
}

// Bound parameters count, in text and in binary, over all sessions of an identity.
func TestInference_Parameters(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: inferring(4, 1)})
	for i, arg := range []any{"1", "2", []string{"3", "4"}} {
		conn := open(t, g, nil)
		sql := "SELECT id FROM clinic.patients WHERE ssn = $1"
		if i == 2 {
			sql = "SELECT id FROM clinic.patients WHERE ssn = ANY($1)"
		}
		if _, err := drain(t, conn, sql, arg); err != nil {
			t.Fatalf("%v: %v", arg, err)
		}
	}
	if _, err := drain(t, open(t, g, nil), "SELECT id FROM clinic.patients WHERE ssn = $1", "5"); state(err) != "42501" {
		t.Errorf("a fifth value: %v", err)
	}
	if _, err := drain(t, open(t, g, nil), "SELECT id FROM clinic.patients WHERE ssn = $1", "1"); err != nil {
		t.Errorf("a value that was compared before: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), g.Connect("reader", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := drain(t, conn, "SELECT id FROM clinic.patients WHERE ssn = $1", "5"); err != nil {
		t.Errorf("another identity: %v", err)
	}
	counted, refused := 0, 0
	for _, e := range logged(t, g) {
		for _, d := range e.Details {
			if d.Name == "infer clinic.patients.ssn" {
				counted++
				if !strings.HasSuffix(d.Value, " of 4 values, 0 of 1 scans in 1h0m0s") {
					t.Errorf("event detail %q", d.Value)
				}
			}
		}
		if e.Rule == "inference-limit" {
			refused++
			if !strings.Contains(e.Reason, "there is room for it again at ") {
				t.Errorf("reason %q", e.Reason)
			}
		}
	}
	if counted != 5 || refused != 1 {
		t.Errorf("%d events have counts, %d were refused; want 5 and 1", counted, refused)
	}
	// One text is another moment in each zone, also where all is sent at once.
	burst := open(t, g, nil).PgConn().StartPipeline(t.Context())
	for zone := range 6 {
		burst.SendQueryParams("SELECT set_config('TimeZone', $1, false)", [][]byte{fmt.Append(nil, zone)}, nil, nil, nil)
		if zone%2 == 0 {
			must(t, burst.Sync())
		}
		burst.SendQueryParams("SELECT id FROM clinic.stays WHERE seen = $1", [][]byte{[]byte("2000-01-01")}, nil, nil, nil)
		must(t, burst.Sync())
	}
	fit := 0
	for {
		got, err := burst.GetResults()
		if r, ok := got.(*pgconn.ResultReader); ok {
			_, err = r.Close()
			if err == nil && r.FieldDescriptions()[0].Name == "id" {
				fit++
			}
		}
		if err != nil && state(err) != "42501" {
			t.Error(err)
		}
		if got == nil && err == nil {
			break
		}
	}
	if fit != 4 {
		t.Errorf("one text was compared in %d zones, the limit is 4", fit)
	}
	must(t, burst.Close())
	// The zone of the Parse counts.
	conn = open(t, g, nil)
	name := func(zone int) string { return fmt.Sprintf("in %d", zone) }
	for zone := range 5 {
		_, err := conn.Exec(t.Context(), fmt.Sprintf("SET TimeZone = '%d'", zone))
		must(t, err)
		_, err = conn.Prepare(t.Context(), name(zone), "SELECT id FROM clinic.stays WHERE gone = '2000-01-01'")
		must(t, err)
	}
	for zone := range 5 {
		if err := conn.PgConn().ExecPrepared(t.Context(), name(zone), nil, nil, nil).Read().Err; zone < 4 && err != nil || zone == 4 && state(err) != "42501" {
			t.Errorf("parsed in zone %d: %v", zone, err)
		}
	}
}

// Aggregates over rows that a protected column chooses show no small groups: small counts
// are left out, and of everything else the statement itself must see to that.
func TestInference_SmallGroups(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: inferring(1000, 1000)})
	conn := open(t, g, nil)
	for _, sql := range []string{
		"SELECT count(*) FROM clinic.patients", "SELECT ward, count(*) FROM clinic.patients GROUP BY ward", "SELECT count(*) FROM clinic.patients WHERE ssn = '1' OR ssn IN ('2', '3')",
		"SELECT min(ssn), max(mrn), string_agg(ssn, ',' ORDER BY id) FROM clinic.patients", "SELECT length(ssn) / 2, upper(mrn) || 'x', count(*) FROM clinic.patients GROUP BY id",
		"SELECT id FROM clinic.patients WHERE ssn LIKE '1%' ORDER BY ssn", "SELECT id, count(*) OVER () FROM clinic.patients WHERE ssn LIKE '1%'",
		"SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%' HAVING count(*) >= 5", "SELECT max(ward) FROM clinic.patients WHERE ssn > '1' HAVING 4 < count(*) AND count(*) < 1000",
		"SELECT ssn, count(*) FROM clinic.patients p GROUP BY ssn HAVING count(*) > 4", "SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%' HAVING count(DISTINCT id) >= 10",
		"SELECT c.member_ssn, count(*) FROM clinic.patients p JOIN clinic.claims c ON c.id = p.ward GROUP BY c.member_ssn HAVING count(DISTINCT c.id) >= 5",
		"SELECT p.id, (SELECT count(*) FROM clinic.claims c WHERE c.id = p.id), (SELECT max(c.id) FROM clinic.claims c) FROM clinic.patients p WHERE p.ssn LIKE '1%'",
		"SELECT * FROM (SELECT ward, count(*) FROM clinic.patients WHERE ssn LIKE '1%' GROUP BY ward HAVING count(*) >= 5) q",
		"SELECT q.ward, q.count FROM (SELECT ward, count(*) FROM clinic.patients WHERE ssn LIKE '1%' GROUP BY ward HAVING count(*) >= 5) q WHERE q.count < 9",
	} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	counted := func(conn *pgx.Conn, sql string, args ...any) (out []string) {
		t.Helper()
		for _, format := range []int16{pgx.TextFormatCode, pgx.BinaryFormatCode} {
			rows, err := conn.Query(t.Context(), sql, append([]any{pgx.QueryResultFormats{format}}, args...)...)
			if err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			got, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
				v, err := row.Values()
				return fmt.Sprint(v[len(v)-1]), err
			})
			if err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			slices.Sort(got)
			out = append(out, strings.Join(slices.Compact(got), " "))
		}
		return out
	}
	for _, x := range []struct{ sql, want string }{
		{"SELECT count(*) FROM clinic.patients WHERE ssn >= '0'", "50"},
		{"SELECT count(*) FROM clinic.patients WHERE ssn LIKE 'no such%'", "<nil>"},
		{"SELECT count(*) FROM clinic.patients WHERE id <= 4 AND ssn >= '0'", "<nil>"},
		{"SELECT count(id) n FROM clinic.patients WHERE id <= 5 AND ssn >= '0' ORDER BY n", "5"},
		{"SELECT ssn, count(*) FROM clinic.patients GROUP BY ssn ORDER BY count(*) DESC LIMIT 3", "<nil>"},
		{"SELECT length(ssn) > 0, count(*) FROM clinic.patients GROUP BY 1", "50"},
		{"SELECT count(CASE WHEN ssn LIKE 'no such%' THEN 1 END) FROM clinic.patients", "<nil>"},
		{"SELECT count(DISTINCT ssn) FROM clinic.patients WHERE ssn >= '0'", "50"},
	} {
		if got := counted(conn, x.sql); got[0] != x.want || got[1] != x.want {
			t.Errorf("%s: %q in text and binary, want %s", x.sql, got, x.want)
		}
	}
	if got := counted(conn, "SELECT count(*) FROM clinic.patients WHERE ssn >= $1 AND id <= 3", "0"); got[0] != "<nil>" || got[1] != "<nil>" {
		t.Errorf("a small group with parameters: %q, want NULL", got)
	}
	for _, sql := range []string{
		"SELECT sum(CASE WHEN ssn LIKE '1%' THEN 1 ELSE 0 END) FROM clinic.patients", "SELECT max(ward) FILTER (WHERE ssn LIKE '1%') FROM clinic.patients", "SELECT sum(length(ssn)) FROM clinic.patients",
		"SELECT length(ssn) / 2, max(id) FROM clinic.patients GROUP BY 1", "SELECT length(ssn) / 2 AS l, max(id) FROM clinic.patients GROUP BY l",
		"SELECT count(*) + 0 FROM clinic.patients WHERE ssn LIKE '1%'", "SELECT ssn, count(*), max(id) FROM clinic.patients GROUP BY ssn", "SELECT count(*) FROM clinic.patients GROUP BY 1 + length(ssn) HAVING count(*) < 5",
		"SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%'; SELECT 1", "COPY (SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%') TO STDOUT",
		"SELECT count(*) FROM clinic.patients WHERE EXISTS (SELECT 1 FROM clinic.patients WHERE ssn LIKE '1%')", "SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%' UNION SELECT 1",
		"SELECT count(*) FROM clinic.patients WHERE EXISTS (SELECT 1 FROM clinic.patients WHERE ssn LIKE '1%') HAVING count(*) >= 5", "SELECT sum(count(*)) OVER () FROM clinic.patients WHERE ssn LIKE '1%'",
		"SELECT count(*), count(*) FILTER (WHERE id > 0) FROM clinic.patients WHERE ssn LIKE '1%'", "SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%' ORDER BY max(id)",
		"DECLARE c CURSOR WITH HOLD FOR SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%'",
		"SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%' HAVING count(*) >= 4", "SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%' HAVING count(*) >= 5 OR true",
		"SELECT count(*) FROM clinic.patients, generate_series(1, 5) WHERE ssn LIKE '1%' HAVING count(*) >= 5",
		"SELECT count(*) FROM clinic.patients p JOIN clinic.claims c ON c.id < 10 WHERE ssn LIKE '1%' HAVING count(*) >= 5",
		"SELECT count(*) FROM clinic.patients p JOIN clinic.claims c ON c.id < 10 WHERE ssn LIKE '1%' HAVING count(DISTINCT c.id) >= 5",
		"SELECT count(*) FROM clinic.patients WHERE ssn LIKE '1%' HAVING count(DISTINCT ward) >= 5", "SELECT count(*) FROM clinic.people WHERE code LIKE '1%' HAVING count(*) >= 5",
		"SELECT count(*) FROM (SELECT 1 FROM clinic.patients WHERE ssn LIKE '1%') q HAVING count(*) >= 5",
		"WITH q AS (SELECT id FROM clinic.patients WHERE ssn LIKE '1%') SELECT count(*) FROM q HAVING count(*) >= 5",
		"WITH patients AS (SELECT id, ssn FROM clinic.patients, generate_series(1, 9)) SELECT count(*) FROM patients WHERE ssn LIKE '1%' HAVING count(*) >= 5",
		"SELECT (SELECT count(p.id)) FROM clinic.patients p WHERE p.ssn LIKE '1%'", "SELECT g.count FROM clinic.guesses g, clinic.patients p WHERE p.ssn LIKE '1%'",
		"SELECT (g).count FROM clinic.guesses g, clinic.patients p WHERE p.ssn LIKE '1%'", "SELECT (SELECT g.count) FROM clinic.guesses g, clinic.patients p WHERE p.ssn LIKE '1%'",
		"SELECT 1 FROM clinic.guesses g, clinic.patients p WHERE p.ssn LIKE '1%' ORDER BY g.array_agg", "SELECT array_agg(id) FROM clinic.patients WHERE ssn LIKE '1%'", "SELECT json_agg(id) FROM clinic.patients WHERE ssn LIKE '1%'",
		"SELECT 1 FROM clinic.patients WHERE ssn LIKE '1%' HAVING sum(id) > 7", "SELECT count(*) FILTER (WHERE ward = 1) FROM clinic.patients WHERE ssn LIKE '1%' HAVING count(*) FILTER (WHERE true) >= 5",
		"SELECT count(*) FROM clinic.patients JOIN clinic.people USING (id) GROUP BY code",
		"SELECT (SELECT count(*) FROM clinic.patients AS claims WHERE ssn LIKE '1%' HAVING count(DISTINCT clinic.claims.id) >= 5) FROM clinic.claims",
		"WITH patients AS (SELECT 1) SELECT (SELECT count(mrn) FROM patients) FROM clinic.patients WHERE ssn LIKE '1%'",
	} {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if state(err) != "42501" || !strings.Contains(fmt.Sprint(err), "HAVING count(*) >= 5") {
			t.Errorf("%s: %v, want 42501 for the small group", sql, err)
		}
	}
	g.Reload(strings.Replace(inferring(1000, 1000), "per: 1h", "per: 1h, min_group: 0", 1), "")
	conn = open(t, g, nil)
	if got := counted(conn, "SELECT count(*) FROM clinic.patients WHERE id <= 4 AND ssn >= '0'"); got[0] != "4" {
		t.Errorf("with min_group 0 a count is %q, want 4", got)
	}
	if _, err := conn.PgConn().Exec(t.Context(), "SELECT max(id) FROM clinic.patients WHERE ssn LIKE '1%'").ReadAll(); err != nil {
		t.Errorf("with min_group 0: %v", err)
	}
}
