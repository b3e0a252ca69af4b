package session

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/mask"
)

// decoys watches for values that no honest query touches. They are in no event.
type decoys struct {
	list []watched
	hits map[int]bool // of list, in rows since the last Touched; rows belong to one goroutine
	told map[int]bool // of the target's decoys, for this statement
	// stored are tables into which the session put a decoy of the target's: joined with its
	// column they test for it.
	stored map[int]map[string]bool

	types *pgtype.Map
	loose *looseness // the session's
}

// minDecoyPart is how long a decoy must be to be looked for within other texts.
const minDecoyPart = 6

// compared gives the decoys that the statement compares a column with, and those that it takes
// along where nobody looks at the rows: in COPY, or to another place in the target.
func (d *decoys) compared(st *hoop.Statement) (compared, copied []int) {
	for i, decoy := range d.list {
		table := hoop.TableName(decoy.Column.Schema, decoy.Column.Table)
		switch {
		case slices.Contains(st.Verbs, "COPY") && slices.Contains(st.Reads, table) || d.looked(i, st):
			compared = append(compared, i)
		case slices.ContainsFunc(st.Copied, func(u hoop.Use) bool { return takes(u, decoy.Column) }):
			copied = append(copied, i)
		}
	}
	d.keep(st)
	return compared, copied
}

// takes reports whether a use that copies takes values of a column.
func takes(u hoop.Use, c hoop.ColumnRef) bool {
	if len(u.Columns) == 0 {
		return slices.Contains(u.Tables, hoop.TableName(c.Schema, c.Table))
	}
	return slices.Contains(u.Columns, hoop.AnyColumn) || among(u.Columns, c)
}

// among reports whether a column is one of some, of which "*" is every one of its table.
func among(columns []hoop.ColumnRef, c hoop.ColumnRef) bool {
	return slices.ContainsFunc(columns, func(from hoop.ColumnRef) bool {
		return from == c || from.Column == "*" && from.Schema == c.Schema && from.Table == c.Table
	})
}

func (d *decoys) looked(i int, st *hoop.Statement) bool {
	decoy := d.list[i]
	for _, look := range st.Looks {
		if look.Wrote || !among(look.Columns, decoy.Column) {
			continue
		}
		if d.tested(look.Operands, st, decoy.Values, !look.Exact, look.Loose) || d.tested(look.Near, st, decoy.Values, true, look.Loose) {
			return true
		}
		if slices.ContainsFunc(look.Between, func(r hoop.Range) bool { return d.within(r, st, decoy.Values, look.Loose) }) ||
			slices.ContainsFunc(look.Near, func(op hoop.Operand) bool { return d.inside(d.texts(st, op), decoy.Values) }) {
			return true
		}
		for _, group := range look.Against {
			if slices.ContainsFunc(group, func(c hoop.ColumnRef) bool {
				return d.stored[decoy.of][hoop.TableName(c.Schema, c.Table)] || c.Schema == ownTables && d.stored[decoy.of][ownTables]
			}) {
				return true
			}
		}
	}
	return false
}

// tested reports whether one of the operands is one of values. Those of a pattern or of a
// function may have it in them, in other letters; loose is that of a look.
func (d *decoys) tested(list []hoop.Operand, st *hoop.Statement, values []string, within, loose bool) bool {
	for _, op := range list {
		for _, v := range d.texts(st, op) {
			if slices.ContainsFunc(values, func(want string) bool {
				return same(v, want) || within && len(want) >= minDecoyPart && stands(strings.ToLower(v), strings.ToLower(want))
			}) || loose && d.loose.same(v, values, within) {
				return true
			}
		}
	}
	return false
}

// within reports whether one of values lies in a range; loose is that of its look.
func (d *decoys) within(r hoop.Range, st *hoop.Statement, values []string, loose bool) bool {
	for _, low := range d.texts(st, r.Low) {
		for _, high := range d.texts(st, r.High) {
			if slices.ContainsFunc(values, func(v string) bool {
				return lies(v, low, high, r.LowOpen, r.HighOpen) || loose && lies(core(v), core(low), core(high), r.LowOpen, r.HighOpen)
			}) || loose && (!r.LowOpen && d.loose.same(low, values, false) || !r.HighOpen && d.loose.same(high, values, false)) {
				return true
			}
		}
	}
	return false
}

// lies reports whether a value is between two others.
func lies(v, low, high string, lowOpen, highOpen bool) bool {
	from, ok := order(low, v)
	to, also := order(v, high)
	return ok && also && (from < 0 || from == 0 && !lowOpen) && (to < 0 || to == 0 && !highOpen)
}

// inside reports whether one of values lies in a range that texts have: [1,5), or those of a
// multirange, which is taken apart as an array of their ends is.
func (d *decoys) inside(texts, values []string) bool {
	for i, text := range texts {
		low, high, one := strings.Cut(text, ",")
		if !one && i+1 < len(texts) {
			high = texts[i+1]
		}
		low, high = strings.TrimSpace(low), strings.TrimSpace(high)
		if low == "" || high == "" || low[0] != '[' && low[0] != '(' || high[len(high)-1] != ']' && high[len(high)-1] != ')' {
			continue
		}
		from, to := strings.Trim(low[1:], `" `), strings.Trim(high[:len(high)-1], `" `)
		if slices.ContainsFunc(values, func(v string) bool { return lies(v, from, to, low[0] == '(', high[len(high)-1] == ')') }) {
			return true
		}
	}
	return false
}

// order compares two values as any type would that they can be of; ok is false where that
// is not known. Numbers are compared as such: who sorts texts of digits pads them. Others
// are where they differ in nothing but digits, as dates and codes do, whatever the collation.
func order(a, b string) (n int, ok bool) {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	if x, ok := decimal(a); ok {
		if y, ok := decimal(b); ok {
			return compareDecimals(x, y), true
		}
	}
	if x, ok := uuidDigits(a); ok {
		if y, ok := uuidDigits(b); ok {
			return strings.Compare(x, y), true
		}
	}
	return strings.Compare(a, b), len(a) == len(b) && form(a) == form(b)
}

// compareDecimals orders two numbers as decimal has them, in time that grows with their length.
func compareDecimals(a, b string) int {
	x, below := strings.CutPrefix(a, "-")
	y, other := strings.CutPrefix(b, "-")
	switch {
	case below && !other:
		return -1
	case other && !below:
		return 1
	case below:
		x, y = y, x
	}
	left, leftPart, _ := strings.Cut(x, ".")
	right, rightPart, _ := strings.Cut(y, ".")
	return cmp.Or(cmp.Compare(len(left), len(right)), strings.Compare(left, right), strings.Compare(leftPart, rightPart))
}

// form is a text with every digit 0.
func form(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '0'
		}
		return r
	}, s)
}

// stores are the commands that put values of the text into tables; SELECT does in WITH.
var stores = map[string]bool{"INSERT": true, "UPDATE": true, "MERGE": true, "CREATE TABLE AS": true, "SELECT INTO": true, "CREATE VIEW": true, "EXECUTE": true, "SELECT": true}

// ownTables stands for every temporary table: their effect, session, names none.
const ownTables = "pg_temp"

// keep notes the tables into which the statement may have put a decoy that it has, or reads from
// where one was put.
func (d *decoys) keep(st *hoop.Statement) {
	if !slices.ContainsFunc(st.Verbs, func(verb string) bool { return stores[verb] }) {
		return
	}
	var tables []string
	for _, u := range st.Uses {
		switch u.Effect {
		case hoop.EffectRead, hoop.EffectInfer:
		case hoop.EffectSession:
			tables = append(tables, ownTables)
		default:
			tables = append(append(tables, u.Tables...), u.Into...)
		}
	}
	var all []hoop.Operand
	for n := range st.Params {
		all = append(all, hoop.Operand{Param: n + 1, Literal: -1, Array: true})
	}
	for n := 0; st.Literal != nil; n++ {
		text, ok := st.Literal(n)
		if !ok {
			break
		}
		all = append(all, hoop.Operand{Text: text, Literal: -1, Array: true})
	}
	for _, decoy := range d.list {
		in := d.stored[decoy.of]
		from := slices.ContainsFunc(st.Reads, func(t string) bool { return in[t] || in[ownTables] && strings.HasPrefix(t, ownTables+".") })
		if !from && !d.tested(all, st, decoy.Values, true, true) {
			continue
		}
		if in == nil {
			in = map[string]bool{}
			d.stored[decoy.of] = in
		}
		for _, table := range tables {
			if table != hoop.TableName(decoy.Column.Schema, decoy.Column.Table) && len(in) < maxStored {
				in[table] = true
			}
		}
	}
}

// maxStored is how many tables of a session are noted for a decoy.
const maxStored = 1000

// texts are the values that an operand can be, as text.
func (d *decoys) texts(st *hoop.Statement, op hoop.Operand) (out []string) {
	if op.Param == 0 || op.Param > len(st.Params) || !st.Params[op.Param-1].Binary {
		for _, v := range operands(st, []hoop.Operand{op}) {
			out = append(out, string(v))
		}
		return out
	}
	p := st.Params[op.Param-1]
	if text, ok := textOf(d.types, p.Type, p.Value); ok {
		out = append(out, text)
		list, _ := arrayText([]byte(text))
		for _, v := range elements(list) {
			out = append(out, string(v))
		}
		return out
	}
	list, _ := binaryElements(p.Value)
	for _, v := range append(list, p.Value) {
		out = append(out, plausible(v)...)
		if text, ok := textOf(d.types, pgtype.NumericOID, v); ok {
			out = append(out, text)
		}
	}
	return out
}

// plausible gives a value in some binary format as the texts that it may be.
func plausible(v []byte) []string {
	out := []string{string(v)}
	switch len(v) {
	case 2:
		out = append(out, strconv.Itoa(int(int16(binary.BigEndian.Uint16(v)))))
	case 4:
		n := binary.BigEndian.Uint32(v)
		out = append(out, strconv.Itoa(int(int32(n))), strconv.FormatFloat(float64(math.Float32frombits(n)), 'f', -1, 32))
	case 8:
		n := binary.BigEndian.Uint64(v)
		out = append(out, strconv.FormatInt(int64(n), 10), strconv.FormatFloat(math.Float64frombits(n), 'f', -1, 64))
	case 16:
		out = append(out, hex.EncodeToString(v))
	}
	return out
}

// same reports whether v is the decoy want, perhaps written in another way: with blanks
// around it (char(n) has some behind), 50.0 and +050 for 50, a UUID without dashes.
func same(v, want string) bool {
	v = strings.TrimSpace(v)
	if v == want {
		return true
	}
	if n, ok := decimal(want); ok && (want[0] != '0' || strings.HasPrefix(want, "0.") || want == "0") { // 007 is rather a code
		m, ok := decimal(v)
		return ok && m == n
	}
	n, ok := uuidDigits(want)
	m, also := uuidDigits(v)
	return ok && also && n == m
}

// maxExponent is up to which exponent numbers are told.
const maxExponent = 400

// decimal is a number without what need not be written: 50 for +050.0, and for 5e1.
func decimal(s string) (string, bool) {
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	exponent := 0
	if i := strings.IndexAny(digits, "eE"); i > 0 {
		n, err := strconv.Atoi(digits[i+1:])
		if err != nil || n > maxExponent || n < -maxExponent {
			return "", false
		}
		digits, exponent = digits[:i], n
	}
	whole, part, point := strings.Cut(digits, ".")
	if whole+part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return "", false
	}
	if exponent > 0 {
		part += strings.Repeat("0", max(0, exponent-len(part)))
		whole, part, point = whole+part[:exponent], part[exponent:], true
	} else if exponent < 0 {
		whole = strings.Repeat("0", max(0, -exponent-len(whole))) + whole
		whole, part, point = whole[:len(whole)+exponent], whole[len(whole)+exponent:]+part, true
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if part = strings.TrimRight(part, "0"); point && part != "" {
		whole += "." + part
	}
	if negative && whole != "0" {
		whole = "-" + whole
	}
	return whole, true
}

// uuidDigits are the digits of a UUID, however it is written (PostgreSQL manual, "UUID
// Type").
func uuidDigits(s string) (string, bool) {
	s = strings.ToLower(strings.ReplaceAll(strings.Trim(s, "{}"), "-", ""))
	return s, len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// watch has the plan look at the columns that may show decoys.
func (d *decoys) watch(p *mask.Plan, st *hoop.Statement, cols []hoop.Column) {
	for i, decoy := range d.list {
		reads := slices.Contains(st.Reads, hoop.TableName(decoy.Column.Schema, decoy.Column.Table))
		for n, col := range cols {
			origin := slices.Contains(col.Origins, decoy.Column)
			made := slices.Contains(col.From, decoy.Column)
			switch {
			case col.Proven && origin:
				p.Watch(n, func(v []byte) {
					text, _ := d.text(col.Type, col.Binary, v)
					d.seen(i, slices.ContainsFunc(decoy.Values, func(want string) bool { return same(text, want) }))
				})
			case made, !col.Proven && (origin || !col.Derived && reads):
				p.Watch(n, func(v []byte) {
					text, parts := d.text(col.Type, col.Binary, v)
					d.seen(i, contains(text, decoy.Values, parts && origin))
				})
			case !col.Proven && !col.Derived && slices.Contains(st.Reads, "*"): // short ones are anybody's
				p.Watch(n, func(v []byte) {
					text, _ := d.text(col.Type, col.Binary, v)
					d.seen(i, slices.ContainsFunc(decoy.Values, func(want string) bool { return len(want) >= minDecoyPart && strings.Contains(text, want) }))
				})
			}
		}
	}
}

// text is a value as the target shows it in text, as far as its type is known here; parts
// says that it is made of others, as arrays, rows and JSON are.
func (d *decoys) text(t *hoop.Type, isBinary bool, v []byte) (text string, parts bool) {
	for t.Kind == hoop.TypeDomain && t.Elem != nil {
		t = t.Elem
	}
	parts = t.Kind == hoop.TypeArray || t.Kind == hoop.TypeComposite || t.OID == pgtype.RecordOID || t.OID == pgtype.JSONOID || t.OID == pgtype.JSONBOID
	if !isBinary {
		return string(v), parts
	}
	if text, ok := textOf(d.types, t.OID, v); ok {
		return text, parts
	}
	if t.Kind == hoop.TypeComposite || t.OID == pgtype.RecordOID {
		return d.rowText(v), parts
	}
	return string(v), parts
}

// rowText gives the fields of a row in binary (record_send: 4B number of fields, then of
// each 4B type, 4B length, value), as far as they can be read.
func (d *decoys) rowText(v []byte) string {
	var fields []string
	for rest := v[min(4, len(v)):]; len(rest) >= 8; {
		oid, n := binary.BigEndian.Uint32(rest), int32(binary.BigEndian.Uint32(rest[4:]))
		if rest = rest[8:]; n < 0 {
			continue
		}
		if int(n) > len(rest) {
			break
		}
		text, ok := textOf(d.types, oid, rest[:n])
		if !ok {
			text = string(rest[:n])
		}
		fields, rest = append(fields, text), rest[n:]
	}
	return strings.Join(fields, ",")
}

func (d *decoys) seen(i int, hit bool) {
	if hit {
		d.hits[i] = true
	}
}

// contains reports whether one of values is in text: shorter ones than minDecoyPart only
// where parts says that text is made of values, and as one of these.
func contains(text string, values []string, parts bool) bool {
	return slices.ContainsFunc(values, func(want string) bool {
		return same(text, want) || len(want) >= minDecoyPart && strings.Contains(text, want) || parts && stands(text, want)
	})
}

// stands reports whether want is in text with neither letter nor digit beside it.
func stands(text, want string) bool {
	for at := 0; want != ""; {
		i := strings.Index(text[at:], want)
		if i < 0 {
			return false
		}
		if at += i; !alnum(text, at-1) && !alnum(text, at+len(want)) {
			return true
		}
		at++
	}
	return false
}

func alnum(s string, i int) bool {
	return i >= 0 && i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || s[i] >= 0x80)
}

// touched raises an alert for each decoy, once for a statement. The error ends the
// session where one is so ruled; the alerts are on record then.
func (s *Session) touched(ctx context.Context, r *Run, hit []int, how string) error {
	var pos journal.Pos
	end := false
	for _, i := range hit {
		d := r.decoys.list[i]
		if r.decoys.told[d.of] {
			continue
		}
		r.decoys.told[d.of] = true
		action := "alert"
		if d.End {
			action, end = "end", true
		}
		var err error
		if pos, err = s.log(&hoop.Event{
			Type: hoop.EventAlert, Text: r.st.Shape, Tables: []string{hoop.TableName(d.Column.Schema, d.Column.Table)},
			Reason:  "a decoy value was touched",
			Details: []hoop.Detail{{Name: "column", Value: d.Column.String()}, {Name: "how", Value: how}, {Name: "action", Value: action}},
		}); err != nil {
			return unrecorded(err)
		}
	}
	if !end {
		return nil
	}
	if err := s.line.Journal.Wait(ctx, pos); err != nil {
		return unrecorded(err)
	}
	why := hoop.Errorf(hoop.CodeDenied, "the session was ended by a rule of target %s", s.target.Name).
		WithHint("talk to an administrator").Because(hoop.CauseDecoy)
	s.end(why)
	return why
}

// Touched tells of decoys in the rows since it was called last. An error says that the
// last row must not reach the client, and that the session ends.
func (r *Run) Touched() error {
	if len(r.decoys.hits) == 0 {
		return nil
	}
	var hit []int
	for i := range r.decoys.hits {
		hit = append(hit, i)
	}
	slices.Sort(hit)
	clear(r.decoys.hits)
	return r.session.touched(r.session.ctx, r, hit, "delivered")
}

// Quoted is for a text of the target's that the client is about to see, of an error or a notice
// behind the statement: one that quotes a value of a decoy shows it as a row does. An error is as
// that of Touched.
func (r *Run) Quoted(text []byte) error {
	for i, decoy := range r.decoys.list {
		if slices.Contains(r.st.Reads, hoop.TableName(decoy.Column.Schema, decoy.Column.Table)) {
			r.decoys.seen(i, contains(string(text), decoy.Values, true))
		}
	}
	return r.Touched()
}

// Watches reports whether rows are looked at even where nothing is masked.
func (r *Run) Watches() bool { return len(r.decoys.list) > 0 }
