package postgres

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// states is how a hoop.Code reads in PostgreSQL's tongue (manual, "PostgreSQL Error
// Codes"): while the connection starts, and later.
var states = map[hoop.Code]struct{ start, later string }{
	hoop.CodeInvalid:         {"08P01", "22023"}, // protocol_violation; invalid_parameter_value
	hoop.CodeUnauthenticated: {"28000", "28000"}, // invalid_authorization_specification
	hoop.CodeDenied:          {"42501", "42501"}, // insufficient_privilege
	hoop.CodePending:         {"28000", "42501"},
	hoop.CodeExpired:         {"28000", "57P01"}, // admin_shutdown
	hoop.CodeRevoked:         {"42501", "57P01"},
	hoop.CodeCancelled:       {"57014", "57014"}, // query_canceled
	hoop.CodeNotFound:        {"28000", "42704"}, // undefined_object
	hoop.CodeConflict:        {"55006", "55006"}, // object_in_use
	hoop.CodeTooLarge:        {"54000", "54000"}, // program_limit_exceeded
	hoop.CodeUnavailable:     {"08001", "57P03"}, // sqlclient_unable_to_establish_sqlconnection; cannot_connect_now
	hoop.CodeUnrecorded:      {"58030", "58030"}, // io_error
	hoop.CodeUnsupported:     {"0A000", "0A000"}, // feature_not_supported
	hoop.CodeTargetAuth:      {"08004", "08004"}, // sqlserver_rejected_establishment_of_sqlconnection
	hoop.CodeInternal:        {"XX000", "XX000"}, // internal_error
	hoop.CodeBadPassword:     {"28P01", "28P01"}, // invalid_password
	hoop.CodeNoDatabase:      {"3D000", "3D000"}, // invalid_catalog_name
	hoop.CodeTooMany:         {"53300", "53300"}, // too_many_connections
	hoop.CodeLimitExceeded:   {"53400", "42501"}, // configuration_limit_exceeded; an export budget
	hoop.CodeIdle:            {"57P05", "57P05"}, // idle_session_timeout
	hoop.CodeShuttingDown:    {"57P01", "57P01"},
}

// Codes that have no hoop.Code of their own.
const (
	stateSyntaxError   = "42601"
	stateNoStatement   = "26000" // invalid_sql_statement_name
	stateNoPortal      = "34000" // invalid_cursor_name
	stateProtocol      = "08P01" // protocol_violation
	stateAdminShutdown = "57P01"
	stateCanceled      = "57014" // query_canceled
	stateRaised        = "P0001" // raise_exception
	stateUntranslated  = "22P05" // untranslatable_character
	stateBadCharacter  = "22021" // character_not_in_repertoire
)

// report is an ErrorResponse or NoticeResponse of ours.
type report struct {
	severity string // ERROR, FATAL, NOTICE
	state    string
	message  string
	detail   string
	hint     string
	position int // in characters, from 1; 0 for none

	// where in PostgreSQL's sources it arose; "" for none
	file, line, routine string
}

// append builds the message: fields of 1B type + text + NUL, + NUL (manual, "Error and
// Notice Message Fields").
func (r report) append(dst []byte) []byte {
	kind := byte('E')
	if r.severity == "NOTICE" {
		kind = 'N'
	}
	dst, at := begin(dst, kind)
	field := func(k byte, text string) {
		if text != "" {
			dst = appendString(append(dst, k), text)
		}
	}
	field('S', r.severity)
	field('V', r.severity)
	field('C', r.state)
	field('M', r.message)
	field('D', r.detail)
	field('H', r.hint)
	if r.position > 0 {
		field('P', strconv.Itoa(r.position))
	}
	field('F', r.file)
	field('L', r.line)
	field('R', r.routine)
	return end(append(dst, 0), at)
}

// refusal is the report of an error that stops a statement, not the connection.
func refusal(err error) report {
	var syntax *pgparse.SyntaxError
	if errors.As(err, &syntax) {
		return report{severity: "ERROR", state: stateSyntaxError, message: syntax.Message, position: syntax.Position}
	}
	var stated *stateError
	if errors.As(err, &stated) {
		return report{severity: "ERROR", state: stated.state, message: stated.message, detail: stated.detail, hint: stated.hint}
	}
	e := asError(err)
	return report{severity: "ERROR", state: states[e.Code].later, message: e.Message, hint: e.Hint}
}

// asError is hoop.AsError for errors that may also be a context's. One that says itself
// what took too long keeps its words.
func asError(err error) *hoop.Error {
	var known *hoop.Error
	if !errors.As(err, &known) && errors.Is(err, context.DeadlineExceeded) {
		return hoop.Errorf(hoop.CodeUnavailable, "the gateway gave up after a time limit").WithHint("try again").Wrap(err)
	}
	return hoop.AsError(err)
}

// stateError is an error with a SQLSTATE of PostgreSQL's own.
type stateError struct{ state, message, detail, hint string }

func (e *stateError) Error() string { return e.message }

// As makes it a *hoop.Error where it ends a connection. Its own words stay out: they can
// quote what was sent.
func (e *stateError) As(target any) bool {
	p, ok := target.(**hoop.Error)
	if ok {
		*p = &hoop.Error{Code: hoop.CodeInvalid, Message: "what was sent cannot be served: SQLSTATE " + e.state, Err: errors.New(e.message)}
	}
	return ok
}

// startFailure is the FATAL report of a connection that does not start. Where the
// target itself refused, its SQLSTATE stays, but for its view of our credential.
func startFailure(err error) report {
	e := asError(err)
	r := report{severity: "FATAL", state: states[e.Code].start, message: e.Message, hint: e.Hint}
	var stated *stateError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &stated):
		r.state, r.message, r.hint = stated.state, stated.message, stated.hint
	case e.Code != hoop.CodeTargetAuth && errors.As(err, &pg) && len(pg.Code) == 5:
		r.state = pg.Code
	}
	return r
}

// cut is the FATAL report of a connection that ends.
func cut(err error) report {
	r := refusal(err)
	r.severity = "FATAL"
	return r
}
