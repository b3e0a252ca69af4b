package mask

import (
	"bytes"
	"fmt"
)

const digits = "0123456789"

// builtins are the detectors of resource.Detectors; the place in the list is the
// detector's bit in masks. Detectors prefer finding too much to too little: a number
// that only looks like one is masked.
var builtins = [...]detector{
	{name: "us-ssn", find: findSSN, words: wordsSSN, number: func(r numeral) (plain, near bool) {
		return r.n == 3 && r.next.digit(" -.", short) && r.next.chain(), r.n == 9
	}},
	{name: "email", triggers: "@", then: domainBytes, find: findEmail},
	{name: "phone", triggers: "(+", then: digits + "(", find: findPhone, words: wordsPhone, number: func(r numeral) (plain, near bool) {
		return (r.n == 3 || r.n == 1) && r.next.digit(phoneSeps, three) && r.next.chain(), r.n == 3 && r.next.digit(phoneSeps) || r.n == 7 || r.n == 10 || r.n == 11
	}},
	{name: "ip", triggers: ":", then: hexColon, find: findIP, number: func(r numeral) (plain, near bool) {
		return r.n <= 3 && r.next.group(".", short, three) && r.next.chain(), false
	}},
	{name: "url", triggers: ":wW", then: "/wW", find: findURL},
	{name: "credit-card", find: findCard, first: always("23456"), number: func(r numeral) (plain, near bool) {
		return r.n >= 13 || r.next.group(" -") && r.n <= 6, false
	}},
	{name: "iban", find: findIBAN, number: func(r numeral) (plain, near bool) { return r.letter && r.n >= 2, false }},
	{name: "npi", find: findNPI, words: wordsNPI, first: always("12"), number: func(r numeral) (plain, near bool) { return r.n == 10, false }},
	{name: "dea", find: findDEA, number: func(r numeral) (plain, near bool) { return r.letter && (r.n == 7 || r.n == 8), false }},
	{name: "vin", find: findVIN, number: func(r numeral) (plain, near bool) { return r.letter || r.next == nextLetter || r.n == 17, false }},
	{name: "mac", triggers: ":-.", then: hexDigits + "ABCDEF", find: findMAC},
	{name: "uuid", triggers: "-", then: hexDigits + "ABCDEF", find: findUUID},
	{name: "date", find: findDate, words: wordsDate, number: func(r numeral) (plain, near bool) {
		return (r.n <= 2 || r.n == 4) && (r.before == beforeMonth || r.next.month() || r.next.digit(dateSeps, short) && (r.next.chain() || r.next.group("/"))), r.n == 8 || r.n == 6
	}},
	{name: "age", find: findAge, first: firstOfAge, number: func(r numeral) (plain, near bool) { return (r.n == 2 || r.n == 3) && !r.letter, false }},
	{name: "zip", find: findZIP, words: wordsZIP, number: func(r numeral) (plain, near bool) {
		return r.n == 5 && (r.before != beforeNone || r.next.digit("-")), r.n == 5 || r.n == 9
	}},
	{name: "mrn", find: findMRN, words: wordsMRN, number: func(r numeral) (plain, near bool) {
		_, near = token3(r)
		return r.n >= 6 && r.n <= 9 || r.n == 2 && r.next.digit("-") && !r.letter, near
	}},
	{name: "health-plan", find: findPlan, words: append([]string{"id"}, wordsPlan...), number: func(r numeral) (plain, near bool) {
		_, near = token3(r)
		return r.n == 1 && r.next == nextLetter && !r.letter, near
	}},
	{name: "account", find: after(wordsAccount...), words: wordsAccount, number: token3},
	{name: "license", find: after(wordsLicense...), words: wordsLicense, number: token3},
	{name: "plate", find: findPlate, words: wordsPlate, number: token3},
	{name: "device", triggers: "(+", then: "0H", find: findDevice, words: wordsDevice, number: token3},
	{name: "icd-10", find: findICD, number: func(r numeral) (plain, near bool) { return r.letter && r.n <= 6, false }},
	{name: "cpt", find: findCPT, words: wordsCPT, number: func(r numeral) (plain, near bool) { return false, r.n == 4 || r.n == 5 }},
	{name: "ndc", find: findNDC, words: []string{"ndc", "drug"}, number: func(r numeral) (plain, near bool) {
		return (r.n == 4 || r.n == 5) && r.next.digit("-"), r.n == 10 || r.n == 11
	}},
	{name: "address", triggers: "xX", then: " #", find: findAddress, number: func(r numeral) (plain, near bool) {
		return r.n <= 6 && !r.letter && (r.next == nextName || r.next == nextLetter || r.next.group(" ")), false
	}},
	{name: "name", triggers: capitals, find: findName},
	{name: "city", triggers: capitals, find: findCity},
}

const capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ\xc3"

func always(digits string) func(int) string { return func(int) string { return digits } }

// firstOfAge is for ages from 90 to 130.
func firstOfAge(n int) string {
	if n == 2 {
		return "9"
	}
	return "1"
}

// domainBytes is what a domain is made of.
var domainBytes = func() (all string) {
	for c := range 256 {
		if domainByte(byte(c)) {
			all += string([]byte{byte(c)})
		}
	}
	return all
}()

// hexColon is what may follow a colon of an IPv6 address.
const hexColon = hexDigits + "ABCDEF:"

var (
	wordsSSN     = []string{"ssn", "ss", "social security", "social", "soc sec", "itin", "tin", "tax"}
	wordsPhone   = []string{"phone", "telephone", "tel", "fax", "facsimile", "cell", "mobile", "call", "call back at", "pager", "ph", "reached at", "contact", "whatsapp"}
	wordsNPI     = []string{"npi", "provider"}
	wordsDate    = []string{"dob", "birth", "born", "date", "admitted", "admit", "discharged", "died", "death", "dod", "dos"}
	wordsZIP     = []string{"zip", "zipcode", "postal", "postcode"}
	wordsMRN     = []string{"mrn", "mr", "medical record", "med rec", "chart", "patient id", "patient number", "patient no", "pt id", "pt number", "pt no", "mpi", "empi", "uhid"}
	wordsPlan    = []string{"member", "subscriber", "policy", "insurance", "insured", "medicare", "medicaid", "beneficiary", "mbi", "hicn", "health plan", "group"}
	wordsAccount = []string{"clm", "account", "acct", "a/c"}
	wordsLicense = []string{"license", "licence", "lic", "certificate", "cert", "dl"}
	wordsPlate   = []string{"plate", "registration", "tag"}
	wordsDevice  = []string{"serial", "s/n", "sn", "device", "imei", "udi", "implant"}
	wordsCPT     = []string{"cpt", "hcpcs", "procedure"}
)

// token3 is for what stands in tokens with three digits or more after a word.
func token3(r numeral) (plain, near bool) {
	return false, r.n >= 3 || r.letter || r.next.digit("-/") || r.next == nextLetter
}

// builtin gives the detector of that name (resource.Detectors).
func builtin(name string) (detector, error) {
	for i, d := range builtins {
		if d.name == name {
			d.bit = i
			return d, nil
		}
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

// in reports whether c is one of a few bytes; that is faster than a call for them.
func in(few string, c byte) bool {
	for i := 0; i < len(few); i++ {
		if few[i] == c {
			return true
		}
	}
	return false
}

// lineBreak gives the length of the end of a line at i, and of the blanks before the next.
func lineBreak(s []byte, i int) int {
	at := i
	if i < len(s) && s[i] == '\r' {
		i++
	}
	if i >= len(s) || s[i] != '\n' {
		return 0
	}
	for i++; i < len(s) && s[i] == ' ' && i < at+16; {
		i++
	}
	return i - at
}

// separator gives the length of a separator at i: one of seps, where a dash may be
// any of Unicode's and a blank may be one that does not break. Behind a dash the line may
// end.
func separator(s []byte, i int, seps string) int {
	if i >= len(s) {
		return 0
	}
	if s[i] < 0x80 {
		switch {
		case !in(seps, s[i]):
			return 0
		case s[i] == '-':
			return 1 + lineBreak(s, i+1)
		}
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
		if end == from || !isAlnum(s[end-1]) {
			return false
		}
		for _, word := range words {
			if word[len(word)-1] == s[end-1]|0x20 && endsInWord(s[from:end], word) {
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
	case ' ', '\t', '\r', '\n', ':', '#', '=', '_', '-', '.', ',', ';', '(', ')', '[', ']', '"', '\'', '|', '*', '~':
		return true
	}
	return false
}

// fillerWords say nothing.
var fillerWords = []string{"number", "num", "no", "nr", "id", "is", "code", "of", "s", "the", "on"}

// fillerWord gives the length of such a word at the end of w, which is not empty.
func fillerWord(w []byte) int {
	last := w[len(w)-1] | 0x20
	for _, filler := range fillerWords {
		if filler[len(filler)-1] == last && endsInWord(w, filler) {
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
		if c := w[at+i]; c != word[i] && (!isUpper(c) || c|0x20 != word[i]) && (word[i] != ' ' || c != '_' && c != '-') {
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
