package mask

import (
	"slices"
	"strings"
)

// A text is walked once. At each run of digits and at a few other bytes, tables say
// which detectors could find something there, so that most of a text costs no more than
// a look at each byte.

// numeral is a run of digits with what stands next to it.
type numeral struct {
	n      int // digits, at most maxRun
	next   nextKind
	letter bool // one stands right before
	before
}

// before is what stands before a run of digits, with at most maxGap bytes between that are
// neither letter nor digit.
type before byte

const (
	beforeNone  before = iota
	beforeWord         // a letter
	beforeMonth        // one that the name of a month ends with, also in short
	beforeKinds
)

// maxGap is as many bytes as a detector skips between a word and a number.
const maxGap = 4

// maxRun is the longest run that is told from longer ones.
const maxRun = 20

// nextKind is what follows a run of digits.
type nextKind byte

const (
	nextOther nextKind = iota
	// nextGroup is digits after one of groupSeps. It and the kinds up to nextDigit are in
	// order of the separators, by sizes.
	nextGroup
	// nextChain is the same, where another separator and digits may follow.
	nextChain = nextGroup + nextKind(len(groupSeps)*sizes)
)

const (
	nextDigit  = nextChain + nextKind(len(groupSeps)*sizes) + iota // a digit after another separator, or several
	nextLetter                                                     // right behind
	nextWord                                                       // a letter after a separator
	nextMonth                                                      // one that the name of a month begins with
	nextName                                                       // a capital after a blank
	nextKinds
)

const groupSeps = " -./"

// The sizes of the group of digits that follows.
const (
	short = iota // one or two
	three
	long
	sizes
)

// group reports that digits follow after one of seps, as many as one of sizes tells; any
// number where there is none.
func (k nextKind) group(seps string, of ...int) bool {
	if k < nextGroup || k >= nextDigit {
		return false
	}
	size, sep := int(k-nextGroup)/len(groupSeps)%sizes, groupSeps[int(k-nextGroup)%len(groupSeps)]
	return in(seps, sep) && (len(of) == 0 || slices.Contains(of, size))
}

// digit reports the same, or that digits follow after a separator that is none of ASCII's.
func (k nextKind) digit(seps string, of ...int) bool { return k == nextDigit || k.group(seps, of...) }

// chain reports that after the digits that follow others may.
func (k nextKind) chain() bool { return k >= nextChain && k <= nextDigit }

// month reports that letters follow which may be those of a month, or of 2nd.
func (k nextKind) month() bool { return k == nextLetter || k == nextMonth || k == nextName }

// gates hold a bit for each of builtins: which can start at a byte, at a number, and
// at a number with one of their words before it.
type gates struct {
	byte    [256]uint64
	then    [256]uint64 // which may have this byte behind the one they start at
	numbers uint64      // those that look at numbers
	runs    [maxRun + 1]runGates
}

// runGates are for runs of one length.
type runGates struct {
	first [10]uint64 // which can start with this digit
	plain [nextKinds][2][beforeKinds]uint64
	near  [nextKinds][2]uint64
}

var gate = newGates()

// The detectors of words with capitals share the look at them.
var (
	bitName     = bitOf("name")
	bitCity     = bitOf("city")
	capitalBits = uint64(1)<<bitName | 1<<bitCity
)

// The detector of links keeps how far it has read.
var (
	bitURL = bitOf("url")
	urlBit = uint64(1) << bitURL
)

// In lists of numbers nobody looks for streets.
var addressBit = uint64(1) << bitOf("address")

func bitOf(name string) int {
	d, err := builtin(name)
	if err != nil {
		panic(err)
	}
	return d.bit
}

func newGates() *gates {
	g := &gates{}
	for bit, d := range builtins {
		for _, c := range []byte(d.triggers) {
			g.byte[c] |= 1 << bit
		}
		for c := range 256 {
			if d.then == "" || strings.IndexByte(d.then, byte(c)) >= 0 {
				g.then[c] |= 1 << bit
			}
		}
		if d.number == nil {
			continue
		}
		g.numbers |= 1 << bit
		for n := range g.runs {
			run := &g.runs[n]
			for c := range run.first {
				if d.first == nil || strings.IndexByte(d.first(n), byte('0'+c)) >= 0 {
					run.first[c] |= 1 << bit
				}
			}
			for next := range nextKinds {
				for letter := range 2 {
					for before := range beforeKinds {
						plain, near := d.number(numeral{n, next, letter == 1, before})
						if plain {
							run.plain[next][letter][before] |= 1 << bit
						}
						if near {
							run.near[next][letter] |= 1 << bit
						}
					}
				}
			}
		}
	}
	return g
}

// numeralAt reads the run of digits at i, which is the start of one.
func numeralAt(v []byte, i int) (r numeral, end int) {
	end = i + 1
	for end < len(v) && isDigit(v[end]) {
		end++
	}
	r.n = min(end-i, maxRun)
	r.letter = i > 0 && isAlpha(v[i-1])
	at := i
	for at > 0 && i-at < maxGap && !isAlnum(v[at-1]) {
		at--
	}
	if at > 0 && isAlpha(v[at-1]) {
		r.before = monthEnds[v[at-1]|0x20]
	}
	if end == len(v) {
		return r, end
	}
	c := v[end]
	if isAlpha(c) {
		r.next = nextLetter
		return r, end
	}
	kind := afterDigits[c]
	if kind == nextOther {
		return r, end
	}
	j := end + 1
	if c == '-' {
		j += lineBreak(v, j)
	}
	if j < len(v) && isDigit(v[j]) {
		if c != ',' && c != ')' {
			n := run(v, j, 4)
			if kind += nextKind(len(groupSeps) * size(n)); n == 4 || goesOn(v, j+n) {
				kind += nextChain - nextGroup
			}
			r.next = min(kind, nextDigit) // that after a byte beyond ASCII, too
		}
		return r, end
	}
	for j < len(v) && j < end+4 && (isFiller(v[j]) || v[j] == '/' || v[j] >= 0x80) {
		j++
	}
	if j == len(v) {
		return r, end
	}
	if isDigit(v[j]) {
		r.next = nextDigit
	} else if isAlpha(v[j]) {
		switch {
		case isUpper(v[j]) && c == ' ' && j == end+1:
			r.next = nextName
		case strings.IndexByte(monthStarts, v[j]|0x20) >= 0:
			r.next = nextMonth
		default:
			r.next = nextWord
		}
	}
	return r, end
}

// size is the kind of a run of n digits.
func size(n int) int {
	switch n {
	case 1, 2:
		return short
	case 3:
		return three
	}
	return long
}

// goesOn reports that a separator and digits may follow at i: behind a dash the line may end, and
// bytes beyond ASCII are not looked at.
func goesOn(v []byte, i int) bool {
	return i+1 < len(v) && (v[i] == '-' || v[i] >= 0x80 || in(groupSeps, v[i]) && isDigit(v[i+1]))
}

// monthStarts are the letters that monthName's names begin with, and "of".
const monthStarts = "jfmasond"

// monthEnds says what a letter before a number is: those of January, Jan and Sept, and of
// "of", end a month.
var monthEnds = func() (kinds [256]before) {
	for c := range kinds {
		if isAlpha(byte(c)) {
			kinds[c] = beforeWord
		}
	}
	for _, c := range []byte("nybrhlegtpvcf") {
		kinds[c] = beforeMonth
	}
	return kinds
}()

// afterDigits says what a separator is, with a digit right behind it; nextOther is none.
var afterDigits = func() (kinds [256]nextKind) {
	for c := range kinds {
		if c >= 0x80 {
			kinds[c] = nextDigit
		}
	}
	for i, c := range []byte(groupSeps) {
		kinds[c] = nextGroup + nextKind(i)
	}
	kinds[','], kinds[')'] = nextDigit, nextDigit
	return kinds
}()

// cues says, for the last word of each phrase that detectors look for before a number,
// which detectors those are. fillers are words that say nothing.
var cues = newCues()

const filler = 1 << 63

func newCues() *dictionary {
	d := newDictionary(9)
	for bit, b := range builtins {
		for _, phrase := range b.words {
			d.add(lastWord(phrase), 1<<bit)
		}
	}
	for _, w := range fillerWords {
		d.add(w, filler)
	}
	return d
}

func lastWord(phrase string) string {
	i := len(phrase)
	for i > 0 && isAlnum(phrase[i-1]) {
		i--
	}
	return phrase[i:]
}

// near gives the detectors that have one of their words before i, as follows finds
// them.
func near(v []byte, i int) (bits uint64) {
	end, from := i, max(0, i-reach)
	for range 4 {
		for end > from && isFiller(v[end-1]) {
			end--
		}
		if end == from || !isAlpha(v[end-1]) { // all of them end with letters
			return bits
		}
		start := end
		for start > from && isAlnum(v[start-1]) {
			start--
		}
		got := cues.get(v[start:end])
		bits |= got
		if got&filler == 0 && !(end-start <= 3 && isUpper(v[start]) && isUpper(v[end-1])) {
			return bits
		}
		end = start
	}
	return bits
}

func equalFold(lower string, w []byte) bool {
	for i, c := range w {
		if isUpper(c) {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
