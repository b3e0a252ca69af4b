// Package pglex reads PostgreSQL's tokens, so that texts which differ only in their
// literals are known to be alike without a parser.
//
// It follows PostgreSQL's scan.l for a subset of the language (manual, "Lexical
// Structure") and refuses every text outside of it, however harmless: escape strings,
// dollar quotes, backslashes, names in other alphabets without quotes, numbers with
// exponents, prefixes or underscores, nested comments, several statements. It takes
// for granted that standard_conforming_strings is on and that the text is UTF-8 to
// the server, both of which the gateway sees to.
//
// It is pure, and knows no grammar: what a literal is good for is left to sqlscan.
package pglex

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the longest text that is read, in bytes.
const MaxBytes = 16 << 10

// Kind is all of a literal but its value: what the parser makes of it depends on
// nothing else.
type Kind byte

// The kinds. They stand in keys, after a NUL byte.
const (
	String  Kind = 's' // '…'
	Int4    Kind = 'i' // an ICONST of the grammar
	Int8    Kind = 'l' // a whole number that fits eight bytes: an FCONST, of type bigint
	Numeric Kind = 'n' // any other FCONST
)

// Literal is a constant of a text.
type Literal struct {
	Start, End int // bytes in the text; End is exclusive
	Kind       Kind
}

// Text is what Read found. Its memory is used again by the next Read.
type Text struct {
	// Key is the text with comments dropped, white space folded to one blank and each
	// literal replaced by a NUL byte and its kind; all other tokens are as they stand.
	// Texts with equal keys have equal tokens, values of literals aside.
	Key      []byte
	Literals []Literal
	End      int // of the statement: the place of its semicolon, or the text's length

	lastParam int // the highest $n
}

// Read reads sql and reports whether it lies in the subset. If not, t says nothing.
func (t *Text) Read(sql string) bool {
	*t = Text{Key: t.Key[:0], Literals: t.Literals[:0], End: len(sql)}
	if len(sql) > MaxBytes || strings.IndexByte(sql, 0) >= 0 || !utf8.ValidString(sql) {
		return false
	}
	l := lexer{sql: sql, text: t}
	for l.at < len(sql) {
		if !l.next() {
			return false
		}
	}
	if n := len(t.Key); n > 0 && t.Key[n-1] == ' ' {
		t.Key = t.Key[:n-1]
	}
	return len(t.Key) > 0
}

// Shape gives the text without literals, byte for byte as pgparse writes it: literals
// are numbered after the highest parameter.
func (t *Text) Shape() string {
	var b strings.Builder
	b.Grow(len(t.Key) + len(t.Literals))
	number := t.lastParam + 1
	for i := 0; i < len(t.Key); i++ {
		if t.Key[i] != 0 {
			b.WriteByte(t.Key[i])
			continue
		}
		i++ // the kind
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(number))
		number++
	}
	return b.String()
}

// lexer is one reading. Each of its methods takes one token, or reports that it is
// none of the subset.
type lexer struct {
	sql    string
	at     int
	text   *Text
	quoted bool // the last token was a string: another one may continue it
	ended  bool // the semicolon was read
}

func (l *lexer) next() bool {
	c := l.sql[l.at]
	switch classes[c] {
	case classSpace:
		l.at++
		l.blank()
		return true
	case classOperator:
		if strings.HasPrefix(l.sql[l.at:], "--") || strings.HasPrefix(l.sql[l.at:], "/*") {
			return l.comment()
		}
	}
	quoted := l.quoted
	l.quoted = false
	if l.ended {
		return false
	}
	switch classes[c] {
	case classLetter:
		return l.word()
	case classDigit:
		return l.number()
	case classOperator:
		return l.operator()
	case classPunctuation:
		return l.punctuation()
	}
	switch c {
	case '\'':
		return !quoted && l.string()
	case '"':
		return l.name()
	case '$':
		return l.param()
	}
	return false
}

// blank separates tokens, however much stands between them.
func (l *lexer) blank() {
	if k := l.text.Key; len(k) > 0 && k[len(k)-1] != ' ' {
		l.text.Key = append(k, ' ')
	}
}

// take adds the token that ends before end, as it stands.
func (l *lexer) take(end int) bool {
	l.text.Key = append(l.text.Key, l.sql[l.at:end]...)
	l.at = end
	return true
}

// span gives the end of the bytes of the classes of mask from i on.
func (l *lexer) span(i int, mask class) int {
	for i < len(l.sql) && classes[l.sql[i]]&mask != 0 {
		i++
	}
	return i
}

// peek gives the byte at i, or a blank at the end of the text.
func (l *lexer) peek(i int) byte {
	if i < len(l.sql) {
		return l.sql[i]
	}
	return ' '
}

// comment skips "-- …" up to the line's end and "/* … */" that holds no other.
func (l *lexer) comment() bool {
	l.blank()
	rest := l.sql[l.at+2:]
	if l.sql[l.at] == '-' {
		n := strings.IndexAny(rest, "\n\r")
		if n < 0 {
			n = len(rest)
		}
		l.at += 2 + n
		return true
	}
	n := strings.Index(rest, "*/")
	if n < 0 || strings.Contains(rest[:n+1], "/*") {
		return false
	}
	l.at += 2 + n + 2
	return true
}

// word takes a keyword or a name without quotes. A single letter may be the prefix of
// another kind of constant or name: E'…', U&"…".
func (l *lexer) word() bool {
	end := l.span(l.at, classLetter|classDigit|classDollar)
	c := l.peek(end)
	prefix := end == l.at+1 && (c == '\'' || c == '&')
	return !prefix && c < utf8.RuneSelf && l.take(end)
}

// name takes "…", where "" stands for a quote.
func (l *lexer) name() bool {
	end, ok := l.closed('"')
	return ok && end > l.at+2 && l.take(end)
}

// closed gives the end of what a quote opens at the current place.
func (l *lexer) closed(quote byte) (int, bool) {
	for i := l.at + 1; i < len(l.sql); i++ {
		if l.sql[i] != quote {
			continue
		}
		if i++; l.peek(i) != quote {
			return i, true
		}
	}
	return 0, false
}

// string takes '…', where ” stands for a quote.
func (l *lexer) string() bool {
	end, ok := l.closed('\'')
	if !ok || strings.IndexByte(l.sql[l.at:end], '\\') >= 0 {
		return false
	}
	l.quoted = true
	return l.literal(end, String)
}

// number takes digits, with or without a fraction. What follows must end it for every
// version of PostgreSQL: before 15, 1a was two tokens.
func (l *lexer) number() bool {
	end := l.span(l.at, classDigit)
	kind := wholeKind(l.sql[l.at:end])
	if l.peek(end) == '.' {
		fraction := l.span(end+1, classDigit)
		if fraction == end+1 {
			return false
		}
		end, kind = fraction, Numeric
	}
	switch c := l.peek(end); {
	case c == '.' || c == '\'' || c == '"' || c == '$' || c >= utf8.RuneSelf || classes[c] == classLetter:
		return false
	}
	return l.literal(end, kind)
}

// wholeKind tells what fits int4 (process_integer_literal in scan.l) from what fits
// int8 (make_const in parse_node.c) from the rest.
func wholeKind(digits string) Kind {
	v, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil:
		return Numeric
	case v > 1<<31-1:
		return Int8
	}
	return Int4
}

// literal takes a constant. As in a shape, it does not touch a word before it.
func (l *lexer) literal(end int, kind Kind) bool {
	t := l.text
	if n := len(t.Key); n > 0 && wordEnds[t.Key[n-1]] { // a kind is a letter, a shape's $n ends in a digit
		t.Key = append(t.Key, ' ')
	}
	t.Key = append(t.Key, 0, byte(kind))
	t.Literals = append(t.Literals, Literal{l.at, end, kind})
	l.at = end
	return true
}

// maxParam bounds parameter numbers, far above what the protocol can bind.
const maxParam = 1 << 20

// param takes $n.
func (l *lexer) param() bool {
	end := l.span(l.at+1, classDigit)
	n, err := strconv.Atoi(l.sql[l.at+1 : end])
	if err != nil || n >= maxParam {
		return false
	}
	switch c := l.peek(end); {
	case c == '$' || c == '\'' || c == '"' || c >= utf8.RuneSelf || classes[c] == classLetter:
		return false
	}
	l.text.lastParam = max(l.text.lastParam, n)
	return l.take(end)
}

// operator takes a run of operator characters, whose own rules need no more than the
// run: but a comment may begin within it.
func (l *lexer) operator() bool {
	end := l.span(l.at, classOperator)
	for i := l.at + 1; i < end; i++ {
		if two := l.sql[i-1 : i+1]; two == "--" || two == "/*" {
			return false
		}
	}
	return l.take(end)
}

// punctuation takes one character. A dot before a digit begins a number.
func (l *lexer) punctuation() bool {
	switch l.sql[l.at] {
	case '.':
		if classes[l.peek(l.at+1)] == classDigit {
			return false
		}
	case ';':
		l.ended, l.text.End = true, l.at
	}
	return l.take(l.at + 1)
}
