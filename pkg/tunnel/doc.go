// Package tunnel is the protocol between hoopctl and the gateway: one TLS 1.3
// connection, agreed on by ALPN, that carries many streams (yamux), one for each
// connection a client makes to its local port. A stream begins with a preamble that
// says who is calling and for which target; after it come that protocol's own bytes.
// spec.md is the specification.
//
// The package owns both ends of the multiplexing and the preamble. It leaves to
// others what a token means, who may reach what, and every byte after the preamble.
package tunnel

import "time"

// ALPN is the protocol's name in the TLS handshake (RFC 7301). It changes when the
// preamble or the multiplexing does.
const ALPN = "hoop/1"

const (
	// streamWindow caps what one stream may have in flight: 4 MiB carries 200 MB/s at
	// 20 ms of round trip, where the default of 256 KiB carries 12.
	streamWindow = 4 << 20
	// readBuffer takes one TLS record and what a frame's header may have left before it.
	readBuffer = 32 << 10
	// keepAlive is how often an idle tunnel asks whether the other end is there; a
	// tunnel that does not answer within writeTimeout is closed.
	keepAlive    = 15 * time.Second
	writeTimeout = 10 * time.Second
	// closeTimeout ends a stream whose other half is never closed.
	closeTimeout = time.Minute
)
