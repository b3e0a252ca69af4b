package target

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/jackc/pgx/v5/pgconn"
)

// refused says why a connection did not come about, without the target's own words,
// which name the role the gateway signs in as: those go to the log.
func refused(ctx context.Context, target hoop.Target, database string, timeout time.Duration, err error) error {
	var pg *pgconn.PgError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &pg):
		return byServer(target, database, pg, err)
	case errors.As(err, &cert):
		return (&hoop.Error{
			Code: hoop.CodeUnavailable, Message: fmt.Sprintf("the certificate of target %s is not valid for its address", target.Name), Err: err,
		}).WithHint("tell an administrator: the target's ca_file and address decide what is valid")
	case strings.Contains(err.Error(), "authentication method requirement"): // pgconn has no type for it
		return rejected(target, err)
	case errors.Is(ctx.Err(), context.Canceled):
		return &hoop.Error{Code: hoop.CodeCancelled, Message: "cancelled while connecting to the target", Err: err}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return (&hoop.Error{
			Code: hoop.CodeUnavailable, Message: fmt.Sprintf("target %s did not answer within %s", target.Name, timeout), Err: err,
		}).WithHint("try again, or ask an administrator whether the database is up")
	}
	return unavailable(target, err)
}

// byServer sorts the refusals of PostgreSQL (manual, Appendix A "Error Codes").
func byServer(target hoop.Target, database string, pg *pgconn.PgError, err error) error {
	switch {
	case strings.HasPrefix(pg.Code, "28"), pg.Code == "42501":
		return rejected(target, err)
	case pg.Code == "3D000":
		return noDatabase(target, database, err)
	case pg.Code == "08P01" && strings.HasPrefix(pg.Message, "unsupported startup parameter"):
		return pooled(target, err) // pgbouncer's words; PostgreSQL takes hoop.session
	case pg.Code == "53300":
		return (&hoop.Error{
			Code: hoop.CodeTooMany, Message: fmt.Sprintf("target %s has no connection left", target.Name), Err: err,
		}).WithHint("try again later, or close other sessions")
	case strings.HasPrefix(pg.Code, "22"), pg.Code == "42704", pg.Code == "42602", pg.Code == "55P02":
		// Of a parameter that the client sent along: an unknown name, a value that it
		// cannot have.
		return (&hoop.Error{Code: hoop.CodeInvalid, Message: pg.Message, Err: err}).
			WithHint("look at the client's connection options, such as PGOPTIONS")
	}
	return unavailable(target, err)
}

func rejected(target hoop.Target, err error) error {
	return (&hoop.Error{
		Code: hoop.CodeTargetAuth, Message: fmt.Sprintf("target %s rejects the gateway's credential", target.Name), Err: err,
	}).WithHint("tell an administrator: the credential that the target declares is not accepted; the gateway's log has the cause")
}

func noDatabase(target hoop.Target, database string, err error) error {
	return (&hoop.Error{
		Code: hoop.CodeNoDatabase, Message: fmt.Sprintf("target %s has no database %q", target.Name, database), Err: err,
	}).WithHint("the target's default database is %s", target.Database)
}

// pooled refuses what is not PostgreSQL itself: a statement that one session prepared,
// say, would answer to the same name in another, where it was judged as something else.
func pooled(target hoop.Target, err error) error {
	return (&hoop.Error{
		Code: hoop.CodeUnavailable, Message: fmt.Sprintf("target %s is a connection pooler, behind which sessions cannot be told apart", target.Name), Err: err,
	}).WithHint("tell an administrator: the target's address must be that of PostgreSQL itself; reuse keeps connections to it")
}

func unavailable(target hoop.Target, err error) error {
	return (&hoop.Error{
		Code: hoop.CodeUnavailable, Message: fmt.Sprintf("target %s cannot be reached", target.Name), Err: err,
	}).WithHint("try again, or ask an administrator: the gateway's log has the cause")
}

// environment tells of the one thing pgconn reads from the environment before it
// looks at what it was given.
func environment(err error) error {
	return (&hoop.Error{
		Code: hoop.CodeUnavailable, Message: "the gateway's environment keeps it from connecting to targets", Err: err,
	}).WithHint("tell an administrator: unset PGSERVICE and other PG variables for the gateway")
}
