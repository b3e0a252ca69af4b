package sqlscan

import (
	"strconv"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// places finds the literals and comments of a text: what whoever wrote it chose freely.
// shape is the text as PostgreSQL's scanner reads it, literals replaced by $n
// (pgparse.Parsed). ok is false where the two readings differ, so that no literal is
// taken for something else.
func places(sql, shape string) (found []hoop.Place, ok bool) {
	l := placer{src: sql}
	for l.at < len(sql) {
		if !l.next() {
			return nil, false
		}
	}
	if dense(l.shape(shape)) != dense(shape) {
		return nil, false
	}
	return l.found, true
}

// placer reads tokens as PostgreSQL's scan.l does, as far as literals and comments ask
// for it. Where it errs, its shape is another one.
type placer struct {
	src   string
	at    int
	found []hoop.Place
}

func (l *placer) peek(n int) byte {
	if l.at+n < len(l.src) {
		return l.src[l.at+n]
	}
	return 0
}

func (l *placer) take(end int, comment bool) bool {
	if end < 0 {
		return false
	}
	l.found = append(l.found, hoop.Place{Start: l.at, End: end, Comment: comment})
	l.at = end
	return true
}

func (l *placer) next() bool {
	c, rest := l.src[l.at], l.src[l.at:]
	switch {
	case strings.HasPrefix(rest, "--"):
		n := strings.IndexAny(rest, "\n\r")
		if n < 0 {
			n = len(rest)
		}
		return l.take(l.at+n, true)
	case strings.HasPrefix(rest, "/*"):
		return l.take(l.comment(), true)
	case c == '\'':
		return l.take(l.quoted(l.at, false), false)
	case (c == 'e' || c == 'E') && l.peek(1) == '\'':
		return l.take(l.quoted(l.at+1, true), false)
	case strings.IndexByte("bBxXnN", c) >= 0 && l.peek(1) == '\'':
		return l.take(l.quoted(l.at+1, false), false)
	case (c == 'u' || c == 'U') && l.peek(1) == '&' && l.peek(2) == '\'':
		return l.take(l.quoted(l.at+2, false), false)
	case c == '"':
		n := strings.IndexByte(rest[1:], '"') // "" begins another one, which is the same to us
		if n < 0 {
			return false
		}
		l.at += n + 2
	case c == '$':
		return l.dollar()
	case letter(c):
		for l.at < len(l.src) && (letter(l.src[l.at]) || digit(l.src[l.at]) || l.src[l.at] == '$') {
			l.at++
		}
	case digit(c), c == '.' && digit(l.peek(1)):
		return l.take(l.number(), false)
	default:
		l.at++
	}
	return true
}

// comment gives the end of a comment; they nest.
func (l *placer) comment() int {
	depth := 0
	for i := l.at; i < len(l.src); i++ {
		switch {
		case strings.HasPrefix(l.src[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(l.src[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// quoted gives the end of the string whose opening quote is at.
func (l *placer) quoted(at int, escapes bool) int {
	for i := at + 1; i < len(l.src); i++ {
		switch {
		case l.src[i] == '\\' && escapes:
			i++
		case l.src[i] == '\'' && i+1 < len(l.src) && l.src[i+1] == '\'':
			i++
		case l.src[i] == '\'':
			return i + 1
		}
	}
	return -1
}

// dollar takes $tag$…$tag$, or passes a parameter.
func (l *placer) dollar() bool {
	end := l.at + 1
	for end < len(l.src) && (letter(l.src[end]) || digit(l.src[end])) {
		end++
	}
	if end == len(l.src) || l.src[end] != '$' || digit(l.src[l.at+1]) {
		l.at = end
		return true
	}
	tag := l.src[l.at : end+1]
	n := strings.Index(l.src[end+1:], tag)
	if n < 0 {
		return false
	}
	return l.take(end+1+n+len(tag), false)
}

// number gives the end of a number, with whatever letters hang on to it.
func (l *placer) number() int {
	i := l.at
	for i < len(l.src) {
		c := l.src[i]
		switch {
		case digit(c), letter(c):
		case c == '.' && !strings.HasPrefix(l.src[i:], ".."):
		case (c == '+' || c == '-') && i > l.at && (l.src[i-1] == 'e' || l.src[i-1] == 'E') && i+1 < len(l.src) && digit(l.src[i+1]):
		default:
			return i
		}
		i++
	}
	return i
}

// shape writes the text as pgparse does. Its literals have the highest numbers.
func (l *placer) shape(want string) string {
	next := highest(want) + 1
	for _, p := range l.found {
		if !p.Comment {
			next--
		}
	}
	var b strings.Builder
	at := 0
	for _, p := range l.found {
		b.WriteString(l.src[at:p.Start])
		at = p.End
		if !p.Comment {
			b.WriteString("$" + strconv.Itoa(next))
			next++
		}
	}
	b.WriteString(l.src[at:])
	return b.String()
}

// highest is the highest $n of a text.
func highest(s string) int {
	most := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '$' {
			continue
		}
		end := i + 1
		for end < len(s) && digit(s[end]) {
			end++
		}
		if n, err := strconv.Atoi(s[i+1 : end]); err == nil {
			most = max(most, n)
		}
	}
	return most
}

// dense is a text without white space, wherever it stands.
func dense(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\r\f\v", r) {
			return -1
		}
		return r
	}, s)
}
