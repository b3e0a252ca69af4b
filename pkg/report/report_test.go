package report

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func sample() *Report {
	b := NewBuilder()
	at := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	i := int64(100)
	add := func(e hoop.Event) {
		e.Time, e.Subject, e.Target, e.Session, e.Policy = at.Add(time.Duration(i)*time.Second), "<alice>", "pg", "s", "p1"
		b.Add(i, &e)
		i++
	}
	add(hoop.Event{Type: hoop.EventSessionStart, Counter: 1})
	for n := range int64(30) {
		add(hoop.Event{Type: hoop.EventStatement, Counter: 2 + 2*n, Action: hoop.Allow, Effects: []hoop.Effect{hoop.EffectRead}, Tables: []string{"public.patients", "public.visits"}})
		add(hoop.Event{Type: hoop.EventResult, Counter: 3 + 2*n, Result: &hoop.Result{Statement: 2 + 2*n, Rows: 3, Masked: 1, Digest: "d"}})
	}
	add(hoop.Event{Type: hoop.EventStatement, Action: hoop.Deny, Effects: []hoop.Effect{hoop.EffectDestroy}, Tables: []string{"public.patients"}})
	add(hoop.Event{Type: hoop.EventSignInFailed})
	return b.Report(About{Log: "x/audit", Size: 500, Root: "r", First: 100, End: i})
}

func (r *Report) line(t *testing.T, paragraph, what string) Line {
	t.Helper()
	for _, p := range r.Paragraphs {
		for _, l := range p.Supports {
			if strings.HasSuffix(p.ID, paragraph) && l.What == what {
				return l
			}
		}
	}
	t.Fatalf("there is no line %q of %s", what, paragraph)
	return Line{}
}

func TestReport_Counts(t *testing.T) {
	r := sample()
	for _, tc := range []struct {
		paragraph, what string
		want            int64
	}{
		{"164.312(a)(1)", "statements allowed by policy", 30},
		{"164.312(a)(1)", "statements denied", 1},
		{"164.312(b)", "results on record", 30},
		{"164.312(c)(1)", "statements that can change structure, roles or code, denied", 1},
		{"164.312(c)(1)", "statements that can change rows, allowed by policy", 0},
		{"164.308(a)(5)(ii)(C)", "failed sign-ins", 1},
		{"164.528", "results that delivered rows", 30},
	} {
		if got := r.line(t, tc.paragraph, tc.what); got.Count != tc.want {
			t.Errorf("%s, %s: got %d, want %d", tc.paragraph, tc.what, got.Count, tc.want)
		}
	}
	l := r.line(t, "164.312(b)", "results on record")
	if want := "[102 104 106 108 110 112 114 116 118 120 142 144 146 148 150 152 154 156 158 160]"; fmt.Sprint(l.Index) != want {
		t.Errorf("links: got %v", l.Index)
	}
	if len(r.Disclosures) != 2 || r.Disclosures[0].Rows != 90 || r.Disclosures[0].Masked != 30 || r.Disclosures[0].Statements != 30 {
		t.Errorf("disclosures: got %+v", r.Disclosures)
	}
}

// Policy and resources that change while a gateway is stopped are counted where it
// starts, whatever it writes before its start event, and after a crash too.
func TestReport_StartsWithOtherPolicy(t *testing.T) {
	b := NewBuilder()
	for i, e := range []hoop.Event{
		{Type: hoop.EventStatement, Counter: 7, Policy: "a"}, // the span begins in a run
		{Type: hoop.EventStop, Policy: "a"},
		{Type: hoop.EventStart, Policy: "b"}, // counts
		{Type: hoop.EventStart, Policy: "b"},
		{Type: hoop.EventPolicy, Policy: "c"},
		{Type: hoop.EventStatement, Counter: 2, Policy: "c"},
		{Type: hoop.EventRecovery, Counter: 3, Policy: "d"},
		{Type: hoop.EventExpiry, Policy: "d"},
		{Type: hoop.EventStart, Policy: "d"}, // counts
		{Type: hoop.EventStop, Policy: "d"},
		{Type: hoop.EventStart, Policy: "d"},
	} {
		b.Add(int64(i), &e)
	}
	r := b.Report(About{})
	if l := r.line(t, "164.308(a)(4)", restarted.what); l.Count != 2 || !slices.Equal(l.Index, []int64{2, 8}) {
		t.Errorf("got %+v, want events 2 and 8", l)
	}
	if l := r.line(t, "164.308(a)(4)", "times that policy and resources were loaded again while the gateway ran"); l.Count != 1 {
		t.Errorf("got %+v, want 1", l)
	}
	first := NewBuilder()
	first.Add(0, &hoop.Event{Type: hoop.EventRecovery, Counter: 4, Policy: "a"})
	first.Add(1, &hoop.Event{Type: hoop.EventStart, Policy: "b"})
	if l := first.Report(About{}).line(t, "164.308(a)(4)", restarted.what); l.Count != 0 {
		t.Errorf("a start of which nobody knows what was before: got %+v", l)
	}
}

// The paragraphs that a report speaks of are all there; it says supports, and
// never that anything is satisfied or met.
func TestReport_SaysSupports(t *testing.T) {
	r := sample()
	text, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	html, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{
		"164.312(a)(1)", "164.312(a)(2)(i)", "164.312(a)(2)(ii)", "164.312(a)(2)(iii)", "164.312(a)(2)(iv)", "164.312(b)", "164.312(c)(1)",
		"164.312(c)(2)", "164.312(d)", "164.312(e)(1)", "164.312(e)(2)", "164.308(a)(1)(ii)(D)", "164.308(a)(3)(ii)(C)", "164.308(a)(4)",
		"164.308(a)(5)(ii)(C)", "164.316(b)(2)(i)", "164.528", "cannot see",
	} {
		if !bytes.Contains(html, []byte(p)) || p != "cannot see" && !bytes.Contains(text, []byte(p)) {
			t.Errorf("nothing about %s", p)
		}
	}
	for _, b := range [][]byte{text, html} {
		if low := strings.ToLower(string(b)); strings.Contains(low, "satisf") || strings.Contains(low, "complian") || !strings.Contains(low, "support") {
			t.Error("it says more than it may")
		}
	}
	if bytes.Contains(html, []byte("<alice>")) || bytes.Contains(html, []byte("<script")) {
		t.Error("what events say is not escaped")
	}
	for _, l := range r.Linked {
		if !bytes.Contains(html, []byte(fmt.Sprintf(`id="e%d"`, l.Index))) {
			t.Errorf("event %d has no place to link to", l.Index)
		}
	}
}

// However many identities and tables there are, memory is bounded and no row is lost
// from the sum.
func TestReport_ManyDisclosures(t *testing.T) {
	b := NewBuilder()
	const n = maxDisclosures + 100
	for i := range int64(n) {
		e := &hoop.Event{Type: hoop.EventStatement, Session: "s", Counter: i + 1, Action: hoop.Allow, Tables: []string{fmt.Sprint("t", i)}}
		b.Add(2*i, e)
		b.Add(2*i+1, &hoop.Event{Type: hoop.EventResult, Session: "s", Result: &hoop.Result{Statement: i + 1, Rows: 2}})
	}
	r := b.Report(About{})
	sum := r.Beyond.Rows
	for _, d := range r.Disclosures {
		sum += d.Rows
	}
	if sum != 2*n || len(r.Disclosures) != maxDisclosures {
		t.Errorf("%d rows in %d lines", sum, len(r.Disclosures))
	}
}

// told is a session's events in a report of their own.
type told struct {
	b     *Builder
	index int64
	next  map[string]int64 // counter of each session
}

func newTold() *told { return &told{b: NewBuilder(), next: make(map[string]int64)} }

// add adds an event and gives its counter.
func (o *told) add(session string, e hoop.Event) int64 {
	o.next[session]++
	e.Time, e.Session, e.Counter = time.Unix(o.index, 0).UTC(), session, o.next[session]
	e.Subject, e.Target = "alice", "pg"
	o.b.Add(o.index, &e)
	o.index++
	return e.Counter
}

func (o *told) statement(session string, tables ...string) int64 {
	return o.add(session, hoop.Event{Type: hoop.EventStatement, Action: hoop.Allow, Effects: []hoop.Effect{hoop.EffectRead}, Tables: tables})
}

func (o *told) result(session string, statement, rows, changed int64) {
	o.add(session, hoop.Event{Type: hoop.EventResult, Result: &hoop.Result{Statement: statement, Rows: rows, Changed: changed}})
}

// rows of a disclosure by table: "3 rows, 1 unanswered".
func (o *told) disclosed() (r *Report, byTable map[string]string) {
	r, byTable = o.b.Report(About{}), make(map[string]string)
	for _, d := range r.Disclosures {
		byTable[d.Table] = fmt.Sprintf("%d rows, %d unanswered", d.Rows, d.Unanswered)
	}
	return r, byTable
}

// What was changed and not given is no disclosure.
func TestAccounting_ChangesAreNone(t *testing.T) {
	o := newTold()
	o.result("s", o.statement("s", "public.notes"), 0, 500)
	o.result("s", o.statement("s", "public.patients"), 3, 3) // RETURNING
	r, got := o.disclosed()
	if want := map[string]string{"public.patients": "3 rows, 0 unanswered"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := r.line(t, "164.528", "results that delivered rows").Count; n != 1 || r.Accounting.Rows != 3 {
		t.Errorf("%d results delivered %d rows", n, r.Accounting.Rows)
	}
	if n := r.line(t, "164.312(c)(1)", "results in which the target says that rows were changed").Count; n != 2 {
		t.Errorf("%d results changed rows", n)
	}
}

// Gateways of before counted both alike: what may be a disclosure counts as one, and the
// report says how much of it.
func TestAccounting_UndividedIsSaid(t *testing.T) {
	o := newTold()
	for _, tag := range []string{"INSERT 0 7", "SELECT 7", "CREATE TABLE", ""} {
		at := o.statement("s", "public.notes")
		o.add("s", hoop.Event{Type: hoop.EventResult, Result: &hoop.Result{Statement: at, Tag: tag, Rows: 7}})
	}
	r, got := o.disclosed()
	if want := (Part{1, 7}); r.Accounting.Undivided != want || got["public.notes"] != "28 rows, 0 unanswered" {
		t.Errorf("%+v, %v", r.Accounting, got)
	}
}

// However many statements never got a result, those that did count for their tables, in
// sessions that are interleaved too; and those that did not are told.
func TestAccounting_StatementsWithoutResult(t *testing.T) {
	o := newTold()
	const crashes = 20_000
	for i := range crashes {
		s := fmt.Sprint("lost", i)
		o.statement(s, "public.visits")
		o.statement(s, "public.visits")
		end := hoop.EventRecovery
		if i%2 == 0 {
			end = hoop.EventSessionEnd
		}
		o.add(s, hoop.Event{Type: end})
	}
	var at [50][2]int64
	for n := range 2 {
		for i := range at {
			at[i][n] = o.statement(fmt.Sprint("s", i), []string{"public.patients", "public.claims"}[n])
		}
	}
	for i := range at {
		o.result(fmt.Sprint("s", i), at[i][1], 2, 0)
	}
	for i := range at {
		o.result(fmt.Sprint("s", i), at[i][0], 1, 0)
	}
	o.add("s0", hoop.Event{Type: hoop.EventStatement, Action: hoop.Deny, Tables: []string{"public.secrets"}})
	o.statement("s0", "public.open") // when the events end
	o.result("s1", 1000, 9, 0)       // of a statement before they begin
	r, got := o.disclosed()
	if want := map[string]string{
		"public.visits": fmt.Sprintf("0 rows, %d unanswered", 2*crashes), "public.patients": "50 rows, 0 unanswered", "public.claims": "100 rows, 0 unanswered",
		"public.open": "0 rows, 1 unanswered", NotHere: "9 rows, 0 unanswered",
	}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if a := r.Accounting; a.Unanswered != 2*crashes+1 || a.NotHere != (Part{1, 9}) || a.Results != 101 || a.Rows != 159 || a.Forgotten != 0 {
		t.Errorf("%+v", a)
	}
	for _, p := range []string{"164.312(b)", "164.528"} {
		l := r.line(t, p, unanswered.what)
		if l.Count != 2*crashes+1 || len(l.Index) != 2*linked || l.Index[0] != 0 || l.Index[2*linked-1] != o.index-2 {
			t.Errorf("%s: %d, %v", p, l.Count, l.Index)
		}
	}
	again, err := o.b.Report(About{}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	if first, err := r.JSON(); err != nil || !bytes.Equal(first, again) {
		t.Error("the report changes when it is made again")
	}
}

// No table of a statement goes missing without a word, however many there are.
func TestAccounting_ManyTables(t *testing.T) {
	var tables []string
	for i := range 5000 {
		tables = append(tables, fmt.Sprintf("public.table_%05d", i))
	}
	for _, n := range []int{65, 1000, 5000} {
		e := auditlog.Fit(&hoop.Event{Type: hoop.EventStatement, Action: hoop.Allow, Text: strings.Repeat("x", 1<<20), Tables: tables[:n]})
		o := newTold()
		o.result("s", o.add("s", *e), 2, 0)
		r, got := o.disclosed()
		named := 0
		for _, table := range tables[:n] {
			if got[table] == "2 rows, 0 unanswered" {
				named++
			}
		}
		_, beyond := got[NotNamed]
		if named != n != beyond || beyond != (r.Accounting.NotNamed == Part{1, 2}) || named < min(n, 1000) {
			t.Errorf("of %d tables %d are named, and beyond: %v, %+v", n, named, beyond, r.Accounting)
		}
	}
}

// What is too much to remember is said, and memory has its limit.
func TestAccounting_Forgets(t *testing.T) {
	o := newTold()
	tables := []string{strings.Repeat("a", 60_000)}
	const n = 3000
	for range n {
		o.statement("s", tables...)
	}
	if held := o.b.accounts.size; held > maxPending {
		t.Errorf("%d bytes are held", held)
	}
	o.result("s", 1, 1, 0)
	o.result("s", n, 1, 0)
	r, got := o.disclosed()
	a := r.Accounting
	if a.Forgotten == 0 || a.Unanswered+a.Forgotten != n-1 || a.NotHere != (Part{1, 1}) || got[NotHere] != "1 rows, 0 unanswered" {
		t.Errorf("%+v, %v", a, got[NotHere])
	}
	if o.b.accounts.size != 0 {
		t.Errorf("%d bytes are held at the end", o.b.accounts.size)
	}
}

// Every kind of event supports some paragraph.
func TestParagraphs_CountEveryKind(t *testing.T) {
	for _, typ := range hoop.EventTypes {
		e := &hoop.Event{Type: typ, Request: 1, Action: hoop.Allow, Grant: "g", Subject: "alice", Details: []hoop.Detail{
			{Name: hoop.ReaderDetail, Value: hoop.ReaderOther}, {Name: "kind", Value: string(hoop.RequestGrant)}, {Name: "hold", Value: "true"}, {Name: "change", Value: "added"},
		}}
		if typ == hoop.EventSessionEnd || typ == hoop.EventRecovery {
			e.Record = &hoop.Record{SHA256: "x"}
		}
		counted := false
		for _, p := range paragraphs {
			for _, l := range p.lines {
				counted = counted || l.match != nil && l.match(e)
			}
		}
		if !counted {
			t.Errorf("no paragraph counts %s", typ)
		}
	}
}

// A report goes by words that programs write, not by sentences: any reason and any text
// give the same counts, and each cause of an end is counted once at most in a paragraph.
func TestParagraphs_ReadNoSentences(t *testing.T) {
	words := "the grant was revoked, it did nothing for an hour, its sign-in has ended, denied, expired"
	for _, cause := range []hoop.Cause{
		"", hoop.CauseClient, hoop.CauseExpired, hoop.CauseRevoked, hoop.CauseAccess, hoop.CauseSignIn, hoop.CauseIdentity, hoop.CauseAccount, hoop.CauseIdle,
		hoop.CauseLimit, hoop.CauseDecoy, hoop.CauseTooMany, hoop.CauseDenied, hoop.CauseProtocol, hoop.CauseTarget, hoop.CauseStopped, hoop.CauseUnrecorded, hoop.CauseFault,
	} {
		for _, p := range paragraphs {
			n := 0
			for _, l := range p.lines {
				if l.match == nil {
					continue
				}
				plain := l.match(&hoop.Event{Type: hoop.EventSessionEnd, Cause: cause})
				if wordy := l.match(&hoop.Event{Type: hoop.EventSessionEnd, Cause: cause, Reason: words, Text: words}); wordy != plain {
					t.Errorf("%s, %s: it reads the sentence", p.id, l.what)
				}
				if plain {
					n++
				}
			}
			if n > 1 {
				t.Errorf("%s counts an end by %s %d times", p.id, cause, n)
			}
		}
	}
}
