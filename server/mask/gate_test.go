package mask

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/server/resource"
)

// The tables that keep detectors from being asked hide nothing that these would find, at a
// number that no letter stands before. Others are held back on purpose: cards in odd groups.
func TestGate_HidesNothing(t *testing.T) {
	pieces := []string{
		"Jan", "january", "Feb.", "March", "april", "MAY", "june", "Jul", "aug", "Sept", "October", "nov", "December", "of", "th", "st", "on", "dob", "Monday",
		"call", "ssn", "MRN", "npi", "zip", "MA", "Main", "Street", "Rd", "5th", "id", "serial", "account", "NDC", "cpt", "years", "old", "age", "x", "A", "J45", "mg",
		" ", " ", " ", " ", "-", "-", ".", ".", "/", "/", ",", ", ", ":", "(", ")", "+", "#", "\u00a0", "\u2013", "  ", "\n", "\xff",
	}
	r := rand.New(rand.NewPCG(7, 11))
	all := newScanner(&Set{}, compile(t, resource.MaskRule{Detect: allNames()}).rules)
	for range 300000 {
		var v []byte
		for range 2 + r.IntN(12) {
			if r.IntN(2) == 0 {
				n := 1 + r.IntN(5)
				if r.IntN(8) == 0 {
					n = 1 + r.IntN(17)
				}
				for range n {
					v = strconv.AppendInt(v, r.Int64N(10), 10)
				}
			} else {
				v = append(v, pieces[r.IntN(len(pieces))]...)
			}
		}
		found := all.scan(v, nil)
		for i := range v {
			if !runStart(v, i) || i > 0 && isAlpha(v[i-1]) {
				continue
			}
			for bit, d := range builtins {
				if !slices.Contains([]string{"us-ssn", "phone", "ip", "date", "age", "npi", "zip", "cpt", "ndc", "address"}, d.name) {
					continue
				}
				start, end := d.find(v, i)
				if end <= start {
					continue
				}
				hidden := true
				for _, f := range found {
					hidden = hidden && !(f.by.bit == bit && f.start <= start && f.end >= end)
				}
				if hidden {
					t.Fatalf("%s of %q in %q is not found", d.name, v[start:end], v)
				}
			}
		}
	}
}

// Where no further group of digits follows, what has three is not asked for.
func TestNumeralAt_SeesTheNextGroup(t *testing.T) {
	for text, want := range map[string]bool{
		"212-555-0123": true, "212-555\u20130123": true, "12\u20135": true, "123-45-\n6789": true, "1.2.3": true, "1/23456/7": true, "1 2 3": true,
		"12.5": false, "12.5,6": false, "12.5. 6": false, "12.5)6": false, "1/2 tab": false, "12-31\n": false, "12": false, "12a-5-5": false,
	} {
		if r, _ := numeralAt([]byte(text), 0); r.next.chain() != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// That a number is in a list of them hides no street.
func TestGate_HidesNoStreet(t *testing.T) {
	pieces := []string{"12", "5", "1234", "123456", "42nd", "12B", "Main", "Street", "Road", "N.", "mg"}
	r := rand.New(rand.NewPCG(7, 11))
	s := newScanner(&Set{}, compile(t, resource.MaskRule{Detect: []string{"address"}}).rules)
	hits := 0
	for range 100000 {
		var v []byte
		for range 2 + r.IntN(10) {
			v = append(append(v, pieces[r.IntN(len(pieces))]...), ' ')
		}
		found := s.scan(v, nil)
		for i := range v {
			if !runStart(v, i) {
				continue
			}
			start, end := findAddress(v, i)
			if end > start && !slices.ContainsFunc(found, func(f span) bool { return f.start == start && f.end == end }) {
				t.Fatalf("%q in %q is not found", v[start:end], v)
			}
			hits += place(end > start)
		}
	}
	if hits < 10000 {
		t.Errorf("only %d were there to find", hits)
	}
}

// What is known of a row of words with capitals keeps no name and no city from being found:
// each word asked by itself says the same.
func TestRow_HidesNothing(t *testing.T) {
	// Few words that meet often, and all that are known.
	few := []string{
		"zebulon", "rhythm", "findings", "sinus", "x", "in", "from", "near", "hometown", "ohio", "texas", "New York", "parish", "city", "maria", "smith", "dear", "rhode Island", "van der", "de la", "st.", "Élan", "José",
		"o'shaughnessy", "smith-jones", "garcia's", "DOB", "PharmD", "IL", "62704", "is a 5", "is a pleasant", "states", "denied", "endorses", "complains", "MRN", "M.D.", "Ph.D", "north Dakota", "(sister)", "patient", "general",
	}
	var all []string
	for _, s := range words.slots {
		if w := s.key.String(); w != "" {
			all = append(all, w)
		}
	}
	slices.Sort(all)
	gaps := []string{" ", " ", " ", " ", " ", " ", " ", ", ", ". ", ": ", "  ", "\n", "-", "'s ", " (", ") ", ",", "\t", "|", "("}
	cases := []func(string) string{
		strings.ToUpper,
		func(w string) string { return strings.ToUpper(w[:1]) + w[1:] },
		func(w string) string { return w },
	}
	r := rand.New(rand.NewPCG(7, 11))
	both := newScanner(&Set{}, compile(t, resource.MaskRule{Detect: []string{"name", "city"}}).rules)
	hits := 0
	for range 100000 {
		var v []byte
		r.Shuffle(len(few), func(i, j int) { few[i], few[j] = few[j], few[i] })
		usual, known, ends := r.IntN(3), few[:4+r.IntN(len(few)-3)], gaps
		if r.IntN(4) == 0 {
			known = all
		}
		if r.IntN(2) == 0 {
			ends = gaps[:1]
		}
		for range 1 + r.IntN(18) {
			as := usual
			if r.IntN(4) == 0 {
				as = r.IntN(3)
			}
			v = append(append(v, cases[as](known[r.IntN(len(known))])...), ends[r.IntN(len(ends))]...)
		}
		var want []span
		for i, end := 0, 0; i+1 < len(v); i++ {
			w, ok := capitalAt(v, i)
			if i < end || inWord(v, i) || !ok {
				continue
			}
			end = w.end
			var r row
			if _, ok := r.read(v, i); !ok || r.stateAfter(v, w.end) != stateAfter(v, w.end) {
				t.Fatalf("in %q, behind %q: state %d, want %d", v, v[i:w.end], r.stateAfter(v, w.end), stateAfter(v, w.end))
			}
			for name, find := range map[string]func([]byte, int) (int, int){"name": findName, "city": findCity} {
				if from, to := find(v, i); to > from && !w.nothing() {
					want = append(want, span{from, to, both.by[bitOf(name)]})
				}
			}
		}
		order := func(a, b span) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.by.bit, b.by.bit)) }
		got := both.scan(v, nil)
		slices.SortFunc(got, order)
		slices.SortFunc(want, order)
		if !slices.Equal(got, want) {
			t.Fatalf("in %q: found %v, each word by itself %v", v, got, want)
		}
		hits += len(got)
	}
	if hits < 10000 {
		t.Errorf("only %d were found: the texts have too few", hits)
	}
}

// A word of letters is the same when its letters are read eight at a time.
func TestPlainWord_IsAnyWord(t *testing.T) {
	letters := []string{"ABCXYZ", "abcxyzw", "W", "Smith", "MD", "Ohio", "NY", "é", "-", "'", "'s", "1", "_", ".", " ", "\x80", "@", "[", "`", "{", "\x00"}
	r := rand.New(rand.NewPCG(7, 11))
	sure := 0
	for range 200000 {
		v := []byte("Aa"[:r.IntN(3)])
		for range 1 + r.IntN(6) {
			piece := letters[r.IntN(len(letters))]
			if r.IntN(2) == 0 {
				piece = piece[r.IntN(len(piece)):]
			}
			v = append(v, piece...)
		}
		for i := range v {
			if !isUpper(v[i]) {
				continue
			}
			got, ok := plainWord(v, i)
			if !ok {
				continue
			}
			want, ok := anyWord(v, i)
			if ok {
				sure++
				want.flags |= isLone
				for _, c := range v[i:want.end] {
					if gate.byte[c]&^capitalBits != 0 {
						want.flags &^= isLone
					}
				}
				if want.end == i+2 && isUpper(v[i+1]) && isStateCode(v[i:]) {
					want.flags |= isCode
				}
			}
			if got != want {
				t.Fatalf("at %d of %q: %+v, want %+v", i, v, got, want)
			}
		}
	}
	if sure < 10000 {
		t.Errorf("only %d were sure", sure)
	}
}

// All detectors at once find what each of them finds alone: none reads past what another looks at.
func TestScan_FindsWhatEachFinds(t *testing.T) {
	pieces := []string{
		"SMITH", "Smith", "MARIA", "WWW", "www.", "HTTP", "http", "://", "a.org", "X.ORG", "@", ".", "PO BOX", "P.O. Box", " 12", " #", " ", " ", ", ", "-", ":", "FE", "::", "1a:2B",
		"00:1B:44:11:3A:B7", "123E4567-E89B-12D3-A456-426614174000", "+1 212 555 0123", "(212) 555-0123", "Main Street", "in", "AUSTIN", "TX", "62704", "é", "É", "'", "WAX", "(01)00844588003288", "+H123PARTNO1234567890120",
	}
	each := map[string]*scanner{}
	for _, name := range allNames() {
		each[name] = newScanner(&Set{}, compile(t, resource.MaskRule{Detect: []string{name}}).rules)
	}
	all := newScanner(&Set{}, compile(t, resource.MaskRule{Detect: allNames()}).rules)
	r := rand.New(rand.NewPCG(7, 11))
	hits := 0
	for range 30000 {
		var v []byte
		for range 1 + r.IntN(8) {
			v = append(v, pieces[r.IntN(len(pieces))]...)
		}
		var got, want []string
		for _, f := range all.scan(v, nil) {
			got = append(got, fmt.Sprint(f.by.name, f.start, f.end))
		}
		for name, s := range each {
			for _, f := range s.scan(v, nil) {
				want = append(want, fmt.Sprint(name, f.start, f.end))
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("in %q: found %v, each alone %v", v, got, want)
		}
		hits += len(got)
	}
	if hits < 10000 {
		t.Errorf("only %d were found", hits)
	}
}
