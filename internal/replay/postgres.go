package replay

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/internal/iostreams"
)

const (
	// header is a message's type and length (PostgreSQL manual, "Message Formats").
	header = 5
	// maxMessage is the largest message that is decoded, in bytes; larger ones are
	// passed over, so that memory stays bounded.
	maxMessage = 8 << 20
)

// The types of message that a server sends, and those that a client sends as COPY data.
const (
	serverTypes = "RK23CdcGHWDIEVvnNAtS1sZT"
	clientTypes = "dcf"
)

// postgres decodes one direction: a stream of messages, cut into records anywhere.
type postgres struct {
	r     *Renderer
	types string // of message that may come
	buf   []byte // the message begun, at most header + maxMessage bytes
	skip  int    // bytes of a message passed over that are still to come
	rows  rows
	copy  bool // COPY data is binary
}

// reset forgets the message begun: what follows begins a new one.
func (p *postgres) reset() { p.buf, p.skip = nil, 0 }

// write takes the next bytes of the stream. Rows are shown at its end at the latest.
func (p *postgres) write(b []byte) {
	for len(b) > 0 {
		if p.skip > 0 {
			n := min(p.skip, len(b))
			p.skip -= n
			b = b[n:]
			continue
		}
		n := min(p.missing(), len(b))
		p.buf = append(p.buf, b[:n]...)
		b = b[n:]
		if !p.step() {
			p.flush()
			p.r.print("%s", paint(p.r.style.Yellow, fmt.Sprintf("── %d bytes are not understood", len(p.buf)+len(b))))
			p.reset()
			return
		}
	}
	p.flush()
}

// missing is how many bytes complete the header, then the message.
func (p *postgres) missing() int {
	if len(p.buf) < header {
		return header - len(p.buf)
	}
	return header + p.body() - len(p.buf)
}

// body is the length of the message's body. The length on the wire counts itself.
func (p *postgres) body() int { return int(binary.BigEndian.Uint32(p.buf[1:header])) - 4 }

// step looks at what is there; false when it is no message.
func (p *postgres) step() bool {
	if len(p.buf) < header {
		return true
	}
	body := p.body()
	switch {
	case body < 0 || body > 1<<30 || strings.IndexByte(p.types, p.buf[0]) < 0:
		return false
	case body > maxMessage:
		p.flush()
		p.r.print("%s", paint(p.r.style.Yellow, fmt.Sprintf("── a message of %d bytes is too large to show", body)))
		p.skip = body
		p.buf = p.buf[:0]
		return true
	case len(p.buf) < header+body:
		return true
	}
	ok := p.message(p.buf[0], p.buf[header:])
	p.buf = p.buf[:0]
	if cap(p.buf) > 1<<20 { // one large message does not keep its memory
		p.buf = nil
	}
	return ok
}

// message shows one message; false when its body is damaged.
func (p *postgres) message(kind byte, body []byte) bool {
	if kind != 'D' && kind != 'd' {
		p.flush()
	}
	switch kind {
	case 'T':
		var m pgproto3.RowDescription
		if m.Decode(body) != nil {
			return false
		}
		p.rows.begin(m.Fields)
	case 'D':
		var m pgproto3.DataRow
		if m.Decode(body) != nil {
			return false
		}
		p.row(m.Values)
	case 'C':
		var m pgproto3.CommandComplete
		if m.Decode(body) != nil {
			return false
		}
		p.r.print("%s", paint(p.r.style.Dim, "= "+iostreams.OneLine(string(m.CommandTag))))
	case 'E':
		var m pgproto3.ErrorResponse
		if m.Decode(body) != nil {
			return false
		}
		p.notice(p.r.style.Red, pgproto3.NoticeResponse(m))
	case 'N':
		var m pgproto3.NoticeResponse
		if m.Decode(body) != nil {
			return false
		}
		p.notice(p.r.style.Yellow, m)
	case 'H':
		var m pgproto3.CopyOutResponse
		if m.Decode(body) != nil {
			return false
		}
		p.copy = m.OverallFormat == 1
	case 'G':
		var m pgproto3.CopyInResponse
		if m.Decode(body) != nil {
			return false
		}
		p.r.sent.copy = m.OverallFormat == 1
	case 'f':
		p.r.lines(p.r.style.Red, "> ", "the client gave up: "+strings.TrimSuffix(string(body), "\x00"))
	case 'd':
		p.copied(body)
	case 'A':
		var m pgproto3.NotificationResponse
		if m.Decode(body) != nil {
			return false
		}
		p.r.print("%s %s", paint(p.r.style.Yellow, "NOTIFY"), iostreams.OneLine(m.Channel+": "+m.Payload))
	}
	return true
}

// notice shows an error or a notice (PostgreSQL manual, "Error and Notice Message
// Fields").
func (p *postgres) notice(color func(string) string, m pgproto3.NoticeResponse) {
	sev := m.SeverityUnlocalized
	if sev == "" {
		sev = m.Severity
	}
	p.r.lines(color, "! ", fmt.Sprintf("%s %s: %s", sev, m.Code, m.Message))
	for _, f := range []struct{ name, text string }{{"DETAIL", m.Detail}, {"HINT", m.Hint}, {"WHERE", m.Where}} {
		if f.text != "" {
			p.r.lines(nil, "! ", f.name+": "+f.text)
		}
	}
}

// copied shows COPY data: lines of text, or bytes.
func (p *postgres) copied(data []byte) {
	mark := "< "
	if p == p.r.sent {
		mark = "> "
	}
	if p.copy {
		p.r.print("%s%s", mark, hexText(data))
		return
	}
	p.r.lines(nil, mark, string(data))
}
