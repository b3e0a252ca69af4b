// Package report says what the events of an audit log support of the HIPAA Security
// and Privacy Rules: per paragraph the kinds of event, how many there were, and links
// to some of them. It counts; it does not judge: a report never says that a rule is
// satisfied, and it lists what a gateway cannot see.
//
// A report follows from the events alone, byte for byte, so that a verifier makes it
// again and compares. Format tells which version of the package made it.
package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Format is the version of what reports say and how they are written. A verifier
// compares only those of its own.
const Format = 4

// linked events are those from the begin of each line, and as many from its end.
const linked = 10

// About says what the report is about.
type About struct {
	Log   string    `json:"log"`
	Size  int64     `json:"size"` // events of the log
	Root  string    `json:"root"` // base64
	First int64     `json:"first"`
	End   int64     `json:"end"` // without
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
}

// Report is the finished report; its JSON is report.json.
type Report struct {
	Format      int          `json:"format"`
	Says        string       `json:"says"`
	About       About        `json:"about"`
	Events      int64        `json:"events"`
	Subjects    int          `json:"subjects"` // that the gateway knew: signed in, or programs it runs for
	Targets     []string     `json:"targets"`
	Policies    []Policy     `json:"policies"`
	Paragraphs  []Paragraph  `json:"paragraphs"`
	Accounting  Accounting   `json:"accounting"`
	Disclosures []Disclosure `json:"disclosures"`
	// Beyond sums up what Disclosures has no room for.
	Beyond *Disclosure `json:"disclosures_beyond,omitempty"`
	Unseen []string    `json:"not_seen"`
	Linked []Linked    `json:"linked_events"`
}

// Policy is a revision of the policy and the events under it.
type Policy struct {
	Revision string `json:"revision"`
	Events   int64  `json:"events"`
	First    int64  `json:"first"` // index of an event
	Last     int64  `json:"last"`
}

// Paragraph is one of 45 CFR.
type Paragraph struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Supports []Line `json:"supported_by"`
	Note     string `json:"note,omitempty"`
}

// Line counts events of a kind. Index lists some: the first and the last.
type Line struct {
	What  string  `json:"what"`
	Count int64   `json:"count"`
	Index []int64 `json:"index"`
}

// Disclosure is what one identity was given of one table of a target. Rows that were
// changed and not given are none.
type Disclosure struct {
	Subject    string    `json:"subject"`
	Chain      []string  `json:"chain,omitempty"`
	Target     string    `json:"target"`
	Table      string    `json:"table"`
	Statements int64     `json:"statements"`
	Rows       int64     `json:"rows"`                     // of statements that read it, perhaps with other tables
	Masked     int64     `json:"masked"`                   // cells
	Unanswered int64     `json:"without_result,omitempty"` // statements, not among Statements; see Accounting
	FirstAt    time.Time `json:"first_at"`
	LastAt     time.Time `json:"last_at"`
	First      int64     `json:"first"` // index of an event
	Last       int64     `json:"last"`
}

// Linked is an event that a line names.
type Linked struct {
	Index int64       `json:"index"`
	Event *hoop.Event `json:"event"`
}

// Builder takes events and makes the report. Its memory does not grow with the events,
// but with the identities and tables, up to a limit. It is not safe for concurrent use.
type Builder struct {
	events   int64
	subjects map[string]bool
	targets  map[string]bool
	policies map[string]*Policy
	inForce  string    // the revision, by the last event that tells; empty: none did
	lines    [][]tally // by paragraph and line
	accounts *accountant
}

// tally is a line that is being counted.
type tally struct {
	count int64
	first []Linked
	last  [linked]Linked // a ring
}

// NewBuilder begins a report.
func NewBuilder() *Builder {
	b := &Builder{subjects: make(map[string]bool), targets: make(map[string]bool), policies: make(map[string]*Policy)}
	for _, p := range paragraphs {
		b.lines = append(b.lines, make([]tally, len(p.lines)))
	}
	b.accounts = newAccountant(func(st asked) {
		b.count(Linked{st.index, st.event}, func(l line) bool { return l.what == unanswered.what })
	})
	return b
}

// Add counts the next event. It keeps e.
func (b *Builder) Add(index int64, e *hoop.Event) {
	b.events++
	if e.Subject != "" && known(e) {
		b.subjects[e.Subject] = true
	}
	if e.Target != "" {
		b.targets[e.Target] = true
	}
	if e.Policy != "" {
		p := b.policies[e.Policy]
		if p == nil {
			p = &Policy{Revision: e.Policy, First: index}
			b.policies[e.Policy] = p
		}
		p.Events++
		p.Last = index
	}
	other := b.restarted(e)
	b.count(Linked{index, e}, func(l line) bool { return l.match != nil && l.match(e) || other && l.what == restarted.what })
	b.accounts.take(index, e)
}

// restarted reports whether the gateway started with another policy than was in force
// before. What a gateway does by itself before its start event, under the new one already,
// tells nothing about the former.
func (b *Builder) restarted(e *hoop.Event) bool {
	if !e.TellsPolicy() {
		return false
	}
	former := b.inForce
	b.inForce = e.Policy
	return e.Type == hoop.EventStart && former != "" && former != e.Policy
}

// known reports whether the subject of an event is an identity of the gateway's: not one
// that somebody claimed, nor a witness, nor the gateway itself.
func known(e *hoop.Event) bool {
	switch e.Type {
	case hoop.EventSignInFailed, hoop.EventCheckpoint, hoop.EventExpired, hoop.EventPolicy, hoop.EventResource:
		return false
	}
	return true
}

// count counts an event for the lines that match.
func (b *Builder) count(e Linked, match func(line) bool) {
	for i, p := range paragraphs {
		for j, l := range p.lines {
			if match(l) {
				b.lines[i][j].add(e)
			}
		}
	}
}

func (t *tally) add(l Linked) {
	if len(t.first) < linked {
		t.first = append(t.first, l)
	} else {
		t.last[t.count%linked] = l
	}
	t.count++
}

// links are the events that the line names, in order.
func (t *tally) links() []Linked {
	out := slices.Clone(t.first)
	for _, l := range t.last {
		if l.Event != nil {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b Linked) int { return cmp.Compare(a.Index, b.Index) })
	return out
}

// Policies are the revisions that events name, sorted.
func (b *Builder) Policies() []string {
	var out []string
	for r := range b.policies {
		out = append(out, r)
	}
	slices.Sort(out)
	return out
}

// Report finishes the report.
func (b *Builder) Report(about About) *Report {
	about.From, about.To = about.From.UTC(), about.To.UTC()
	disclosures := b.accounts.finish()
	r := &Report{
		Format: Format,
		Says: "This report counts events that support the paragraphs named. It supports an assessment; " +
			"it is not one, and no count here means that a requirement is met.",
		About: about, Events: b.events, Subjects: len(b.subjects), Unseen: unseen,
		Accounting: b.accounts.totals, Disclosures: disclosures, Beyond: b.accounts.beyond,
		Targets: []string{}, Policies: []Policy{}, Linked: []Linked{},
	}
	for t := range b.targets {
		r.Targets = append(r.Targets, t)
	}
	slices.Sort(r.Targets)
	for _, rev := range b.Policies() {
		r.Policies = append(r.Policies, *b.policies[rev])
	}
	slices.SortFunc(r.Policies, func(a, b Policy) int { return cmp.Compare(a.First, b.First) })
	events := make(map[int64]*hoop.Event)
	for i, p := range paragraphs {
		out := Paragraph{ID: p.id, Title: p.title, Note: p.note}
		for j, l := range p.lines {
			t := &b.lines[i][j]
			line := Line{What: l.what, Count: t.count, Index: []int64{}}
			for _, k := range t.links() {
				line.Index = append(line.Index, k.Index)
				events[k.Index] = k.Event
			}
			out.Supports = append(out.Supports, line)
		}
		r.Paragraphs = append(r.Paragraphs, out)
	}
	for i, e := range events {
		r.Linked = append(r.Linked, Linked{i, e})
	}
	slices.SortFunc(r.Linked, func(a, b Linked) int { return cmp.Compare(a.Index, b.Index) })
	return r
}

// JSON is report.json.
func (r *Report) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return b.Bytes(), nil
}
