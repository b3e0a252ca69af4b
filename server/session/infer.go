package session

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/infer"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
)

// Inference counts what everybody compared with protected columns, over all sessions.
// What it fails to count must not be compared.
type Inference interface {
	Over(context.Context, []infer.Claim) ([]infer.Count, error)
	Take(context.Context, []infer.Claim) (used, over []infer.Count, err error)
	Add(context.Context, []infer.Claim) (used []infer.Count, err error)
}

// learned is an inference limit as it applies to a session's identity.
type learned struct {
	hoop.InferenceLimit
	columns []resource.ColumnPattern
}

// limitsOf are the inference limits of the target; the last is for columns that no
// other names.
func limitsOf(t hoop.Target) []learned {
	var out []learned
	for _, l := range t.Inference {
		x := learned{InferenceLimit: l}
		for _, name := range l.Columns {
			p, err := resource.ParseColumn(name)
			if err != nil { // the resources were checked when they were read
				p = resource.ColumnPattern{Schema: resource.Part{Any: true}, Table: resource.Part{Any: true}, Column: resource.Part{Any: true}}
			}
			x.columns = append(x.columns, p)
		}
		out = append(out, x)
	}
	return append(out, learned{InferenceLimit: hoop.InferenceLimit{
		Values: resource.InferenceValues, Scans: resource.InferenceScans, Per: resource.InferencePer, MinGroup: resource.InferenceGroup,
	}})
}

// principals are whom a count is kept for: the identity, and whom it acts for in the
// end. Programs that somebody starts share what that one has.
func principals(id hoop.Identity) []string {
	who := []string{id.Subject}
	if n := len(id.Chain); n > 0 && id.Chain[n-1] != id.Subject {
		who = append(who, id.Chain[n-1])
	}
	return who
}

// inferences is what a statement can tell about protected columns by comparing them.
type inferences struct {
	claims []infer.Claim
	fails  []infer.Claim // counted where a constraint fails
	errs   []infer.Claim // counted where anything fails
	wrote  []infer.Claim // what is written, not counted
	known  *infer.Count  // searched, and written into more often than the limit allows; nil: none
	room   *infer.Count  // what was made of protected data had no room more often than the limit allows; nil: none
	over   []infer.Count // that the statement would exceed, as people are told who are asked
	used   []infer.Count
	small  *small // nil where groups are large enough, or left out
	counts []int  // columns of the answer in which counts below least are left out
	least  int
}

// small is an aggregate that may show a smaller group than a limit allows.
type small struct {
	column string
	limit  learned
}

// infers weighs the places where protected columns decide.
func (s *Session) infers(st *hoop.Statement, rules *mask.Rules) *inferences {
	x := &inferences{}
	protected := func(c hoop.ColumnRef) bool { _, ok := rules.Protects(c); return ok }
	found, fails, errs, wrote := byColumn{}, byColumn{}, byColumn{}, byColumn{}
	for _, look := range st.Looks {
		if look.Wrote || look.Fails {
			for _, c := range look.Columns {
				switch {
				case !protected(c):
				case look.Wrote:
					wrote.write(c, st, look)
				case look.Errs:
					errs.on(c).Looks = 1
				default:
					fails.on(c).Looks = 1
				}
			}
			continue
		}
		joined := look.Joined && slices.ContainsFunc(look.Against, func(group []hoop.ColumnRef) bool { return !slices.ContainsFunc(group, protected) })
		var values [][]byte
		for _, c := range look.Columns {
			if !protected(c) && !(look.View && st.Opaque && rules.NamesColumn(c.Column)) {
				continue
			}
			if values == nil && !lists(st, look.Operands) {
				values = readings(st, look.Operands)
			}
			claim := found.on(c)
			claim.Compared = append(claim.Compared, values...)
			if !look.Exact {
				claim.Looks++
				x.group(s, look, c)
			}
			if listed := readings(st, look.Listed); len(listed)+look.Computed > 1 { // else it is one search
				claim.Compared = append(claim.Compared, listed...)
				claim.Looks += look.Computed
			}
			claim.Many = claim.Many || look.Many || look.Split && rules.Copied(c) || joined || lists(st, look.Operands)
		}
	}
	x.claims, x.wrote = found.claims(s), wrote.claims(s)
	x.fails, x.errs = fails.claims(s), errs.claims(s)
	x.searched(s)
	if rules.Withheld(st) {
		x.short(s)
	}
	return x
}

// group weighs whether an aggregate may show small groups of what the column decides.
func (x *inferences) group(s *Session, look hoop.Look, c hoop.ColumnRef) {
	if !look.Counted {
		return
	}
	for _, l := range s.applying(c) {
		switch l := s.learned[l]; {
		case look.Least >= l.MinGroup:
		case look.Counts != nil:
			x.counts, x.least = look.Counts, max(x.least, l.MinGroup)
		case x.small == nil || x.small.limit.MinGroup < l.MinGroup:
			x.small = &small{c.String(), l}
		}
	}
}

// applying gives the limits that are for a column.
func (s *Session) applying(c hoop.ColumnRef) (which []int) {
	last := len(s.learned) - 1
	for i, l := range s.learned[:last] {
		if c == hoop.AnyColumn || slices.ContainsFunc(l.columns, func(p resource.ColumnPattern) bool { return p.Match(c) }) {
			which = append(which, i)
		}
	}
	if which == nil || c == hoop.AnyColumn {
		which = append(which, last)
	}
	return which
}

// byColumn is what a statement claims on each column.
type byColumn map[hoop.ColumnRef]*infer.Claim

// on gives the claim on a column, which it makes where there is none.
func (b byColumn) on(c hoop.ColumnRef) *infer.Claim {
	if b[c] == nil {
		b[c] = &infer.Claim{}
	}
	return b[c]
}

// claims puts them to every limit and every principal that they are for, in the order of
// the columns' names.
func (b byColumn) claims(s *Session) (out []infer.Claim) {
	for _, column := range slices.SortedFunc(maps.Keys(b), func(x, y hoop.ColumnRef) int { return cmp.Compare(x.String(), y.String()) }) {
		for _, i := range s.applying(column) {
			l := s.learned[i]
			for _, who := range principals(s.info.Identity) {
				c := *b[column]
				c.Limit = infer.Limit{
					Key:    infer.Key{Principal: who, Target: s.target.Name, Column: column.String(), Rule: strconv.Itoa(i)},
					Values: l.Values, Scans: l.Scans, Per: time.Duration(l.Per),
				}
				out = append(out, c)
			}
		}
	}
	return out
}

// limit gives what must be agreed to before the statement runs: what the policy wants, d, with
// what it wants besides, and
// where limits would be exceeded what those want whose limits they are. Who agrees to one
// thing has not agreed to another; where the same people are asked, they are asked once.
func (x *inferences) limit(ctx context.Context, s *Session, d hoop.Decision) ([]hoop.Decision, error) {
	asks := append([]hoop.Decision{d}, d.Also...)
	all := slices.Concat(x.claims, x.fails, x.errs)
	if len(all) == 0 && x.room == nil || d.Action == hoop.Deny {
		return asks, nil
	}
	var over []infer.Count
	if len(all) > 0 {
		var err error
		if over, err = s.line.Inference.Over(ctx, all); err != nil {
			return asks, s.line.uncounted(ctx, err)
		}
	}
	if x.room != nil {
		asks = s.alsoAsk(asks, d, fmt.Sprintf("%d statements made more of protected data than there is room for, as one that measures it does; it may run again at %s",
			x.room.Scans, x.room.Free.UTC().Format("2006-01-02 15:04:05 MST")), s.approvers(*x.room))
	}
	for _, c := range over {
		asks = s.alsoAsk(asks, d, exceeded(c), s.approvers(c))
	}
	if x.over = over; x.known != nil {
		asks = s.alsoAsk(asks, d, fmt.Sprintf("%s is searched or sorted by whom wrote more than %d values into it within %s",
			x.known.Key.Column, x.known.Values, hoop.Duration(x.known.Per)), s.approvers(*x.known))
	}
	if x.small != nil {
		n := x.small.limit.MinGroup
		asks = s.alsoAsk(asks, d, fmt.Sprintf("it may show groups of fewer than %d rows that %s decides; with HAVING count(*) >= %d over one table, "+
			"or HAVING count(DISTINCT its key) >= %d, it may run", n, x.small.column, n, n), x.small.limit.Approval)
	}
	return asks, nil
}

// alsoAsk adds to what must be agreed to what a limit wants; with nobody to ask the
// statement is denied. asks begins with what the policy decided, which goes where it
// allows and a limit asks. policy is that: where it asks people, and the limit names
// nobody, they are enough.
func (s *Session) alsoAsk(asks []hoop.Decision, policy hoop.Decision, why string, by *hoop.ApprovalRule) []hoop.Decision {
	if by == nil {
		by = s.line.Policy.Approvers()
	}
	limit := policy
	limit.Effect, limit.Rule, limit.Also = hoop.EffectInfer, hoop.RuleInference, nil
	if by == nil && policy.Action == hoop.Approve { // nobody is to be asked besides
		if !strings.Contains(asks[0].Reason, "; infer: ") {
			asks[0].Reason += "; infer: " + why
		}
		return asks
	}
	if by == nil {
		limit.Action, limit.Approval = hoop.Deny, nil
		limit.Reason = "denied: infer: " + why + ", and no group has the role approver"
		return []hoop.Decision{limit}
	}
	limit.Action, limit.Approval, limit.Reason = hoop.Approve, by, "needs approval: infer: "+why
	if asks[0].Action == hoop.Deny {
		return asks
	}
	if asks[0].Action == hoop.Allow {
		return []hoop.Decision{limit}
	}
	for i, have := range asks {
		if !hoop.SameGroups(have.Approval.Groups, by.Groups) {
			continue
		}
		both := *have.Approval
		both.Count, both.Timeout = max(both.Count, by.Count), min(both.Timeout, by.Timeout)
		asks[i].Approval = &both
		if have.Rule != hoop.RuleInference { // else one limit is enough to say
			asks[i].Reason += "; infer: " + why
		}
		return asks
	}
	return append(asks, limit)
}

// approvers are those of the limit that a count is of; nil where it names none.
func (s *Session) approvers(c infer.Count) *hoop.ApprovalRule {
	if i, err := strconv.Atoi(c.Key.Rule); err == nil && i < len(s.learned) {
		return s.learned[i].Approval
	}
	return nil
}

// exceeded says why, and when there is room again.
func exceeded(c infer.Count) string {
	column := c.Key.Column
	if column == hoop.AnyColumn.String() {
		column = "what may be any protected column"
	}
	limit := fmt.Sprintf("%d values and %d searches, sorts or joins in %s", c.Values, c.Scans, hoop.Duration(c.Per))
	switch {
	case c.Many:
		return fmt.Sprintf("this statement can test %s for any number of values at once, and the limit is %s", column, limit)
	case c.Free.IsZero():
		return fmt.Sprintf("more comparisons with %s than %s; this statement alone exceeds it", column, limit)
	}
	return fmt.Sprintf("more comparisons with %s than %s; there is room for it again at %s", column, limit, c.Free.UTC().Format("2006-01-02 15:04:05 MST"))
}

// begin counts what a statement that may run compares. People agreed where limits were
// exceeded; those where there was room must have it still.
func (x *inferences) begin(ctx context.Context, l *Line) error {
	for _, c := range x.wrote {
		l.written.add(c, l.Now())
	}
	var agreed, others []infer.Claim
	for _, c := range x.claims {
		if slices.ContainsFunc(x.over, func(o infer.Count) bool { return o.Key == c.Key }) {
			agreed = append(agreed, c)
		} else {
			others = append(others, c)
		}
	}
	if len(others) > 0 {
		used, over, err := l.Inference.Take(ctx, others)
		switch {
		case err != nil:
			return l.uncounted(ctx, err)
		case len(over) > 0: // another session was faster
			return hoop.Errorf(hoop.CodeLimitExceeded, "the inference limit is used up: %s", exceeded(over[0])).
				WithHint("wait, or send the statement again: as long as there is no room, an approver decides about it")
		}
		x.used = used
	}
	if len(agreed) > 0 {
		used, err := l.Inference.Add(ctx, agreed)
		if err != nil {
			return l.uncounted(ctx, err)
		}
		x.used = append(x.used, used...)
	}
	return nil
}

// details are for the event: what was counted, never what was compared.
func (x *inferences) details() (out []hoop.Detail) {
	for i, c := range x.used {
		if i > 0 && c.Key.Column == x.used[i-1].Key.Column && c.Key.Rule == x.used[i-1].Key.Rule {
			continue // the same for whom the identity acts for
		}
		out = append(out, hoop.Detail{Name: "infer " + c.Key.Column, Value: fmt.Sprintf("%d of %d values, %d of %d scans in %s", c.UsedValues, c.Values, c.UsedScans, c.Scans, c.Per)})
	}
	return out
}

// lists reports whether an array is too long to be taken apart, or is in binary and no array
// (a multirange, a tsvector): it counts as more values than any limit.
func lists(st *hoop.Statement, list []hoop.Operand) bool {
	return slices.ContainsFunc(list, func(op hoop.Operand) bool {
		if !op.Array || op.Param < 1 || op.Param > len(st.Params) {
			return false
		}
		p := st.Params[op.Param-1]
		if len(p.Value) > maxParams {
			return true
		}
		_, array := binaryElements(p.Value)
		return op.Words && p.Binary && p.Value != nil && !array
	})
}

// operands are the values that are compared, as far as the statement lists them.
func operands(st *hoop.Statement, list []hoop.Operand) [][]byte {
	var out [][]byte
	for _, op := range list {
		value := []byte(unquoted(op.Text))
		switch {
		case op.Parts != nil:
			out = append(out, slices.Concat(value, []byte{0}, bytes.Join(readings(st, op.Parts), []byte{0})))
			continue
		case op.Param > 0 && op.Param <= len(st.Params):
			p := st.Params[op.Param-1]
			if value = p.Value; op.Array && p.Binary {
				list, _ := binaryElements(value)
				out = append(out, list...)
				continue
			}
		case op.Param > 0:
			continue // not bound yet
		case op.Literal >= 0:
			if st.Literal == nil {
				continue
			}
			text, ok := st.Literal(op.Literal)
			if !ok {
				continue
			}
			value = []byte(unquoted(text))
		}
		if value == nil {
			continue
		}
		switch list, ok := arrayText(value); {
		case op.Array && ok:
			out = append(out, elements(list)...)
		case op.Words:
			out = append(out, bytes.Fields(value)...)
		default:
			out = append(out, value)
		}
	}
	if out == nil {
		out = [][]byte{}
	}
	return out
}

// readings are the values that are compared, told apart by what makes others of them: the
// types that they are cast to, and the settings by which times are read.
func readings(st *hoop.Statement, list []hoop.Operand) [][]byte {
	out := [][]byte{}
	for i, op := range list {
		for _, v := range operands(st, list[i:i+1]) {
			out = append(out, slices.Concat(v, []byte{0}, []byte(op.Cast), []byte{0}, []byte(st.Dialect)))
		}
	}
	return out
}

// unquoted is the value of a string as SQL writes it.
func unquoted(text string) string {
	if n := len(text); n > 1 && text[0] == '\'' && text[n-1] == '\'' {
		return strings.ReplaceAll(text[1:n-1], "''", "'")
	}
	return text
}

// arrayText gives the part of a text that PostgreSQL reads as an array: blanks may stand before
// it, and bounds, as in [1:2]={a,b} (manual, "Array Input and Output Syntax").
func arrayText(text []byte) (list []byte, ok bool) {
	list = bytes.TrimSpace(text)
	if bytes.HasPrefix(list, []byte("[")) {
		_, list, _ = bytes.Cut(list, []byte("="))
		list = bytes.TrimSpace(list)
	}
	return list, bytes.HasPrefix(list, []byte("{"))
}

// elements are those of an array in text, without quotes and backslashes. What stands
// between them is not told apart any further: they are for counting and comparing.
func elements(v []byte) (out [][]byte) {
	at, quoted := 0, false
	add := func(e []byte) {
		if e = bytes.Trim(e, "{} \"\t\n\r\v\f"); len(e) > 0 {
			out = append(out, unescaped(e))
		}
	}
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			add(v[at:i])
			at = i + 1
		}
	}
	add(v[at:])
	return out
}

// unescaped is an element without the backslashes that take a sign for itself.
func unescaped(e []byte) []byte {
	if bytes.IndexByte(e, '\\') < 0 {
		return e
	}
	out := make([]byte, 0, len(e))
	for i := 0; i < len(e); i++ {
		if e[i] == '\\' && i+1 < len(e) {
			i++
		}
		out = append(out, e[i])
	}
	return out
}

// binaryElements are those of an array in binary (array_send): 4B dimensions + 4B + 4B
// + 8B per dimension + elements of 4B length and bytes. ok is false where the bytes are none.
func binaryElements(v []byte) (out [][]byte, ok bool) {
	be := func(i int) int {
		return int(int32(uint32(v[i])<<24 | uint32(v[i+1])<<16 | uint32(v[i+2])<<8 | uint32(v[i+3])))
	}
	if len(v) < 12 {
		return [][]byte{v}, false
	}
	dims := be(0)
	if dims < 0 || dims > 6 || len(v) < 12+8*dims {
		return [][]byte{v}, false
	}
	want := min(dims, 1)
	for d := range dims {
		if n := be(12 + 8*d); n > 0 && want <= len(v)/4 {
			want *= n
		}
	}
	i, all := 12+8*dims, 0
	for ; i+4 <= len(v); all++ {
		n := be(i)
		i += 4
		if n < 0 {
			continue
		}
		if n > len(v)-i {
			return append(out, v[i:]), false
		}
		out = append(out, v[i:i+n])
		i += n
	}
	return out, i == len(v) && all == want
}
