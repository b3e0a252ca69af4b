package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/session"
)

// Protocol versions and the codes in their place (manual, "Message Formats").
const (
	version30     = 3 << 16
	version32     = 3<<16 | 2
	cancelRequest = 80877102
	sslRequest    = 80877103
	gssEncRequest = 80877104
)

// maxStartup is MAX_STARTUP_PACKET_LENGTH in PostgreSQL's pqcomm.h.
const maxStartup = 10000

// starter is a connection that has not started yet.
type starter struct {
	proxy *Proxy
	nc    net.Conn
	in    *reader
	port  port
}

// startup is what a client asks for.
type startup struct {
	version  uint32            // agreed on
	unknown  []string          // _pq_. options we do not know
	offered  uint32            // what the client asked for
	user     string            //
	database string            // "" where the client named none
	params   map[string]string // to pass on; names in lower case
	charset  *charset          // of the client; nil is UTF8
}

// start takes the client through its startup up to ReadyForQuery. It returns nil
// without an error when the client only wanted to cancel or left.
func (s *starter) start(ctx context.Context, user, verifier string, target hoop.Target, open Opener) (*conn, error) {
	code, body, err := s.packet()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, s.fail(ctx, err)
	}
	if code == cancelRequest {
		s.proxy.cancel(ctx, s.port, body)
		return nil, nil
	}
	st, err := parseStartup(code, body)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	if err := s.authenticate(st, user, verifier); err != nil {
		if errors.Is(err, errBadPassword) {
			_, _ = open(ctx, session.Start{Protocol: "postgres", Refused: errBadPassword}) // for the log
		}
		return nil, s.fail(ctx, err)
	}
	if err := st.check(); err != nil {
		_, _ = open(ctx, session.Start{Protocol: "postgres", Client: st.params["application_name"], Refused: err}) // for the log
		return nil, s.fail(ctx, err)
	}
	if st.database == "" || st.database == st.user {
		// The user is a random name of the local port; clients that are not told a database
		// ask for one of the user's name.
		st.database = target.Database
	}
	sess, err := open(ctx, session.Start{Protocol: "postgres", Database: st.database, Client: st.params["application_name"]})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	c, err := s.connect(ctx, st, target, sess)
	if err != nil {
		if sess.Context().Err() != nil {
			err = context.Cause(sess.Context()) // which cut what it was about to do
		}
		err = s.fail(ctx, err)
		why := err
		if errors.Is(err, errClientGone) {
			why = nil
		}
		if cerr := sess.Close(why); cerr != nil {
			s.proxy.cfg.Log.ErrorContext(ctx, "close session", "session", sess.ID(), "err", cerr)
		}
		return nil, err
	}
	return c, nil
}

// packet reads the first packet that is not a request for encryption, which is
// declined: this stream is inside the tunnel's TLS.
func (s *starter) packet() (code uint32, body []byte, err error) {
	for range 3 { // GSS, TLS, startup
		if err := s.in.need(8); err != nil {
			return 0, nil, err
		}
		head := s.in.bytes(8)
		n, code := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
		if n < 8 || n > maxStartup {
			return 0, nil, protocolError("the startup packet has %d bytes", n)
		}
		if err := s.in.need(int(n)); err != nil {
			return 0, nil, err
		}
		body := slices.Clone(s.in.bytes(int(n))[8:])
		s.in.discard(int(n))
		if code != sslRequest && code != gssEncRequest {
			return code, body, nil
		}
		if s.in.buffered() > 0 {
			// What comes before our answer would be taken as encrypted later on
			// (CVE-2021-23222).
			return 0, nil, protocolError("data came after a request for encryption")
		}
		if _, err := s.nc.Write([]byte{'N'}); err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, protocolError("encryption was asked for too often")
}

// parseStartup reads a StartupMessage: pairs of strings, + NUL.
func parseStartup(version uint32, body []byte) (*startup, error) {
	if version>>16 != 3 {
		return nil, &stateError{
			state:   "0A000",
			message: fmt.Sprintf("unsupported frontend protocol %d.%d: server supports 3.0 to 3.2", version>>16, version&0xffff),
		}
	}
	st := &startup{version: min(version, version32), offered: version, params: map[string]string{}}
	f := fields{b: body}
	for {
		name := string(f.cstring())
		if f.err != nil || name == "" {
			break
		}
		value := string(f.cstring())
		switch {
		case name == "user":
			st.user = value
		case name == "database":
			st.database = value
		case strings.HasPrefix(name, "_pq_."):
			st.unknown = append(st.unknown, name)
		case ours(name):
			return nil, &stateError{state: "42704", message: fmt.Sprintf("unrecognized configuration parameter %q", name)}
		default:
			st.params[strings.ToLower(name)] = value // as in postgresql.conf; the last of several counts
		}
	}
	if f.done() != nil {
		return nil, protocolError("invalid startup packet layout")
	}
	if st.user == "" {
		return nil, &stateError{state: "28000", message: "no PostgreSQL user name specified in startup packet"}
	}
	return st, nil
}

// ours reports whether name differs from one that means something to the protocol by
// upper case only. PostgreSQL knows those in lower case alone (ProcessStartupPacket in
// postmaster.c), and takes any other for a setting; passed on in lower case, such a name
// would come to mean what was never checked.
func ours(name string) bool {
	lower := strings.ToLower(name)
	switch lower {
	case "user", "database", "options", "replication":
		return name != lower
	}
	return name != lower && strings.HasPrefix(lower, "_pq_.")
}

func protocolError(format string, args ...any) error {
	return &stateError{state: stateProtocol, message: fmt.Sprintf(format, args...)}
}

// connect dials the target and tells the client that it may begin.
func (s *starter) connect(ctx context.Context, st *startup, target hoop.Target, sess *session.Session) (*conn, error) {
	params := st.forTarget(sess)
	left, err := s.proxy.counts.enter(target, sess.Grant())
	if err != nil {
		return nil, err
	}
	dctx, cancel := context.WithTimeout(ctx, s.proxy.cfg.StartTimeout)
	defer cancel()
	defer context.AfterFunc(sess.Context(), cancel)()
	key := s.proxy.reuseKey(target, st.database, params, sess)
	up, reused, err := s.proxy.upstream(dctx, target, st.database, key, params)
	if err != nil {
		left()
		return nil, err
	}
	if err := readable(up.ParameterStatuses); err != nil {
		_ = up.Conn.Close()
		left()
		return nil, err
	}
	c := newConn(s.proxy, s.nc, s.in, up, sess, st)
	c.left, c.idle.limit = left, time.Duration(target.IdleTimeout)
	c.reuse, c.reused = key, reused
	s.proxy.live.add(c, s.port, st.version >= version32)
	s.proxy.watchSilence()
	if err := s.welcome(ctx, c); err != nil {
		s.proxy.live.remove(c)
		_ = up.Conn.Close()
		left()
		return nil, err
	}
	return c, nil
}

// welcome sends AuthenticationOk, ParameterStatus, BackendKeyData, ReadyForQuery. The
// secret of BackendKeyData is not put on record.
func (s *starter) welcome(ctx context.Context, c *conn) error {
	var told []byte
	for _, name := range slices.Sorted(maps.Keys(c.up.ParameterStatuses)) {
		var at int
		told, at = begin(told, 'S')
		value := c.up.ParameterStatuses[name]
		if name == "client_encoding" {
			value = c.begun.String()
		}
		told = end(appendString(appendString(told, name), value), at)
	}
	ready := []byte{'Z', 0, 0, 0, 5, 'I'}
	if err := c.sess.Release(ctx, nil, slices.Concat(told, ready)); err != nil {
		return err
	}
	wire := []byte{'R', 0, 0, 0, 8, 0, 0, 0, 0}
	wire = append(wire, told...)
	wire, at := begin(wire, 'K')
	wire = binary.BigEndian.AppendUint32(wire, c.key.pid)
	wire = end(append(wire, c.key.secret...), at)
	if _, err := s.nc.Write(append(wire, ready...)); err != nil {
		return errors.Join(errClientGone, err)
	}
	return nil
}

// fail tells the client why it gets no connection.
func (s *starter) fail(ctx context.Context, err error) error {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
	case ctx.Err() != nil:
		err = ender(ctx)
	default:
		err = &stateError{
			state: stateCanceled, message: "canceling authentication due to timeout",
			hint: fmt.Sprintf("from connecting to signing in a client has %s", s.proxy.cfg.StartTimeout),
		}
	}
	_ = s.nc.SetDeadline(time.Now().Add(time.Second))
	if _, werr := s.nc.Write(startFailure(err).append(nil)); werr != nil {
		return errors.Join(err, werr)
	}
	return err
}
