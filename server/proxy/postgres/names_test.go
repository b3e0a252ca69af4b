package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Each of these has the target run another statement under a name than the one that
// was judged, if the gateway loses track of names. Deletes are denied; a delete that
// was prepared while they were allowed must be judged when it is bound.
func TestNames_CannotBeSwapped(t *testing.T) {
	const del = "delete from f"
	for name, steps := range map[string][]step{
		"parse that is skipped leaves the old unnamed statement": {
			{send: msgs(parse("", del), syncMsg), ready: 1},
			{send: msgs(query("deny")), ready: 1},
			{send: msgs(bind("", "nothing"), parse("", "select 1"), syncMsg, bind("", ""), execute("", 0), syncMsg), ready: 2},
		},
		"parse of a name that exists": {
			{send: msgs(parse("a", del), syncMsg), ready: 1},
			{send: msgs(query("deny")), ready: 1},
			{send: msgs(parse("a", "select 1"), syncMsg, bind("", "a"), execute("", 0), syncMsg), ready: 2},
		},
		"prepare of a name that exists": {
			{send: msgs(query("prepare a as " + del)), ready: 1},
			{send: msgs(query("deny")), ready: 1},
			{send: msgs(query("prepare a as select 1"), query("execute a")), ready: 2},
		},
		"close that is skipped": {
			{send: msgs(parse("a", del), syncMsg), ready: 1},
			{send: msgs(query("deny")), ready: 1},
			{send: msgs(bind("", "nothing"), closeMsg('S', "a"), parse("a", "select 1"), syncMsg, bind("", "a"), execute("", 0), syncMsg), ready: 2},
		},
		"execute of what was prepared in the protocol": {
			{send: msgs(parse("a", del), syncMsg), ready: 1},
			{send: msgs(query("deny")), ready: 1},
			{send: msgs(query("execute a")), ready: 1},
			{send: msgs(parse("", "execute a"), bind("", ""), execute("", 0), syncMsg), ready: 1},
		},
		"execute of execute": {
			{send: msgs(parse("a", del), parse("b", "execute a"), syncMsg), ready: 1},
			{send: msgs(query("deny")), ready: 1},
			{send: msgs(query("execute b")), ready: 1},
		},
		"prepare that fails in the middle of a text": {
			{send: msgs(query("prepare a as " + del)), ready: 1},
			{send: msgs(query("deny")), ready: 1},
			{send: msgs(query("select 1/0; deallocate a; prepare a as select 1"), query("execute a")), ready: 2},
		},
		"deallocate that is skipped": {
			{send: msgs(query("prepare a as " + del)), ready: 1},
			{send: msgs(query("deny")), ready: 1},
			{send: msgs(parse("", "deallocate a"), bind("", "nothing"), bind("", ""), execute("", 0), syncMsg, parse("a", "select 1"), syncMsg, bind("", "a"), execute("", 0), syncMsg), ready: 3},
		},
		"query in the middle of skipped messages": {
			{send: msgs(query("deny")), ready: 1},
			{send: msgs(bind("", "nothing"), query("select 1"), parse("", del), bind("", ""), execute("", 0), syncMsg, bind("", ""), execute("", 0), syncMsg), ready: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, flowSchema)
			c := rawConn(t, g.dsn())
			for _, s := range steps {
				if strings.Contains(fmt.Sprint(render(s.send[0])), `"deny"`) {
					g.policy.on(hoop.Deny, hoop.EffectUnboundedWrite)
					continue
				}
				t.Log(c.exchange(s))
			}
			var n int
			check(t, g.direct().QueryRow(t.Context(), "select count(*) from f").Scan(&n))
			if n != 9 {
				t.Errorf("%d rows are left of 9", n)
			}
		})
	}
}

// EXECUTE finds its statement when the portal runs, not when it is bound: what is
// prepared in between was judged by nobody. Deletes need an approval that never comes.
func TestNames_ExecuteOfAnotherStatementThanBound(t *testing.T) {
	g := setup(t, flowSchema)
	g.policy.on(hoop.Approve, hoop.EffectUnboundedWrite)
	c := rawConn(t, g.dsn())
	got := c.exchange(
		step{send: msgs(parse("a", "select 1"), parse("x", "execute a"), syncMsg), ready: 1},
		step{send: msgs(bind("p", "x"), closeMsg('S', "a"), parse("a", "delete from f"), execute("p", 0), syncMsg), ready: 1},
	)
	if !strings.Contains(got, `"Code":"42501"`) {
		t.Errorf("got %s", got)
	}
	var n int
	check(t, g.direct().QueryRow(t.Context(), "select count(*) from f").Scan(&n))
	if n != 9 {
		t.Errorf("%d rows are left of 9", n)
	}
}

func TestNames_LookupIsExact(t *testing.T) {
	var n names[int]
	one, two := 1, 2
	get := func(batch int64) string {
		v, known := n.lookup("x", batch)
		if !known {
			return "unknown"
		}
		if v == nil {
			return "none"
		}
		return fmt.Sprint(*v)
	}
	expect := func(batch int64, want string) {
		t.Helper()
		if got := get(batch); got != want {
			t.Errorf("batch %d: %s, want %s", batch, got, want)
		}
	}
	expect(1, "none")
	first := n.define("x", &one, 1)
	expect(1, "1")
	expect(2, "unknown")
	second := n.define("x", &two, 2)
	expect(2, "2")
	first.settle(true)
	expect(2, "2")
	expect(3, "unknown")
	second.settle(false)
	expect(3, "1")
	gone := n.define("x", nil, 3)
	expect(3, "none")
	expect(4, "unknown")
	gone.settle(false)
	expect(4, "1")
	n.define("x", nil, 4).settle(true)
	expect(5, "none")
	if len(n.slots) != 0 {
		t.Errorf("%d slots are left", len(n.slots))
	}
}

// Where the target's database is in another encoding, two names may be one there.
func TestPlainNames(t *testing.T) {
	for _, tt := range []struct {
		kind  byte
		body  string
		plain bool
	}{
		{'P', "s\x00SELECT 'é'\x00\x00\x00", true},
		{'P', "é\x00SELECT 1\x00\x00\x00", false},
		{'B', "p\x00s\x00\x00\x00\x00\x01\x00\x00\x00\x02é\x00\x00", true},
		{'B', "é\x00s\x00\x00\x00\x00\x00\x00\x00", false},
		{'B', "p\x00é\x00\x00\x00\x00\x00\x00\x00", false},
		{'D', "Ss\x00", true},
		{'D', "Sé\x00", false},
		{'C', "Pé\x00", false},
		{'E', "é\x00\x00\x00\x00\x00", false},
		{'Q', "SELECT 'é'\x00", true},
	} {
		if got := plainNames(tt.kind, []byte(tt.body)); got != tt.plain {
			t.Errorf("%c %q: %v", tt.kind, tt.body, got)
		}
	}
}
