package mask

import (
	"bytes"
	"strconv"
	"time"
)

// day is a date as PostgreSQL writes it in one of its styles (manual, "Date/Time
// Output"): 1984-03-12, 03/12/1984, 12.03.1984, 03-12-1984. Month and day are not told
// apart, since the first of January is the same both ways.
type day struct {
	year int
	sep  byte // '-' with the year first is ISO
	iso  bool
	rest []byte
}

// readDay reads the date at the start of v; years before 1000 and after 9999 are not
// read.
func readDay(v []byte) (d day, ok bool) {
	if year, rest, ok := isoDate(v); ok {
		return day{year, '-', true, rest}, true
	}
	if len(v) < 10 || v[2] != v[5] || !in("/.-", v[2]) {
		return d, false
	}
	for i := range 10 {
		if i != 2 && i != 5 && !isDigit(v[i]) {
			return d, false
		}
	}
	d = day{number(v[6:10]), v[2], false, v[10:]}
	return d, d.year >= 1000 && !digitAt(v, 10)
}

// appendJanuary appends the first of January of the year in the same style.
func (d day) appendJanuary(dst []byte) []byte {
	if d.iso {
		return append(strconv.AppendInt(dst, int64(d.year), 10), "-01-01"...)
	}
	dst = append(dst, '0', '1', d.sep, '0', '1', d.sep)
	return strconv.AppendInt(dst, int64(d.year), 10)
}

// yearOfTimeText is the first moment of the year. A zone becomes UTC: the one that is
// shown tells summer from winter.
func (t *Transform) yearOfTimeText(dst, v []byte) ([]byte, bool) {
	if bytes.HasSuffix(v, []byte("BC")) {
		return dst, false
	}
	if d, ok := readDay(v); ok {
		if d.year <= t.year-90 || len(d.rest) < 9 || d.rest[0] != ' ' {
			return dst, false
		}
		dst = append(d.appendJanuary(dst), " 00:00:00"...)
		switch zone := d.rest[clockEnd(d.rest):]; {
		case len(zone) == 0:
		case d.iso:
			dst = append(dst, "+00"...)
		default:
			dst = append(dst, " UTC"...)
		}
		return dst, true
	}
	return t.yearOfPostgresStyle(dst, v)
}

// clockEnd is where the time of day that starts at rest[1] ends.
func clockEnd(rest []byte) int {
	i := 1
	for i < len(rest) && (isDigit(rest[i]) || rest[i] == ':' || rest[i] == '.') {
		i++
	}
	return i
}

// yearOfPostgresStyle reads "Mon Mar 12 07:07:00 1984 UTC", or with the day first.
func (t *Transform) yearOfPostgresStyle(dst, v []byte) ([]byte, bool) {
	var parts [7][]byte
	n := 0
	for f := range bytes.FieldsSeq(v) {
		if n == len(parts) {
			return dst, false
		}
		parts[n] = f
		n++
	}
	if n < 5 || n > 6 || len(parts[4]) != 4 || run(parts[4], 0, 4) != 4 {
		return dst, false
	}
	year := number(parts[4])
	if year < 1000 || year <= t.year-90 {
		return dst, false
	}
	dst = append(dst, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Weekday().String()[:3]...)
	if isDigit(parts[1][0]) {
		dst = append(dst, " 01 Jan 00:00:00 "...)
	} else {
		dst = append(dst, " Jan 01 00:00:00 "...)
	}
	dst = strconv.AppendInt(dst, int64(year), 10)
	if n == 6 {
		dst = append(dst, " UTC"...)
	}
	return dst, true
}
