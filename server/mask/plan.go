package mask

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// Plan is what becomes of each column of an answer; a nil Transform relays the value
// as it is. A plan belongs to one goroutine at a time: its transforms keep buffers.
type Plan struct{ Columns []*Transform }

// Clear reports whether every column is relayed as it is.
func (p *Plan) Clear() bool {
	return !slices.ContainsFunc(p.Columns, func(t *Transform) bool { return t != nil })
}

// Transform masks the values of one column in one format.
type Transform struct {
	Rule string // name of the rule that protects the column; "" where only values are

	with    resource.Transform // "" scans
	relay   bool               // the value stays as it is
	least   int64              // smaller integers are NULL
	whole   bool               // the result is the same whatever the value
	watch   []func(value []byte)
	last    int
	shape   *shape
	binary  bool
	scan    *scanner
	mac     hash.Hash // of hash
	ff1     *ff1      // of tokenize, and of hash for integers
	year    int       // this year, of year
	sum     [sha256.Size]byte
	raw     [16]byte  // what is hashed, where that is not the value itself
	scratch []scratch // by depth of nesting
}

// With is what the transform makes of a value; Scan where it replaces only what it finds
// in one.
func (t *Transform) With() resource.Transform {
	if t.with == "" {
		return Scan
	}
	return t.with
}

// Scan stands for what a value rule does: it is no transform that a rule can name.
const Scan resource.Transform = "scan"

// SmallGroup is the rule name of a count that is left out where it is too small.
const SmallGroup = "min_group"

// Unproven is the rule name of a column that is masked since nobody knows what it shows.
const Unproven = "unproven"

// scratch holds an element of an array or composite outside its quotes, before and
// after it was masked.
type scratch struct{ raw, out []byte }

// Plan says what becomes of the columns of the statement's answer.
func (r *Rules) Plan(st *hoop.Statement, cols []hoop.Column) *Plan {
	p := &Plan{Columns: make([]*Transform, len(cols))}
	if !r.Any() {
		return p
	}
	reads := r.reads(st)
	for i, c := range cols {
		c.Derived = c.Derived && !st.Opaque && !r.all // what is not seen may have other origins, as may the catalog
		p.Columns[i] = r.column(c, reads)
	}
	return p
}

// Watch has see called with each value of column n as the target sends it, before it is
// masked; NULL is not shown. The bytes are valid during the call.
func (p *Plan) Watch(n int, see func(value []byte)) {
	t := p.Columns[n]
	if t == nil {
		t = &Transform{relay: true}
		p.Columns[n] = t
	}
	t.watch = append(t.watch, see)
}

// AtLeast makes counts below least NULL: those in the named columns of an answer that cols
// describes. What is masked already is so as well.
func (p *Plan) AtLeast(counts []int, least int, cols []hoop.Column) {
	for _, n := range counts {
		if n >= len(cols) { // another answer than was foreseen
			for i, c := range cols {
				p.Columns[i] = &Transform{Rule: SmallGroup, with: resource.Null, shape: shapeOf(c.Type, 0), binary: c.Binary}
			}
			return
		}
		if p.Columns[n] == nil {
			p.Columns[n] = &Transform{Rule: SmallGroup, relay: true, shape: shapeOf(cols[n].Type, 0), binary: cols[n].Binary}
		}
		p.Columns[n].least = int64(least)
	}
}

// column picks the transform of one column; reads says that the statement can read
// something protected.
func (r *Rules) column(c hoop.Column, reads bool) *Transform {
	switch {
	case !c.Proven && !c.Derived:
		if reads {
			return r.transform(c, redacted(Unproven), true)
		}
		return r.scanned(c, r.scanner)
	case !c.Plain:
		return r.computed(c)
	}
	var best *rule
	var free []*rule
	whole := false
	for _, o := range c.Origins {
		best = both(best, r.strictest(o))
		if r.copied(hoop.TableName(o.Schema, o.Table)) { // somebody computed what is stored there
			best, whole = both(best, redacted(Inherited)), true
		}
		named := r.freeText(o)
		if len(named) > 0 && o.Column == "*" { // a row is not the whole value of its column
			best = both(best, redacted(named[0].name))
		}
		free = append(free, named...)
	}
	switch {
	case best != nil && len(free) > 0:
		return r.transform(c, both(best, redacted(free[0].name)), whole) // no transform of a column scans as well
	case best != nil:
		return r.transform(c, best, whole)
	case len(free) == 0:
		return r.scanned(c, r.scanner)
	}
	sh := shapeOf(c.Type, 0)
	if !sh.scannable() {
		return r.transform(c, redacted(free[0].name), false)
	}
	t := r.scanned(c, newScanner(r.set, append(free, r.values...)))
	t.Rule = free[0].name
	return t
}

// computed picks the transform of a column that is computed from its origins: whatever
// protects one of them redacts it, since no other transform fits a computed value. Its
// shape goes too, where that may be computed as well.
func (r *Rules) computed(c hoop.Column) *Transform {
	var best *rule
	whole := !c.Shaped
	for _, list := range [2][]hoop.ColumnRef{c.Origins, c.From} {
		for _, o := range list {
			if name, ok := r.Protects(o); ok {
				best = both(best, redacted(name))
				whole = whole || r.copied(hoop.TableName(o.Schema, o.Table))
			}
		}
	}
	if best != nil {
		return r.transform(c, best, whole)
	}
	return r.scanned(c, r.scanner)
}

// transform makes the transform of a rule; whole says that not even the value's shape
// may show.
func (r *Rules) transform(c hoop.Column, by *rule, whole bool) *Transform {
	t := &Transform{Rule: by.name, with: by.with, last: by.last, shape: shapeOf(c.Type, 0), binary: c.Binary, whole: whole}
	switch by.with {
	case resource.Hash:
		t.mac = hmac.New(sha256.New, r.set.key)
		t.ff1 = newFF1(r.set.key)
	case resource.Tokenize:
		t.ff1 = newFF1(r.set.key)
	case resource.Year, resource.Age90:
		t.year = r.set.Now().UTC().Year()
	}
	if t.shape.kind == shapeVoid {
		return nil // void has one value, the empty one
	}
	return t
}

func (r *Rules) scanned(c hoop.Column, s *scanner) *Transform {
	if s == nil {
		return nil
	}
	if !c.Plain {
		s = s.untraced
	}
	sh := shapeOf(c.Type, 0)
	if !sh.scannable() {
		return nil
	}
	return &Transform{shape: sh, binary: c.Binary, scan: s}
}

// Open reports whether a column of one of r's plans shows its values as they are, but for
// what Text replaces.
func (r *Rules) Open(t *Transform) bool {
	return t == nil || t.least == 0 && (t.relay || t.with == "" && t.scan != nil && r.scanner != nil && t.scan.untraced == r.scanner.untraced)
}

// Append appends the masked value to dst. A nil value is NULL and stays NULL, but where
// a computed value's NULLs tell too much; null reports that the result is NULL, and then
// nothing was appended. changed reports that the result is not the value. dst and value
// must not overlap.
func (t *Transform) Append(dst, value []byte) (out []byte, null, changed bool) {
	if value != nil {
		for _, see := range t.watch {
			see(value)
		}
	}
	switch {
	case t.whole && t.with == resource.Redact:
		out, null = t.constant(t.shape, dst)
		return out, null, true
	case value == nil:
		return dst, true, false
	}
	if t.least > 0 {
		if n, ok := t.integer(value); !ok || n < t.least {
			return dst, true, true
		}
	}
	if t.relay {
		return append(dst, value...), false, false
	}
	if t.with == resource.Null {
		return dst, true, true
	}
	at := len(dst)
	out, null, changed, ok := t.apply(t.shape, dst, value, 0)
	if !ok { // not decoded: the most sensitive kind
		return dst[:at], true, true
	}
	if null {
		return out[:at], true, true
	}
	return out, false, changed
}

// apply masks one value of a shape at a depth of nesting; ok is false where the value
// could not be decoded, and then out is worth nothing.
func (t *Transform) apply(s *shape, dst, v []byte, depth int) (out []byte, null, changed, ok bool) {
	if s.domain && t.scan == nil {
		return t.inDomain(s, dst, v, depth)
	}
	switch s.kind {
	case shapeText:
		out, changed, ok = t.text(s, dst, v)
		return out, false, changed, ok
	case shapeJSON, shapeJSONB:
		out, changed, ok = t.json(s, dst, v)
		return out, false, changed, ok
	case shapeArray:
		if t.binary {
			return t.arrayBinary(s, dst, v, depth)
		}
		return t.arrayText(s, dst, v, depth)
	case shapeComposite, shapeRecord:
		if t.binary {
			return t.compositeBinary(s, dst, v, depth)
		}
		return t.compositeText(s, dst, v, depth)
	case shapeVoid:
		return append(dst, v...), false, false, true
	}
	if t.scan != nil {
		return t.scanOther(s, dst, v)
	}
	return t.scalar(s, dst, v)
}

// inDomain masks a value of a domain: another value could violate its check, so that only
// one which is left as it is stays, and one of its format. What that tells of it must not be
// more than the transform says: an age of 90 would be told from those above it, the first
// of January from other days.
func (t *Transform) inDomain(s *shape, dst, v []byte, depth int) (out []byte, null, changed, ok bool) {
	switch {
	case t.with == resource.Age90 && (s.kind == shapeInt || s.kind == shapeText):
		under := *s
		under.domain = false
		out, null, _, ok = t.apply(&under, dst, v, depth)
		if !ok || null || !bytes.Equal(out[len(dst):], v) || t.atOldest(s, v) {
			return dst, true, true, ok
		}
		return out, false, true, true
	case t.with == resource.Tokenize && s.kind == shapeText && s.oid != oidXML:
		if out, ok := t.ff1.tokenize(dst, v); ok {
			return out, false, true, true
		}
	}
	return dst, true, true, true
}

// scanOther scans what has no place for a marker: a match makes it NULL.
func (t *Transform) scanOther(s *shape, dst, v []byte) (out []byte, null, changed, ok bool) {
	if s.kind == shapeForeign && t.scan.matches(v) {
		return dst, true, true, true
	}
	return append(dst, v...), false, false, true
}

// buffers gives the scratch of a depth, emptied.
func (t *Transform) buffers(depth int) *scratch {
	if t.scratch == nil {
		t.scratch = make([]scratch, maxDepth+2) // one more for JSON and bytea at any depth
	}
	b := &t.scratch[depth]
	b.raw, b.out = b.raw[:0], b.out[:0]
	return b
}
