package mask

import (
	"bytes"
	"math/bits"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/server/resource"
)

// pattern makes a detector of a site's regular expression.
func pattern(p resource.Pattern) (detector, error) {
	re, err := regexp.Compile(p.Regex)
	if err != nil {
		return detector{}, err
	}
	tree, err := syntax.Parse(p.Regex, syntax.Perl)
	if err != nil {
		return detector{}, err
	}
	return detector{name: p.Name, re: re, must: mandatory(tree.Simplify())}, nil
}

// byteSet is a set of bytes.
type byteSet [4]uint64

func (b *byteSet) add(c byte)      { b[c>>6] |= 1 << (c & 63) }
func (b *byteSet) has(c byte) bool { return b[c>>6]>>(c&63)&1 == 1 }

func (b *byteSet) size() int {
	return bits.OnesCount64(b[0]) + bits.OnesCount64(b[1]) + bits.OnesCount64(b[2]) + bits.OnesCount64(b[3])
}

// sequence is a run of bytes, each of a set, that every match of an expression has:
// looking for it is many times faster than running the expression, and most texts do
// not have it.
type sequence struct {
	sets   []byteSet
	anchor int  // index of the smallest set
	single byte // its byte, where it has just one
	one    bool
}

// mandatory finds the longest such run; nil where there is none.
func mandatory(re *syntax.Regexp) *sequence {
	f := &finder{}
	f.walk(re)
	f.flush()
	if len(f.best) == 0 {
		return nil
	}
	s := &sequence{sets: f.best}
	for i := range s.sets {
		if s.sets[i].size() < s.sets[s.anchor].size() {
			s.anchor = i
		}
	}
	if b := &s.sets[s.anchor]; b.size() == 1 {
		s.one = true
		for c := range 256 {
			if b.has(byte(c)) {
				s.single = byte(c)
			}
		}
	}
	return s
}

// in reports whether the text has the sequence. A nil sequence is everywhere.
func (s *sequence) in(v []byte) bool {
	if s == nil {
		return true
	}
	last := len(v) - (len(s.sets) - s.anchor) // of the anchor
	for i := s.anchor; i <= last; i++ {
		if s.one {
			next := bytes.IndexByte(v[i:last+1], s.single)
			if next < 0 {
				return false
			}
			i += next
		} else if !s.sets[s.anchor].has(v[i]) {
			continue
		}
		if s.at(v[i-s.anchor:]) {
			return true
		}
	}
	return false
}

func (s *sequence) at(v []byte) bool {
	for i := range s.sets {
		if !s.sets[i].has(v[i]) {
			return false
		}
	}
	return true
}

// finder walks an expression and keeps the longest run of sets that follow each other
// in every match.
type finder struct{ run, best []byteSet }

// flush ends the run: what follows need not stand right after it.
func (f *finder) flush() {
	if len(f.run) > len(f.best) {
		f.best = f.run
	}
	f.run = nil
}

func (f *finder) walk(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		// Takes no bytes.
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			f.literal(r, re.Flags&syntax.FoldCase != 0)
		}
	case syntax.OpCharClass:
		if b, ok := classBytes(re.Rune); ok {
			f.run = append(f.run, b)
		} else {
			f.flush()
		}
	case syntax.OpCapture:
		f.walk(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			f.walk(sub)
		}
	case syntax.OpPlus:
		// At least once; then what follows stands after the last time.
		f.walk(re.Sub[0])
		f.flush()
		if re.Sub[0].Op == syntax.OpCharClass || re.Sub[0].Op == syntax.OpLiteral {
			f.walk(re.Sub[0])
		}
	default:
		f.flush()
	}
}

func (f *finder) literal(r rune, fold bool) {
	// Folding can leave ASCII: K matches the Kelvin sign, s the long s.
	if r >= utf8.RuneSelf || fold && (r|0x20 == 'k' || r|0x20 == 's') {
		f.flush()
		return
	}
	var b byteSet
	b.add(byte(r))
	if fold && isAlpha(byte(r)) {
		b.add(byte(r) ^ 0x20)
	}
	f.run = append(f.run, b)
}

// classBytes gives a class of ASCII characters; false for others, of several bytes.
func classBytes(ranges []rune) (b byteSet, ok bool) {
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i+1] >= utf8.RuneSelf {
			return b, false
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			b.add(byte(r))
		}
	}
	return b, true
}
