package hoop

import "errors"

// Cause says in one word why a session or a sign-in ended, or a session did not begin.
// Who ends it writes it; sentences beside it are for people, and decide nothing.
type Cause string

// The causes. pkg/auditlog/spec.md lists them.
const (
	CauseClient      Cause = "client-left"      // the client closed the connection
	CauseExpired     Cause = "grant-expired"    // the grant reached its end
	CauseRevoked     Cause = "grant-revoked"    // somebody took the grant away
	CauseAccess      Cause = "access-lost"      // no access rule allows the target any more
	CauseSignIn      Cause = "sign-in-ended"    // the identity is signed in nowhere, or was disabled
	CauseIdentity    Cause = "identity-changed" // its groups, or what its account declares
	CauseAccount     Cause = "account-removed"  // a service account that is declared no more
	CauseIdle        Cause = "idle"             // it did nothing for the target's idle_timeout
	CauseLimit       Cause = "limit"            // an export or inference limit
	CauseDecoy       Cause = "decoy"            // it touched a decoy of the target
	CauseTooMany     Cause = "too-many"         // sessions
	CauseDenied      Cause = "denied"           // a rule, or the lack of a grant
	CausePassword    Cause = "bad-password"     // the client did not know the local port's
	CauseProtocol    Cause = "protocol"         // what was sent cannot be served
	CauseTarget      Cause = "target"           // cannot be reached, closed the connection, or is silent
	CauseStopped     Cause = "gateway-stopped"  // in order
	CauseCrash       Cause = "gateway-crashed"  // of a recovery event
	CauseUnrecorded  Cause = "unrecorded"       // the gateway could not record
	CauseFault       Cause = "fault"            // of the gateway, or an answer that does not fit
	CauseSignedOut   Cause = "signed-out"       // of a sign-in: by whoever it is
	CauseSignInOver  Cause = "sign-in-expired"  // of a sign-in: it reached its end
	CauseTokenReused Cause = "token-reused"     // of a sign-in: somebody has a copy of its token
	CauseProvider    Cause = "provider-refused" // of a sign-in: the identity provider vouches no more
	CauseDisabled    Cause = "disabled"         // of a sign-in: by an administrator, or the directory
)

// causes is what a code means as the cause of an end, where who ended it says no more.
var causes = map[Code]Cause{
	CodeInvalid:         CauseProtocol,
	CodeUnauthenticated: CauseSignIn,
	CodeDenied:          CauseDenied,
	CodePending:         CauseDenied,
	CodeExpired:         CauseExpired,
	CodeRevoked:         CauseRevoked,
	CodeCancelled:       CauseClient,
	CodeNotFound:        CauseDenied,
	CodeConflict:        CauseDenied,
	CodeTooLarge:        CauseProtocol,
	CodeUnavailable:     CauseTarget,
	CodeUnrecorded:      CauseUnrecorded,
	CodeUnsupported:     CauseProtocol,
	CodeTargetAuth:      CauseTarget,
	CodeInternal:        CauseFault,
	CodeBadPassword:     CausePassword,
	CodeNoDatabase:      CauseDenied,
	CodeTooMany:         CauseTooMany,
	CodeLimitExceeded:   CauseLimit,
	CodeIdle:            CauseIdle,
	CodeShuttingDown:    CauseStopped,
}

// CauseOf is the cause that err names, or else its code stands for; of nil it is that
// the client left.
func CauseOf(err error) Cause {
	if err == nil {
		return CauseClient
	}
	var e *Error
	if !errors.As(err, &e) {
		return CauseFault
	}
	if e.Cause != "" {
		return e.Cause
	}
	return causes[e.Code]
}
