package sqlscan

import "strings"

// lexeme is a word of SQL or PL/pgSQL, which share a lexer.
type lexeme struct {
	kind tokenKind
	text string // names as PostgreSQL compares them; the content of strings

	start, end int // its place in the source
}

// is reports whether a word, an operator or punctuation stands there, in no quotes.
func (t lexeme) is(text string) bool {
	return t.text == text && t.kind != tokString && t.kind != tokName
}

type tokenKind byte

const (
	tokWord   tokenKind = iota // a name or a keyword without quotes
	tokName                    // "…"
	tokString                  // '…' in any spelling, $$…$$
	tokOp                      // an operator, :=, ::
	tokOther                   // numbers, parameters, punctuation
)

const operatorChars = "~!@#^&|`?+-*/%<>="

// nameBytes is how much of a name counts (NAMEDATALEN - 1).
const nameBytes = 63

// tokenize splits code as PostgreSQL's scan.l does. ok is false where its reading could
// be another one: escapes in names, a backslash before a quote.
func tokenize(src string) (out []lexeme, ok bool) {
	t := tokenizer{src: src}
	for t.at < len(src) {
		from, n := t.at, len(t.out)
		if !t.next() {
			return nil, false
		}
		for i := n; i < len(t.out); i++ {
			t.out[i].start, t.out[i].end = from, t.at
		}
	}
	return t.out, true
}

type tokenizer struct {
	src string
	at  int
	out []lexeme
}

func (t *tokenizer) add(kind tokenKind, text string) {
	t.out = append(t.out, lexeme{kind: kind, text: text})
}

func (t *tokenizer) peek(n int) byte {
	if t.at+n < len(t.src) {
		return t.src[t.at+n]
	}
	return 0
}

func (t *tokenizer) next() bool {
	c := t.src[t.at]
	switch {
	case c <= ' ':
		t.at++
	case c == '-' && t.peek(1) == '-':
		n := strings.IndexAny(t.src[t.at:], "\n\r")
		if n < 0 {
			n = len(t.src) - t.at
		}
		t.at += n
	case c == '/' && t.peek(1) == '*':
		return t.comment()
	case c == '\'':
		return t.quoted(false)
	case (c == 'e' || c == 'E') && t.peek(1) == '\'':
		t.at++
		return t.quoted(true)
	case (c == 'u' || c == 'U') && t.peek(1) == '&' && (t.peek(2) == '\'' || t.peek(2) == '"'):
		return false
	case c == '"':
		return t.name()
	case c == '$':
		return t.dollar()
	case letter(c):
		end := t.at + 1
		for end < len(t.src) && (letter(t.src[end]) || digit(t.src[end]) || t.src[end] == '$') {
			end++
		}
		t.add(tokWord, lowered(t.src[t.at:end]))
		t.at = end
	case digit(c):
		end := t.at + 1
		for end < len(t.src) && (digit(t.src[end]) || t.src[end] == '.' && !strings.HasPrefix(t.src[end:], "..")) {
			end++
		}
		t.add(tokOther, "0")
		t.at = end
	case c == ':' && (t.peek(1) == '=' || t.peek(1) == ':'):
		t.add(tokOp, t.src[t.at:t.at+2])
		t.at += 2
	case strings.IndexByte(operatorChars, c) >= 0:
		t.operator()
	default:
		t.add(tokOther, t.src[t.at:t.at+1])
		t.at++
	}
	return true
}

func letter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// lowered folds a name as PostgreSQL does in a UTF-8 database: ASCII only.
func lowered(s string) string {
	b := []byte(cut(s))
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func cut(name string) string { return shortened(name, nameBytes) }

func shortened(name string, n int) string {
	if len(name) <= n {
		return name
	}
	for n > 0 && name[n]&0xc0 == 0x80 { // not within a character (pg_mbcliplen)
		n--
	}
	return name[:n]
}

func (t *tokenizer) comment() bool {
	depth := 0
	for ; t.at < len(t.src); t.at++ {
		switch {
		case strings.HasPrefix(t.src[t.at:], "/*"):
			depth++
			t.at++
		case strings.HasPrefix(t.src[t.at:], "*/"):
			depth--
			t.at++
			if depth == 0 {
				t.at++
				return true
			}
		}
	}
	return false
}

// quoted reads '…' from its opening quote, with what continues it in further lines (PostgreSQL
// manual, "Lexical Structure"). What a string with escapes says is not
// known. A plain one with a backslash before a quote ends elsewhere where
// standard_conforming_strings is off.
func (t *tokenizer) quoted(escapes bool) bool {
	var b strings.Builder
	unknown := false
	for i := t.at + 1; i < len(t.src); i++ {
		c := t.src[i]
		next := byte(0)
		if i+1 < len(t.src) {
			next = t.src[i+1]
		}
		switch {
		case c == '\\' && escapes:
			i++
			unknown = true
		case c == '\\' && next == '\'':
			return false
		case c == '\'' && next == '\'':
			i++
			b.WriteByte(c)
		case c == '\'' && t.continued(i+1) > 0:
			i = t.continued(i + 1)
		case c == '\'':
			text := b.String()
			if unknown {
				text = escaped
			}
			t.add(tokString, text)
			t.at = i + 1
			return true
		default:
			b.WriteByte(c)
		}
	}
	return false
}

// continued gives the place of the quote with which a string goes on that was closed before
// i; 0 where it does not: there must be the end of a line between.
func (t *tokenizer) continued(i int) int {
	for lines := false; i < len(t.src); i++ {
		switch c := t.src[i]; {
		case c == '\n' || c == '\r':
			lines = true
		case c <= ' ':
		case strings.HasPrefix(t.src[i:], "--"):
			n := strings.IndexAny(t.src[i:], "\n\r")
			if n < 0 {
				return 0
			}
			i += n - 1
		case c == '\'' && lines:
			return i
		default:
			return 0
		}
	}
	return 0
}

// escaped stands for the content of a string with escapes.
const escaped = "\x00"

func (t *tokenizer) name() bool {
	var b strings.Builder
	for i := t.at + 1; i < len(t.src); i++ {
		if t.src[i] != '"' {
			b.WriteByte(t.src[i])
			continue
		}
		if i+1 < len(t.src) && t.src[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		t.add(tokName, cut(b.String()))
		t.at = i + 1
		return true
	}
	return false
}

// dollar reads $tag$…$tag$, or a parameter.
func (t *tokenizer) dollar() bool {
	end, number := t.at+1, digit(t.peek(1)) // before PostgreSQL 15 a word may follow a number at once
	for end < len(t.src) && (letter(t.src[end]) && !number || digit(t.src[end])) {
		end++
	}
	if end == len(t.src) || t.src[end] != '$' || number {
		t.add(tokOther, "$")
		t.at = max(end, t.at+1)
		return true
	}
	tag := t.src[t.at : end+1]
	n := strings.Index(t.src[end+1:], tag)
	if n < 0 {
		return false
	}
	t.add(tokString, t.src[end+1:end+1+n])
	t.at = end + 1 + n + len(tag)
	return true
}

// operator reads one operator; "+" and "-" end only those that have a character which
// SQL's operators lack (PostgreSQL manual, "Operators").
func (t *tokenizer) operator() {
	end := t.at
	for end < len(t.src) && strings.IndexByte(operatorChars, t.src[end]) >= 0 {
		if end > t.at && (strings.HasPrefix(t.src[end:], "--") || strings.HasPrefix(t.src[end:], "/*")) {
			break
		}
		end++
	}
	for end > t.at+1 && (t.src[end-1] == '+' || t.src[end-1] == '-') && !strings.ContainsAny(t.src[t.at:end], "~!@#^&|`?%") {
		end--
	}
	text := t.src[t.at:end]
	if text == "!=" { // scan.l's not_equals
		text = "<>"
	}
	t.add(tokOp, text)
	t.at = end
}
