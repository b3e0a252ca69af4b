package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/netio"
)

// drainTime is how long what the gateway still sends is thrown away after the client
// has gone: the gateway ends a stream whose client left within a second.
const drainTime = 5 * time.Second

// lingerTime is how long a client may take to close after the gateway has.
const lingerTime = time.Second

// buffers hold what clients say on its way into the tunnel.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

const bufferSize = 64 << 10

func lend() []byte { return buffers.Get().(*[bufferSize]byte)[:] }

func giveBack(b []byte) { buffers.Put((*[bufferSize]byte)(b)) }

// relay carries bytes both ways until both directions have ended. first was read from
// the client already. An end of input on one side closes only that direction on the
// other: a client may still read after it has said its last word. out is c, or what tells
// a client of PostgreSQL why the tunnel does not lead anywhere any more.
func relay(ctx context.Context, c *net.TCPConn, out io.Writer, stream net.Conn, first []byte) {
	defer stream.Close() //nolint:errcheck // may be closed already
	stop := context.AfterFunc(ctx, func() {
		past := time.Unix(1, 0)
		_, _ = stream.SetDeadline(past), c.SetDeadline(past)
	})
	defer stop()
	var up sync.WaitGroup
	up.Go(func() {
		if _, err := stream.Write(first); err == nil {
			_ = send(stream, c) // whichever side failed, the stream is closed for writing
		}
		_ = stream.Close()
	})
	_, err := io.Copy(out, stream)
	told := false
	if p, ok := out.(*pgClient); ok && ctx.Err() == nil {
		told = p.tell(err)
	}
	if err != nil && !told {
		// The client is gone, or the tunnel. The gateway may be in the middle of an
		// answer: say that we are done and let it find its end, so that the shared tunnel
		// is not held up.
		_ = c.Close()
		up.Wait()
		_ = stream.SetReadDeadline(time.Now().Add(drainTime))
		_, _ = io.Copy(io.Discard, stream)
		return
	}
	// The gateway has ended the stream: nothing the client still sends can matter. But a
	// close with unread input would reset the connection and the gateway's last words
	// with it, so the client gets a moment to close first.
	_ = c.CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(lingerTime))
	_ = stream.SetWriteDeadline(time.Now().Add(lingerTime))
	up.Wait()
	if told {
		_, _ = io.Copy(io.Discard, c) // what could not be sent any more
	}
}

// send copies what the client says until it has said its last.
func send(stream io.Writer, c *net.TCPConn) error {
	src := netio.NewSource(c, lend, giveBack)
	for {
		b, n, err := src.Read()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
		_, err = stream.Write(b[:n])
		giveBack(b)
		if err != nil {
			return err
		}
	}
}
