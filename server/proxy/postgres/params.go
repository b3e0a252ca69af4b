package postgres

import (
	"maps"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/session"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// What the target is told of whose session it is, for row-level security.
const (
	settingUser    = "hoop.user"
	settingSession = "hoop.session"
)

// check refuses startup parameters that would undo what the gateway relies on, and
// takes out what is not for the target.
func (st *startup) check() error {
	if v, ok := st.params["replication"]; ok {
		if !isOff(v) {
			return hoop.Errorf(hoop.CodeUnsupported, "replication connections are not supported").
				WithHint("connect without replication=%s", v)
		}
		delete(st.params, "replication")
	}
	for name, value := range st.params {
		if name == "options" {
			continue
		}
		if err := checkSetting(name, value); err != nil {
			return err
		}
	}
	// A parameter of its own counts more than one in options (process_startup_options in
	// postinit.c); so does the last of several.
	encoding := ""
	if err := checkOptions(st.params["options"], func(name, value string) {
		if name == "client_encoding" {
			encoding = value
		}
	}); err != nil {
		return err
	}
	if value, ok := st.params["client_encoding"]; ok {
		encoding = value
	}
	var err error
	st.charset, err = startCharset(encoding)
	return err
}

// forTarget gives the parameters of the target's startup packet. What stands there is
// what RESET and DISCARD ALL go back to, so a session keeps its identity settings,
// which row-level security may rely on, as long as nobody sets them: check and sqlscan
// see to that.
func (st *startup) forTarget(sess *session.Session) map[string]string {
	params := maps.Clone(st.params)
	params["client_encoding"] = "UTF8"
	if params["application_name"] == "" {
		params["application_name"] = "hoopctl:" + sess.Identity().Subject
	}
	params[settingUser] = sess.Identity().Subject
	params[settingSession] = sess.ID()
	return params
}

// readable refuses a target whose texts the gateway would not read as the target does.
func readable(statuses map[string]string) error {
	for name, want := range map[string]string{"client_encoding": "UTF8", "standard_conforming_strings": "on"} {
		if got := statuses[name]; got != want {
			return hoop.Errorf(hoop.CodeUnsupported, "the target has %s %s, and the gateway needs %s", name, got, want).
				WithHint("an administrator can set it for the role or the database: ALTER ROLE … SET %s TO '%s'", name, want)
		}
	}
	return nil
}

func isOff(v string) bool {
	switch strings.ToLower(v) {
	case "false", "off", "no", "0", "f", "n":
		return true
	}
	return false
}

// checkSetting refuses a setting that only the gateway or an administrator may set.
func checkSetting(name, value string) error {
	name = strings.ToLower(name)
	refused := false
	switch name {
	case "client_encoding":
		_, err := startCharset(value)
		return err
	case "standard_conforming_strings":
		refused = isOff(value) || !isOn(value)
	case "role", "session_authorization", "is_superuser", "backslash_quote":
		refused = true
	default:
		refused = strings.HasPrefix(name, "hoop.") || sqlscan.ServerSetting(name)
	}
	if refused {
		return hoop.Errorf(hoop.CodeDenied, "setting %s may not be set when connecting", name).
			WithHint("leave it out of the connection's options (PGOPTIONS)")
	}
	return nil
}

const hintEncoding = "stay with UTF8 (PGCLIENTENCODING=UTF8), and convert at the client"

// startCharset finds the client encoding that a connection begins with; nil is UTF8.
// SQL_ASCII, which libpq says in the locale C, asks for no conversion: that is what a
// UTF8 session gives.
func startCharset(name string) (*charset, error) {
	if name == "" || plainName(name) == "sqlascii" {
		return nil, nil
	}
	return charsetOf(name)
}

func isOn(v string) bool {
	switch strings.ToLower(v) {
	case "true", "on", "yes", "1", "t", "y":
		return true
	}
	return false
}

// isUTF8 takes the spellings PostgreSQL takes.
func isUTF8(v string) bool {
	switch plainName(v) {
	case "utf8", "unicode":
		return true
	}
	return false
}

// checkOptions reads command-line options as a PostgreSQL backend does
// (pg_split_opts and process_postgres_switches). Only settings are let through.
func checkOptions(options string, see func(name, value string)) error {
	args := splitOptions(options)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		var setting string
		switch {
		case arg == "-c" && i+1 < len(args):
			i++
			setting = args[i]
		case strings.HasPrefix(arg, "-c"):
			setting = arg[2:]
		case strings.HasPrefix(arg, "--"):
			setting = arg[2:]
		default:
			return hoop.Errorf(hoop.CodeUnsupported, "connection option %q is not supported", arg).
				WithHint("only settings may be given: -c name=value")
		}
		name, value, ok := strings.Cut(setting, "=")
		if !ok {
			return hoop.Errorf(hoop.CodeInvalid, "connection option %q has no value", arg).WithHint("write -c name=value")
		}
		// ParseLongOption in guc.c.
		name = strings.ReplaceAll(name, "-", "_")
		if err := checkSetting(name, value); err != nil {
			return err
		}
		see(strings.ToLower(name), value)
	}
	return nil
}

// splitOptions is pg_split_opts: words between white space, a backslash takes the next
// character as it is.
func splitOptions(s string) []string {
	var args []string
	space := func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
	for i := 0; i < len(s); {
		for i < len(s) && space(s[i]) {
			i++
		}
		if i == len(s) {
			break
		}
		var b strings.Builder
		for ; i < len(s) && !space(s[i]); i++ {
			if s[i] == '\\' {
				if i++; i == len(s) {
					break
				}
			}
			b.WriteByte(s[i])
		}
		args = append(args, b.String())
	}
	return args
}
