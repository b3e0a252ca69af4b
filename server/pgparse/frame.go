package pgparse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is a 4-byte big-endian length and that many bytes, in both directions.
//
//	request  SQL text
//	reply    1B kind, then
//	  'R'    nothing: the worker is warm
//	  'T'    4B length of the shape, shape, tree (protobuf, pg_query.ParseResult)
//	  'S'    4B position, message
//	  'X'    message: the worker cannot judge this statement and ends
const (
	replyReady   = 'R'
	replyTree    = 'T'
	replySyntax  = 'S'
	replyRefused = 'X'
)

// maxReply bounds what a worker, which is not trusted, can make the gateway allocate.
// The tree of a 4 MiB statement has up to about 80 MiB.
const maxReply = 128 << 20

var errFrame = errors.New("malformed frame")

// reply is a worker's answer.
type reply struct {
	kind     byte
	shape    string
	tree     []byte
	position int
	message  string
}

func writeFrame(w io.Writer, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(n))
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// readFrame reads a frame of at most limit bytes. io.EOF means that the other side
// closed between frames.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", errFrame, n, limit)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n))) // grows with what really comes
	if err != nil {
		return nil, err
	}
	if len(body) < int(n) {
		return nil, io.ErrUnexpectedEOF
	}
	return body, nil
}

func (r reply) write(w io.Writer) error {
	switch r.kind {
	case replyTree:
		head := binary.BigEndian.AppendUint32([]byte{r.kind}, uint32(len(r.shape)))
		return writeFrame(w, head, []byte(r.shape), r.tree)
	case replySyntax:
		head := binary.BigEndian.AppendUint32([]byte{r.kind}, uint32(r.position))
		return writeFrame(w, head, []byte(r.message))
	default:
		return writeFrame(w, []byte{r.kind}, []byte(r.message))
	}
}

// parseReply decodes a frame's body; tree is a part of body.
func parseReply(body []byte) (reply, error) {
	if len(body) == 0 {
		return reply{}, errFrame
	}
	r, rest := reply{kind: body[0]}, body[1:]
	switch r.kind {
	case replyReady, replyRefused:
		r.message = string(rest)
		return r, nil
	case replyTree, replySyntax:
		if len(rest) < 4 {
			return reply{}, errFrame
		}
	default:
		return reply{}, fmt.Errorf("%w: kind %q", errFrame, r.kind)
	}
	n := binary.BigEndian.Uint32(rest)
	rest = rest[4:]
	if r.kind == replySyntax {
		r.position, r.message = int(n), string(rest)
		return r, nil
	}
	if uint64(n) > uint64(len(rest)) {
		return reply{}, errFrame
	}
	r.shape, r.tree = string(rest[:n]), rest[n:]
	return r, nil
}
