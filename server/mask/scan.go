package mask

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/server/resource"
)

// detector finds one kind of value in a text. Exactly one of find and re is set.
type detector struct {
	name string

	// triggers are the bytes at which find is asked; it looks at a bounded stretch of s
	// around i and returns where a value starts and ends, or 0, 0.
	triggers string
	find     func(s []byte, i int) (start, end int)

	re   *regexp.Regexp
	must *sequence // every match has it; nil where nothing is known
}

// scanner finds the values of several rules in a text and replaces them. It may be
// used concurrently.
type scanner struct {
	set     *Set
	finds   []entry
	table   [256]uint64 // bit n: finds[n] is triggered by the byte
	regexps []entry
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
	seen := map[string]bool{}
	for _, r := range sorted {
		for _, d := range r.values {
			e := entry{d, r.with, r.last}
			switch {
			case d.re != nil:
				s.regexps = append(s.regexps, e)
			case !seen[d.name]:
				seen[d.name] = true
				for i := range len(d.triggers) {
					s.table[d.triggers[i]] |= 1 << len(s.finds)
				}
				s.finds = append(s.finds, e)
			}
		}
	}
	if len(s.finds)+len(s.regexps) == 0 {
		return nil
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

// spans finds all values in order; stretches that overlap become one, by the first.
func (s *scanner) spans(v []byte) []span {
	var found []span
	if len(s.finds) > 0 {
		found = s.scan(v)
	}
	if len(s.regexps) > 0 {
		found = s.match(v, found)
	}
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
			continue
		}
		merged = append(merged, f)
	}
	return merged
}

func (s *scanner) scan(v []byte) (found []span) {
	for i, c := range v {
		if isDigit(c) && digitAt(v, i-1) {
			continue // detectors look at numbers from their first digit
		}
		for bits, n := s.table[c], 0; bits != 0; bits, n = bits>>1, n+1 {
			if bits&1 == 0 {
				continue
			}
			if start, end := s.finds[n].find(v, i); end > start {
				found = append(found, span{start, end, &s.finds[n]})
			}
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
		for _, at := range e.re.FindAllIndex(v, -1) {
			found = append(found, span{at[0], at[1], e})
		}
	}
	return found
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
		_, _ = mac.Write(v) // never fails: hash.Hash
		dst = append(append(dst, '['), shorten(by.name)...)
		dst = append(dst, ':')
		dst = hex.AppendEncode(dst, mac.Sum(nil)[:8])
		return append(dst, ']')
	}
	return append(append(append(dst, '['), by.name...), ']')
}

// shorten keeps a marker with a hash within 64 characters.
func shorten(name string) string { return name[:min(len(name), 40)] }
