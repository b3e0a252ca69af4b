package mask

import (
	"bytes"
	"strings"
)

// findAddress finds street addresses by house number and kind of street, and P.O.
// boxes.
func findAddress(s []byte, i int) (start, end int) {
	if !isDigit(s[i]) {
		return poBox(s, i)
	}
	end = i + run(s, i, 7)
	if end < len(s) && isAlpha(s[end]) && !alnumAt(s, end+1) {
		end++ // 12B
	}
	if end+1 >= len(s) || s[end] != ' ' || !isUpper(s[end+1]) && !isDigit(s[end+1]) {
		return 0, 0
	}
	at := end + 1
	const roads = 2 // numbers in a row: 12 5th, 100 County Road 5
	numbers := 0
	for n := range 6 {
		stop := at
		for stop < len(s) && (isAlnum(s[stop]) || s[stop] == '\'' || s[stop] == '-' || s[stop] >= 0x80) {
			stop++
		}
		named := stop > at && isUpper(s[at])
		if named {
			numbers = 0
		} else if numbers++; numbers > roads || !isOrdinal(s[at:stop]) {
			return 0, 0
		}
		if named && n > 0 && words.get(s[at:stop])&isStreet != 0 && !streetGoesOn(s, stop) {
			return i, unitEnd(s, stop)
		}
		at = stop
		if at < len(s) && s[at] == '.' && stop-at < 3 {
			at++
		}
		if at >= len(s) || s[at] != ' ' {
			return 0, 0
		}
		at++
	}
	return 0, 0
}

// inList reads numbers with a blank between them, where one ends at i: each that begins before
// end is followed by three others at least, and is not that of a house.
func inList(s []byte, i int) (end int) {
	var starts [3]int // of the last ones
	for i+1 < len(s) && s[i] == ' ' && isDigit(s[i+1]) {
		starts[0], starts[1], starts[2] = starts[1], starts[2], i+1
		for i++; i < len(s) && isDigit(s[i]); {
			i++
		}
	}
	return starts[0]
}

// streetGoesOn reports that the kind of street is rather the beginning of its name:
// St. Claire Avenue, Park Place Drive.
func streetGoesOn(s []byte, i int) bool {
	if i < len(s) && s[i] == '.' {
		i++
	}
	if i+1 >= len(s) || s[i] != ' ' || !isUpper(s[i+1]) {
		return false
	}
	for range 2 {
		end := i + 1
		for end < len(s) && isAlpha(s[end]) {
			end++
		}
		if words.get(s[i+1:end])&isStreet != 0 {
			return true
		}
		if i = end; i+1 >= len(s) || s[i] != ' ' || !isUpper(s[i+1]) {
			return false
		}
	}
	return false
}

// isOrdinal reads 2nd, 42ND, and plain numbers of numbered roads.
func isOrdinal(w []byte) bool {
	n := run(w, 0, 5)
	return n > 0 && (n == len(w) || n+2 == len(w) && isAlpha(w[n]) && isAlpha(w[n+1]))
}

// unitEnd adds ", Apt 4B" or " #12" to an address that ends at i.
func unitEnd(s []byte, i int) int {
	j := i
	for j < len(s) && j-i < 3 && (s[j] == ' ' || s[j] == ',' || s[j] == '.') {
		j++
	}
	if j < len(s) && s[j] == '#' {
		if end := tokenEnd(s, j+1); end > j+1 {
			return end
		}
		return i
	}
	end := j
	for end < len(s) && isAlpha(s[end]) {
		end++
	}
	switch string(bytes.ToLower(s[j:end])) {
	case "apt", "apartment", "unit", "suite", "ste", "room", "rm", "floor", "fl", "lot", "bldg", "building":
	case "ne", "nw", "se", "sw", "n", "s", "e", "w", "north", "south", "east", "west":
		if j > i {
			return end
		}
		return i
	default:
		return i
	}
	for end < len(s) && (s[end] == ' ' || s[end] == '.' || s[end] == '#') {
		end++
	}
	if stop := tokenEnd(s, end); stop > end {
		return stop
	}
	return i
}

func tokenEnd(s []byte, i int) int {
	for i < len(s) && (isAlnum(s[i]) || s[i] == '-' && alnumAt(s, i+1)) {
		i++
	}
	return i
}

// poBox reads the number of P.O. Box 123, whose x is at i.
func poBox(s []byte, i int) (start, end int) {
	at := i + 1
	for at < len(s) && at-i <= 3 && in(" #", s[at]) {
		at++
	}
	if n := run(s, at, 7); at == i+1 || n == 0 || n > 6 {
		return 0, 0
	}
	for _, form := range []string{"p.o. box", "po box", "p. o. box", "p.o.box", "post office box", "p o box"} {
		if start = i + 1 - len(form); start >= 0 && equalFold(form, s[start:i+1]) && !alnumAt(s, start-1) {
			return start, tokenEnd(s, at)
		}
	}
	return 0, 0
}

// findCity finds a city before a state or ZIP code, after words such as "lives in",
// and counties.
func findCity(s []byte, i int) (start, end int) {
	var r row
	if _, ok := r.read(s, i); !ok || inWord(s, i) {
		return 0, 0
	}
	return r.city(s)
}

// city finds a city that starts with the word that is looked at.
func (r *row) city(s []byte) (start, end int) {
	first := &r.words[r.at]
	i := first.start
	if first.initial() || first.flags&isStop != 0 && first.flags&isCity == 0 {
		return 0, 0
	}
	list := 1
	end = first.end
	for {
		switch r.stateAfter(s, end) {
		case stateSure:
			return i, end
		case stateMaybe:
			if first.flags&isCity != 0 || r.cityCue(s) {
				return i, end
			}
		}
		at := end
		if at < len(s) && s[at] == '.' && first.flags&isCity != 0 && list == 1 && at-i <= 3 {
			at++ // St. Louis
		}
		if at < len(s) && s[at] == '\'' && at+1 < len(s) && s[at+1] == 's' {
			at += 2
		}
		if at >= len(s) || s[at] != ' ' {
			break
		}
		next, ok := r.next(s, at+1)
		if !ok || list == 3 {
			break
		}
		if w := s[next.start:next.end]; string(w) == "County" || string(w) == "Parish" || string(w) == "Borough" {
			return i, next.end
		}
		if next.flags&isStop != 0 && next.flags&isCity == 0 {
			break
		}
		list, end = list+1, next.end
	}
	if first.caps() || first.flags&isTitle != 0 || !r.cityCue(s) {
		return 0, 0
	}
	if (first.flags&isCity != 0 || strongCityCue(s, i) && first.flags&(isStop|isState) == 0) &&
		!followedBy(s, end, isPlace) {
		return i, end
	}
	return 0, 0
}

// How sure it is that a state follows.
const (
	stateNone  = iota
	stateMaybe // letters that mean other things too: MD, OR, or nothing but a ZIP code
	stateSure
)

// stateAfter looks for a state, or a ZIP code, at i.
func stateAfter(s []byte, i int) int {
	j := i
	comma := false
	for j < len(s) && j-i < 3 && (s[j] == ',' || s[j] == ' ' || s[j] == '|' || s[j] == '\t' || s[j] == '\n') {
		comma = comma || s[j] != ' '
		j++
	}
	if j == i || j >= len(s) {
		return stateNone
	}
	if isDigit(s[j]) {
		if n := run(s, j, 6); n == 5 {
			return stateMaybe
		}
		return stateNone
	}
	if !isUpper(s[j]) || j+1 >= len(s) {
		return stateNone
	}
	if !isUpper(s[j+1]) && !in(stateInitials, s[j]) {
		return stateNone
	}
	end := j
	for end < len(s) && isAlpha(s[end]) {
		end++
	}
	w := s[j:end]
	if len(w) == 2 {
		if !isUpper(w[1]) || !isStateCode(w) || end < len(s) && (s[end] == '-' || isDigit(s[end])) {
			return stateNone
		}
		k := end
		for k < len(s) && k-end < 3 && (s[k] == ' ' || s[k] == ',' || s[k] == '|' || s[k] == '\n') {
			k++
		}
		if run(s, k, 6) == 5 && k > end {
			return stateSure
		}
		if !comma {
			return stateNone
		}
		switch string(w) {
		case "MD", "DO", "PA", "OK", "IN", "OR", "ME", "HI", "CO", "DE", "LA", "MA", "MS", "MT", "AL", "ND", "SD", "VA", "AS", "ID", "PR", "IA", "CT", "GA":
			return stateMaybe
		}
		return stateSure
	}
	f := words.get(w)
	if f&isState == 0 && !twoWordState(s[j:]) {
		return stateNone
	}
	if comma {
		return stateSure
	}
	return stateMaybe
}

// stateInitials are what names of states start with.
const stateInitials = "ACDFGHIKLMNOPRSTUVW"

func twoWordState(s []byte) bool {
	if len(s) < 2 || !in("NSWR", s[0]) || !in("eoh", s[1]) {
		return false
	}
	for _, name := range []string{"New York", "New Jersey", "New Mexico", "New Hampshire", "North Carolina", "South Carolina", "North Dakota", "South Dakota", "West Virginia", "Rhode Island"} {
		if bytes.HasPrefix(s, []byte(name)) {
			return true
		}
	}
	return false
}

// isStateCode reports whether two capitals are the code of a state.
func isStateCode(w []byte) bool { return stateCodes[w[0]-'A'][w[1]-'A'] }

var stateCodes = func() (codes [26][26]bool) {
	for code := range strings.FieldsSeq(states) {
		codes[code[0]-'A'][code[1]-'A'] = true
	}
	return codes
}()

// maxCityCue is the longest word that a city may follow, in bytes.
const maxCityCue = 8

// cityCue reports that the word before i is in, from, of, to, near, or City.
func cityCue(s []byte, i int) bool {
	end := i
	for end > 0 && i-end < 3 && (s[end-1] == ' ' || s[end-1] == ':') {
		end--
	}
	start := end
	for start > 0 && end-start < maxCityCue && isAlpha(s[start-1]) {
		start--
	}
	if end == i {
		return false
	}
	switch w := s[start:end]; len(w) {
	case 2, 4, 8: // as all of them have
		return words.get(w)&isCityCue != 0 || len(w) == 4 && equalFold("city", w) || len(w) == 8 && equalFold("hometown", w)
	}
	return false
}

// strongCityCue reports that what stands before i says where somebody lives.
func strongCityCue(s []byte, i int) bool {
	end := i
	for end > 0 && i-end < 3 && (s[end-1] == ' ' || s[end-1] == ':') {
		end--
	}
	before := s[max(0, end-24):end]
	for _, cue := range []string{
		"lives in", "living in", "live in", "lived in", "resides in", "residing in", "resident of", "born in", "raised in", "moved from", "moved to",
		"relocated to", "relocated from", "native of", "originally from", "grew up in", "home in", "house in", "works in", "city", "hometown", "town of", "city of", "found in",
	} {
		if endsInWord(before, cue) {
			return true
		}
	}
	return len(before) > 0 && endsInWord(before, "in") && bytes.Contains(s[max(0, end-40):end], []byte("orn ")) // born 4 May 1961 in
}
