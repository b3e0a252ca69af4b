package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hoopctl/hoopctl/pkg/netio"
	"github.com/hoopctl/hoopctl/pkg/tunnel"
)

// pgClient is the client's connection for what comes to it out of the tunnel. It follows
// where messages begin, so that it can say in one of its own that nothing more will come.
type pgClient struct {
	conn    *net.TCPConn
	gateway string // host:port
	msgs    messages
}

func newPGClient(c *net.TCPConn, gateway string) *pgClient {
	return &pgClient{conn: c, gateway: gateway}
}

// Write implements io.Writer.
func (p *pgClient) Write(b []byte) (int, error) {
	n, err := p.conn.Write(b)
	p.msgs.pass(b[:n])
	return n, err
}

// Try implements netio.Trier.
func (p *pgClient) Try() func([]byte) int {
	try := netio.Try(p.conn)
	if try == nil {
		return nil
	}
	return func(b []byte) int {
		n := try(b)
		p.msgs.pass(b[:n])
		return n
	}
}

// States of a connection that is lost (PostgreSQL manual, "PostgreSQL Error Codes").
const (
	stateConnectionFailure = "08006"
	stateAdminShutdown     = "57P01"
)

// tell tells the client why its connection ends, where that is neither its own doing nor
// told by the gateway, and reports whether it did. err is why nothing more comes. In the
// middle of a message there is no way to say it.
func (p *pgClient) tell(err error) bool {
	lost := errors.Is(err, io.ErrUnexpectedEOF) // of the stream, as no client's connection says
	if !p.msgs.between() || !lost && (err != nil || p.msgs.any) {
		return false
	}
	state, message := stateAdminShutdown, fmt.Sprintf("terminating connection: the tunnel to the gateway at %s is lost", p.gateway)
	hint := "connect again: the local port stays open. What was under way may have been done or not"
	switch {
	case !lost || errors.Is(err, tunnel.ErrReset):
		state, message = stateConnectionFailure, fmt.Sprintf("the gateway at %s closed the connection without a word", p.gateway)
		hint = "hoopctl and the gateway may be of different versions, or the tunnel carries as many connections as it can; the gateway's log has the cause"
	case !p.msgs.ready:
		state, message = stateConnectionFailure, fmt.Sprintf("the tunnel to the gateway at %s was lost while connecting", p.gateway)
		hint = "check the network, then connect again: the local port stays open"
	}
	_ = p.conn.SetWriteDeadline(time.Now().Add(lingerTime))
	_, werr := p.conn.Write(fatal(state, message, hint))
	return werr == nil
}

// messages follows where the server's messages begin and end: 1B type + 4B length, which
// counts itself (PostgreSQL manual, "Message Formats").
type messages struct {
	head  [5]byte
	have  int  // bytes of head that came
	left  int  // bytes of the body still to come
	any   bool // something came
	ready bool // ReadyForQuery came: the client has signed in
}

// pass takes note of b, which comes next.
func (m *messages) pass(b []byte) {
	m.any = m.any || len(b) > 0
	for len(b) > 0 {
		if m.left > 0 {
			n := min(m.left, len(b))
			m.left -= n
			b = b[n:]
			continue
		}
		n := copy(m.head[m.have:], b)
		m.have += n
		b = b[n:]
		if m.have < len(m.head) {
			return
		}
		m.have = 0
		m.left = max(int(binary.BigEndian.Uint32(m.head[1:]))-4, 0)
		m.ready = m.ready || m.head[0] == 'Z'
	}
}

// between reports whether a message may begin.
func (m *messages) between() bool { return m.have == 0 && m.left == 0 }
