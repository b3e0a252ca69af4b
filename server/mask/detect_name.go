package mask

import (
	"bytes"
	mathbits "math/bits"
)

// word is one that starts with a capital, as part of a name.
type word struct {
	start, end int
	flags      uint64
}

func (w word) unknown() bool { return w.flags&known == 0 }
func (w word) caps() bool    { return w.flags&isCaps != 0 }
func (w word) initial() bool { return w.flags&isInitial != 0 }
func (w word) plain() bool   { return w.flags&isPlain != 0 }

// nameBytes says what words of names are made of: letters, apostrophes, dashes, and
// letters beyond ASCII.
var nameBytes = func() (kinds [256]byte) {
	for i := range kinds {
		c := byte(i)
		if isAlpha(c) || c == '\'' || c == '-' || c >= 0x80 {
			kinds[c] |= ofName
		}
		if !isAlpha(c) {
			kinds[c] |= ofOther
		}
		if c >= 'a' && c <= 'z' {
			kinds[c] |= ofLower
		}
		if kinds[c]&ofName != 0 || isDigit(c) || c == '_' {
			kinds[c] |= ofMore
		}
		if in(" ,(|\t\n", c) {
			kinds[c] |= ofTelling
		}
	}
	return kinds
}()

const (
	ofName    = 1 << iota // stands in names
	ofLower               // is a lower-case letter
	ofOther               // is no letter of ASCII
	ofMore                // behind letters, it makes one word with them
	ofTelling             // behind a word, it may be followed by what tells something of the word
)

// capitalAt reads the word that starts with a capital at i, where one does.
func capitalAt(s []byte, i int) (w word, ok bool) {
	if i >= len(s) {
		return word{}, false
	}
	if isUpper(s[i]) {
		if w, sure := plainWord(s, i); sure {
			return w, w.end > i
		}
	}
	return anyWord(s, i)
}

// plainWord reads a word of at most 15 letters of ASCII, as nearly all are, and nothing else. Where it
// is not sure, the word may be one of another kind.
func plainWord(s []byte, i int) (w word, sure bool) {
	first, rest := lettersAt(s, i), eightLetters{}
	if first.n == 8 {
		if rest = lettersAt(s, i+8); rest.n == 8 {
			return word{}, false
		}
	}
	w = word{i, i + first.n + rest.n, isPlain}
	if w.end < len(s) && nameBytes[s[w.end]]&ofMore != 0 {
		return word{}, nameBytes[s[w.end]]&ofName == 0
	}
	w.flags |= words.slot(key{first.lower, rest.lower}).flags
	if first.small|rest.small == 0 {
		w.flags |= isCaps
	}
	if first.wake|rest.wake == 0 {
		w.flags |= isLone
	}
	switch w.end - i {
	case 1:
		w.flags |= isInitial
	case 2:
		if w.caps() && isStateCode(s[i:]) {
			w.flags |= isCode
		}
	}
	return w, true
}

// eightLetters is up to eight letters of ASCII.
type eightLetters struct {
	n     int
	lower uint64 // in lower case, with zeros behind them
	small uint64 // which are in lower case
	wake  uint64 // which other detectors look at than those of words with capitals: w and x
}

func lettersAt(s []byte, i int) eightLetters {
	x := load(s, i)
	l := letters(x)
	n := mathbits.TrailingZeros64(^l&highs) / 8
	those := uint64(1)<<(8*n) - 1
	lower := (x | l>>2) & those
	return eightLetters{n, lower, x & (l >> 2) & those, between(lower, 'w', 'x')}
}

// anyWord reads a word of any kind.
func anyWord(s []byte, i int) (w word, ok bool) {
	if !isUpper(s[i]) && !(s[i] == 0xc3 && i+1 < len(s) && s[i+1] < 0xa0) { // À to ß
		return word{}, false
	}
	const limit = 32
	rest, n, kinds := s[i+1:min(len(s), i+limit)], 0, byte(0)
	for n < len(rest) && nameBytes[rest[n]]&ofName != 0 {
		kinds |= nameBytes[rest[n]]
		n++
	}
	lower, end := kinds&ofLower != 0, i+1+n
	if end-i == limit || end < len(s) && (isDigit(s[end]) || s[end] == '_') {
		return word{}, false
	}
	for end > i && (s[end-1] == '-' || s[end-1] == '\'') {
		end--
	}
	if n := end - i; n > 2 && s[end-2] == '\'' && s[end-1]|0x20 == 's' {
		end -= 2 // Garcia's
		lower = lower && !allUpper(s[i:end])
	}
	w = word{i, end, wordFlags(s[i:end])}
	if !lower {
		w.flags |= isCaps
	}
	if end-i == 1 {
		w.flags |= isInitial
	}
	if kinds&ofOther == 0 && isUpper(s[i]) {
		w.flags |= isPlain
	}
	return w, true
}

func allUpper(w []byte) bool {
	for _, c := range w {
		if c >= 'a' && c <= 'z' {
			return false
		}
	}
	return true
}

// wordFlags looks a word up; of Smith-Jones the parts too.
func wordFlags(w []byte) uint64 {
	if f := words.get(w); f != 0 {
		return f
	}
	if i := bytes.IndexByte(w, '-'); i > 0 {
		return words.get(w[:i]) & words.get(w[i+1:]) & (isGiven | isSurname)
	}
	return 0
}

// name reports whether the word can be a name at all.
func (w word) name() bool {
	return !w.initial() && w.end-w.start > 1 && w.flags&(isStop|isDegree|isTitle) == 0 ||
		w.flags&isGiven != 0 && w.flags&isStop == 0
}

// given reports a given name that is hardly anything else.
func (w word) given() bool { return w.flags&(isGiven|isCommon|isStop) == isGiven }

func (w word) surname() bool { return w.flags&(isSurname|isStop) == isSurname }

// maxWords is the longest name, in words.
const maxWords = 6

// findName finds names of persons: after a title, before a degree or a date of birth,
// after a word that persons follow, and by lists of names.
func findName(s []byte, i int) (start, end int) {
	var r row
	if _, ok := r.read(s, i); !ok || inWord(s, i) {
		return 0, 0
	}
	return r.name(s)
}

// inWord reports that a word goes on at i, so that none starts there.
func inWord(s []byte, i int) bool {
	if i == 0 {
		return false
	}
	c := s[i-1]
	return isAlnum(c) || c >= 0x80 || (c == '\'' || c == '-') && alnumAt(s, i-2)
}

// name finds a name that starts with the word that is looked at.
func (r *row) name(s []byte) (start, end int) {
	first := &r.words[r.at]
	if first.flags&isStop != 0 && first.flags&isGiven == 0 {
		return 0, 0
	}
	cue := r.cueBefore(s)
	if first.unknown() && cue == 0 && !first.initial() {
		// An unknown word: only what follows can tell.
		if first.end+1 >= len(s) || s[first.end] != ' ' && s[first.end] != ',' {
			return 0, 0
		}
		if s[first.end] == ' ' && !person(s, first.end) {
			if next, ok := r.next(s, first.end+1); !ok || next.flags&(isStop|isPlace|isEponym) != 0 && !next.initial() {
				return 0, 0
			}
		}
	}
	if end = r.named(s, r.list(), cue); end == 0 {
		return 0, 0
	}
	return first.start, end
}

// named decides how much of list is a name, 0 for nothing.
func (r *row) named(s []byte, list []word, cue uint64) (end int) {
	first := list[0]
	if !first.name() && !(first.initial() && len(list) > 1) {
		return 0
	}
	// Words that make a place or a disease of the whole.
	last := list[len(list)-1]
	if cue&isTitle == 0 && (last.flags&isPlace != 0 && last.flags&isSurname == 0 || followedBy(s, last.end, isEponym|isPlace|isStreet)) {
		if len(list) < 3 || cue == 0 {
			return 0
		}
	}
	switch {
	case cue&isTitle != 0:
		return reachOf(list, 0)
	case behind(s, last.end):
		if len(list) > 1 || first.flags&(isGiven|isSurname) != 0 || cue&isCue != 0 {
			return last.end
		}
	case person(s, last.end) && (len(list) > 1 || !first.caps()) && first.flags&(isCue|isWeakCue|isPlace|isCityCue|isDegree) == 0:
		return last.end
	}
	known := first.flags&(isGiven|isSurname) != 0
	if end := r.reversed(s, list, cue); end != 0 {
		return end
	}
	if len(list) > 1 {
		second := list[1]
		if second.initial() && len(list) > 2 {
			second = list[2]
			if known || second.surname() || cue&isCue != 0 {
				return reachOf(list, 0)
			}
		}
		switch {
		case first.caps() != second.caps() && !second.initial() && !first.initial():
		case first.flags&isGiven != 0 && (second.flags&(isSurname|isGiven) != 0 || second.unknown()):
			if !(first.caps() && second.unknown() && cue == 0) {
				return reachOf(list, 0)
			}
		case second.surname() && second.flags&isCommon == 0 && !first.caps():
			return reachOf(list, 0)
		case second.surname() && (cue&isCue != 0 || first.flags&isSurname != 0 && first.flags&second.flags&isCommon == 0):
			return reachOf(list, 0)
		case cue&isCue != 0 && !first.caps():
			return reachOf(list, 0)
		case first.flags&isGiven != 0 && second.initial():
			return second.end
		}
	}
	switch {
	case cue&isCue != 0 && (known || strongCue(s, first.start)) && (!first.caps() || known):
		return reachOf(list, 0)
	case first.given() && !first.caps():
		return first.end
	case cue&isWeakCue != 0 && first.flags&isGiven != 0 && !first.caps() && first.flags&isCity == 0:
		return first.end
	}
	return 0
}

// reachOf is where the name ends that starts with list[from].
func reachOf(list []word, from int) int {
	end := list[from].end
	for _, w := range list[from+1:] {
		if w.flags&(isPlace|isEponym) != 0 && w.flags&(isSurname|isGiven) == 0 {
			break
		}
		end = w.end
	}
	return end
}

// reversed reads Last, First M.
func (r *row) reversed(s []byte, list []word, cue uint64) (end int) {
	first, at := list[0], list[len(list)-1].end
	if len(list) > 3 || at+2 >= len(s) || s[at] != ',' || s[at+1] != ' ' {
		return 0
	}
	next, ok := r.next(s, at+2)
	if !ok || next.caps() != first.caps() && !next.initial() || next.flags&isStop != 0 || next.flags&isDegree != 0 || !next.name() {
		return 0
	}
	surname, given := first.flags&isSurname != 0, next.flags&isGiven != 0
	switch {
	case surname && given, cue&(isCue|isTitle) != 0 && (surname || given), surname && first.flags&isCommon == 0 && next.unknown(),
		cue&isCue != 0 && first.unknown() && next.unknown() && strongCue(s, first.start), given && next.flags&isCommon == 0 && next.flags&isCity == 0 && first.flags&isCity == 0:
	default:
		return 0
	}
	end = next.end
	if end+1 < len(s) && s[end] == ' ' {
		if w, ok := r.next(s, end+1); ok && w.initial() {
			end = w.end
		}
	}
	return end
}

// maxCue is the longest word that says something about the next, in bytes.
const maxCue = 14

// cueBefore tells what the word before i says about the one at i.
func cueBefore(s []byte, i int) (cue uint64) {
	end := i
	for end > 0 && i-end < 6 && isNameGap(s[end-1]) {
		end--
	}
	start := end
	for start > 0 && end-start < maxCue && isAlpha(s[start-1]) {
		start--
	}
	if start == end || end == i {
		return 0
	}
	gap := s[end:i]
	got := words.get(s[start:end])
	if got&isTitle != 0 && (len(gap) == 1 || len(gap) == 2 && gap[0] == '.') && isUpper(s[start]) {
		return isTitle
	}
	if got&isTitle != 0 && bytes.EqualFold(s[start:end], []byte("doctor")) && len(gap) == 1 {
		return isTitle
	}
	if bytes.IndexByte(gap, '.') >= 0 {
		return 0
	}
	if bytes.IndexByte(gap, ')') >= 0 {
		got &^= isWeakCue
	}
	return got & (isCue | isWeakCue)
}

func isNameGap(c byte) bool {
	switch c {
	case ' ', ',', ':', '.', '\n', '\t', '"', '(', ')', '#', '=', '|', '\r':
		return true
	}
	return false
}

// strongCue reports that an unknown single word may be a name: after Dear, or a colon.
func strongCue(s []byte, i int) bool {
	end := i
	for end > 0 && i-end < 6 && isNameGap(s[end-1]) {
		if s[end-1] == ':' || s[end-1] == '\n' || s[end-1] == '"' {
			return true
		}
		end--
	}
	start := end
	for start > 0 && end-start < 14 && isAlpha(s[start-1]) {
		start--
	}
	var buf [14]byte
	switch string(appendLower(buf[:0], s[start:end])) {
	case "dear", "hi", "hello", "thanks", "regards", "sincerely", "mother", "father", "wife", "husband", "son", "daughter", "brother", "sister",
		"spouse", "nurse", "pharmacist", "interpreter", "partner", "friend":
		return true
	}
	return false
}

// behind reports that what follows at i stands behind names: a degree, a date of
// birth, a number of a record.
func behind(s []byte, i int) bool {
	rest := s[i:min(len(s), i+24)]
	for len(rest) > 0 && (rest[0] == ',' || rest[0] == ' ' || rest[0] == '(') {
		rest = rest[1:]
	}
	if len(rest) == len(s[i:min(len(s), i+24)]) {
		return false
	}
	n := 0
	for n < len(rest) && (isAlpha(rest[n]) || rest[n] == '.') {
		n++
	}
	w := rest[:n]
	switch {
	case n == 0:
		return false
	case isUpper(w[0]):
		var buf [24]byte
		if bytes.IndexByte(w, '.') >= 0 {
			w = appendLetters(buf[:0], w)
		}
		return allUpper(w[1:]) && (words.get(w)&isDegree != 0 || string(w) == "DOB" || string(w) == "MRN" || string(w) == "SSN") ||
			string(w) == "PharmD" || string(w) == "PhD"
	case bytes.HasPrefix(rest, []byte("is a ")):
		return digitAt(rest, 5) || bytes.HasPrefix(rest[5:], []byte("pleas"))
	}
	return false
}

// appendLower appends w in lower case, which is ASCII.
func appendLower(dst, w []byte) []byte {
	for _, c := range w {
		if isUpper(c) {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// appendLetters appends w without its dots.
func appendLetters(dst, w []byte) []byte {
	for _, c := range w {
		if c != '.' {
			dst = append(dst, c)
		}
	}
	return dst
}

// person reports that what follows at i is said of persons: "states", or a relation in
// parentheses.
func person(s []byte, i int) bool {
	if i+2 >= len(s) || s[i] != ' ' {
		return false
	}
	i++
	paren := s[i] == '('
	if paren {
		i++
	}
	end := i
	for end < len(s) && end-i < 14 && s[end] >= 'a' && s[end] <= 'z' {
		end++
	}
	if paren {
		return end < len(s) && s[end] == ')' && words.get(s[i:end])&isCue != 0 && !keyOf(s, i-2, end+1)
	}
	switch string(s[i:end]) {
	case "states", "stated", "denies", "denied", "endorses", "endorsed", "complains":
		return true
	}
	return false
}

// keyOf reports that what stands from i to end is of PostgreSQL's "Key (name)=(…) already exists.":
// a column, whatever it is called (BuildIndexValueDescription in genam.c, ri_ReportViolation in
// ri_triggers.c).
func keyOf(s []byte, i, end int) bool {
	return endsInWord(s[:i], "key") && bytes.HasPrefix(s[end:], []byte("=("))
}

// followedBy reports that the next word is one of a kind.
func followedBy(s []byte, i int, kind uint64) bool {
	if i+2 < len(s) && s[i] == '\'' {
		i += 2
	}
	if i+1 >= len(s) || s[i] != ' ' {
		return false
	}
	end := i + 1
	for end < len(s) && end-i < 20 && isAlpha(s[end]) {
		end++
	}
	f := words.get(s[i+1 : end])
	if kind&isStreet != 0 && f&isStreet != 0 && !isUpper(s[i+1]) {
		f &^= isStreet // way, run, point
	}
	return f&kind != 0
}
