package mask

// row is words with capitals that stand next to each other, as those of a name do: each
// is read once, and what holds of all of them is found out once.
type row struct {
	words [12]word
	n, at int  // how many there are; the one that is looked at
	more  bool // the row may go on: no more fit in
	end   int  // of the last word that was looked at

	names, cities int // only at as many of its first words may a name, or a city, start

	ahead [4]readWord // words behind the row that were read last
}

type readWord struct {
	at   int // where it starts, from 1; 0 where nothing was read
	ok   bool
	word word
}

// read gives the word with a capital at i, and the row from it on.
func (r *row) read(s []byte, i int) (w *word, ok bool) {
	if next := r.at + 1; next < r.n && r.words[next].start == i && (!r.more || next+maxWords <= r.n) {
		r.at = next
		return &r.words[next], true
	}
	r.n, r.at, r.names, r.cities = 0, 0, len(r.words), len(r.words)
	first, ok := r.peek(s, i)
	if !ok {
		return nil, false
	}
	r.words[0], r.n = *first, 1
	if w = &r.words[0]; !w.nothing() {
		r.follow(s)
		r.judge(s)
	}
	return w, true
}

// nothing reports that neither a name nor a city starts with the word.
func (w *word) nothing() bool { return w.flags&(isStop|isGiven|isCity) == isStop }

// peek reads the word with a capital at i, of those behind the row.
func (r *row) peek(s []byte, i int) (w *word, ok bool) {
	kept := &r.ahead[i/4%len(r.ahead)]
	if kept.at != i+1 {
		kept.ok = capitalAt(s, i, &kept.word)
		kept.at = i + 1
	}
	return &kept.word, kept.ok
}

// next reads the word with a capital at i, which is behind the one that is looked at.
func (r *row) next(s []byte, i int) (w *word, ok bool) {
	for n := r.at + 1; n < r.n; n++ {
		if r.words[n].start == i {
			return &r.words[n], true
		}
	}
	return r.peek(s, i)
}

// follow reads on while words may be of one name.
func (r *row) follow(s []byte) {
	for r.more = true; r.n < len(r.words); r.n++ {
		w, ok := r.following(s, &r.words[r.n-1])
		if !ok {
			r.more = false
			return
		}
		r.words[r.n] = *w
	}
}

// following reads the word of a row that comes behind last.
func (r *row) following(s []byte, last *word) (w *word, ok bool) {
	at := last.end
	if at < len(s) && s[at] == '.' && (last.initial || last.flags&isJoint != 0) {
		at++
	}
	if at >= len(s) || s[at] != ' ' {
		return nil, false
	}
	at++
	for at < len(s) && s[at] >= 'a' && s[at] <= 'z' { // van der
		n := at
		for n < len(s) && isAlpha(s[n]) {
			n++
		}
		if n == len(s) || s[n] != ' ' || words.get(s[at:n])&isJoint == 0 {
			return nil, false
		}
		at = n + 1
	}
	w, ok = r.peek(s, at)
	if !ok || !w.initial && !w.name() && w.flags&isJoint == 0 && w.flags&isSuffix == 0 || w.flags&isTitle != 0 && !w.name() {
		return nil, false
	}
	return w, true
}

// list is the words of a name that starts with the one that is looked at.
func (r *row) list() []word {
	return r.words[r.at:min(r.n, r.at+maxWords)]
}

// cueBefore tells what the word before the one that is looked at says about it.
func (r *row) cueBefore(s []byte) (cue uint64) {
	w := &r.words[r.at]
	if r.at == 0 {
		return cueBefore(s, w.start)
	}
	before := &r.words[r.at-1]
	if !before.plain || before.end-before.start > maxCue || before.end+1 != w.start {
		return cueBefore(s, w.start)
	}
	if before.flags&isTitle != 0 {
		return isTitle
	}
	return uint64(before.flags) & (isCue | isWeakCue)
}

// judge finds out whether the row is of words that nothing is known of, with nothing
// behind it that tells more: then no name and no city starts in it, whatever the rules say
// of words that are known. Where it cannot tell easily it says nothing.
func (r *row) judge(s []byte) {
	var flags uint32
	for n := range r.words[:r.n] {
		w := &r.words[n]
		if !w.plain {
			return
		}
		flags |= w.flags
	}
	const telling = isGiven | isSurname | isTitle | isCue | isWeakCue
	end := r.words[r.n-1].end
	if flags&telling == 0 && !r.turned(s, end) && !behind(s, end) && !person(s, end) {
		r.names = place(cueBefore(s, r.words[0].start) != 0) // the first by what stands before it
	}
	const placing = isCity | isState
	if flags&placing == 0 && !r.placed(s) && r.endsHere(s, end) {
		r.cities = place(!r.words[0].caps && cityCue(s, r.words[0].start))
	}
}

// turned reports that a given name follows behind a comma at i.
func (r *row) turned(s []byte, i int) bool {
	if i+1 >= len(s) || s[i] != ',' {
		return false
	}
	w, ok := r.peek(s, i+2)
	return ok && w.flags&isGiven != 0
}

// placed reports that a word may be a state's code, or the first of a state's name, or one
// that cities stand beside.
func (r *row) placed(s []byte) bool {
	for n := range r.words[:r.n] {
		w := &r.words[n]
		switch w.end - w.start {
		case 2:
			return true
		case 3, 4, 5, 6, 7, 8:
			if placeWord(s[w.start:w.end]) || twoWordState(s[w.start:]) {
				return true
			}
		}
	}
	return false
}

// placeWord reports a word that cities stand before or behind.
func placeWord(w []byte) bool {
	switch len(w) {
	case 4:
		return equalFold("city", w)
	case 6:
		return equalFold("county", w) || equalFold("parish", w)
	case 7:
		return equalFold("borough", w)
	case 8:
		return equalFold("hometown", w)
	}
	return false
}

// endsHere reports that neither a state, a ZIP code nor another word with a capital follows
// the row, which ends at i.
func (r *row) endsHere(s []byte, i int) bool {
	if i == len(s) {
		return true
	}
	if stateAfter(s, i) != stateNone {
		return false
	}
	if s[i] != ' ' {
		return true
	}
	w, ok := r.peek(s, i+1)
	return !ok || w.flags&isStop != 0 && w.flags&isCity == 0
}
