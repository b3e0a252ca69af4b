package tunnel

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// Client is the end that opens streams: hoopctl's. Its methods may be called
// concurrently.
type Client struct{ mux *mux }

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
	if tlsConf.ServerName == "" && !tlsConf.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("dial gateway %s: %w", addr, err)
		}
		tlsConf.ServerName = host
	}
	dialer := net.Dialer{KeepAlive: keepAlive}
	raw, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial gateway %s: %w", addr, err)
	}
	conn := tls.Client(Wire(raw), tlsConf)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("dial gateway %s: %w", addr, err)
	}
	if conn.ConnectionState().NegotiatedProtocol != ALPN {
		_ = conn.Close() // nothing was sent
		return nil, fmt.Errorf("dial gateway %s: it does not speak %s", addr, ALPN)
	}
	return &Client{mux: newMux(conn, nil)}, nil
}

// Open opens a stream; it waits for nothing. The first thing to write on it is a
// preamble, with which the gateway learns of it. Closing the stream closes it for
// writing only: what the gateway still sends can be read until the gateway closes its
// half. The stream has the methods of io.WriterTo, and Readable() error, which waits
// for bytes without a buffer.
func (c *Client) Open() (net.Conn, error) {
	s, err := c.mux.open()
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	return s, nil
}

// Ping measures the round trip to the gateway. It fails when the tunnel is dead.
func (c *Client) Ping() (time.Duration, error) { return c.mux.Ping() }

// Done is closed when the tunnel has ended, for whatever reason.
func (c *Client) Done() <-chan struct{} { return c.mux.done }

// Close ends the tunnel and every stream in it.
func (c *Client) Close() error {
	c.mux.close()
	return nil
}
