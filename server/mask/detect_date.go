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
		return i, yearFirst(s, i)
	case 1, 2:
		if end = yearLast(s, i); end > 0 {
			return i, end
		}
		return namedMonth(s, i)
	case 8:
		y, m, d := number(s[i:i+4]), number(s[i+4:i+6]), number(s[i+6:i+8])
		if y >= 1850 && y < 2100 && isDay(m, d) && follows(s, i, "dob", "birth", "born", "date", "admitted", "admit", "discharged", "died", "death", "dod") {
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
	if sep >= len(s) || bytes.IndexByte([]byte(dateSeps), s[sep]) < 0 {
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
	if sep >= len(s) || bytes.IndexByte([]byte(dateSeps), s[sep]) < 0 || i > 0 && s[i-1] == s[sep] {
		return 0
	}
	b := run(s, sep+1, 3)
	at := sep + 2 + b
	if b == 0 || b > 2 || at > len(s) || s[at-1] != s[sep] {
		return 0
	}
	m, d := number(s[i:sep]), number(s[sep+1:at-1])
	y := run(s, at, 5)
	if y != 2 && y != 4 || !isDay(m, d) && !isDay(d, m) || at+y < len(s) && s[at+y] == s[sep] && digitAt(s, at+y+1) {
		return 0
	}
	return at + y
}

// namedMonth reads the name of a month before or after the day, and the year after.
func namedMonth(s []byte, i int) (start, end int) {
	end = i + run(s, i, 3)
	if d := number(s[i:end]); d < 1 || d > 31 {
		return 0, 0
	}
	for _, suffix := range []string{"st", "nd", "rd", "th"} {
		if bytes.HasPrefix(s[end:], []byte(suffix)) {
			end += 2
			break
		}
	}
	if start = monthBefore(s, i); start >= 0 {
		return start, yearAfter(s, end)
	}
	j := end
	for j < len(s) && j-end < 4 && bytes.IndexByte([]byte(" -./,"), s[j]) >= 0 {
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
	for j < len(s) && j-end < 3 && bytes.IndexByte([]byte(" -./,'"), s[j]) >= 0 {
		j++
	}
	if n := run(s, j, 5); j > end && (n == 4 || n == 2 && s[j-1] != ' ') {
		return j + n
	}
	return end
}

// monthBefore finds where the name of a month before i starts, -1 where there is none.
func monthBefore(s []byte, i int) int {
	end := i
	for end > 0 && i-end < 3 && bytes.IndexByte([]byte(" -./,"), s[end-1]) >= 0 {
		end--
	}
	start := end
	for start > 0 && end-start < 10 && isAlpha(s[start-1]) {
		start--
	}
	if n := monthName(s[start:end]); n == 0 || n != end-start {
		return -1
	}
	return start
}

// monthName gives the length of a month's name or abbreviation at the start of s.
func monthName(s []byte) int {
	n := 0
	for n < len(s) && n < 10 && isAlpha(s[n]) {
		n++
	}
	for _, m := range []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "sept", "october", "november", "december"} {
		if n == len(m) && bytes.EqualFold(s[:n], []byte(m)) || n == 3 && bytes.EqualFold(s[:n], []byte(m[:3])) {
			return n
		}
	}
	return 0
}

// findAge finds ages over 89 by the words around them.
func findAge(s []byte, i int) (start, end int) {
	n := run(s, i, 4)
	if !runStart(s, i) || n < 2 || n > 3 {
		return 0, 0
	}
	end = i + n
	if age := number(s[i:end]); age < 90 || age > 130 {
		return 0, 0
	}
	rest := bytes.TrimLeft(s[end:min(len(s), end+12)], " -")
	for _, word := range []string{"year", "yr", "y/o", "yo", "y.o", "y o", "y old"} {
		if len(rest) >= len(word) && bytes.EqualFold(rest[:len(word)], []byte(word)) {
			return i, end
		}
	}
	if follows(s, i, "age", "aged", "ages", "turned") {
		return i, end
	}
	return 0, 0
}
