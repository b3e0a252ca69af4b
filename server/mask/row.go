package mask

// row is words with capitals that stand next to each other, as those of a name do: each
// is read once, and what holds of all of them is found out once.
type row struct {
	words [12]word
	n, at int  // how many there are; the one that is looked at
	more  bool // the row may go on: no more fit in
	last  word // that was looked at before the row
	end   int  // of the last word that was looked at
	lone  int  // the same, where no other detector looks at a byte of that word

	names, cities int // only at as many of its first words may a name, or a city, start

	ahead readWord // the word behind the row that was read last
}

type readWord struct {
	at   int // where it starts, from 1; 0 where nothing was read
	ok   bool
	word word
}

// read gives the word with a capital at i, and the row from it on.
func (r *row) read(s []byte, i int) (w word, ok bool) {
	if next := r.at + 1; next < r.n && r.words[next].start == i && (!r.more || next+maxWords <= r.n) {
		r.at = next
		return r.words[next], true
	}
	if r.n > 0 {
		r.last = r.words[r.at]
	}
	r.n, r.at, r.names, r.cities = 0, 0, len(r.words), len(r.words)
	if w, ok = r.peek(s, i); !ok {
		return word{}, false
	}
	r.words[0], r.n = w, 1
	if !w.nothing() {
		r.follow(s)
		r.judge(s)
	}
	return w, true
}

// nothing reports that neither a name nor a city starts with the word.
func (w word) nothing() bool { return w.flags&(isStop|isGiven|isCity) == isStop }

// peek reads the word with a capital at i, of those behind the row.
func (r *row) peek(s []byte, i int) (w word, ok bool) {
	if r.ahead.at == i+1 {
		return r.ahead.word, r.ahead.ok
	}
	w, ok = capitalAt(s, i)
	r.ahead = readWord{i + 1, ok, w}
	return w, ok
}

// next reads the word with a capital at i, which is behind the one that is looked at.
func (r *row) next(s []byte, i int) (w word, ok bool) {
	for n := r.at + 1; n < r.n; n++ {
		if r.words[n].start == i {
			return r.words[n], true
		}
	}
	return r.peek(s, i)
}

// follow reads on while words may be of one name.
func (r *row) follow(s []byte) {
	for r.more = true; r.n < len(r.words); r.n++ {
		w, ok := r.following(s, r.words[r.n-1])
		if !ok {
			r.more = false
			return
		}
		r.words[r.n] = w
	}
}

// following reads the word of a row that comes behind last.
func (r *row) following(s []byte, last word) (w word, ok bool) {
	at := last.end
	if at < len(s) && s[at] == '.' && (last.initial() || last.flags&isJoint != 0) {
		at++
	}
	if at >= len(s) || s[at] != ' ' {
		return word{}, false
	}
	at++
	for at < len(s) && s[at] >= 'a' && s[at] <= 'z' { // van der
		n := at
		for n < len(s) && isAlpha(s[n]) {
			n++
		}
		if n == len(s) || s[n] != ' ' || words.get(s[at:n])&isJoint == 0 {
			return word{}, false
		}
		at = n + 1
	}
	w, ok = r.peek(s, at)
	if !ok || !w.initial() && !w.name() && w.flags&isJoint == 0 && w.flags&isSuffix == 0 || w.flags&isTitle != 0 && !w.name() {
		return word{}, false
	}
	return w, true
}

// list is the words of a name that starts with the one that is looked at.
func (r *row) list() []word {
	return r.words[r.at:min(r.n, r.at+maxWords)]
}

// before is the word that ends one blank before the one that is looked at, if it was looked at, is
// of letters only and not longer than limit.
func (r *row) before(s []byte, limit int) (w word, ok bool) {
	w = r.last
	if r.at > 0 {
		w = r.words[r.at-1]
	}
	return w, w.plain() && w.end+1 == r.words[r.at].start && s[w.end] == ' ' && w.end-w.start <= limit
}

// cueBefore tells what the word before the one that is looked at says about it.
func (r *row) cueBefore(s []byte) (cue uint64) {
	w, ok := r.before(s, maxCue)
	if !ok {
		return cueBefore(s, r.words[r.at].start)
	}
	if w.flags&isTitle != 0 {
		return isTitle
	}
	return w.flags & (isCue | isWeakCue)
}

// cityCue reports that the word before the one that is looked at is one that cities follow.
func (r *row) cityCue(s []byte) bool {
	w, ok := r.before(s, maxCityCue)
	if !ok {
		return cityCue(s, r.words[r.at].start)
	}
	return w.flags&(isCityCue|isHome) != 0
}

// judge finds out whether the row is of words that nothing is known of, with nothing
// behind it that tells more: then no name and no city starts in it, whatever the rules say
// of words that are known. Where it cannot tell easily it says nothing.
func (r *row) judge(s []byte) {
	plain, flags := uint64(isPlain), uint64(0)
	for n := range r.words[:r.n] {
		plain &= r.words[n].flags
		flags |= r.words[n].flags
	}
	if plain == 0 {
		return
	}
	const (
		telling = isGiven | isSurname | isTitle | isCue | isWeakCue
		placing = isCity | isState | isBeside | isHalf // a state's code tells with a ZIP code behind it, which ends the row
	)
	mayName, mayPlace := flags&telling == 0, flags&placing == 0
	if !mayName && !mayPlace {
		return
	}
	end := r.words[r.n-1].end
	if end+1 < len(s) && s[end] == '.' && isAlpha(s[end+1]) {
		return // M.D., Ph.D.: they stand behind the word before
	}
	nameless, placeless := r.alone(s, end)
	if mayName && (nameless || !r.turned(s, end) && !behind(s, end) && !person(s, end)) {
		r.names = place(r.cueBefore(s) != 0) // the first by what stands before it
	}
	if mayPlace && (placeless || r.endsHere(s, end)) {
		r.cities = place(!r.words[0].caps() && r.cityCue(s))
	}
}

// alone reports, as far as that shows at once, that what follows the row, which ends at i, makes no
// name of it, and no city.
func (r *row) alone(s []byte, i int) (nameless, placeless bool) {
	if i == len(s) || nameBytes[s[i]]&ofTelling == 0 {
		return true, true
	}
	at, comma := behindGap(s, i)
	if at == 0 {
		return false, false
	}
	switch c := s[at]; {
	case isDigit(c): // a ZIP code?
		return true, false
	case c >= 'a' && c <= 'z':
		return !in(tellingInitials, c), true
	}
	w, ok := r.next(s, at)
	if !ok || !w.plain() {
		return false, false
	}
	nameless = w.flags&(isDegree|isRecord) == 0 && !(comma && w.flags&isGiven != 0) && !(w.end < len(s) && s[w.end] == '.')
	placeless = !w.state() && (comma || w.flags&isStop != 0 && w.flags&isCity == 0)
	return nameless, placeless
}

// tellingInitials are what all begins with that person and behind know, in lower case.
const tellingInitials = "isdec"

// behindGap is where the next word starts if nothing but a blank, or a comma and a blank, stands before it
// from i on; 0 where there is none.
func behindGap(s []byte, i int) (at int, comma bool) {
	if i < len(s) && s[i] == ',' {
		comma = true
		i++
	}
	if i+1 >= len(s) || s[i] != ' ' {
		return 0, false
	}
	return i + 1, comma
}

// state reports that a word of letters may be a state, or begin one.
func (w word) state() bool { return w.flags&(isState|isHalf|isCode) != 0 }

// stateAfter looks for a state, or a ZIP code, at i.
func (r *row) stateAfter(s []byte, i int) int {
	if at, _ := behindGap(s, i); at > 0 {
		if w, ok := r.next(s, at); ok && w.plain() && !w.state() {
			return stateNone
		}
	}
	return stateAfter(s, i)
}

// turned reports that a given name follows behind a comma at i.
func (r *row) turned(s []byte, i int) bool {
	if i+1 >= len(s) || s[i] != ',' {
		return false
	}
	w, ok := r.peek(s, i+2)
	return ok && w.flags&isGiven != 0
}

// endsHere reports that neither a state, a ZIP code nor another word with a capital follows
// the row, which ends at i.
func (r *row) endsHere(s []byte, i int) bool {
	if i == len(s) {
		return true
	}
	if r.stateAfter(s, i) != stateNone {
		return false
	}
	if s[i] != ' ' {
		return true
	}
	w, ok := r.peek(s, i+1)
	return !ok || w.flags&isStop != 0 && w.flags&isCity == 0
}
