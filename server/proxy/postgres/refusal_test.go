package postgres

import (
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// A refused statement must not run, and must leave the transaction as a real error
// would. Deletes are denied here.
func TestRefusal_Transcripts(t *testing.T) {
	deleteAll := "delete from f"
	for name, steps := range map[string][]step{
		"simple":      {{send: msgs(query(deleteAll)), ready: 1}, {send: msgs(query("select 1")), ready: 1}},
		"transaction": {{send: msgs(query("begin")), ready: 1}, {send: msgs(query(deleteAll)), ready: 1}, {send: msgs(query("select 1")), ready: 1}, {send: msgs(query("rollback")), ready: 1}},
		"whole query": {{send: msgs(query("select 1; insert into empty values (1); " + deleteAll)), ready: 1}, {send: msgs(query("select count(*) from empty")), ready: 1}},
		"parse":       {{send: msgs(parse("", deleteAll), bind("", ""), execute("", 0), syncMsg), ready: 1}},
		"pipeline": {
			{send: msgs(parse("", "insert into empty values (1)"), bind("", ""), execute("", 0), parse("", deleteAll), bind("", ""), execute("", 0), parse("", "select 2"), bind("", ""), execute("", 0), syncMsg, query("select 3")), ready: 2},
			{send: msgs(query("select count(*) from empty")), ready: 1},
		},
		"extended in transaction": {{send: msgs(query("begin")), ready: 1}, {send: msgs(parse("x", deleteAll), syncMsg), ready: 1}, {send: msgs(query("commit")), ready: 1}},
		"syntax error":            {{send: msgs(query("selec 1")), ready: 1}, {send: msgs(parse("", "select 1 from"), syncMsg), ready: 1}},
		"function call":           {{send: msgs(query("begin"), rawMessage{'F', 0, 0, 0, 14, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}), ready: 2}, {send: msgs(query("rollback")), ready: 1}},
		"unknown message":         {{send: msgs(rawMessage{'!', 0, 0, 0, 4}), ready: 1}},
		"impossible length":       {{send: msgs(rawMessage{'Q', 0, 0, 0, 1}), ready: 1}},
		"malformed bind":          {{send: msgs(rawMessage{'B', 0, 0, 0, 8, 0, 0, 0, 9}, syncMsg), ready: 1}, {send: msgs(query("select 1")), ready: 1}},
		"errors before sync": {
			{send: msgs(rawMessage{'B', 0, 0, 0, 8, 0, 0, 0, 9}), until: "ErrorResponse"},
			{send: msgs(syncMsg), ready: 1},
			{send: msgs(rawMessage{'P', 0, 0, 0, 8, 'x', 0, 'y', 0}), until: "ErrorResponse"},
			{send: msgs(syncMsg), ready: 1},
			{send: msgs(rawMessage{'D', 0, 0, 0, 6, '?', 0}), until: "ErrorResponse"},
			{send: msgs(syncMsg), ready: 1},
			{send: msgs(parse("", "delete from f")), until: "ErrorResponse"},
			{send: msgs(bind("", ""), syncMsg), ready: 1},
			{send: msgs(bind("", "nobody")), until: "ErrorResponse"},
			{send: msgs(syncMsg), ready: 1},
			{send: msgs(parse("", "select 1"), rawMessage{'E', 0, 0, 0, 5, 0}), until: "ErrorResponse"},
			{send: msgs(syncMsg), ready: 1},
		},
		"nul in query": {{send: msgs(rawMessage("Q\x00\x00\x00\x17select 1\x00; drop f\x00\x00")), ready: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, flowSchema)
			g.policy.on(hoop.Deny, hoop.EffectUnboundedWrite)
			golden(t, rawConn(t, g.dsn()).exchange(steps...))
			var n int
			check(t, g.direct().QueryRow(t.Context(), "select count(*) from f").Scan(&n))
			if n != 9 {
				t.Errorf("%d rows are left of 9", n)
			}
		})
	}
}

// rawMessage is bytes that pgproto3 would not write.
type rawMessage []byte

func (rawMessage) Frontend()           {}
func (rawMessage) Decode([]byte) error { return nil }
func (m rawMessage) Encode(dst []byte) ([]byte, error) {
	return append(dst, m...), nil
}
