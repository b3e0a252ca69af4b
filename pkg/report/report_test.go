package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

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
		{"164.312(c)(1)", "changes of structure, roles or code denied", 1},
		{"164.312(c)(1)", "changes of rows allowed", 0},
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
