package mask

import (
	"encoding/binary"
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
)

const (
	nextDigit  = nextGroup + nextKind(len(groupSeps)*sizes) + iota // a digit after another separator, or several
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
	size, sep := int(k-nextGroup)/len(groupSeps), groupSeps[int(k-nextGroup)%len(groupSeps)]
	return in(seps, sep) && (len(of) == 0 || slices.Contains(of, size))
}

// digit reports the same, or that digits follow after a separator that is none of ASCII's.
func (k nextKind) digit(seps string, of ...int) bool { return k == nextDigit || k.group(seps, of...) }

// month reports that letters follow which may be those of a month, or of 2nd.
func (k nextKind) month() bool { return k == nextLetter || k == nextMonth || k == nextName }

// gates hold a bit for each of builtins: which can start at a byte, at a number, and
// at a number with one of their words before it.
type gates struct {
	byte    [256]uint64
	plain   [maxRun + 1][nextKinds][2][beforeKinds]uint64
	near    [maxRun + 1][nextKinds][2]uint64
	first   [10]uint64             // which can start with this digit
	then    [len(builtins)]byteSet // what may follow the trigger
	numbers uint64                 // those that look at numbers
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
				g.then[bit].add(byte(c))
			}
		}
		if d.number == nil {
			continue
		}
		g.numbers |= 1 << bit
		for c := range g.first {
			if d.first == "" || strings.IndexByte(d.first, byte('0'+c)) >= 0 {
				g.first[c] |= 1 << bit
			}
		}
		for n := 1; n <= maxRun; n++ {
			for next := range nextKinds {
				for letter := range 2 {
					for before := range beforeKinds {
						plain, near := d.number(numeral{n, next, letter == 1, before})
						if plain {
							g.plain[n][next][letter][before] |= 1 << bit
						}
						if near {
							g.near[n][next][letter] |= 1 << bit
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
			r.next = min(kind+nextKind(len(groupSeps)*size(v, j)), nextDigit) // that after a byte beyond ASCII, too
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

// size tells how many digits there are from i, where one is.
func size(v []byte, i int) int {
	switch run(v, i, 4) {
	case 1, 2:
		return short
	case 3:
		return three
	}
	return long
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
	d := newDictionary(512)
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

// dictionary maps words to flags, whatever their case (ASCII). It is filled before it
// is used; then it may be used concurrently.
type dictionary struct {
	slots []slot
	mask  uint32
}

type slot struct {
	ends
	word  string // lower case
	flags uint64
	exact bool // ends say all: at most 16 letters
}

// newDictionary makes room for n words; n is a power of two, and at least twice as many
// as will be added.
func newDictionary(n int) *dictionary { return &dictionary{make([]slot, n), uint32(n - 1)} }

func (d *dictionary) add(word string, flags uint64) {
	e := endsOf([]byte(word))
	for i := e.hash(); ; i++ {
		s := &d.slots[i&d.mask]
		if s.word == "" || s.word == word {
			s.ends, s.word, s.exact = e, word, len(word) <= 16 && !strings.ContainsFunc(word, func(c rune) bool { return c < 'a' || c > 'z' })
			s.flags |= flags
			return
		}
	}
}

func (d *dictionary) get(word []byte) uint64 {
	e := endsOf(word)
	for i := e.hash(); ; i++ {
		s := &d.slots[i&d.mask]
		if s.word == "" {
			return 0
		}
		if s.ends == e && (s.exact || equalFold(s.word, word)) {
			return s.flags
		}
	}
}

// ends is the first and the last eight bytes of a word in lower case, of one with
// fewer than eight its first and last four, and its length.
type ends struct {
	first, last uint64
	n           int
}

func endsOf(w []byte) (e ends) {
	const lower = 0x2020202020202020
	switch e.n = len(w); {
	case e.n >= 8:
		e.first, e.last = binary.LittleEndian.Uint64(w)|lower, binary.LittleEndian.Uint64(w[e.n-8:])|lower
	case e.n >= 4:
		e.first, e.last = uint64(binary.LittleEndian.Uint32(w))|lower, uint64(binary.LittleEndian.Uint32(w[e.n-4:]))|lower
	case e.n > 0:
		e.first = (uint64(w[0]) | uint64(w[e.n/2])<<8 | uint64(w[e.n-1])<<16) | lower
	}
	return e
}

func (e ends) hash() uint32 {
	h := (e.first^uint64(e.n)<<56)*0x9e3779b97f4a7c15 ^ e.last*0xc2b2ae3d27d4eb4f
	return uint32(h>>32) ^ uint32(h>>11)
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
