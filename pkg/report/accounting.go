package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const (
	maxDisclosures = 5_000    // rows of the accounting; what is beyond is summed up
	maxPending     = 64 << 20 // bytes of statements without a result that are remembered
)

// What stands for a table in Disclosures where there is no name. Names of tables have a
// schema, so these are none.
const (
	NotHere  = "?" // the statement is not among the events, or there were too many to remember
	NotNamed = "…" // tables that the statement's event does not name: there are too many
	AnyTable = "*" // tables that the gateway could not tell
)

// Accounting says how much of what was delivered the disclosures account for.
type Accounting struct {
	Results int64 `json:"results"` // that delivered rows
	Rows    int64 `json:"rows"`
	Masked  int64 `json:"masked"` // cells
	// Of these results:
	NoTable   Part `json:"of_no_table"`          // their statements name no table: SELECT 1
	NotHere   Part `json:"statement_not_here"`   // "?" of the disclosures
	NotNamed  Part `json:"tables_not_named"`     // "…" of the disclosures: these and the tables that are named
	Undivided Part `json:"delivered_or_changed"` // of a gateway that did not tell rows delivered from rows changed
	// Unanswered are statements that were to run and have no result among the events: a crash
	// ended their session, or it has not ended. Rows of theirs may have been delivered; what
	// was is in the recording.
	Unanswered int64 `json:"statements_without_result"`
	// Forgotten are statements too many to be remembered: their results are in NotHere, and
	// whether they had any is not known.
	Forgotten int64 `json:"statements_forgotten"`
}

// Part is a part of the results.
type Part struct {
	Results int64 `json:"results"`
	Rows    int64 `json:"rows"`
}

func (p *Part) add(rows int64) {
	p.Results++
	p.Rows += rows
}

// asked is a statement that was to run.
type asked struct {
	index int64
	event *hoop.Event
}

// size is about how many bytes it takes to remember.
func (a asked) size() int64 {
	n := int64(1 << 10)
	for _, t := range a.event.Tables {
		n += int64(len(t)) + 16
	}
	return n + int64(len(a.event.Text))
}

// more is how many tables the event does not name.
func (a asked) more() int64 {
	n, _ := strconv.ParseInt(a.event.Detail(auditlog.TablesDetail), 10, 64)
	return max(n-int64(len(a.event.Tables)), 0)
}

// tables are those that rows of the statement count for.
func (a asked) tables() []string {
	if a.more() == 0 {
		return a.event.Tables
	}
	return append(slices.Clone(a.event.Tables), NotNamed)
}

// accountant finds out what was delivered of which table: it meets statements with their
// results.
type accountant struct {
	pending     map[string]map[int64]asked // by session and counter
	size        int64                      // bytes of these
	disclosures map[string]*Disclosure
	beyond      *Disclosure
	totals      Accounting
	unanswered  func(asked) // told of each
}

func newAccountant(unanswered func(asked)) *accountant {
	return &accountant{pending: make(map[string]map[int64]asked), disclosures: make(map[string]*Disclosure), unanswered: unanswered}
}

func (a *accountant) take(index int64, e *hoop.Event) {
	switch {
	case allowed(e):
		a.remember(asked{index, e})
	case e.Result != nil:
		a.answer(index, e)
	case e.Type == hoop.EventSessionEnd || e.Type == hoop.EventRecovery:
		a.over(a.pending[e.Session])
		delete(a.pending, e.Session)
	}
}

func (a *accountant) remember(st asked) {
	if a.size+st.size() > maxPending {
		a.totals.Forgotten++
		return
	}
	of := a.pending[st.event.Session]
	if of == nil {
		of = make(map[int64]asked)
		a.pending[st.event.Session] = of
	}
	of[st.event.Counter] = st
	a.size += st.size()
}

// answer counts what a result delivered, by the tables of its statement.
func (a *accountant) answer(index int64, e *hoop.Event) {
	st, known := a.pending[e.Session][e.Result.Statement]
	if known {
		delete(a.pending[e.Session], e.Result.Statement)
		a.size -= st.size()
	}
	rows := e.Result.Rows
	if rows == 0 {
		return
	}
	a.totals.Results++
	a.totals.Rows += rows
	a.totals.Masked += e.Result.Masked
	if undivided(e.Result) {
		a.totals.Undivided.add(rows)
	}
	tables := []string{NotHere}
	switch {
	case !known:
		a.totals.NotHere.add(rows)
	default:
		if tables = st.tables(); len(tables) == 0 {
			a.totals.NoTable.add(rows)
		}
		if st.more() > 0 {
			a.totals.NotNamed.add(rows)
		}
	}
	for _, table := range tables {
		d := a.of(table, index, e)
		d.Statements++
		d.Rows += rows
		d.Masked += e.Result.Masked
	}
}

// undivided reports whether the rows of a result may be those that were changed, as
// gateways counted them that did not know the field (pkg/auditlog/spec.md).
func undivided(r *hoop.Result) bool {
	verb, _, _ := strings.Cut(r.Tag, " ")
	n, err := strconv.ParseInt(r.Tag[strings.LastIndexByte(r.Tag, ' ')+1:], 10, 64)
	return r.Changed == 0 && err == nil && n > 0 &&
		slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "MERGE"}, verb)
}

// over counts statements that will have no result.
func (a *accountant) over(left map[int64]asked) {
	var all []asked
	for _, st := range left {
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b asked) int { return cmp.Compare(a.index, b.index) })
	for _, st := range all {
		a.size -= st.size()
		a.totals.Unanswered++
		for _, table := range st.tables() {
			a.of(table, st.index, st.event).Unanswered++
		}
		a.unanswered(st)
	}
}

// of is where what e says of a table counts.
func (a *accountant) of(table string, index int64, e *hoop.Event) *Disclosure {
	key := strings.Join(append([]string{e.Target, table, e.Subject}, e.Chain...), "\x00")
	d := a.disclosures[key]
	switch {
	case d != nil:
	case len(a.disclosures) < maxDisclosures:
		d = &Disclosure{Subject: e.Subject, Chain: e.Chain, Target: e.Target, Table: table, First: index, FirstAt: e.Time}
		a.disclosures[key] = d
	case a.beyond == nil:
		a.beyond = &Disclosure{Subject: "others", Table: "*", Target: "*", First: index, FirstAt: e.Time}
		fallthrough
	default:
		d = a.beyond
	}
	if index < d.First {
		d.First, d.FirstAt = index, e.Time
	}
	if index >= d.Last {
		d.Last, d.LastAt = index, e.Time
	}
	return d
}

// finish counts the statements whose sessions go on, and lists the disclosures.
func (a *accountant) finish() []Disclosure {
	left := make(map[int64]asked)
	for _, of := range a.pending {
		for _, st := range of {
			left[st.index] = st
		}
	}
	clear(a.pending)
	a.over(left)
	out := []Disclosure{}
	for _, d := range a.disclosures {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b Disclosure) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Table, b.Table))
	})
	return out
}
