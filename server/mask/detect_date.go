package mask

import "bytes"

const dateSeps = "-/."

// findDate finds days: 2026-11-23, 11/23/2026, 23.11.26, 23 Nov 2026, November 23 and
// 20261123 after a word such as DOB. A year alone may be shown (45 CFR
// 164.514(b)(2)(i)(C)).
func findDate(s []byte, i int) (start, end int) {
	if !runStart(s, i) {
		return 0, 0
	}
	switch run(s, i, 9) {
	case 4:
		if end = yearFirst(s, i); end > 0 {
			return i, end
		}
		return monthYear(s, i)
	case 1, 2:
		if end = yearLast(s, i); end > 0 {
			return i, end
		}
		if end = monthDay(s, i); end > 0 {
			return i, end
		}
		return namedMonth(s, i)
	case 8:
		y, m, d := number(s[i:i+4]), number(s[i+4:i+6]), number(s[i+6:i+8])
		if y >= 1850 && y < 2100 && isDay(m, d) && follows(s, i, wordsDate...) {
			return i, i + 8
		}
	}
	return 0, 0
}

func number(d []byte) int {
	n := 0
	for _, c := range d {
		n = n*10 + int(c-'0')
	}
	return n
}

func isDay(month, day int) bool { return month >= 1 && month <= 12 && day >= 1 && day <= 31 }

func yearFirst(s []byte, i int) int {
	if y := number(s[i : i+4]); y < 1800 || y > 2199 {
		return 0
	}
	sep := i + 4
	if sep >= len(s) || !in(dateSeps, s[sep]) {
		return 0
	}
	m := run(s, sep+1, 3)
	if m == 0 || m > 2 || sep+1+m >= len(s) || s[sep+1+m] != s[sep] {
		return 0
	}
	at := sep + 2 + m
	d := run(s, at, 3)
	if d == 0 || d > 2 || !isDay(number(s[sep+1:sep+1+m]), number(s[at:at+d])) {
		return 0
	}
	return at + d
}

// yearLast reads month and day in either order, and a year of two or four digits.
func yearLast(s []byte, i int) int {
	a := run(s, i, 3)
	sep := i + a
	if sep >= len(s) || !in(dateSeps, s[sep]) || i > 0 && s[i-1] == s[sep] {
		return 0
	}
	b := run(s, sep+1, 3)
	at := sep + 2 + b
	if b == 0 || b > 2 || at > len(s) || s[at-1] != s[sep] {
		return 0
	}
	m, d := number(s[i:sep]), number(s[sep+1:at-1])
	y := run(s, at, 5)
	if y == 2 && s[sep] == '.' && !follows(s, i, wordsDate...) { // rather a version
		return 0
	}
	if y != 2 && y != 4 || !isDay(m, d) && !isDay(d, m) || at+y < len(s) && s[at+y] == s[sep] && digitAt(s, at+y+1) {
		return 0
	}
	return at + y
}

// monthYear reads the name of a month before the year at i: March 2016, Mar. of 2016.
func monthYear(s []byte, i int) (start, end int) {
	if y := number(s[i : i+4]); y < 1800 || y > 2199 {
		return 0, 0
	}
	at := i
	if at > 4 && bytes.EqualFold(s[at-4:at], []byte(" of ")) {
		at -= 3
	}
	if start = monthBefore(s, at); start < 0 {
		return 0, 0
	}
	return start, i + 4
}

// wordsDay stand before a month and day without a year.
var wordsDay = []string{"on", "since", "until", "dated", "resolved", "started", "began", "appointment", "appt", "visit", "seen", "dos"}

// monthDay reads 3/12 after such a word, where it is no part of a tablet or of
// saline.
func monthDay(s []byte, i int) int {
	a := run(s, i, 3)
	if i+a >= len(s) || s[i+a] != '/' || i > 0 && s[i-1] == '/' {
		return 0
	}
	b := run(s, i+a+1, 3)
	end := i + a + 1 + b
	if b == 0 || !isDay(number(s[i:i+a]), number(s[i+a+1:end])) || end < len(s) && (s[end] == '/' || s[end] == '%' || isAlpha(s[end])) ||
		!follows(s, i, wordsDay...) {
		return 0
	}
	rest := bytes.TrimLeft(s[end:min(len(s), end+8)], " ")
	for _, w := range []string{"tab", "ns", "nor", "pil", "dos", "pac", "ppd", "str", "sal"} {
		if len(rest) >= len(w) && bytes.EqualFold(rest[:len(w)], []byte(w)) {
			return 0
		}
	}
	return end
}

// namedMonth reads the name of a month before or after the day, and the year after.
func namedMonth(s []byte, i int) (start, end int) {
	end = i + run(s, i, 3)
	if d := number(s[i:end]); d < 1 || d > 31 {
		return 0, 0
	}
	if end+1 < len(s) {
		switch uint16(s[end])<<8 | uint16(s[end+1]) {
		case 's'<<8 | 't', 'n'<<8 | 'd', 'r'<<8 | 'd', 't'<<8 | 'h':
			end += 2
		}
	}
	if start = monthBefore(s, i); start >= 0 {
		return start, yearAfter(s, end)
	}
	j := end
	for j < len(s) && j-end < 4 && in(" -./,", s[j]) {
		j++
	}
	if bytes.HasPrefix(s[j:], []byte("of ")) {
		j += 3
	}
	if n := monthName(s[j:]); n > 0 {
		return i, yearAfter(s, j+n)
	}
	return 0, 0
}

func yearAfter(s []byte, end int) int {
	j := end
	for j < len(s) && j-end < 3 && in(" -./,'", s[j]) {
		j++
	}
	if n := run(s, j, 5); n == 4 && j >= end || j > end && n == 2 && s[j-1] != ' ' {
		return j + n
	}
	return end
}

// monthBefore finds where the name of a month before i starts, -1 where there is none.
func monthBefore(s []byte, i int) int {
	end := i
	for end > 0 && i-end < 3 && in(" -./,", s[end-1]) {
		end--
	}
	start := end
	for start > 0 && end-start < 10 && isAlpha(s[start-1]) {
		start--
	}
	if end-start < 3 {
		return -1
	}
	if n := monthName(s[start:end]); n == 0 || n != end-start {
		return -1
	}
	return weekday(s, start)
}

// weekday adds "Monday, " before i.
func weekday(s []byte, i int) int {
	end := i
	for end > 0 && i-end < 2 && (s[end-1] == ' ' || s[end-1] == ',') {
		end--
	}
	start := end
	for start > 0 && end-start < 10 && isAlpha(s[start-1]) {
		start--
	}
	if end == i || end-start < 6 || !bytes.EqualFold(s[end-3:end], []byte("day")) {
		return i
	}
	switch string(bytes.ToLower(s[start : end-3])) {
	case "mon", "tues", "wednes", "thurs", "fri", "satur", "sun":
		return start
	}
	return i
}

// monthName gives the length of a month's name or abbreviation at the start of s.
func monthName(s []byte) int {
	n := 0
	for n < len(s) && n < 10 && isAlpha(s[n]) {
		n++
	}
	if n < 3 {
		return 0
	}
	var full string
	switch uint32(s[0]|0x20)<<16 | uint32(s[1]|0x20)<<8 | uint32(s[2]|0x20) {
	case 'j'<<16 | 'a'<<8 | 'n':
		full = "january"
	case 'f'<<16 | 'e'<<8 | 'b':
		full = "february"
	case 'm'<<16 | 'a'<<8 | 'r':
		full = "march"
	case 'a'<<16 | 'p'<<8 | 'r':
		full = "april"
	case 'm'<<16 | 'a'<<8 | 'y':
		full = "may"
	case 'j'<<16 | 'u'<<8 | 'n':
		full = "june"
	case 'j'<<16 | 'u'<<8 | 'l':
		full = "july"
	case 'a'<<16 | 'u'<<8 | 'g':
		full = "august"
	case 's'<<16 | 'e'<<8 | 'p':
		full = "september"
		if n == 4 && s[3]|0x20 == 't' {
			return n
		}
	case 'o'<<16 | 'c'<<8 | 't':
		full = "october"
	case 'n'<<16 | 'o'<<8 | 'v':
		full = "november"
	case 'd'<<16 | 'e'<<8 | 'c':
		full = "december"
	default:
		return 0
	}
	if n == 3 || n == len(full) && equalFold(full, s[:n]) {
		return n
	}
	return 0
}

// findAge finds ages over 89 by the words around them.
func findAge(s []byte, i int) (start, end int) {
	if c := s[i]; c != '9' && c != '1' || !runStart(s, i) {
		return 0, 0
	}
	n := run(s, i, 4)
	if n < 2 || n > 3 {
		return 0, 0
	}
	end = i + n
	if age := number(s[i:end]); age < 90 || age > 130 {
		return 0, 0
	}
	rest := s[end:min(len(s), end+12)]
	for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '-') {
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0]|0x20 != 'y' {
		rest = nil // all of these begin with it
	}
	for _, word := range []string{"year", "yr", "y/o", "yo", "y.o", "y o", "y old"} {
		if len(rest) >= len(word) && bytes.EqualFold(rest[:len(word)], []byte(word)) {
			if word == "year" && precededBy(s, i, "for", "past", "last", "over", "than", "x", "about", "within", "next") && !bytes.Contains(s[end:min(len(s), end+14)], []byte("old")) {
				return 0, 0 // smoked for 91 years
			}
			return i, end
		}
	}
	if follows(s, i, "age", "aged", "ages", "turned") {
		return i, end
	}
	return 0, 0
}

// precededBy reports whether one of words is the last before i, with nothing but
// blanks between.
func precededBy(s []byte, i int, words ...string) bool {
	for i > 0 && s[i-1] == ' ' {
		i--
	}
	for _, w := range words {
		if i > 0 && endsInWord(s[max(0, i-reach):i], w) {
			return true
		}
	}
	return false
}
