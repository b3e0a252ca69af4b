package mask

import "bytes"

// findSSN finds 123-45-6789 with dashes, blanks or dots, and nine digits after the
// words.
func findSSN(s []byte, i int) (start, end int) {
	if !runStart(s, i) {
		return 0, 0
	}
	if end = groups(s, i, "- .", 3, 2, 4); end > 0 {
		return i, end
	}
	if end = groups(s, i, "", 9); end > 0 && follows(s, i, wordsSSN...) {
		return i, end
	}
	return 0, 0
}

// findPhone finds North American numbers with separators, seven or ten digits after a
// word such as phone, and international numbers after +.
func findPhone(s []byte, i int) (start, end int) {
	switch {
	case s[i] == '+':
		end = international(s, i)
	case s[i] == '(':
		end = nanp(s, i)
	case runStart(s, i):
		if end = nanp(s, i); end == 0 && !digitAt(s, i-2) {
			end = localNumber(s, i)
		}
	}
	if end == 0 {
		return 0, 0
	}
	return i, extension(s, end)
}

const phoneSeps = "-. /"

// nanp reads [1-](212) 555-0123 and 212-555-0123.
func nanp(s []byte, i int) int {
	if s[i] == '1' {
		if skip := separator(s, i+1, phoneSeps); skip > 0 {
			i += 1 + skip
		}
	}
	if i >= len(s) || s[i] != '(' {
		return groups(s, i, phoneSeps, 3, 3, 4)
	}
	if run(s, i+1, 4) != 3 || i+4 >= len(s) || s[i+4] != ')' {
		return 0
	}
	i += 5
	for range 2 {
		i += separator(s, i, phoneSeps)
	}
	i += lineBreak(s, i)
	if end := groups(s, i, phoneSeps, 3, 4); end > 0 {
		return end
	}
	return groups(s, i, "", 7)
}

func localNumber(s []byte, i int) int {
	for _, sizes := range [][]int{{3, 4}, {10}, {7}, {11}} {
		if end := groups(s, i, phoneSeps, sizes...); end > 0 &&
			follows(s, i, wordsPhone...) {
			return end
		}
	}
	return 0
}

// international reads + and 8 to 15 digits (ITU-T E.164) with separators.
func international(s []byte, i int) int {
	n, end := 0, 0
	for j := i + 1; j < len(s) && j < i+32; j++ {
		switch {
		case isDigit(s[j]):
			n++
			end = j + 1
		case !in("-. ()/", s[j]):
			j = len(s)
		}
		if n > 15 {
			return 0
		}
	}
	if n < 8 {
		return 0
	}
	return end
}

// extension adds " x123" or " ext. 123" to a number that ends at i.
func extension(s []byte, i int) int {
	rest := s[i:min(len(s), i+16)]
	for _, word := range []string{"x", "ext", "ext.", "extension"} {
		j := 0
		for j < len(rest) && (rest[j] == ' ' || rest[j] == ',') {
			j++
		}
		if len(rest) < j+len(word) || !bytes.EqualFold(rest[j:j+len(word)], []byte(word)) {
			continue
		}
		j += len(word)
		if j < len(rest) && rest[j] == ' ' {
			j++
		}
		if n := run(rest, j, 6); n > 0 && n < 6 {
			return i + j + n
		}
	}
	return i
}

// luhn computes the check sum of ISO/IEC 7812-1 over digits from the right; a correct
// number gives 0.
func luhn(sum int, d []byte) int {
	for i := range d {
		n := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum % 10
}

// findCard finds 13 to 19 digits, single blanks or dashes between them, that start
// and check as payment cards do.
func findCard(s []byte, i int) (start, end int) {
	if !runStart(s, i) || s[i] < '2' || s[i] > '6' {
		return 0, 0
	}
	var d [19]byte
	n := 0
	for j := i; j < len(s) && n < len(d); j++ {
		switch {
		case isDigit(s[j]):
			d[n] = s[j]
			n++
			if n >= 13 && !digitAt(s, j+1) && luhn(0, d[:n]) == 0 {
				end = j + 1
			}
		case (s[j] == ' ' || s[j] == '-') && isDigit(s[j-1]):
		default:
			return i, end
		}
	}
	return i, end
}

// findIBAN finds ISO 13616 account numbers: two letters, two check digits (ISO 7064
// mod 97-10: from 02 to 98), 11 to 30 letters and digits, blanks or dashes between groups of
// four.
func findIBAN(s []byte, i int) (start, end int) {
	start = i - 2
	if !runStart(s, i) || start < 0 || !isAlpha(s[start]) || !isAlpha(s[start+1]) || alnumAt(s, start-1) || !digitAt(s, i+1) {
		return 0, 0
	}
	if check := int(s[i]-'0')*10 + int(s[i+1]-'0'); check < 2 || check > 98 {
		return 0, 0
	}
	var b [34]byte
	n := 0
	for j := start; j < len(s) && n < len(b); j++ {
		switch {
		case isAlnum(s[j]):
			b[n] = s[j]
			if b[n] >= 'a' {
				b[n] -= 'a' - 'A'
			}
			n++
			if n >= 15 && !alnumAt(s, j+1) && mod97(b[:n]) == 1 {
				end = j + 1
			}
		case (s[j] == ' ' || s[j] == '-') && n%4 == 0 && isAlnum(s[j-1]):
		default:
			return start, end
		}
	}
	return start, end
}

func mod97(b []byte) int {
	rest := 0
	for i := range b {
		c := b[(i+4)%len(b)]
		if isDigit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest
}

// findNPI finds National Provider Identifiers: ten digits after NPI, or with the check
// digit of CMS's "NPI Check Digit": Luhn over 80840 and the number, whose constant
// part gives 24.
func findNPI(s []byte, i int) (start, end int) {
	if !runStart(s, i) {
		return 0, 0
	}
	end = groups(s, i, "", 10)
	if end == 0 || s[i] != '1' && s[i] != '2' {
		return 0, 0
	}
	if luhn(24, s[i:end]) == 0 || follows(s, i, wordsNPI...) {
		return i, end
	}
	return 0, 0
}

// findDEA finds two letters (or a letter and 9) and seven digits of which the last
// checks the others.
func findDEA(s []byte, i int) (start, end int) {
	if !runStart(s, i) {
		return 0, 0
	}
	at := i // of the seven digits
	if start = i - 2; s[i] == '9' && run(s, i, 9) == 8 {
		start, at = i-1, i+1
	} else if run(s, i, 8) != 7 || !letterAt(s, i-1) {
		return 0, 0
	}
	end = at + 7
	if !letterAt(s, start) || alnumAt(s, start-1) || alnumAt(s, end) {
		return 0, 0
	}
	d := func(n int) int { return int(s[at+n] - '0') }
	if (d(0)+d(2)+d(4)+2*(d(1)+d(3)+d(5)))%10 != d(6) {
		return 0, 0
	}
	return start, end
}

func letterAt(s []byte, i int) bool { return i >= 0 && i < len(s) && isAlpha(s[i]) }

// findVIN finds 17 letters and digits whose ninth checks the others (49 CFR 565.15).
func findVIN(s []byte, i int) (start, end int) {
	const length = 17
	start = i
	for start > 0 && i-start < length && isAlnum(s[start-1]) {
		if start--; isDigit(s[start]) {
			return 0, 0 // looked at already
		}
	}
	end = start + length
	if end > len(s) || alnumAt(s, end) || alnumAt(s, start-1) {
		return 0, 0
	}
	const values = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ" // place modulo 10 is the value
	weights := [length]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	sum := 0
	for n, c := range s[start:end] {
		at := bytes.IndexByte([]byte(values), upper(c))
		if at < 0 || c == '.' {
			return 0, 0
		}
		sum += at % 10 * weights[n]
	}
	if upper(s[start+8]) != "0123456789X"[sum%11] {
		return 0, 0
	}
	return start, end
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

var mrnAfterWord = after(wordsMRN...)

// findMRN finds record numbers by the words, and where one closes a row of name, date of
// birth and number: on labels, in headings and in tables.
func findMRN(s []byte, i int) (start, end int) {
	if start, end = mrnAfterWord(s, i); end > 0 {
		return start, end
	}
	if i == 0 || !isAlnum(s[i-1]) && !in(rowSeps, s[i-1]) {
		return 0, 0
	}
	start, end, ok := token(s, i)
	if !ok || i-start > 1 || end-start > 10 || run(s, i, 6) < 6 && groups(s, i, "-", 2, 2, 2) != end {
		return 0, 0
	}
	if end < len(s) && !in(".,;|\"')]\r\n", s[end]) { // a number of something
		return 0, 0
	}
	at, separated := start, false
	for at > 0 && start-at < 4 && in(rowSeps, s[at-1]) {
		at--
		separated = separated || s[at] != ' '
	}
	if !separated || !dateEnds(s, at) {
		return 0, 0
	}
	return start, end
}

// rowSeps stand between the fields of a row.
const rowSeps = " ,/|;\t"

// dateEnds reports whether a date ends before end.
func dateEnds(s []byte, end int) bool {
	for j := end - 1; j >= 0 && end-j <= 20; j-- {
		if !runStart(s, j) {
			continue
		}
		if _, e := findDate(s, j); e == end {
			return true
		}
	}
	return false
}

// findZIP finds ZIP+4, and five digits after a state's letters, a city, an address or
// the words.
func findZIP(s []byte, i int) (start, end int) {
	if !runStart(s, i) {
		return 0, 0
	}
	if end = groups(s, i, "-", 5, 4); end > 0 {
		return i, end
	}
	end = groups(s, i, "", 5)
	if end == 0 || !afterState(s, i) && !afterCity(s, i) && !follows(s, i, wordsZIP...) && !afterAddress(s, i) {
		return 0, 0
	}
	return i, end
}

// states are the two-letter codes of USPS Publication 28, Appendix B.
const states = " AL AK AS AZ AR AA AE AP CA CO CT DE DC FL GA GU HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND MP OH OK OR PA PR RI SC SD TN TX UT VT VI VA WA WV WI WY "

func afterState(s []byte, i int) bool {
	j := i
	for j > 0 && i-j < 4 && (s[j-1] == ' ' || s[j-1] == ',' || s[j-1] == '.' || s[j-1] == '|' || s[j-1] == '\t' || s[j-1] == '\n') {
		j--
	}
	return j < i && j >= 2 && !alnumAt(s, j-3) && isUpper(s[j-2]) && isUpper(s[j-1]) && isStateCode(s[j-2:j])
}

// afterCity reports that a city's or a state's name stands before i.
func afterCity(s []byte, i int) bool {
	end := i
	for end > 0 && i-end < 3 && (s[end-1] == ' ' || s[end-1] == ',') {
		end--
	}
	start := end
	for start > 0 && end-start < 20 && isAlpha(s[start-1]) {
		start--
	}
	return start < end && end < i && isUpper(s[start]) && words.get(s[start:end])&(isCity|isState) != 0
}

// afterAddress reports that a street address or P.O. box stands before i, with nothing
// between but a town: capitalised words.
func afterAddress(s []byte, i int) bool {
	at, words := i, 0
	for at > 0 && i-at < 40 {
		end := at
		for end > 0 && at-end < 3 && in(" ,\n", s[end-1]) {
			end--
		}
		if end == at || end == 0 {
			return false
		}
		if words > 0 && addressEnds(s, end) {
			return true
		}
		at = end
		for at > 0 && end-at < 20 && isAlpha(s[at-1]) {
			at--
		}
		if at == end || !isUpper(s[at]) {
			return false
		}
		words++
	}
	return false
}

// addressEnds reports whether an address ends before end.
func addressEnds(s []byte, end int) bool {
	for j := end - 1; j >= 0 && end-j <= 40; j-- {
		if !runStart(s, j) {
			continue
		}
		if _, e := findAddress(s, j); e == end {
			return true
		}
		box := j - 1
		for box > 0 && j-box <= 3 && in(" #", s[box]) {
			box--
		}
		if letterAt(s, box) {
			if _, e := poBox(s, box); e == end {
				return true
			}
		}
	}
	return false
}

// findPlan finds health plan numbers by the words, and Medicare beneficiary
// identifiers by their form (CMS, "Understanding the MBI").
func findPlan(s []byte, i int) (start, end int) {
	if end = mbi(s, i); end > 0 {
		return i, end
	}
	if start, end = planAfter(s, i); end > 0 {
		return start, end
	}
	return subscriberID(s, i)
}

var planAfter = after(wordsPlan...)

// subscriberID finds ID 123456 somewhat after the word subscriber, whose name stands
// between.
func subscriberID(s []byte, i int) (start, end int) {
	start, end, ok := token(s, i)
	if !ok || !follows(s, start, "id") {
		return 0, 0
	}
	before := s[max(0, start-60):start]
	for i, c := range before {
		if !in("smip", c|0x20) {
			continue
		}
		for _, w := range []string{"subscriber", "member", "insured", "policy"} {
			if len(before)-i >= len(w) && equalFold(w, before[i:i+len(w)]) {
				return start, end
			}
		}
	}
	return 0, 0
}

// findPlate finds plates after the words, with a group of letters before the digits or
// after them.
func findPlate(s []byte, i int) (start, end int) {
	if !runStart(s, i) {
		return 0, 0
	}
	start, end, ok := token(s, i)
	if !ok {
		return 0, 0
	}
	if start > 1 && s[start-1] == ' ' {
		j := start - 1
		for j > 0 && isUpper(s[j-1]) && start-j < 5 {
			j--
		}
		if j < start-1 && !alnumAt(s, j-1) && follows(s, j, wordsPlate...) {
			return j, end
		}
	}
	return plateAfter(s, i)
}

var plateAfter = after(wordsPlate...)

// findDevice finds serial numbers after the words, and unique device identifiers of
// GS1: (01), 14 digits of which the last checks the others, and what belongs to them
// (21 CFR 801.20; GS1 General Specifications §7.9).
func findDevice(s []byte, i int) (start, end int) {
	switch s[i] {
	case '+':
		return hibcc(s, i)
	case '(':
		return gs1(s, i)
	}
	return deviceAfter(s, i)
}

var deviceAfter = after(wordsDevice...)

func gs1(s []byte, i int) (start, end int) {
	if len(s)-i < 18 || s[i+1] != '0' || s[i+2] != '1' || s[i+3] != ')' || run(s, i+4, 15) != 14 {
		return 0, 0
	}
	sum := 0
	for n, c := range s[i+4 : i+18] {
		sum += int(c-'0') * (3 - n%2*2)
	}
	if sum%10 != 0 {
		return 0, 0
	}
	end = i + 18
	for end+4 < len(s) && end-i < 128 && s[end] == '(' && digitAt(s, end+1) && digitAt(s, end+2) && s[end+3] == ')' {
		stop := end + 4
		for stop < len(s) && stop-end < 26 && (isAlnum(s[stop]) || s[stop] == '-' || s[stop] == '/') {
			stop++
		}
		end = stop
	}
	return i, end
}

// hibcc finds the primary data structure of ANSI/HIBC 2: + and 4 to 23 characters that
// start with a letter and three more, and a slash with the secondary one.
func hibcc(s []byte, i int) (start, end int) {
	if alnumAt(s, i-1) || i+1 >= len(s) || !isUpper(s[i+1]) {
		return 0, 0
	}
	end = i + 1
	n := 0
	for end < len(s) && end-i < 80 && (isAlnum(s[end]) || in("/$-.%", s[end])) {
		if isDigit(s[end]) {
			n++
		}
		end++
	}
	if n < 6 || end-i < 12 {
		return 0, 0
	}
	return i, end
}

// mbi reads C A AN N [-] A AN N [-] A A N N.
func mbi(s []byte, i int) int {
	if alnumAt(s, i-1) || s[i] == '0' {
		return 0
	}
	const form = "NAXN-AXN-AANN"
	for _, f := range []byte(form) {
		if f == '-' {
			if i < len(s) && s[i] == '-' {
				i++
			}
			continue
		}
		if i >= len(s) {
			return 0
		}
		c := upper(s[i])
		letter := isUpper(c) && !in("BILOSZ", c)
		if f == 'N' && !isDigit(c) || f == 'A' && !letter || f == 'X' && !letter && !isDigit(c) {
			return 0
		}
		i++
	}
	if alnumAt(s, i) {
		return 0
	}
	return i
}

// findICD finds ICD-10 codes: a letter, a digit, a digit or letter, and with a dot or
// after the words, up to four more.
func findICD(s []byte, i int) (start, end int) {
	start = i - 1
	if start < 0 || !isAlpha(s[start]) || alnumAt(s, start-1) || !alnumAt(s, i+1) {
		return 0, 0
	}
	end = i + 2
	dot := end < len(s) && s[end] == '.' && alnumAt(s, end+1)
	if dot {
		end++
	}
	for n := 0; n < 4 && alnumAt(s, end); n++ {
		end++
	}
	if alnumAt(s, end) || dot && (!isUpper(s[start]) || end+1 < len(s) && s[end] == '.' && isDigit(s[end+1])) {
		dot = false // e11.9 after the words, but no v16.2.35
	}
	if alnumAt(s, end) || !dot && !follows(s, start, "icd", "icd-10", "icd10", "icd-10-cm", "diagnosis", "dx") {
		return 0, 0
	}
	return start, end
}

// findCPT finds procedure codes after the words: five digits, a letter and four
// digits, or four digits and a letter.
func findCPT(s []byte, i int) (start, end int) {
	if !runStart(s, i) {
		return 0, 0
	}
	start, end = i, i+5
	if i > 0 && isAlpha(s[i-1]) && run(s, i, 5) == 4 {
		start, end = i-1, i+4
	} else if n := run(s, i, 6); n != 5 && (n != 4 || !alnumAt(s, i+4)) {
		return 0, 0
	}
	if alnumAt(s, start-1) || alnumAt(s, end) || !follows(s, start, wordsCPT...) {
		return 0, 0
	}
	return start, end
}

// findNDC finds National Drug Codes: 4-4-2, 5-3-2, 5-4-1 and 5-4-2 digits, and ten or
// eleven after NDC.
func findNDC(s []byte, i int) (start, end int) {
	if !runStart(s, i) {
		return 0, 0
	}
	for _, sizes := range [][]int{{4, 4, 2}, {5, 3, 2}, {5, 4, 1}, {5, 4, 2}} {
		if end = groups(s, i, "-", sizes...); end > 0 {
			return i, end
		}
	}
	for _, size := range []int{10, 11} {
		if end = groups(s, i, "", size); end > 0 && follows(s, i, "ndc", "drug") {
			return i, end
		}
	}
	return 0, 0
}
