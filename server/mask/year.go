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

// yearOfTimeText is the first moment of the year of a timestamp without time zone.
func (t *Transform) yearOfTimeText(dst, v []byte) ([]byte, bool) {
	if bytes.HasSuffix(v, []byte("BC")) {
		return dst, false
	}
	if d, ok := readDay(v); ok {
		if d.year <= t.year-90 || len(d.rest) < 9 || d.rest[0] != ' ' || clockEnd(d.rest) != len(d.rest) {
			return dst, false
		}
		return append(d.appendJanuary(dst), " 00:00:00"...), true
	}
	return t.yearOfPostgresStyle(dst, v)
}

// yearOfMoment is the first moment of the year of a timestamp with time zone, in UTC: in
// the session's zone, which the client chooses, the year would tell on which side of any
// hour around New Year a moment lies, and a zone that is shown tells summer from winter.
// Only the ISO style says by how much its zone differs from UTC; the names that others show
// may mean anything.
func (t *Transform) yearOfMoment(dst, v []byte) ([]byte, bool) {
	d, ok := readDay(v)
	if !ok || !d.iso || len(d.rest) < len(" 00:00:00+00") || d.rest[0] != ' ' {
		return dst, false
	}
	end := clockEnd(d.rest)
	offset, ok := zoneOffset(d.rest[end:])
	if !ok || end < len(" 00:00:00") {
		return dst, false
	}
	moment := time.Date(d.year, time.Month(number(v[5:7])), number(v[8:10]), number(v[11:13]), number(v[14:16]), number(v[17:19])-offset, 0, time.UTC)
	year := moment.Year()
	if year <= t.year-90 || year > 9999 {
		return dst, false
	}
	return append(strconv.AppendInt(dst, int64(year), 10), "-01-01 00:00:00+00"...), true
}

// zoneOffset reads +05, -08:30 or +00:53:28 in seconds, as EncodeTimezone of PostgreSQL's
// datetime.c writes them. Zones of a client's own can be up to a week off: +167.
func zoneOffset(v []byte) (seconds int, ok bool) {
	if len(v) < 3 || !in("+-", v[0]) {
		return 0, false
	}
	sign, v := v[0], v[1:]
	hours := run(v, 0, 4)
	if hours < 2 || hours > 3 {
		return 0, false
	}
	seconds, v = 60*60*number(v[:hours]), v[hours:]
	for unit := 60; len(v) > 0; unit /= 60 {
		if unit == 0 || v[0] != ':' || run(v, 1, 3) != 2 {
			return 0, false
		}
		seconds, v = seconds+unit*number(v[1:3]), v[3:]
	}
	if sign == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// clockEnd is where the time of day that starts at rest[1] ends.
func clockEnd(rest []byte) int {
	i := 1
	for i < len(rest) && (isDigit(rest[i]) || rest[i] == ':' || rest[i] == '.') {
		i++
	}
	return i
}

// yearOfPostgresStyle reads "Mon Mar 12 07:07:00 1984", or with the day first.
func (t *Transform) yearOfPostgresStyle(dst, v []byte) ([]byte, bool) {
	var parts [5][]byte
	n := 0
	for f := range bytes.FieldsSeq(v) {
		if n == len(parts) {
			return dst, false
		}
		parts[n] = f
		n++
	}
	if n < len(parts) || len(parts[4]) != 4 || run(parts[4], 0, 4) != 4 {
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
	return strconv.AppendInt(dst, int64(year), 10), true
}
