package mask

import (
	"bytes"
	"fmt"
)

const (
	digits  = "0123456789"
	numbers = digits + "(+"
)

// builtin gives the detector of that name (resource.Detectors). Detectors prefer
// finding too much to too little: a number that only looks like one is masked.
func builtin(name string) (detector, error) {
	find := func(triggers string, f func(s []byte, i int) (start, end int)) (detector, error) {
		return detector{name: name, triggers: triggers, find: f}, nil
	}
	switch name {
	case "us-ssn":
		return find(digits, findSSN)
	case "email":
		return find("@", findEmail)
	case "phone":
		return find(numbers, findPhone)
	case "ip":
		return find(digits+":", findIP)
	case "url":
		return find(":wW", findURL)
	case "credit-card":
		return find(digits, findCard)
	case "iban":
		return find(digits, findIBAN)
	case "npi":
		return find(digits, findNPI)
	case "dea":
		return find(digits, findDEA)
	case "vin":
		return find(digits, findVIN)
	case "mac":
		return find(":-.", findMAC)
	case "uuid":
		return find("-", findUUID)
	case "date":
		return find(digits, findDate)
	case "age":
		return find(digits, findAge)
	case "zip":
		return find(digits, findZIP)
	case "mrn":
		return find(digits, after("mrn", "medical record", "med rec", "chart", "patient id", "patient number"))
	case "health-plan":
		return find(digits, findPlan)
	case "account":
		return find(digits, after("account", "acct", "a/c"))
	case "license":
		return find(digits, after("license", "licence", "lic", "certificate", "cert", "dl"))
	case "plate":
		return find(digits, after("plate", "registration"))
	case "device":
		return find(digits, after("serial", "s/n", "sn", "device", "imei", "udi", "implant"))
	case "icd-10":
		return find(digits, findICD)
	case "cpt":
		return find(digits, findCPT)
	case "ndc":
		return find(digits, findNDC)
	}
	return detector{}, fmt.Errorf("there is no detector %q", name)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }

// digitAt reports whether s has a digit at i.
func digitAt(s []byte, i int) bool { return i >= 0 && i < len(s) && isDigit(s[i]) }

func alnumAt(s []byte, i int) bool { return i >= 0 && i < len(s) && isAlnum(s[i]) }

// run counts the digits from i, at most limit.
func run(s []byte, i, limit int) int {
	n := 0
	for n < limit && digitAt(s, i+n) {
		n++
	}
	return n
}

// runStart reports whether a run of digits starts at i.
func runStart(s []byte, i int) bool { return digitAt(s, i) && !digitAt(s, i-1) }

// groups reads digits in groups of the given sizes with one separator between them,
// and returns where they end, 0 where they are not there or go on.
func groups(s []byte, i int, seps string, sizes ...int) int {
	for n, size := range sizes {
		if n > 0 {
			skip := separator(s, i, seps)
			if skip == 0 {
				return 0
			}
			i += skip
		}
		if run(s, i, size) != size {
			return 0
		}
		i += size
	}
	if digitAt(s, i) {
		return 0
	}
	return i
}

// separator gives the length of a separator at i: one of seps, where a dash may be
// any of Unicode's and a blank may be one that does not break.
func separator(s []byte, i int, seps string) int {
	if i >= len(s) {
		return 0
	}
	if bytes.IndexByte([]byte(seps), s[i]) >= 0 {
		return 1
	}
	switch {
	case bytes.HasPrefix(s[i:], []byte("\u00a0")): // no-break space
		return 2
	case bytes.HasPrefix(s[i:], []byte("\u2010")), // hyphen
		bytes.HasPrefix(s[i:], []byte("\u2011")), // non-breaking hyphen
		bytes.HasPrefix(s[i:], []byte("\u2012")), // figure dash
		bytes.HasPrefix(s[i:], []byte("\u2013")), // en dash
		bytes.HasPrefix(s[i:], []byte("\u2212")), // minus
		bytes.HasPrefix(s[i:], []byte("\u202f")): // narrow no-break space
		return 3
	}
	return 0
}

// reach is how far before a value the word may stand that tells what it is.
const reach = 40

// follows reports whether one of words (lower case) stands before i, with nothing
// between but blanks, punctuation and words such as "number".
func follows(s []byte, i int, words ...string) bool {
	end, from := i, max(0, i-reach)
	for range 4 {
		for end > from && isFiller(s[end-1]) {
			end--
		}
		for _, word := range words {
			if endsInWord(s[from:end], word) {
				return true
			}
		}
		n := fillerWord(s[from:end])
		if n == 0 {
			return false
		}
		end -= n
	}
	return false
}

func isFiller(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ':', '#', '=', '_', '-', '.', ',', ';', '(', ')', '[', ']', '"', '\'':
		return true
	}
	return false
}

// fillerWord gives the length of a word at the end of w that says nothing.
func fillerWord(w []byte) int {
	for _, filler := range [...]string{"number", "num", "no", "nr", "id", "is", "code", "of", "s"} {
		if endsInWord(w, filler) {
			return len(filler)
		}
	}
	return 0
}

func endsInWord(w []byte, word string) bool {
	at := len(w) - len(word)
	if at < 0 || w[len(w)-1]|0x20 != word[len(word)-1] || alnumAt(w, at-1) {
		return false
	}
	for i := range len(word) {
		if c := w[at+i]; c != word[i] && (!isUpper(c) || c|0x20 != word[i]) {
			return false
		}
	}
	return true
}

// after makes a detector of what stands after one of words: a token of letters,
// digits and dashes with at least three digits.
func after(words ...string) func(s []byte, i int) (start, end int) {
	return func(s []byte, i int) (int, int) {
		if !runStart(s, i) {
			return 0, 0
		}
		start, end, ok := token(s, i)
		if !ok {
			return 0, 0
		}
		for _, from := range []int{start, i} {
			if follows(s, from, words...) {
				return from, end
			}
		}
		return 0, 0
	}
}

// token expands the digit at i to the whole token; false where the token has digits
// before i, so that it was looked at already, or fewer than three, or is too long.
func token(s []byte, i int) (start, end int, ok bool) {
	const limit = 40
	start, end = i, i
	for start > 0 && i-start < limit && (isAlnum(s[start-1]) || s[start-1] == '-') {
		start--
		if isDigit(s[start]) {
			return 0, 0, false
		}
	}
	for start < i && s[start] == '-' {
		start++
	}
	n := 0
	for end < len(s) && end-i < limit && (isAlnum(s[end]) || s[end] == '-' || s[end] == '/' && alnumAt(s, end+1)) {
		if isDigit(s[end]) {
			n++
		}
		end++
	}
	for end > i && s[end-1] == '-' {
		end--
	}
	return start, end, n >= 3
}
