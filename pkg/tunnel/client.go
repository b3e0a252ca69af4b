package tunnel

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// Client is the end that opens streams: hoopctl's. Its methods may be called
// concurrently.
type Client struct{ mux *yamux.Session }

// Dial connects to a gateway. tlsConf says whom to trust; versions below TLS 1.3 and
// other protocols than ALPN are never agreed on. A nil tlsConf trusts the system's
// authorities. ctx bounds the dialling only.
func Dial(ctx context.Context, addr string, tlsConf *tls.Config) (*Client, error) {
	if tlsConf == nil {
		tlsConf = &tls.Config{}
	}
	tlsConf = tlsConf.Clone()
	tlsConf.MinVersion = tls.VersionTLS13
	tlsConf.NextProtos = []string{ALPN}
	// Small records first would split every frame of a burst.
	tlsConf.DynamicRecordSizingDisabled = true
	dialer := tls.Dialer{NetDialer: &net.Dialer{KeepAlive: keepAlive}, Config: tlsConf}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial gateway %s: %w", addr, err)
	}
	if got := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != ALPN {
		_ = conn.Close() // nothing was sent
		return nil, fmt.Errorf("dial gateway %s: it does not speak %s", addr, ALPN)
	}
	mux, err := yamux.Client(newRecordConn(conn), config())
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("dial gateway %s: %w", addr, err)
	}
	return &Client{mux: mux}, nil
}

// Open opens a stream. The first thing to write on it is a preamble. Closing the
// stream closes it for writing only: what the gateway still sends can be read until
// the gateway closes its half.
func (c *Client) Open(ctx context.Context) (net.Conn, error) {
	type result struct {
		stream *yamux.Stream
		err    error
	}
	ch := make(chan result, 1)
	go func() {
		s, err := c.mux.OpenStream()
		ch <- result{s, err}
	}()
	select {
	case r := <-ch:
		if r.err != nil {
			return nil, fmt.Errorf("open stream: %w", r.err)
		}
		return r.stream, nil
	case <-ctx.Done():
		go func() { // ends with the write time-out of the tunnel at the latest
			if r := <-ch; r.err == nil {
				_ = r.stream.Close()
			}
		}()
		return nil, fmt.Errorf("open stream: %w", context.Cause(ctx))
	}
}

// Ping measures the round trip to the gateway. It fails when the tunnel is dead.
func (c *Client) Ping() (time.Duration, error) { return c.mux.Ping() }

// Done is closed when the tunnel has ended, for whatever reason.
func (c *Client) Done() <-chan struct{} { return c.mux.CloseChan() }

// Close ends the tunnel and every stream in it.
func (c *Client) Close() error { return c.mux.Close() }
