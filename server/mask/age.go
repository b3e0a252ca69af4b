package mask

import (
	"encoding/binary"
	"math"
	"strconv"
)

// An age in years is 90 where it is above 89 (45 CFR 164.514(b)(2)(i)(C)). What stands
// behind the decimal point goes: it says on which day somebody was born.

const oldest = 90

// years reads the whole years of a number in text, at most 90; rest is what follows. It is
// false for what is no age.
func years(v []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(v) && isDigit(v[i]) {
		n = min(10*n+int64(v[i]-'0'), oldest)
		i++
	}
	whole := i
	if i < len(v) && v[i] == '.' {
		for i++; i < len(v) && isDigit(v[i]); i++ {
		}
	}
	return n, v[i:], whole > 0
}

// age masks an age in a number of any type.
func (t *Transform) age(s *shape, dst, v []byte) ([]byte, bool) {
	switch {
	case s.kind == shapeInt:
		return t.ageInt(dst, v)
	case s.oid == oidNumeric && t.binary:
		return ageNumeric(dst, v)
	case s.oid == oidNumeric:
		n, rest, ok := years(v)
		if !ok || len(rest) > 0 {
			return dst, false
		}
		dst = strconv.AppendInt(dst, n, 10)
		return appendZeros(dst, v), true
	case s.oid == oidFloat4 || s.oid == oidFloat8:
		return t.ageFloat(dst, v)
	}
	return dst, false
}

// appendZeros appends as many decimals as v has: a column with a scale shows all of them.
func appendZeros(dst, v []byte) []byte {
	point := false
	for _, c := range v {
		if point {
			c = '0'
		} else if c != '.' {
			continue
		}
		point, dst = true, append(dst, c)
	}
	return dst
}

func (t *Transform) ageInt(dst, v []byte) ([]byte, bool) {
	n, ok := t.integer(v)
	if !ok || n < 0 {
		return dst, false
	}
	n = min(n, oldest)
	if !t.binary {
		return strconv.AppendInt(dst, n, 10), true
	}
	for i := len(v) - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst, true
}

// ageNumeric reads numeric_send: 2B number of digits, 2B weight, 2B sign, 2B scale, and
// digits to the base 10000, the first of which counts 10000^weight.
func ageNumeric(dst, v []byte) ([]byte, bool) {
	if len(v) < 8 || len(v) != 8+2*int(binary.BigEndian.Uint16(v)) || binary.BigEndian.Uint16(v[4:]) != 0 {
		return dst, false // negative, infinite, no number
	}
	n := uint16(0)
	switch weight := int16(binary.BigEndian.Uint16(v[2:])); {
	case len(v) == 8 || weight < 0:
	case weight > 0:
		n = oldest
	default:
		n = min(binary.BigEndian.Uint16(v[8:]), oldest)
	}
	count := min(n, 1)
	dst = binary.BigEndian.AppendUint16(dst, count)
	dst = append(dst, 0, 0, 0, 0, v[6], v[7])
	if count > 0 {
		dst = binary.BigEndian.AppendUint16(dst, n)
	}
	return dst, true
}

// atOldest reports whether a text or an integer is the age that stands for all above.
func (t *Transform) atOldest(s *shape, v []byte) bool {
	if s.kind == shapeInt {
		n, _ := t.integer(v)
		return n == oldest
	}
	n, _, _ := years(v)
	return n == oldest
}

func (t *Transform) ageFloat(dst, v []byte) ([]byte, bool) {
	if !t.binary {
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil || !(f >= 0) || math.IsInf(f, 1) {
			return dst, false
		}
		return strconv.AppendInt(dst, int64(min(f, oldest)), 10), true
	}
	var f float64
	switch len(v) {
	case 4:
		f = float64(math.Float32frombits(binary.BigEndian.Uint32(v)))
	case 8:
		f = math.Float64frombits(binary.BigEndian.Uint64(v))
	default:
		return dst, false
	}
	if !(f >= 0) || math.IsInf(f, 1) {
		return dst, false
	}
	f = math.Floor(min(f, oldest))
	if len(v) == 4 {
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(f))), true
	}
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(f)), true
}
