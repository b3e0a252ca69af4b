package tunnel

import (
	"encoding/binary"
	"errors"
)

// A frame of yamux (hashicorp/yamux spec.md, "Framing"): a header, its numbers
// big-endian, and behind that of data as many bytes as length says.
//
//	1B version, 0 | 1B type | 2B flags | 4B stream | 4B length
const headerSize = 12

// Types of frames.
const (
	typeData   byte = 0 // length: bytes that follow
	typeWindow byte = 1 // length: how much more the stream may send
	typePing   byte = 2 // stream 0; length: any number, which comes back
	typeGoAway byte = 3 // stream 0; length: why
)

// Flags.
const (
	flagSYN uint16 = 1 << iota // the stream begins; of a ping: answer
	flagACK                    // the stream is accepted; of a ping: the answer
	flagFIN                    // the sender has said its last
	flagRST                    // the stream is over at once
)

// Reasons of a go-away.
const (
	goAwayNormal uint32 = iota
	goAwayProtocol
)

// initialWindow is what a stream may send before it is told more (yamux spec.md, "Flow
// Control").
const initialWindow = 256 << 10

// header is a frame's header as it was read.
type header struct {
	kind   byte
	flags  uint16
	stream uint32
	length uint32
}

func appendHeader(dst []byte, h header) []byte {
	dst = append(dst, 0, h.kind)
	dst = binary.BigEndian.AppendUint16(dst, h.flags)
	dst = binary.BigEndian.AppendUint32(dst, h.stream)
	return binary.BigEndian.AppendUint32(dst, h.length)
}

var errFrame = errors.New("the other end does not speak yamux")

// parseHeader reads the header at the beginning of b, which has at least headerSize
// bytes.
func parseHeader(b []byte) (header, error) {
	h := header{
		kind: b[1], flags: binary.BigEndian.Uint16(b[2:]),
		stream: binary.BigEndian.Uint32(b[4:]), length: binary.BigEndian.Uint32(b[8:]),
	}
	if b[0] != 0 || h.kind > typeGoAway {
		return h, errFrame
	}
	return h, nil
}
