package leaks

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mint makes canaries: values from a fixed seed that are found nowhere else.
type mint struct {
	rnd   *rand.Rand
	named map[string]string
	all   []canary
}

type canary struct{ kind, value string }

func newMint() *mint {
	return &mint{rnd: rand.New(rand.NewPCG(0x6c65616b, 1)), named: map[string]string{}}
}

var placeholder = regexp.MustCompile(`\{\{(\w+)( \w+)?\}\}`)

// fill replaces {{kind}} by a new canary each, {{kind name}} by the same one.
func (m *mint) fill(sql string) string {
	return placeholder.ReplaceAllStringFunc(sql, func(s string) string {
		if v, ok := m.named[s]; ok {
			return v
		}
		sub := placeholder.FindStringSubmatch(s)
		v := m.make(sub[1])
		m.all = append(m.all, canary{sub[1], v})
		if sub[2] != "" {
			m.named[s] = v
		}
		return v
	})
}

func (m *mint) make(kind string) string {
	switch kind {
	case "ssn":
		return fmt.Sprintf("9%02d-%02d-%04d", m.rnd.IntN(100), 10+m.rnd.IntN(90), 1000+m.rnd.IntN(9000))
	case "mrn":
		return fmt.Sprintf("MRN-%09d", 300_000_000+m.rnd.IntN(600_000_000))
	case "phone":
		return fmt.Sprintf("(%03d) %03d-%04d", 200+m.rnd.IntN(700), 200+m.rnd.IntN(700), 1000+m.rnd.IntN(9000))
	case "email":
		return m.letters(9) + "@" + m.letters(6) + ".example"
	case "name":
		return "Q" + m.letters(9) + " Z" + m.letters(9)
	case "word":
		return "W" + m.letters(13)
	case "card":
		return "W" + m.letters(15)
	case "date":
		return time.Date(1921, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, m.rnd.IntN(9000)).Format(time.DateOnly)
	case "hex":
		b := make([]byte, 12)
		for i := range b {
			b[i] = byte(m.rnd.IntN(256))
		}
		return hex.EncodeToString(b)
	}
	panic("no canary of kind " + kind)
}

func (m *mint) letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "bcdfghjklmnpqrstvwxyz"[m.rnd.IntN(21)]
	}
	return string(b)
}

// searcher finds every form of every canary in what came over the wire.
type searcher struct {
	exact  index // in the bytes as they are
	folded index // in what is left of letters and digits, in lower case
}

// index finds many needles in one pass, by their first four bytes.
type index map[[4]byte][]needle

type needle struct {
	bytes []byte
	what  string
}

func (x index) add(what string, b []byte) {
	if len(b) < 6 {
		panic("needle too short: " + what)
	}
	k := [4]byte(b)
	x[k] = append(x[k], needle{b, what})
}

func (x index) find(hay []byte, report func(what string)) {
	for i := 0; i+4 <= len(hay); i++ {
		for _, n := range x[[4]byte(hay[i:])] {
			if bytes.HasPrefix(hay[i:], n.bytes) {
				report(n.what)
			}
		}
	}
}

// fold keeps letters and digits, in lower case.
func fold(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			out = append(out, c)
		}
	}
	return out
}

func reversed(b []byte) []byte {
	out := bytes.Clone(b)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// escaped is bytea_output = escape.
func escaped(b []byte) []byte {
	var out []byte
	for _, c := range b {
		switch {
		case c == '\\':
			out = append(out, `\\`...)
		case c < ' ' || c > '~':
			out = fmt.Appendf(out, `\%03o`, c)
		default:
			out = append(out, c)
		}
	}
	return out
}

func newSearcher(all []canary) *searcher {
	s := &searcher{index{}, index{}}
	seen := map[canary]bool{}
	for _, c := range all {
		if seen[c] {
			continue
		}
		seen[c] = true
		s.add(c)
	}
	return s
}

func (s *searcher) add(c canary) {
	what := func(form string) string { return fmt.Sprintf("%s %s (%s)", c.kind, c.value, form) }
	raw := []byte(c.value)
	if c.kind == "hex" { // a bytea
		raw, _ = hex.DecodeString(c.value)
		s.exact.add(what("bytes"), raw)
		s.exact.add(what("escaped"), escaped(raw))
	}
	folded := fold([]byte(c.value))
	s.folded.add(what("letters and digits"), folded)
	s.folded.add(what("reversed"), reversed(folded))
	s.folded.add(what("hex"), []byte(hex.EncodeToString(raw)))
	md, sh, s2 := md5.Sum(raw), sha1.Sum(raw), sha256.Sum256(raw)
	s.folded.add(what("md5"), []byte(hex.EncodeToString(md[:])))
	s.folded.add(what("sha1"), []byte(hex.EncodeToString(sh[:])))
	s.folded.add(what("sha256"), []byte(hex.EncodeToString(s2[:])))
	s.exact.add(what("sha256, binary"), s2[:])
	for shift := range 3 {
		enc := base64.StdEncoding.EncodeToString(append(make([]byte, shift), raw...))
		// What the bytes before and after decide is left out.
		enc = strings.TrimRight(enc, "=")[(shift*8+5)/6:]
		s.exact.add(what("base64"), []byte(enc[:len(enc)-1]))
	}
	for word := range strings.FieldsSeq(c.value) {
		if w := fold([]byte(word)); len(w) >= 8 && len(w) < len(folded) {
			s.folded.add(what("a word of it"), w)
		}
	}
	switch c.kind {
	case "ssn":
		s.number(what, folded)
	case "date":
		s.date(what, c.value)
	}
}

// number adds the binary forms of a number of nine digits, each with its length.
func (s *searcher) number(what func(string) string, digits []byte) {
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		panic(err)
	}
	s.exact.add(what("int4"), binary.BigEndian.AppendUint32([]byte{0, 0, 0, 4}, uint32(n)))
	s.exact.add(what("int8"), binary.BigEndian.AppendUint64([]byte{0, 0, 0, 8}, uint64(n)))
	numeric := binary.BigEndian.AppendUint16(nil, uint16(n/1_0000_0000))
	numeric = binary.BigEndian.AppendUint16(numeric, uint16(n/1_0000%1_0000))
	s.exact.add(what("numeric"), binary.BigEndian.AppendUint16(numeric, uint16(n%1_0000)))
}

// date adds the forms of a date that PostgreSQL's DateStyle and binary format give.
func (s *searcher) date(what func(string) string, iso string) {
	t, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		panic(err)
	}
	for _, layout := range []string{"01022006", "02012006", "January22006", "2January2006"} {
		s.folded.add(what(layout), []byte(strings.ToLower(t.Format(layout))))
	}
	days := int32(t.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour))
	s.exact.add(what("date, binary"), binary.BigEndian.AppendUint32([]byte{0, 0, 0, 4}, uint32(days)))
	s.exact.add(what("timestamp, binary"), binary.BigEndian.AppendUint64([]byte{0, 0, 0, 8}, uint64(int64(days)*24*3600*1e6)))
	s.folded.add(what("epoch"), []byte(strconv.FormatInt(t.Unix(), 10)[1:]))
}

// in gives the canaries that a conversation shows, each once, in any of its views.
func (s *searcher) in(views [][]byte) []string {
	var found []string
	seen := map[string]bool{}
	report := func(what string) {
		if !seen[what] {
			seen[what] = true
			found = append(found, what)
		}
	}
	for _, v := range views {
		s.exact.find(v, report)
		s.exact.find(bytes.ReplaceAll(v, []byte("\n"), nil), report) // encode() breaks lines
		s.folded.find(fold(v), report)
	}
	return found
}

func TestSearcher_FindsEveryForm(t *testing.T) {
	c := canary{"ssn", "912-34-5678"}
	s := newSearcher([]canary{c, {"name", "Qbcdfghjkl Zmnpqrstvw"}, {"date", "1931-03-07"}, {"hex", "00ff10203040506070809099"}})
	for name, hay := range map[string]string{
		"raw":      "xx912-34-5678yy",
		"dashes":   "912345678",
		"spaced":   "9 1 2 3 4 5 6 7 8",
		"reversed": "8765-43-219",
		"hex":      `\x3931322d33342d35363738`,
		"base64 0": base64.StdEncoding.EncodeToString([]byte("912-34-5678")),
		"base64 1": base64.StdEncoding.EncodeToString([]byte("a912-34-5678b")),
		"base64 2": base64.StdEncoding.EncodeToString([]byte("ab912-34-5678")),
		"md5":      "e8" + fmt.Sprintf("%x", md5.Sum([]byte("912-34-5678"))),
		"int8":     "\x00\x00\x00\x08\x00\x00\x00\x00\x36\x61\x4a\x4e",
		"numeric":  "\x00\x09\x04\xd2\x16\x2e",
		"upper":    "QBCDFGHJKL ZMNPQRSTVW",
		"a word":   "zmnpqrstvw",
		"date":     "03/07/1931",
		"bytes":    "\x00\xff\x10\x20\x30\x40\x50\x60\x70\x80\x90\x99",
	} {
		if len(s.in([][]byte{[]byte(hay)})) == 0 {
			t.Errorf("%s: not found in %q", name, hay)
		}
	}
	if got := s.in([][]byte{[]byte("nothing of 912-34-5679 here")}); got != nil {
		t.Errorf("found %q where there is none", got)
	}
}
