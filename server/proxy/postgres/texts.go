package postgres

import "strings"

// What stands in place of a text that could carry protected values.
const (
	withheldText    = "the text of this message is withheld: it could show values that are masked for you"
	withheldPayload = ""
)

// failure: ErrorResponse. In the extended protocol the target then skips to Sync.
func (a *answerer) failure(m []byte) error {
	e := a.head()
	if e == nil {
		return a.fatal(m)
	}
	a.answers(e)
	t := inspect(m[headerSize:])
	switch {
	case t.severity == "FATAL" || t.severity == "PANIC":
		return a.fatal(m)
	case e.refusal != nil:
		a.drop(len(m))
		a.win = append(a.win, e.refusal...)
	default:
		if err := a.text(m, a.withheld); err != nil {
			return err
		}
	}
	if e.run != nil {
		e.run.end("", a.shownState(t))
	}
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	e.settle(-1, false)
	e.copying = false
	for _, s := range a.failedLocked() {
		s.settle(-1, false)
		if s.run != nil && s.kind == 'B' {
			s.run.end("", "")
		}
		if s.kind == 'D' && s.portal != nil && s.portal.fields == nil {
			s.portal.asked = false
		}
	}
	return nil
}

// fatal: the target's last word. Nothing of ours follows it.
func (a *answerer) fatal(m []byte) error {
	// What the administrator's end says is the target's own.
	ours := strings.HasPrefix(inspect(m[headerSize:]).state, "57P0")
	if err := a.text(m, a.withheld && !ours); err != nil {
		return err
	}
	if err := a.flush(); err != nil {
		return err
	}
	a.writing.Lock()
	a.told = true
	a.writing.Unlock()
	return nil
}

// notice: NoticeResponse; it may come at any time.
func (a *answerer) notice(m []byte) error {
	withheld := a.withheld
	if e := a.head(); e != nil {
		a.answers(e)
		withheld = a.withheld
	}
	return a.text(m, withheld)
}

// text relays an ErrorResponse or NoticeResponse, without its texts where they are
// withheld.
func (a *answerer) text(m []byte, withheld bool) error {
	if !withheld {
		a.relayed(len(m))
		return nil
	}
	out, err := withhold(nil, m)
	if err != nil {
		return a.fault("error fields: %v", err)
	}
	a.drop(len(m))
	a.win = append(a.win, out...)
	return nil
}

// withhold appends a copy of an ErrorResponse or NoticeResponse whose texts are
// replaced. Severity, SQLSTATE, position and the names of objects stay, unless users'
// code chose them: they can carry a value as well as a text does.
func withhold(dst, m []byte) ([]byte, error) {
	raised := inspect(m[headerSize:]).raised()
	dst, at := begin(dst, m[0])
	f := fields{b: m[headerSize:]}
	for {
		kind := f.byte()
		if f.err != nil || kind == 0 {
			break
		}
		value := string(f.cstring())
		switch kind {
		case 'S', 'V', 'P', 'F', 'L', 'R':
		case 's', 't', 'c', 'd', 'n':
			if raised {
				continue
			}
		case 'C':
			if raised {
				value = stateRaised
			}
		case 'M':
			value = withheldText
		default: // detail, hint, where, internal query and position, and what may come
			continue
		}
		dst = appendString(append(dst, kind), value)
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	return end(append(dst, 0), at), nil
}

// told is what the gateway itself wants to know of an ErrorResponse.
type told struct{ state, severity, file, routine string }

func inspect(body []byte) told {
	var t told
	f := fields{b: body}
	for {
		kind := f.byte()
		if f.err != nil || kind == 0 {
			return t
		}
		switch value := string(f.cstring()); kind {
		case 'C':
			t.state = value
		case 'V': // S is translated
			t.severity = value
		case 'F':
			t.file = value
		case 'R':
			t.routine = value
		}
	}
}

// raised reports whether users' code made the message: RAISE of PL/pgSQL, or another
// procedural language. The target names its own source file and function; a client
// cannot choose them.
func (t told) raised() bool {
	switch t.routine {
	case "exec_stmt_raise", "exec_stmt_assert":
		return true
	}
	for _, prefix := range []string{"plpy", "plperl", "pltcl", "plv8"} {
		if strings.HasPrefix(t.file, prefix) {
			return true
		}
	}
	return t.routine == "" && !strings.HasPrefix(t.state, "57") // a target that does not say
}

// shownState is the SQLSTATE that the client sees.
func (a *answerer) shownState(t told) string {
	if a.withheld && t.raised() {
		return stateRaised
	}
	return t.state
}

// notification: NotificationResponse, 4B process id + channel + payload. The payload
// is any text that any session chose.
func (a *answerer) notification(m []byte) error {
	if !a.sess.Masks() {
		a.relayed(len(m))
		return nil
	}
	f := fields{b: m[headerSize:]}
	f.uint32()
	channel := f.cstring()
	f.cstring()
	if err := f.done(); err != nil {
		return a.fault("NotificationResponse: %v", err)
	}
	pid := m[headerSize : headerSize+4]
	out, at := begin(nil, 'A')
	out = appendString(append(append(out, pid...), append(channel, 0)...), withheldPayload)
	a.drop(len(m))
	a.win = append(a.win, end(out, at)...)
	return nil
}

// parameterStatus: name + value. Some parameters decide how texts are read; the
// session ends rather than go on with another reading than the analysis had.
func (a *answerer) parameterStatus(m []byte) error {
	f := fields{b: m[headerSize:]}
	name, value := string(f.cstring()), string(f.cstring())
	if err := f.done(); err != nil {
		return a.fault("ParameterStatus: %v", err)
	}
	switch name {
	case "client_encoding":
		if value != "UTF8" {
			return protocolError("client_encoding is %s now, and the gateway reads UTF8", value)
		}
	case "standard_conforming_strings":
		if value != "on" {
			return protocolError("standard_conforming_strings is off now, and the gateway reads strings by the standard")
		}
	case "DateStyle", "IntervalStyle", "default_transaction_read_only", "in_hot_standby",
		"integer_datetimes", "is_superuser", "scram_iterations", "server_encoding", "server_version":
	case "application_name", "search_path", "session_authorization", "TimeZone":
		// Free text: a statement could write a value there.
		if e := a.head(); e != nil {
			a.answers(e)
		}
		if a.withheld {
			a.drop(len(m))
			return nil
		}
	default:
		if a.sess.Masks() {
			a.drop(len(m))
			return nil
		}
	}
	a.relayed(len(m))
	return nil
}
