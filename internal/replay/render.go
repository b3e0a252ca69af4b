package replay

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// Style paints; a nil function leaves text as it is.
type Style struct {
	Bold, Dim, Red, Yellow func(string) string
}

func paint(f func(string) string, s string) string {
	if f == nil {
		return s
	}
	return f(s)
}

// Renderer writes records as text. It is not safe for concurrent use.
type Renderer struct {
	out    io.Writer
	style  Style
	wire   *postgres // what the server sent; nil: a protocol that is not decoded
	sent   *postgres // what the client sent
	types  *pgtype.Map
	err    error // the first error of out
	hidden bool  // that literals are missing was said
	bound  bool  // input is values bound to the statement, not data of COPY

	dropped     int64 // bytes that were not kept, and were not told of yet
	droppedKind recording.Kind
	// table is given rows instead, and the columns' names before them; nil: they are
	// shown.
	table func(cells []string, titles bool)
}

// NewRenderer writes to out.
func NewRenderer(out io.Writer, style Style) *Renderer {
	r := &Renderer{out: out, style: style, types: pgtype.NewMap()}
	r.wire, r.sent = &postgres{r: r, types: serverTypes}, &postgres{r: r, types: clientTypes}
	return r
}

// Protocol says which protocol the recording is of, where it is not read from its
// beginning.
func (r *Renderer) Protocol(name string) {
	if name != "postgres" {
		r.wire = nil
	}
}

// Render writes one record. Records come in the order of the recording.
func (r *Renderer) Render(rec *recording.Record) error {
	if rec.Dropped == 0 || rec.Kind != r.droppedKind {
		r.sayDropped()
	}
	switch rec.Kind {
	case recording.KindStart:
		r.start(rec)
	case recording.KindStatement:
		r.statement(rec)
	case recording.KindOutput:
		r.output(rec)
	case recording.KindInput:
		r.input(rec)
	case recording.KindNotice:
		r.lines(r.style.Yellow, "hoop: ", rec.Text)
	case recording.KindApproval:
		r.approval(rec)
	case recording.KindResult:
		r.result(rec.Result)
	case recording.KindEnd:
		r.end(rec)
	}
	return r.err
}

// Flush writes what was held back to align columns.
func (r *Renderer) Flush() error {
	if r.wire != nil {
		r.wire.flush()
	}
	r.sayDropped()
	return r.err
}

// drop counts what the recording did not keep, to be told once.
func (r *Renderer) drop(rec *recording.Record, p *postgres) {
	r.flushWire()
	r.dropped, r.droppedKind = r.dropped+rec.Dropped, rec.Kind
	if p != nil {
		p.reset()
	}
}

// sayDropped tells it.
func (r *Renderer) sayDropped() {
	if r.dropped == 0 {
		return
	}
	what := "answer"
	if r.droppedKind == recording.KindInput {
		what = "client's data"
	}
	r.print("%s", paint(r.style.Yellow, fmt.Sprintf("── %d bytes of the %s are beyond the recording's size limit; their digests are kept", r.dropped, what)))
	r.dropped = 0
}

// print writes a line of ours; args are escaped already.
func (r *Renderer) print(format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.out, format+"\n", args...)
	}
}

// lines writes text of the recording, each line behind mark.
func (r *Renderer) lines(color func(string) string, mark, text string) {
	for l := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		r.print("%s%s", mark, paint(color, iostreams.Printable(l)))
	}
}

func (r *Renderer) start(rec *recording.Record) {
	s := rec.Session
	if s == nil {
		return
	}
	r.Protocol(s.Protocol)
	line := fmt.Sprintf("session %s: %s on %s", s.ID, s.Identity.Subject, s.Target)
	if s.Database != "" {
		line += "/" + s.Database
	}
	if s.Client != "" {
		line += ", " + s.Client
	}
	line += ", began " + s.StartedAt.UTC().Format(time.RFC3339)
	r.print("%s", paint(r.style.Bold, "══ "+iostreams.OneLine(line)))
}

func (r *Renderer) end(rec *recording.Record) {
	r.flushWire()
	line := "ended after " + stamp(rec.At)
	if rec.Text != "" {
		line += ": " + rec.Text
	}
	if s := rec.Session; s != nil {
		changed := ""
		if s.Changed > 0 {
			changed = fmt.Sprintf(" %d changed,", s.Changed)
		}
		line += fmt.Sprintf(" (%d statements, %d rows,%s %d bytes, %d cells masked)", s.Statements, s.Rows, changed, s.Bytes, s.Masked)
	}
	r.print("%s", paint(r.style.Bold, "══ "+iostreams.OneLine(line)))
}

func (r *Renderer) statement(rec *recording.Record) {
	r.flushWire()
	st := rec.Statement
	if st == nil {
		return
	}
	head := fmt.Sprintf("#%d  %s  %s", rec.Counter, stamp(rec.At), st.Decision.Action)
	if st.Decision.Rule != "" {
		head += " by " + st.Decision.Rule
	}
	if st.Decision.Action != hoop.Allow && st.Decision.Reason != "" {
		head += ": " + st.Decision.Reason
	}
	color := r.style.Dim
	switch st.Decision.Action {
	case hoop.Approve:
		color = r.style.Yellow
	case hoop.Deny:
		color = r.style.Red
	}
	r.print("")
	r.print("%s", paint(color, "── "+iostreams.OneLine(head)))
	if rec.Hidden {
		r.hides()
		if st.Text == "" {
			r.print("│ %s", paint(r.style.Dim, "(a text whose literals nobody could tell apart)"))
			return
		}
	}
	r.lines(r.style.Bold, "│ ", st.Text)
	r.bound = false
	for i, p := range st.Params {
		value := "…"
		switch {
		case p.Size > 0:
			r.bound = true
			value = paint(r.style.Dim, fmt.Sprintf("(%d bytes)", p.Size))
		case !rec.Hidden:
			value = r.param(p)
		}
		r.print("│ $%d = %s", i+1, value)
	}
}

// hides says, once, what is missing.
func (r *Renderer) hides() {
	if !r.hidden {
		r.hidden = true
		r.print("%s", paint(r.style.Yellow, "── "+hiddenNote))
	}
}

// hiddenNote is the contract's permission in words.
const hiddenNote = "literals and parameters are not shown: that needs a GroupRole with literals: true"

func (r *Renderer) approval(rec *recording.Record) {
	q := rec.Request
	if q == nil {
		return
	}
	line := fmt.Sprintf("request %d %s", q.ID, q.State)
	if q.State == hoop.Pending {
		line = fmt.Sprintf("request %d waits for %d of %s", q.ID, q.Count, strings.Join(q.Groups, ", "))
	}
	for _, a := range q.Approvals {
		word := "approved"
		if !a.Approve {
			word = "denied"
		}
		line += fmt.Sprintf("; %s by %s", word, a.By)
		if a.Reason != "" {
			line += ": " + a.Reason
		}
	}
	color := r.style.Yellow
	if q.State != hoop.Approved && q.State != hoop.Pending {
		color = r.style.Red
	}
	r.print("%s", paint(color, "── "+iostreams.OneLine(line)))
	if f := q.Facts; f != nil && !f.Pending && q.State != hoop.Pending {
		r.print("%s", paint(r.style.Dim, "── they saw: "+iostreams.OneLine(fmt.Sprintf("%s; %d protected columns; transaction: %s; locks: %s",
			f.Estimate, len(f.Protected), f.Transaction, f.Locks))))
	}
}

func (r *Renderer) result(res *hoop.Result) {
	r.flushWire()
	if res != nil && res.Masked > 0 {
		r.print("%s", paint(r.style.Dim, fmt.Sprintf("── %d cells masked", res.Masked)))
	}
}

func (r *Renderer) output(rec *recording.Record) {
	if rec.Dropped > 0 {
		r.drop(rec, r.wire)
		return
	}
	if r.wire == nil {
		r.print("%s", paint(r.style.Dim, fmt.Sprintf("── %d bytes of the answer", len(rec.Wire))))
		return
	}
	r.wire.write(rec.Wire)
}

// input is COPY data as the client sent it.
func (r *Renderer) input(rec *recording.Record) {
	r.flushWire()
	switch {
	case r.bound: // the statement says how long they are
	case rec.Hidden:
		r.hides()
		r.print("%s", paint(r.style.Dim, fmt.Sprintf("── %d bytes of the client's data", rec.Dropped)))
	case rec.Dropped > 0:
		r.drop(rec, r.sent)
	case r.wire == nil:
		r.print("%s", paint(r.style.Dim, fmt.Sprintf("── %d bytes of the client's data", len(rec.Wire))))
	default:
		r.sent.write(rec.Wire)
	}
}

func (r *Renderer) flushWire() {
	if r.wire != nil {
		r.wire.flush()
	}
}

// stamp is a time within the session: "+1.234s", "+2m3.4s".
func stamp(d time.Duration) string { return "+" + d.Round(time.Millisecond).String() }
