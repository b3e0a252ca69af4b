package mask

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/server/resource"
)

const marker = "[masked]"

const stars = "****************************************************************"

// text masks the characters of a text type.
func (t *Transform) text(s *shape, dst, v []byte) (out []byte, changed, ok bool) {
	at := len(dst)
	switch {
	case t.scan != nil:
		if out, changed = t.scan.replace(dst, v, s.max); !changed {
			return out, false, true
		}
	case !utf8.Valid(v) && t.with != resource.Hash:
		out = appendMarker(dst, s) // client_encoding is UTF8, so this is not what it says
	default:
		out = t.textTransform(s, dst, v)
	}
	return fit(out, at, s), true, true
}

func (t *Transform) textTransform(s *shape, dst, v []byte) []byte {
	if s.pad {
		v = bytes.TrimRight(v, " ") // the blanks of char(n) are not part of its value
	}
	with := t.with
	if s.oid == oidXML && (with == resource.Partial || with == resource.Tokenize) {
		with = resource.Redact // parts of it are no XML
	}
	switch with {
	case resource.Partial:
		return appendPartial(dst, v, t.last)
	case resource.Hash:
		return hex.AppendEncode(dst, t.digest(v))
	case resource.Year:
		if y, _, ok := isoDate(v); ok && y > t.year-90 {
			return strconv.AppendInt(dst, int64(y), 10)
		}
	case resource.Age90:
		if n, rest, ok := years(v); ok && len(rest) == 0 {
			return strconv.AppendInt(dst, n, 10)
		}
	case resource.Zip3:
		if z, ok := zip3(v); ok {
			return append(dst, z...)
		}
	case resource.Tokenize:
		if out, ok := t.ff1.tokenize(dst, v); ok {
			return out
		}
	}
	return appendMarker(dst, s)
}

// appendMarker appends the visible marker, or asterisks where it does not fit.
func appendMarker(dst []byte, s *shape) []byte {
	if s.max > 0 && s.max < len(marker) {
		return append(dst, stars[:s.max]...)
	}
	return append(dst, marker...)
}

// fit cuts what was appended since at to the type's length, and pads char(n).
func fit(out []byte, at int, s *shape) []byte {
	if s.max == 0 {
		return out
	}
	n, end := 0, at
	for end < len(out) && n < s.max {
		_, size := utf8.DecodeRune(out[end:])
		end += size
		n++
	}
	out = out[:end]
	for ; s.pad && n < s.max; n++ {
		out = append(out, ' ')
	}
	return out
}

// appendPartial appends v with all but its last n characters as asterisks; nothing of
// a value that is not longer than n.
func appendPartial(dst, v []byte, n int) []byte {
	count := utf8.RuneCount(v)
	keep := n
	if count <= n {
		keep = 0
	}
	for range count - keep {
		dst = append(dst, '*')
	}
	i := len(v)
	for range keep {
		_, size := utf8.DecodeLastRune(v[:i])
		i -= size
	}
	return append(dst, v[i:]...)
}

// digest is the keyed hash of v; valid until the next one.
func (t *Transform) digest(v []byte) []byte {
	t.mac.Reset()
	_, _ = t.mac.Write(v) // never fails: hash.Hash
	return t.mac.Sum(t.sum[:0])
}

// scalar masks a value of a type without characters.
func (t *Transform) scalar(s *shape, dst, v []byte) (out []byte, null, changed, ok bool) {
	switch {
	case s.kind == shapeBytea && t.with == resource.Redact:
		if !t.binary {
			dst = append(dst, `\x`...)
		}
		return dst, false, true, true
	case t.with == resource.Hash && s.kind == shapeBytea:
		return t.hashBytea(dst, v)
	case t.with == resource.Hash && s.kind == shapeUUID:
		return t.hashUUID(dst, v)
	case t.with == resource.Hash && s.oid == oidInt8:
		return t.hashInt(dst, v)
	case t.with == resource.Hash && s.oid == oidInt4:
		return t.hashInt4(dst, v)
	case s.kind == shapeDate && (t.with == resource.Year || t.with == resource.Age90):
		out, ok = t.yearOfDate(dst, v)
	case s.kind == shapeTime && (t.with == resource.Year || t.with == resource.Age90):
		out, ok = t.yearOfTime(s, dst, v)
	case t.with == resource.Age90:
		out, ok = t.age(s, dst, v)
	default:
		return dst, true, true, true
	}
	return out, !ok, true, true
}

// hashBytea hashes the bytes, whatever the format.
func (t *Transform) hashBytea(dst, v []byte) (out []byte, null, changed, ok bool) {
	if t.binary {
		return append(dst, t.digest(v)...), false, true, true
	}
	b := t.buffers(maxDepth + 1)
	if len(v) < 2 || v[0] != '\\' || v[1] != 'x' { // bytea_output = escape: not the same bytes as in hex
		return dst, true, true, true
	}
	raw, err := hex.AppendDecode(b.raw, v[2:])
	if err != nil {
		return dst, true, true, false
	}
	b.raw = raw
	return hex.AppendEncode(append(dst, `\x`...), t.digest(raw)), false, true, true
}

// hashUUID gives a UUID of version 8 (RFC 9562 §5.8) made of the hash of the 16 bytes.
func (t *Transform) hashUUID(dst, v []byte) (out []byte, null, changed, ok bool) {
	raw := &t.raw
	if t.binary {
		if len(v) != len(raw) {
			return dst, true, true, false
		}
		copy(raw[:], v)
	} else if !parseUUID(raw, v) {
		return dst, true, true, false
	}
	copy(raw[:], t.digest(raw[:]))
	raw[6], raw[8] = raw[6]&0x0f|0x80, raw[8]&0x3f|0x80
	if t.binary {
		return append(dst, raw[:]...), false, true, true
	}
	for i, b := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst, false, true, true
}

const hexDigits = "0123456789abcdef"

func parseUUID(raw *[16]byte, v []byte) bool {
	if len(v) != 36 {
		return false
	}
	n := 0
	for i, c := range v {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
			continue
		}
		d := bytes.IndexByte([]byte(hexDigits), c)
		if d < 0 {
			return false
		}
		raw[n/2] = raw[n/2]<<4 | byte(d)
		n++
	}
	return true
}

// hashInt gives a positive bigint; 63 bits hold the hash well enough for joins.
func (t *Transform) hashInt(dst, v []byte) (out []byte, null, changed, ok bool) {
	n, ok := t.integer(v)
	if !ok {
		return dst, true, true, false
	}
	raw := t.raw[:8]
	binary.BigEndian.PutUint64(raw, uint64(n))
	h := int64(binary.BigEndian.Uint64(t.digest(raw)) &^ (1 << 63))
	if t.binary {
		return binary.BigEndian.AppendUint64(dst, uint64(h)), false, true, true
	}
	return strconv.AppendInt(dst, h, 10), false, true, true
}

// hashInt4 permutes the integers: 31 bits of a hash would be the same for two of some
// ten thousand values, and joins would find what is not there.
func (t *Transform) hashInt4(dst, v []byte) (out []byte, null, changed, ok bool) {
	n, ok := t.integer(v)
	if !ok || n != int64(int32(n)) {
		return dst, true, true, false
	}
	h := int32(t.ff1.encrypt32(uint32(int32(n)), t.raw[:], t.sum[:]))
	if t.binary {
		return binary.BigEndian.AppendUint32(dst, uint32(h)), false, true, true
	}
	return strconv.AppendInt(dst, int64(h), 10), false, true, true
}

func (t *Transform) integer(v []byte) (int64, bool) {
	if !t.binary {
		n, err := strconv.ParseInt(string(v), 10, 64)
		return n, err == nil
	}
	switch len(v) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(v))), true
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v))), true
	case 8:
		return int64(binary.BigEndian.Uint64(v)), true
	}
	return 0, false
}

// epoch is day 0 of PostgreSQL's dates and timestamps.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const microsPerDay = 24 * 60 * 60 * 1_000_000

func (t *Transform) yearOfDate(dst, v []byte) ([]byte, bool) {
	if !t.binary {
		d, ok := readDay(v)
		if !ok || d.year <= t.year-90 || len(d.rest) > 0 {
			return dst, false
		}
		return d.appendJanuary(dst), true
	}
	if len(v) != 4 {
		return dst, false
	}
	days := int64(int32(binary.BigEndian.Uint32(v)))
	first, ok := t.januaryFirst(days)
	return binary.BigEndian.AppendUint32(dst, uint32(int32(first))), ok
}

func (t *Transform) yearOfTime(s *shape, dst, v []byte) ([]byte, bool) {
	switch {
	case !t.binary && s.oid == oidTimestamptz:
		return t.yearOfMoment(dst, v)
	case !t.binary:
		return t.yearOfTimeText(dst, v)
	}
	if len(v) != 8 {
		return dst, false
	}
	micros := int64(binary.BigEndian.Uint64(v))
	days := micros / microsPerDay
	if micros%microsPerDay < 0 {
		days--
	}
	first, ok := t.januaryFirst(days)
	return binary.BigEndian.AppendUint64(dst, uint64(first*microsPerDay)), ok
}

// januaryFirst is the first day of the year of a day, both counted from epoch; false
// for infinity, what is beyond a century around it, and years that show an age over 89.
func (t *Transform) januaryFirst(days int64) (int64, bool) {
	if days > math.MaxInt32/2 || days < math.MinInt32/2 {
		return 0, false
	}
	y := epoch.AddDate(0, 0, int(days)).Year()
	if y <= t.year-90 || y > 9999 {
		return 0, false
	}
	const daySeconds = 24 * 60 * 60
	return (time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC).Unix() - epoch.Unix()) / daySeconds, true // a Duration holds 292 years
}

// isoDate reads YYYY-MM-DD at the start of v.
func isoDate(v []byte) (year int, rest []byte, ok bool) {
	if len(v) < 10 || v[4] != '-' || v[7] != '-' {
		return 0, nil, false
	}
	for i := range 10 {
		if i != 4 && i != 7 && (v[i] < '0' || v[i] > '9') {
			return 0, nil, false
		}
	}
	year = int(v[0]-'0')*1000 + int(v[1]-'0')*100 + int(v[2]-'0')*10 + int(v[3]-'0')
	return year, v[10:], year >= 1000
}
