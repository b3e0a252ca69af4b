package mask

import "strings"

// A text is walked once. At each run of digits and at a few other bytes, tables say
// which detectors could find something there, so that most of a text costs no more than
// a look at each byte.

// numeral is a run of digits with what stands next to it.
type numeral struct {
	n      int // digits, at most maxRun
	next   nextKind
	letter bool // one stands right before
}

// maxRun is the longest run that is told from longer ones.
const maxRun = 20

// nextKind is what follows a run of digits.
type nextKind byte

const (
	nextOther  nextKind = iota
	nextDigit           // after one or two separators
	nextLetter          // right behind
	nextWord            // a letter after a separator
	nextName            // a capital after a blank
	nextKinds
)

// gates hold a bit for each of builtins: which can start at a byte, at a number, and
// at a number with one of their words before it.
type gates struct {
	byte    [256]uint64
	plain   [maxRun + 1][nextKinds][2]uint64
	near    [maxRun + 1][nextKinds][2]uint64
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
		for n := 1; n <= maxRun; n++ {
			for next := range nextKinds {
				for letter := range 2 {
					plain, near := d.number(numeral{n, next, letter == 1})
					if plain {
						g.plain[n][next][letter] |= 1 << bit
					}
					if near {
						g.near[n][next][letter] |= 1 << bit
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
	if end == len(v) {
		return r, end
	}
	switch c := v[end]; {
	case isAlpha(c):
		r.next = nextLetter
	case c == ' ' || c == '-' || c == '.' || c == '/' || c == ',' || c == ')' || c >= 0x80:
		j := end + 1
		for j < len(v) && j < end+4 && (isFiller(v[j]) || v[j] >= 0x80) {
			j++
		}
		if j == len(v) {
			break
		}
		if isDigit(v[j]) {
			r.next = nextDigit
		} else if isAlpha(v[j]) {
			if r.next = nextWord; isUpper(v[j]) && c == ' ' && j == end+1 {
				r.next = nextName
			}
		}
	}
	return r, end
}

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
		start := end
		for start > from && isAlnum(v[start-1]) {
			start--
		}
		if start == end {
			return bits
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
	word  string // lower case
	flags uint64
}

// newDictionary makes room for n words; n is a power of two, and at least twice as many
// as will be added.
func newDictionary(n int) *dictionary { return &dictionary{make([]slot, n), uint32(n - 1)} }

func (d *dictionary) add(word string, flags uint64) {
	for i := hashWord([]byte(word)); ; i++ {
		s := &d.slots[i&d.mask]
		if s.word == "" || s.word == word {
			s.word = word
			s.flags |= flags
			return
		}
	}
}

func (d *dictionary) get(word []byte) uint64 {
	for i := hashWord(word); ; i++ {
		s := &d.slots[i&d.mask]
		if s.word == "" {
			return 0
		}
		if len(s.word) == len(word) && equalFold(s.word, word) {
			return s.flags
		}
	}
}

// hashWord is FNV-1a over lower case.
func hashWord(w []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range w {
		h = (h ^ uint32(c|0x20)) * 16777619
	}
	return h ^ h>>15
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
