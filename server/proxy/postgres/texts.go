package postgres

import (
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
)

// What stands in place of a text that could carry protected values.
const (
	withheldText    = "the text of this message is withheld: it could show values that are masked for you"
	withheldPayload = ""
	quotesSecret    = "the text of this message is withheld: it quotes a password"
)

// failure: ErrorResponse. In the extended protocol the target then skips to Sync.
func (a *answerer) failure(m []byte) error {
	e := a.head()
	if e == nil {
		return a.fatal(m)
	}
	a.answers(e)
	if e.run != nil {
		if _, err := a.renewed(e.run); err != nil {
			return err
		}
	}
	t := inspect(m[headerSize:])
	switch {
	case t.severity == "FATAL" || t.severity == "PANIC":
		return a.fatal(m)
	case e.fails || e.unconverted:
		a.drop(len(m))
	case e.injected && e.kind != 'D':
		return a.fault("a message of the gateway's own of type %q failed: %s", e.kind, t.state)
	case t.state == stateCanceled && a.denial(e) != nil:
		a.drop(len(m))
		a.win = append(a.win, a.denial(e)...)
	case e.refusal != nil:
		a.denied = e.denied
		a.drop(len(m))
		a.win = append(a.win, e.refused(t)...)
	default:
		if err := a.text(m, a.withheld); err != nil {
			return err
		}
	}
	state := a.shownState(t)
	if e.refusal != nil {
		state = e.state
	}
	a.loseTag(state)
	if e.run != nil {
		e.run.end("", state)
	}
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	a.shadows.failed(e)
	a.overlay.failed(e)
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

// denial is why the gateway has ended the COPY data of e, nil where it has not.
func (a *answerer) denial(e *expected) []byte {
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	return e.denial
}

// fatal: the target's last word. Nothing of ours follows it.
func (a *answerer) fatal(m []byte) error {
	// What the administrator's end says is the target's own.
	ours := strings.HasPrefix(inspect(m[headerSize:]).state, "57P0")
	if err := a.text(m, a.withheld && !ours); err != nil {
		return err
	}
	a.fatality = targetLeft(nil)
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
		if e.run != nil {
			if _, err := a.renewed(e.run); err != nil {
				return err
			}
		}
		withheld = a.withheld
	}
	return a.text(m, withheld)
}

// text relays an ErrorResponse or NoticeResponse: without its texts where they are
// withheld, without the values that value rules protect otherwise.
func (a *answerer) text(m []byte, withheld bool) error {
	rules := a.rules()
	var out []byte
	var err error
	if !withheld {
		if err := a.quoted(m); err != nil {
			return err
		}
	}
	secrets := a.head().secrets()
	switch {
	case hoop.Quotes(m, secrets):
		out, err = scanTexts(nil, m, func(dst, s []byte) []byte {
			if withheld || hoop.Quotes(s, secrets) {
				return append(dst, quotesSecret...)
			}
			return rules.Text(dst, s)
		})
	case withheld && !inspect(m[headerSize:]).plain():
		out, err = withhold(nil, m)
	case rules.Values():
		out, err = scanTexts(nil, m, rules.Text)
	default:
		a.relayed(len(m))
		return nil
	}
	if err != nil {
		return a.fault("error fields: %v", err)
	}
	a.drop(len(m))
	a.win = append(a.win, out...)
	return nil
}

// quoted notes decoys that the texts of an ErrorResponse or NoticeResponse show.
func (a *answerer) quoted(m []byte) (quoted error) {
	if a.run == nil || !a.run.run.Watches() {
		return nil
	}
	_, err := scanTexts(nil, m, func(dst, s []byte) []byte {
		if err := a.run.run.Quoted(s); err != nil {
			quoted = err
		}
		return dst
	})
	if err != nil {
		return a.fault("error fields: %v", err)
	}
	return quoted
}

// rules are those of the statement that is answered, else those in force.
func (a *answerer) rules() *mask.Rules {
	if a.run == nil {
		return a.sess.Rules()
	}
	return a.run.run.Rules()
}

// scanTexts appends a copy of an ErrorResponse or NoticeResponse whose texts and names
// went through text. Fields that the target fills from lists of its own stay.
func scanTexts(dst, m []byte, text func(dst, s []byte) []byte) ([]byte, error) {
	dst, at := begin(dst, m[0])
	f := fields{b: m[headerSize:]}
	for {
		kind := f.byte()
		if f.err != nil || kind == 0 {
			break
		}
		value := f.cstring()
		dst = append(dst, kind)
		switch kind {
		case 'S', 'V', 'C', 'P', 'p', 'F', 'L', 'R':
			dst = append(dst, value...)
		default:
			dst = text(dst, value)
		}
		dst = append(dst, 0)
	}
	if err := f.done(); err != nil {
		return nil, err
	}
	return end(append(dst, 0), at), nil
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
type told struct {
	state, severity, file, line, routine string
	position                             bool // in the client's text
	nested                               bool // it arose in a statement that code ran
}

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
		case 'L':
			t.line = value
		case 'R':
			t.routine = value
		case 'P':
			t.position = true
		case 'W', 'q', 'p':
			t.nested = true
		}
	}
}

// plain reports whether the message cannot show any row's values: it was made before
// the client's own text ran, or its words are fixed. Parse analysis knows the text and
// the catalog only, and says where in the text it stopped; what code runs (a function,
// a regtype's input) has a context, or no position.
func (t told) plain() bool {
	if t.nested {
		return false
	}
	switch t.file {
	case "analyze.c", "parse_agg.c", "parse_clause.c", "parse_coerce.c", "parse_collate.c", "parse_cte.c",
		"parse_expr.c", "parse_func.c", "parse_oper.c", "parse_param.c", "parse_relation.c", "parse_target.c", "parse_type.c":
		return t.position
	case "xact.c": // no transaction is in progress, cannot run inside a transaction block
		return strings.HasPrefix(t.state, "25")
	case "portalcmds.c": // there is no cursor of the name that FETCH or CLOSE has
		return t.state == "34000"
	case "prepare.c": // there is no statement of the name that EXECUTE or DEALLOCATE has
		return t.state == stateNoStatement
	case "postgres.c": // the transaction is aborted
		return t.state == "25P02" || t.state == stateNoPortal || t.state == stateNoStatement
	}
	return false
}

// raised reports whether users' code made the message: RAISE of PL/pgSQL, or another
// procedural language, or of another server. The target names its own source file and function; a client
// cannot choose them.
func (t told) raised() bool {
	switch t.routine {
	case "exec_stmt_raise", "exec_stmt_assert",
		"pgfdw_report_error": // what another server said, down to its SQLSTATE
		return true
	}
	for _, prefix := range []string{"plpy", "plperl", "pltcl", "plv8", "dblink"} {
		if strings.HasPrefix(t.file, prefix) {
			return true
		}
	}
	return t.routine == "" && !strings.HasPrefix(t.state, "57") // a target that does not say
}

// shownState is the SQLSTATE that the client sees.
func (a *answerer) shownState(t told) string {
	if a.withheld && !t.plain() && t.raised() {
		return stateRaised
	}
	return t.state
}

// notification: NotificationResponse, 4B process id + channel + payload. The payload
// is any text that any session chose; so is the channel, unless the client itself
// listens to it by that name: code may listen to a name made of a value.
func (a *answerer) notification(m []byte) error {
	if !a.sess.Masks() {
		a.relayed(len(m))
		return nil
	}
	channel, err := parseNotification(m[headerSize:])
	if err != nil {
		return a.fault("NotificationResponse: %v", err)
	}
	a.conn.mu.Lock()
	named := a.channels[string(channel)]
	a.conn.mu.Unlock()
	if !named {
		a.drop(len(m))
		return nil
	}
	out := withholdPayload(nil, m, channel)
	a.drop(len(m))
	a.win = append(a.win, out...)
	return nil
}

// parseNotification gives the channel of 4B process id + channel + payload.
func parseNotification(body []byte) (channel []byte, err error) {
	f := fields{b: body}
	f.uint32()
	channel = f.cstring()
	f.cstring()
	return channel, f.done()
}

// withholdPayload appends the NotificationResponse m without its payload.
func withholdPayload(dst, m, channel []byte) []byte {
	dst, at := begin(dst, 'A')
	dst = append(append(dst, m[headerSize:headerSize+4]...), channel...)
	return end(appendString(append(dst, 0), withheldPayload), at)
}

// parseStatus reads a ParameterStatus: name + value.
func parseStatus(body []byte) (name, value string, err error) {
	f := fields{b: body}
	name, value = string(f.cstring()), string(f.cstring())
	return name, value, f.done()
}

// parameterStatus: some parameters decide how texts are read; the
// session ends rather than go on with another reading than the analysis had.
func (a *answerer) parameterStatus(m []byte) error {
	name, value, err := parseStatus(m[headerSize:])
	if err != nil {
		return a.fault("ParameterStatus: %v", err)
	}
	a.mu.Lock()
	a.up.ParameterStatuses[name] = value
	a.dialect.report(a.up.ParameterStatuses)
	a.mu.Unlock()
	switch name {
	case "client_encoding":
		if value != "UTF8" {
			return protocolError("client_encoding is %s now, and the gateway reads UTF8", value)
		}
		a.drop(len(m)) // the client was told its own
		return nil
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
