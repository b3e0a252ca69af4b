package tunnel

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// MaxPreamble is the largest preamble in bytes, its length field not counted.
const MaxPreamble = 16 << 10

// Preamble opens a stream: who calls, for which target, and what the client will
// have to prove on this stream.
//
//	4B length (big-endian, at most MaxPreamble) + JSON
//
// The JSON has one spelling: the fields in this order, empty ones left out, no white
// space. A preamble that is spelled otherwise is refused.
type Preamble struct {
	Token    string `json:"token,omitempty"`    // bearer token of the gateway's API
	Target   string `json:"target,omitempty"`   //
	Protocol string `json:"protocol,omitempty"` // "postgres"
	User     string `json:"user,omitempty"`     // user name of the local port
	// Verifier is what the gateway checks the local port's password against, in the
	// form PostgreSQL stores: SCRAM-SHA-256$4096:salt$StoredKey:ServerKey (RFC 5803).
	Verifier string `json:"verifier,omitempty"`
	Client   string `json:"client,omitempty"` // for people: program and version
}

// LogValue leaves the secrets out.
func (p Preamble) LogValue() slog.Value {
	return slog.GroupValue(slog.String("target", p.Target), slog.String("protocol", p.Protocol),
		slog.String("client", p.Client))
}

// String leaves the secrets out.
func (p Preamble) String() string {
	return fmt.Sprintf("target %s, protocol %s, client %s", p.Target, p.Protocol, p.Client)
}

// GoString leaves the secrets out.
func (p Preamble) GoString() string { return p.String() }

func (p *Preamble) encode() ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 4))
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return nil, err
	}
	out := b.Bytes()[:b.Len()-1] // without the encoder's line feed
	if len(out)-4 > MaxPreamble {
		return nil, fmt.Errorf("preamble of %d bytes, want at most %d", len(out)-4, MaxPreamble)
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out, nil
}

// WritePreamble writes p with one call of w.Write.
func WritePreamble(w io.Writer, p *Preamble) error {
	b, err := p.encode()
	if err != nil {
		return fmt.Errorf("encode preamble: %w", err)
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write preamble: %w", err)
	}
	return nil
}

// ReadPreamble reads a preamble and not a byte more. The caller sets the deadline.
func ReadPreamble(r io.Reader) (*Preamble, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("read preamble: %w", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxPreamble {
		return nil, fmt.Errorf("read preamble: %d bytes, want at most %d", n, MaxPreamble)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("read preamble: %w", noEOF(err))
	}
	p := new(Preamble)
	// The decoder's own error may quote what it read: a token.
	if json.Unmarshal(body, p) != nil {
		return nil, errors.New("read preamble: not valid JSON")
	}
	again, err := p.encode()
	if err != nil || !bytes.Equal(again[4:], body) {
		return nil, errors.New("read preamble: not in the one spelling the protocol allows")
	}
	return p, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
