package agent

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Codes in place of a protocol version (PostgreSQL manual, "Message Formats").
const (
	sslRequest    = 80877103
	gssEncRequest = 80877104
	cancelRequest = 80877102
)

const (
	startupHeader  = 8                // 4B length + 4B version or code
	maxStartup     = 10000            // MAX_STARTUP_PACKET_LENGTH in PostgreSQL's pqcomm.h
	maxEncRequests = 2                // libpq asks for GSS, then for TLS, then starts
	greetTimeout   = 60 * time.Second // authentication_timeout, PostgreSQL's default
)

// greet reads how a PostgreSQL client begins, up to the version of its startup packet
// or the code of its CancelRequest, and returns these bytes for the gateway. Requests
// for encryption are answered here: this is one machine, and the tunnel encrypts.
func greet(c net.Conn) ([]byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(greetTimeout)); err != nil {
		return nil, err
	}
	head := make([]byte, startupHeader)
	for n := 0; ; n++ {
		if _, err := io.ReadFull(c, head); err != nil {
			return nil, fmt.Errorf("read startup packet: %w", err)
		}
		switch binary.BigEndian.Uint32(head[4:]) {
		case sslRequest, gssEncRequest:
			if binary.BigEndian.Uint32(head) != startupHeader || n >= maxEncRequests {
				return nil, fmt.Errorf("read startup packet: bad encryption request")
			}
			if _, err := c.Write([]byte{'N'}); err != nil {
				return nil, fmt.Errorf("answer encryption request: %w", err)
			}
		default:
			return head, c.SetReadDeadline(time.Time{})
		}
	}
}

// cancels reports whether a packet with that beginning is a CancelRequest.
func cancels(head []byte) bool { return binary.BigEndian.Uint32(head[4:]) == cancelRequest }

// refuse tells a client that waits for an answer to its startup packet why it gets no
// connection, in its own protocol. head is the packet's beginning. Failure is of no
// matter: the connection is closed next.
func refuse(c *net.TCPConn, head []byte, e *hoop.Error) {
	if cancels(head) {
		return // nobody reads an answer to a cancel
	}
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	_, _ = c.Write(fatal(sqlState(e.Code), e.Message, e.Hint))
	// Let the client's packet arrive before closing: a close with unread input resets
	// the connection, and the message with it.
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, io.LimitReader(c, maxStartup))
}

// sqlState is the class a PostgreSQL client expects; 08001 is
// sqlclient_unable_to_establish_sqlconnection.
func sqlState(code hoop.Code) string {
	switch code {
	case hoop.CodeUnauthenticated, hoop.CodeExpired, hoop.CodeRevoked:
		return "28000"
	case hoop.CodeDenied:
		return "42501"
	case hoop.CodeShuttingDown:
		return "57P01"
	}
	return "08001"
}

// fatal builds an ErrorResponse: 1B 'E' + 4B length + fields of 1B type + text + NUL,
// + NUL (PostgreSQL manual, "Error and Notice Message Fields").
func fatal(state, message, hint string) []byte {
	b := []byte{'E', 0, 0, 0, 0}
	for _, f := range []struct {
		kind byte
		text string
	}{{'S', "FATAL"}, {'V', "FATAL"}, {'C', state}, {'M', message}, {'H', hint}} {
		if f.text == "" {
			continue
		}
		b = append(b, f.kind)
		b = append(b, f.text...)
		b = append(b, 0)
	}
	b = append(b, 0)
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-1))
	return b
}
