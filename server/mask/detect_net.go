package mask

import (
	"bytes"
	"net/netip"
)

// maxDomain is the longest domain name (RFC 1035 §2.3.4); addresses and links are
// looked at this far.
const maxDomain = 255

// findEmail finds the address around an @.
func findEmail(s []byte, at int) (start, end int) {
	if at == 0 || !localByte(s[at-1]) {
		return 0, 0
	}
	start = at
	for start > 0 && at-start < maxDomain && localByte(s[start-1]) {
		start--
	}
	end = at + 1
	for end < len(s) && end-at <= maxDomain && domainByte(s[end]) {
		end++
	}
	for start < at {
		end = at + 1 + len(bytes.TrimRight(s[at+1:end], ".-"))
		dot := bytes.LastIndexByte(s[at+1:end], '.')
		if dot < 1 {
			return 0, 0
		}
		if top := s[at+1+dot+1 : end]; len(top) >= 2 && !bytes.ContainsAny(top, digits+"-") {
			return start, end
		}
		end = at + 1 + dot
	}
	return 0, 0
}

// localByte is the atext of RFC 5322 §3.2.3 with dots, without what rather stands
// around an address; RFC 6532 adds all of UTF-8.
func localByte(c byte) bool {
	return isAlnum(c) || c >= 0x80 || in("._%+-'!#$&*/=?^~", c)
}

func domainByte(c byte) bool { return isAlnum(c) || c >= 0x80 || c == '.' || c == '-' }

// findURL finds what starts with a scheme and ://, or with www.
func findURL(s []byte, i int) (start, end int) { return new(links).find(s, i) }

// links keeps how far a text was read for links: one can have others in it, and a text can
// have little but beginnings of them.
type links struct {
	from, to     int // all of it may stand in a link
	end, trimmed int // of the last that was looked at, and without the punctuation behind it
}

// maxLink is how far a link is looked at.
const maxLink = 2048

// linkBytes may stand in links.
var linkBytes = func() (kinds [256]bool) {
	for c := range kinds {
		kinds[c] = c > ' ' && !in("\"<>\\^`{|}", byte(c))
	}
	return kinds
}()

func (l *links) find(s []byte, i int) (start, end int) {
	if s[i] == ':' {
		start = i
		for start > 0 && i-start < 16 && (isAlnum(s[start-1]) || s[start-1] == '+') {
			start--
		}
		if start == i || !bytes.HasPrefix(s[i:], []byte("://")) {
			return 0, 0
		}
		i += 3
	} else {
		start = i
		if alnumAt(s, i-1) || len(s)-i < 5 || !bytes.EqualFold(s[i:i+4], []byte("www.")) {
			return 0, 0
		}
		i += 4
	}
	if i < l.from || i > l.to {
		l.from, l.to = i, i
	}
	for l.to < len(s) && l.to-i < maxLink && linkBytes[s[l.to]] {
		l.to++
	}
	if end = min(l.to, i+maxLink); end != l.end || l.trimmed < i {
		l.end, l.trimmed = end, i+len(bytes.TrimRight(s[i:end], ".,;:!?)'"))
	}
	if l.trimmed == i {
		return 0, 0
	}
	return start, l.trimmed
}

// findIP finds IPv4 addresses at a digit and IPv6 addresses at a colon.
func findIP(s []byte, i int) (start, end int) {
	if s[i] != ':' {
		return i, ipv4(s, i)
	}
	start, end = i, i
	for start > 0 && i-start < 5 && isHex(s[start-1]) {
		start--
	}
	for end < len(s) && end-i < 46 && (isHex(s[end]) || s[end] == ':' || s[end] == '.') {
		end++
	}
	for end > i && (s[end-1] == '.' || s[end-1] == ':' && s[end-2] != ':') {
		end--
	}
	if start > 0 && (isAlnum(s[start-1]) || s[start-1] == ':') || alnumAt(s, end) || end-start < 3 {
		return 0, 0
	}
	// There are two colons at least, and one does not stand alone at the beginning.
	if n := bytes.Count(s[start:end], []byte{':'}); n < 2 || n > 8 || s[start] == ':' && s[start+1] != ':' {
		return 0, 0
	}
	if _, err := netip.ParseAddr(string(s[start:end])); err != nil {
		return 0, 0
	}
	return start, end
}

func ipv4(s []byte, i int) (end int) {
	if !runStart(s, i) || i > 0 && s[i-1] == '.' && digitAt(s, i-2) {
		return 0
	}
	for n := range 4 {
		if n > 0 {
			if i >= len(s) || s[i] != '.' {
				return 0
			}
			i++
		}
		size, value := run(s, i, 4), 0
		for _, c := range s[i : i+size] {
			value = value*10 + int(c-'0')
		}
		if size == 0 || size > 3 || value > 255 {
			return 0
		}
		i += size
	}
	if i < len(s) && s[i] == '.' && digitAt(s, i+1) {
		return 0
	}
	return i
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// findMAC finds 00:1b:44:11:3a:b7, with dashes too, and 001b.4411.3ab7.
func findMAC(s []byte, i int) (start, end int) {
	size, count := 2, 6
	if s[i] == '.' {
		size, count = 4, 3
	}
	start = i - size
	end = start + count*size + count - 1
	if i+size+1 >= len(s) || s[i+size+1] != s[i] || start < 0 || end > len(s) || alnumAt(s, start-1) || alnumAt(s, end) {
		return 0, 0
	}
	for n, c := range s[start:end] {
		if n%(size+1) == size {
			if c != s[i] {
				return 0, 0
			}
		} else if !isHex(c) {
			return 0, 0
		}
	}
	return start, end
}

// findUUID finds 8-4-4-4-12 hexadecimal digits.
func findUUID(s []byte, i int) (start, end int) {
	start, end = i-8, i+28
	if start < 0 || end > len(s) || alnumAt(s, start-1) || alnumAt(s, end) {
		return 0, 0
	}
	for n, c := range s[start:end] {
		if n == 8 || n == 13 || n == 18 || n == 23 {
			if c != '-' {
				return 0, 0
			}
		} else if !isHex(c) {
			return 0, 0
		}
	}
	return start, end
}
