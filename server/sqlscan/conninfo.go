package sqlscan

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// connection conceals what a connection string of libpq signs in with. One that cannot be
// read is concealed whole: the target's error may quote any word of it.
func connection(value string) (shown string, values []string, certain bool) {
	shown, values, ok := parseConnection(value)
	if !ok {
		// libpq reads no such thing, but for a URI with another @: of that it takes for
		// the host what its writer may have meant for the password.
		return hoop.Hidden, append(strings.Fields(value), value), !strings.Contains(value, "://")
	}
	return shown, values, true
}

// assignments is how connections begin, and no command.
var assignments = regexp.MustCompile(`^\s*(?:postgres(?:ql)?://|[a-z_]+\s*=)`)

// unlessCode is connection for what may be a command.
func unlessCode(value string) (shown string, values []string, certain bool) {
	if !assignments.MatchString(value) {
		return value, nil, true
	}
	return connection(value)
}

// leading are the parameters of a connection that say where it leads, whose it is and what it
// is like (PostgreSQL manual, "Parameter Key Words"). All others may be what it signs in with.
var leading = map[string]bool{
	"host": true, "hostaddr": true, "port": true, "dbname": true, "user": true, "connect_timeout": true, "client_encoding": true, "options": true, "application_name": true, "fallback_application_name": true,
	"keepalives": true, "keepalives_idle": true, "keepalives_interval": true, "keepalives_count": true, "tcp_user_timeout": true, "replication": true, "gssencmode": true, "sslmode": true, "requiressl": true,
	"sslnegotiation": true, "sslcompression": true, "sslcert": true, "sslkey": true, "sslcertmode": true, "sslrootcert": true, "sslcrl": true, "sslcrldir": true, "sslsni": true, "requirepeer": true, "ssl_min_protocol_version": true,
	"ssl_max_protocol_version": true, "min_protocol_version": true, "max_protocol_version": true, "krbsrvname": true, "gsslib": true, "gssdelegation": true, "service": true, "servicefile": true,
	"target_session_attrs": true, "load_balance_hosts": true, "channel_binding": true, "require_auth": true, "passfile": true,
}

// parseConnection reads a connection string as libpq does; without "=" and "://" it is the
// name of something. ok is false where libpq would not read it.
func parseConnection(value string) (shown string, values []string, ok bool) {
	for _, scheme := range []string{"postgresql://", "postgres://"} {
		if rest, is := strings.CutPrefix(value, scheme); is {
			shown, values, ok = parseURI(rest)
			return scheme + shown, values, ok
		}
	}
	if !strings.Contains(value, "=") {
		return value, nil, !strings.Contains(value, " ")
	}
	var b strings.Builder
	rest := value
	for {
		key := strings.TrimLeft(rest, spaces)
		b.WriteString(rest[:len(rest)-len(key)])
		if key == "" {
			return b.String(), values, true
		}
		n := strings.IndexByte(key, '=')
		if n < 0 || strings.ContainsAny(strings.Trim(key[:n], spaces), spaces) {
			return "", nil, false
		}
		b.WriteString(key[:n+1])
		rest = strings.TrimLeft(key[n+1:], spaces)
		b.WriteString(key[n+1 : len(key)-len(rest)])
		said, size, ok := parseValue(rest)
		if !ok {
			return "", nil, false
		}
		if leading[strings.Trim(key[:n], spaces)] {
			b.WriteString(rest[:size])
		} else {
			b.WriteString(hoop.Hidden)
			values = append(values, said, rest[:size])
		}
		rest = rest[size:]
	}
}

// spaces are what isspace of C takes for such.
const spaces = " \t\n\r\f\v"

// parseValue reads a value, in quotes or up to a space, and says how many bytes it takes.
func parseValue(s string) (said string, size int, ok bool) {
	var b strings.Builder
	quoted := strings.HasPrefix(s, "'")
	i := 0
	if quoted {
		i = 1
	}
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
		case quoted && s[i] == '\'':
			return b.String(), i + 1, true
		case !quoted && strings.IndexByte(spaces, s[i]) >= 0:
			return b.String(), i, true
		}
		b.WriteByte(s[i])
	}
	return b.String(), i, !quoted
}

// parseURI reads what stands behind the scheme.
func parseURI(rest string) (shown string, values []string, ok bool) {
	var b strings.Builder
	if at := strings.IndexAny(rest, "@/"); at >= 0 && rest[at] == '@' {
		user, password, has := strings.Cut(rest[:at], ":")
		b.WriteString(user)
		if has {
			b.WriteString(":" + hoop.Hidden)
			values = spelled(values, password)
		}
		rest = rest[at:]
	}
	if strings.Contains(strings.TrimPrefix(rest, "@"), "@") { // libpq takes the first for the end of the password
		return "", nil, false
	}
	before, query, has := strings.Cut(rest, "?")
	b.WriteString(before)
	if !has {
		return b.String(), values, true
	}
	for i, pair := range strings.Split(query, "&") {
		b.WriteByte("?&"[min(i, 1)])
		key, value, _ := strings.Cut(pair, "=")
		name, err := url.PathUnescape(key)
		if err != nil {
			return "", nil, false
		}
		if leading[name] || name == "ssl" {
			b.WriteString(pair)
			continue
		}
		b.WriteString(key + "=" + hoop.Hidden)
		values = spelled(values, value)
	}
	return b.String(), values, true
}

// spelled adds a value of a URI, as it is written and as it is meant.
func spelled(values []string, value string) []string {
	if meant, err := url.PathUnescape(value); err == nil {
		values = append(values, meant)
	}
	return append(values, value)
}

// credentialWords are what names of credentials have in them.
const credentialWords = `(?:pass|pwd|secret|token|credential|api_?key|access_?key|private_?key)`

// credential finds them in a name, or in what names stand in.
var credential = regexp.MustCompile(`(?i)` + credentialWords)

// telling finds credentials in what says more: behind a word for one, or before the host of a URL.
var telling = regexp.MustCompile(`(?i)` + credentialWords + `[a-z_]*\s*=\s*('(?:[^'\\]|\\.)*'?|[^;&\s]+)|://[^/@:]*:(.*)@`)

// unfinished finds a credential at whose value a text ends: what follows may go on with it.
var unfinished = regexp.MustCompile(`(?i)` + credentialWords + `[a-z_]*\s*=\s*[^;&\s]*$`)

// piece conceals what one of several texts tells that a connection is put together of.
func (f *secrets) piece(value string) (shown string, values []string, certain bool) {
	end := 0
	if f.within {
		if end = strings.IndexAny(value, spaces+";&"); end < 0 {
			end = len(value)
		}
	}
	goesOn := f.within && end == len(value)
	shown, values, certain = part(value[end:])
	if end > 0 {
		shown, values = hoop.Hidden+shown, append(values, value[:end])
		certain = certain && !f.gap && !ambiguous(value[:end])
	}
	f.within, f.gap = goesOn || unfinished.MatchString(value[end:]), f.gap && goesOn
	return shown, values, certain
}

// part conceals what a value tells beside other things.
func part(value string) (shown string, values []string, certain bool) {
	at := 0
	certain = true
	for _, m := range telling.FindAllStringSubmatchIndex(value, -1) {
		from, to := max(m[2], m[4]), max(m[3], m[5])
		said := value[from:to]
		certain = certain && !ambiguous(said) && (m[4] < 0 || !strings.ContainsAny(said, "@/?#"))
		shown += value[at:from] + hoop.Hidden
		values = append(values, said)
		at = to
	}
	return shown + value[at:], values, certain
}

// ambiguous reports whether others may have a value end elsewhere: quotes are such where one
// begins with them only.
func ambiguous(value string) bool { return strings.ContainsAny(value, `'"\`) }
