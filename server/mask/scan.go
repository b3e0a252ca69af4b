package mask

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	mathbits "math/bits"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/server/resource"
)

// detector finds one kind of value in a text. Exactly one of find and re is set.
type detector struct {
	name string

	// find looks at a bounded stretch of s around i and returns where a value starts and
	// ends, or 0, 0. It is asked at triggers that a byte of then follows (any, where that is
	// empty), and at numbers that number accepts: plain, or near one of words, of which
	// the last word counts.
	find     func(s []byte, i int) (start, end int)
	bit      int // in gates
	triggers string
	then     string
	number   func(numeral) (plain, near bool)
	first    func(n int) string // digits that such a number of n can start with; any, where that is nil
	words    []string

	re   *regexp.Regexp
	must *sequence // every match has it; nil where nothing is known
}

// scanner finds the values of several rules in a text and replaces them. It may be
// used concurrently.
type scanner struct {
	set      *Set
	by       [len(builtins)]*entry
	enabled  uint64    // bits of by
	others   uint64    // the same, without names and cities
	wake     [256]bool // bytes at which some of them look
	inner    [256]bool // the same, of others than names and cities
	capitals [256]bool // the same, of names and cities
	regexps  []entry

	// untraced finds the same and shows no hashes: for texts that the client may have made
	// itself. It is the scanner itself where that has none.
	untraced *scanner
}

type entry struct {
	detector
	with resource.Transform
	last int
}

// newScanner prepares the value detectors of rules; nil where there are none. A
// detector that several rules name keeps the strictest transform.
func newScanner(set *Set, rules []*rule) *scanner {
	s := &scanner{set: set}
	sorted := slices.Clone(rules)
	slices.SortStableFunc(sorted, func(a, b *rule) int { return stricter(b, a) })
	for _, r := range sorted {
		for _, d := range r.values {
			switch {
			case d.re != nil:
				s.regexps = append(s.regexps, entry{d, r.with, r.last})
			case s.by[d.bit] == nil:
				s.enabled |= 1 << d.bit
				s.by[d.bit] = &entry{d, r.with, r.last}
			}
		}
	}
	if s.enabled == 0 && len(s.regexps) == 0 {
		return nil
	}
	s.others = s.enabled &^ capitalBits
	for c, bits := range gate.byte {
		s.wake[c] = bits&s.enabled != 0 || isDigit(byte(c)) && gate.numbers&s.enabled != 0
		s.inner[c] = bits&s.others != 0
		s.capitals[c] = bits&s.enabled&capitalBits != 0
	}
	s.untraced = s
	if slices.ContainsFunc(rules, func(r *rule) bool { return traceable(r.with) }) {
		plain := make([]*rule, len(rules))
		for i, r := range rules {
			c := *r
			if traceable(c.with) {
				c.with = resource.Redact
			}
			plain[i] = &c
		}
		s.untraced = newScanner(set, plain)
	}
	return s
}

// span is a stretch of text that one detector found.
type span struct {
	start, end int
	by         *entry
}

// matches reports whether anything is found in s.
func (s *scanner) matches(v []byte) bool { return len(s.spans(v)) > 0 }

// found is all that the detectors find, in no order.
func (s *scanner) found(v []byte) (found []span) {
	found = s.look(v, nil)
	f := fold(v)
	if f == nil {
		return found
	}
	defer f.free()
	for _, hit := range s.look(f.text, nil) {
		hit.start, hit.end = f.origin(hit.start, hit.end)
		found = append(found, hit)
	}
	return found
}

func (s *scanner) look(v []byte, found []span) []span {
	if s.enabled != 0 {
		found = s.scan(v, found)
	}
	if len(s.regexps) > 0 {
		found = s.match(v, found)
	}
	return found
}

// spans finds all values in order; stretches that overlap become one, by the first of
// those that leave least.
func (s *scanner) spans(v []byte) []span {
	found := s.found(v)
	if len(found) < 2 {
		return found
	}
	slices.SortStableFunc(found, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	merged := found[:1]
	for _, f := range found[1:] {
		if last := &merged[len(merged)-1]; f.start < last.end {
			last.end = max(last.end, f.end)
			if cmp.Or(cmp.Compare(strictness[f.by.with], strictness[last.by.with]), cmp.Compare(last.by.last, f.by.last)) > 0 {
				last.by = f.by
			}
			continue
		}
		merged = append(merged, f)
	}
	return merged
}

// scan walks the text and asks the detectors where gates open.
func (s *scanner) scan(v []byte, found []span) []span {
	var capitals row
	var urls links
	houseless := 0 // before it no number is that of a house
	for i := 0; i < len(v); i++ {
		c := v[i]
		if !s.wake[c] {
			continue
		}
		if c >= '0' && c <= '9' {
			r, end := numeralAt(v, i)
			letter := place(r.letter)
			run := &gate.runs[r.n]
			mine := s.enabled & run.first[c-'0']
			bits := run.plain[r.next][letter][r.before] & mine
			if bits&addressBit != 0 {
				if i >= houseless {
					houseless = inList(v, end)
				}
				if i < houseless {
					bits &^= addressBit
				}
			}
			if close := run.near[r.next][letter] & mine &^ bits; close != 0 {
				bits |= close & s.near(v, i)
			}
			if bits != 0 {
				found = s.ask(v, i, bits, found)
			}
			i = end - 1
			continue
		}
		if i+1 == len(v) {
			break
		}
		if s.capitals[c] {
			if i >= capitals.end && !inWord(v, i) {
				found = s.capital(&capitals, v, i, found)
			}
			if capitals.lone > i {
				i = capitals.lone - 1
				continue
			}
			if !s.inner[c] {
				for i+1 < capitals.end && isAlpha(v[i+1]) && !s.inner[v[i+1]] {
					i++ // the rest of the word
				}
				continue
			}
		}
		bits := gate.byte[c] & gate.then[v[i+1]] & s.others
		if bits&urlBit != 0 {
			if start, end := urls.find(v, i); end > start {
				found = append(found, span{start, end, s.by[bitURL]})
			}
		}
		if bits &^= urlBit; bits != 0 {
			found = s.ask(v, i, bits, found)
		}
	}
	return found
}

// place is 1 for what holds, and 0 for what does not: where a table has it, or how many there are.
func place(holds bool) int {
	if holds {
		return 1
	}
	return 0
}

// capital looks for names and cities at a word with a capital.
func (s *scanner) capital(r *row, v []byte, i int, found []span) []span {
	first, ok := r.read(v, i)
	if !ok {
		return found
	}
	if r.end = first.end; first.flags&isLone != 0 {
		r.lone = first.end
	}
	if first.nothing() {
		return found
	}
	if e := s.by[bitName]; e != nil && r.at < r.names {
		if start, end := r.name(v); end > start {
			found = append(found, span{start, end, e})
		}
	}
	if e := s.by[bitCity]; e != nil && r.at < r.cities {
		if start, end := r.city(v); end > start {
			found = append(found, span{start, end, e})
		}
	}
	return found
}

// near gives the detectors whose words stand before the number at i, or before the
// token that it is in.
func (s *scanner) near(v []byte, i int) uint64 {
	bits := near(v, i)
	start := i
	for start > 0 && i-start < reach && (isAlnum(v[start-1]) || v[start-1] == '-') {
		start--
	}
	if start < i {
		bits |= near(v, start)
	}
	return bits
}

// ask has the detectors of bits look at i.
func (s *scanner) ask(v []byte, i int, bits uint64, found []span) []span {
	for ; bits != 0; bits &= bits - 1 {
		e := s.by[mathbits.TrailingZeros64(bits)]
		if start, end := e.find(v, i); end > start {
			found = append(found, span{start, end, e})
		}
	}
	return found
}

func (s *scanner) match(v []byte, found []span) []span {
	for n := range s.regexps {
		e := &s.regexps[n]
		if !e.must.in(v) {
			continue
		}
		for _, at := range allIndex(e.re, v) {
			found = append(found, span{at[0], at[1], e})
		}
	}
	return found
}

// allIndex gives where re matches in v, one behind the other; where that takes too long,
// that all of v is a match. Go's regexp takes time in the length of the text for each
// match, and so in its square for all of an expression that looks far past what it matches:
// x(.*y)? in a text of nothing but x.
func allIndex(re *regexp.Regexp, v []byte) [][]int {
	limit := 250*time.Millisecond + time.Duration(len(v))*time.Microsecond
	for most := 8; ; most *= 4 {
		start := time.Now()
		at := re.FindAllIndex(v, most)
		if len(at) < most {
			return at
		}
		if time.Since(start) > limit {
			return [][]int{{0, len(v)}}
		}
	}
}

// replace appends v with the values it finds replaced. With a limit, the length of
// the type, what replaces a value has no more characters than the value.
func (s *scanner) replace(dst, v []byte, limit int) (out []byte, changed bool) {
	found := s.spans(v)
	if len(found) == 0 {
		return append(dst, v...), false
	}
	at := 0
	for _, f := range found {
		dst = append(dst, v[at:f.start]...)
		from := len(dst)
		dst = s.mark(dst, v[f.start:f.end], f.by)
		if n := utf8.RuneCount(v[f.start:f.end]); limit > 0 && utf8.RuneCount(dst[from:]) > n {
			dst = dst[:from]
			for range n {
				dst = append(dst, '*')
			}
		}
		at = f.end
	}
	return append(dst, v[at:]...), true
}

// mark appends what stands for a value.
func (s *scanner) mark(dst, v []byte, by *entry) []byte {
	switch by.with {
	case resource.Partial:
		return appendPartial(dst, v, by.last)
	case resource.Hash:
		mac := hmac.New(sha256.New, s.set.key)
		_, _ = mac.Write([]byte("hoop mask value\x00")) // never fails: hash.Hash
		_, _ = mac.Write(v)
		dst = append(append(dst, '['), shorten(by.name)...)
		dst = append(dst, ':')
		dst = hex.AppendEncode(dst, mac.Sum(nil)[:8])
		return append(dst, ']')
	}
	return append(append(append(dst, '['), by.name...), ']')
}

// shorten keeps a marker with a hash within 64 characters.
func shorten(name string) string { return name[:min(len(name), 40)] }
