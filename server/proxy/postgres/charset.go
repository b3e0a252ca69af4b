package postgres

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// charset is a client encoding other than UTF8. The target's session stays UTF8, and so
// do analysis, masks and recordings; what the client sends and sees is converted at the
// edge. A character is served where PostgreSQL's own conversion gives the same bytes
// both ways (TestCharset_ConvertsAsPostgreSQL), else it has no equivalent.
type charset struct {
	name  string // PostgreSQL's
	enc   encoding.Encoding
	width func(lead byte) int // bytes of a character that begins so; nil: always one
	c1    bool                // 80 to 9F are the control characters U+0080 to U+009F
	euc   bool                // all bytes but ASCII are A1 at least
	own   string              // characters that PostgreSQL maps otherwise: each with its bytes, NUL for none

	once sync.Once
	to   map[rune]string
	from map[string]rune
}

// charsets are the encodings that are served, by their names without signs.
var charsets = func() map[string]*charset {
	all := map[string]*charset{}
	add := func(c *charset, aliases ...string) {
		for _, name := range append(aliases, c.name) {
			all[plainName(name)] = c
		}
	}
	for name, enc := range map[string]encoding.Encoding{
		"LATIN1 iso88591": charmap.ISO8859_1, "LATIN2 iso88592": charmap.ISO8859_2, "LATIN3 iso88593": charmap.ISO8859_3,
		"LATIN4 iso88594": charmap.ISO8859_4, "LATIN5 iso88599": charmap.ISO8859_9, "LATIN6 iso885910": charmap.ISO8859_10,
		"LATIN7 iso885913": charmap.ISO8859_13, "LATIN8 iso885914": charmap.ISO8859_14, "LATIN9 iso885915": charmap.ISO8859_15,
		"LATIN10 iso885916": charmap.ISO8859_16, "ISO_8859_5": charmap.ISO8859_5, "ISO_8859_6": charmap.ISO8859_6,
		"ISO_8859_7": charmap.ISO8859_7, "ISO_8859_8": charmap.ISO8859_8,
	} {
		names := strings.Fields(name)
		add(&charset{name: names[0], enc: enc, c1: true}, names[1:]...)
	}
	for name, enc := range map[string]encoding.Encoding{
		"WIN1250 windows1250": charmap.Windows1250, "WIN1251 windows1251 win": charmap.Windows1251, "WIN1252 windows1252": charmap.Windows1252,
		"WIN1253 windows1253": charmap.Windows1253, "WIN1254 windows1254": charmap.Windows1254, "WIN1255 windows1255": charmap.Windows1255,
		"WIN1256 windows1256": charmap.Windows1256, "WIN1257 windows1257": charmap.Windows1257,
		"WIN1258 windows1258 abc tcvn tcvn5712 vscii": charmap.Windows1258,
		"WIN866 windows866 alt":                       charmap.CodePage866, "WIN874 windows874": charmap.Windows874, "KOI8R koi8": charmap.KOI8R, "KOI8U": charmap.KOI8U,
	} {
		names := strings.Fields(name)
		add(&charset{name: names[0], enc: enc, own: ownMappings[names[0]]}, names[1:]...)
	}
	add(&charset{name: "EUC_JP", enc: japanese.EUCJP, width: eucJP, own: ownMappings["EUC_JP"]})
	add(&charset{name: "SJIS", enc: japanese.ShiftJIS, width: shiftJIS, own: ownMappings["SJIS"]}, "shiftjis", "mskanji", "windows932", "win932")
	add(&charset{name: "EUC_KR", enc: korean.EUCKR, width: twoBytes, euc: true, own: ownMappings["EUC_KR"]})
	add(&charset{name: "UHC", enc: korean.EUCKR, width: twoBytes, own: ownMappings["UHC"]}, "windows949", "win949")
	add(&charset{name: "GBK", enc: simplifiedchinese.GBK, width: twoBytes, own: ownMappings["GBK"]}, "windows936", "win936")
	add(&charset{name: "EUC_CN", enc: simplifiedchinese.GBK, width: twoBytes, euc: true, own: ownMappings["EUC_CN"]})
	return all
}()

// otherEncodings are those that PostgreSQL knows as well (pg_enc.h).
var otherEncodings = map[string]bool{
	"euctw": true, "eucjis2004": true, "muleinternal": true, "big5": true, "gb18030": true, "johab": true, "shiftjis2004": true,
	"windows950": true, "win950": true,
}

// Lengths of characters by their first byte (pg_eucjp_mblen and others in wchar.c).
func eucJP(lead byte) int {
	switch {
	case lead == 0x8f:
		return 3
	case lead >= 0x80:
		return 2
	}
	return 1
}

func shiftJIS(lead byte) int {
	if lead < 0x80 || lead >= 0xa1 && lead <= 0xdf {
		return 1
	}
	return 2
}

func twoBytes(lead byte) int {
	if lead >= 0x80 {
		return 2
	}
	return 1
}

// plainName keeps letters and digits only, as PostgreSQL compares names of encodings.
func plainName(v string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(v) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// charsetOf finds a client encoding; nil is UTF8.
func charsetOf(name string) (*charset, error) {
	if isUTF8(name) {
		return nil, nil
	}
	plain := plainName(name)
	if c := charsets[plain]; c != nil {
		return c, nil
	}
	if plain == "sqlascii" || otherEncodings[plain] {
		return nil, hoop.Errorf(hoop.CodeUnsupported, "client_encoding %s is not served", name).WithHint(hintEncoding)
	}
	return nil, &stateError{
		state: "22023", message: fmt.Sprintf("invalid value for parameter \"client_encoding\": %q", name),
		hint: hintEncoding,
	}
}

// String is the name that clients are told.
func (c *charset) String() string {
	if c == nil {
		return "UTF8"
	}
	return c.name
}

// build fills the tables from the characters of the Basic Multilingual Plane; these
// encodings have no others.
func (c *charset) build() {
	c.to, c.from = map[rune]string{}, map[string]rune{}
	skip := map[rune]bool{}
	for own := c.own; own != ""; {
		r, n := utf8.DecodeRuneInString(own)
		own = own[n:]
		n = c.size(own[0])
		if b := own[:n]; b != "\x00" {
			c.to[r], c.from[b] = b, r
		}
		skip[r], own = true, own[n:]
	}
	for r := rune(0x80); r < 0xfffd; r++ {
		if skip[r] || r >= 0xd800 && r < 0xe000 {
			continue
		}
		if b := c.library(r); b != "" {
			c.to[r], c.from[b] = b, r
		}
	}
}

// library gives the bytes that the library's tables, read by PostgreSQL's rules, have
// for a character; "" for none.
func (c *charset) library(r rune) string {
	if c.c1 && r >= 0x80 && r < 0xa0 {
		return string([]byte{byte(r)})
	}
	b, err := c.enc.NewEncoder().String(string(r))
	if err != nil || b == "" || b[0] < 0x80 || c.size(b[0]) != len(b) || c.c1 && b[0] < 0xa0 || c.euc && (b[0] < 0xa1 || b[len(b)-1] < 0xa1) {
		return ""
	}
	if back, err := c.enc.NewDecoder().String(b); err != nil || back != string(r) {
		return ""
	}
	return b
}

func (c *charset) size(lead byte) int {
	if c.width == nil {
		return 1
	}
	return c.width(lead)
}

// ascii is the length of the text up to the first byte that is not ASCII.
func ascii(s []byte) int {
	for i, b := range s {
		if b >= 0x80 {
			return i
		}
	}
	return len(s)
}

// encode appends s, which is UTF8, in the client's encoding.
func (c *charset) encode(dst, s []byte) ([]byte, error) {
	for {
		n := ascii(s)
		dst = append(dst, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			return dst, nil
		}
		c.once.Do(c.build)
		r, size := utf8.DecodeRune(s)
		b, ok := c.to[r]
		if !ok || r == utf8.RuneError && size == 1 {
			return dst, &stateError{
				state:   stateUntranslated,
				message: fmt.Sprintf("character with byte sequence %s in encoding \"UTF8\" has no equivalent in encoding %q", hexBytes(s[:size]), c.name),
				hint:    hintEncoding,
			}
		}
		dst, s = append(dst, b...), s[size:]
	}
}

// decode appends s, which is in the client's encoding, in UTF8. rest is the beginning
// of a character that goes on behind s.
func (c *charset) decode(dst, s []byte) (out, rest []byte, err error) {
	for {
		n := ascii(s)
		dst = append(dst, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			return dst, nil, nil
		}
		c.once.Do(c.build)
		size := c.size(s[0])
		if size > len(s) {
			return dst, s, nil
		}
		r, ok := c.from[string(s[:size])]
		if !ok {
			return dst, nil, c.invalid(s[:size])
		}
		dst, s = utf8.AppendRune(dst, r), s[size:]
	}
}

func (c *charset) invalid(s []byte) error {
	return &stateError{
		state: stateBadCharacter, message: fmt.Sprintf("invalid byte sequence for encoding %q: %s", c.name, hexBytes(s)),
		hint: hintEncoding,
	}
}

func hexBytes(b []byte) string {
	parts := make([]string, len(b))
	for i, x := range b {
		parts[i] = fmt.Sprintf("0x%02x", x)
	}
	return strings.Join(parts, " ")
}

// notUTF8 is PostgreSQL's error for a text that is not valid (report_invalid_encoding in
// mbutils.c). It shows as many bytes as the first one promises (pg_utf_mblen).
func notUTF8(text string) error {
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 {
			break
		}
		text = text[n:]
	}
	promised := 1
	for i, lead := range []string{"\xc0", "\xe0", "\xf0"} {
		if text >= lead && text < "\xf8" {
			promised = i + 2
		}
	}
	return &stateError{
		state: stateBadCharacter, message: `invalid byte sequence for encoding "UTF8": ` + hexBytes([]byte(text[:min(promised, len(text))])),
	}
}
