package hoop

import (
	"errors"
	"fmt"
)

// Code is the class of an error that people see. Each protocol turns it into its
// own tongue in one table.
type Code string

// The codes.
const (
	CodeInvalid         Code = "invalid"         // the caller's mistake
	CodeUnauthenticated Code = "unauthenticated" // sign in first
	CodeDenied          Code = "denied"          // a rule or a person said no
	CodePending         Code = "pending"         // waiting for approval
	CodeExpired         Code = "expired"         // the time to decide, or the grant, ran out
	CodeRevoked         Code = "revoked"         // access was taken away
	CodeCancelled       Code = "cancelled"
	CodeNotFound        Code = "not-found"
	CodeConflict        Code = "conflict"      // already decided, already exists
	CodeTooLarge        Code = "too-large"     // a stated limit
	CodeUnavailable     Code = "unavailable"   // the target or a part of the gateway; try again
	CodeUnrecorded      Code = "unrecorded"    // the gateway cannot record, so nothing runs
	CodeUnsupported     Code = "unsupported"   // known, and not offered
	CodeTargetAuth      Code = "target-auth"   // the target rejects the gateway's credential
	CodeInternal        Code = "internal"      // a fault of ours
	CodeBadPassword     Code = "bad-password"  // of the local port
	CodeNoDatabase      Code = "no-database"   // the target does not list it
	CodeTooMany         Code = "too-many"      // sessions, attempts
	CodeLimitExceeded   Code = "limit"         // an export or inference limit
	CodeIdle            Code = "idle"          // cut after a stated time without work
	CodeShuttingDown    Code = "shutting-down" // the gateway stops
)

// Error is an error that may leave the program: Message and Hint are safe for the
// user, Err goes to the log only.
type Error struct {
	Code    Code
	Message string // one sentence, lower case, no full stop
	Hint    string // the next step: what to type, whom to ask
	Cause   Cause  // of the end that it brings about, where Code does not say it; see CauseOf
	Err     error
}

// Error is the whole story, for logs.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error without a cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy that names the next step.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Wrap returns a copy with a cause for the log.
func (e *Error) Wrap(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// Because returns a copy that names the cause of the end that it brings about.
func (e *Error) Because(cause Cause) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// AsError finds the Error in err, or makes a CodeInternal one that tells the user
// nothing but that it happened.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: "the gateway met a fault of its own", Hint: "see the gateway's log", Err: err}
}
