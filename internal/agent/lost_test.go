package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"pgregory.net/rapid"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/tunnel"
	"github.com/hoopctl/hoopctl/pkg/tunnel/tunneltest"
)

// What came before the tunnel was lost decides whether, and how, the client is told.
func TestAgent_TellsThatTheTunnelIsLost(t *testing.T) {
	auth, ready := []byte{'R', 0, 0, 0, 8, 0, 0, 0, 0}, []byte{'Z', 0, 0, 0, 5, 'I'}
	signedIn := slices.Concat(auth, ready)
	for _, c := range []struct {
		name  string
		says  []byte // the gateway, before
		state string // that the client is told; "" is nothing
		cut   bool   // the tunnel; else only the stream ends
	}{
		{"nothing came", nil, "08006", true},
		{"while connecting", auth, "08006", true},
		{"a live session", signedIn, "57P01", true},
		{"within a message's body", slices.Concat(signedIn, []byte{'D', 0, 0, 0, 100, 1, 2, 3}), "", true},
		{"within a message's header", slices.Concat(signedIn, []byte{'D', 0, 0}), "", true},
		{"the gateway says nothing", nil, "08006", false},
		{"the gateway ends the session", signedIn, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, client := tunneltest.Certificates(t, tunnel.ALPN)
			came, end := make(chan struct{}), make(chan struct{})
			g := startGateway(t, "127.0.0.1:0", server, func(ctx context.Context, s net.Conn) {
				_, _ = s.Write(c.says)
				close(came)
				select {
				case <-end:
				case <-ctx.Done():
				}
			})
			_, l := listen(t, g.addr, client, "postgres")
			conn := dial(t, l)
			if _, err := conn.Write(startupPacket(t)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, len(c.says))); err != nil {
				t.Fatal(err)
			}
			<-came
			if c.cut {
				g.cut()
			} else {
				close(end)
			}
			last, err := io.ReadAll(conn)
			bare := c.cut && c.state == "" && errors.Is(err, syscall.ECONNRESET) // what the client had sent may be unread
			if err != nil && !bare {
				t.Fatal(err)
			}
			if c.state == "" {
				if len(last) > 0 {
					t.Errorf("the client was told %q", last)
				}
				return
			}
			m, err := pgproto3.NewFrontend(bytes.NewReader(last), io.Discard).Receive()
			e, ok := m.(*pgproto3.ErrorResponse)
			if err != nil || !ok || e.Severity != "FATAL" || e.Code != c.state || e.Message == "" || e.Hint == "" {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
}

// Nobody reads an answer to a CancelRequest: there is none.
func TestAgent_CancelGetsNoAnswer(t *testing.T) {
	server, client := tunneltest.Certificates(t, tunnel.ALPN)
	g := startGateway(t, "127.0.0.1:0", server, func(context.Context, net.Conn) {})
	_, l := listen(t, g.addr, client, "postgres")
	conn := dial(t, l)
	request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 16}, cancelRequest)
	if _, err := conn.Write(binary.BigEndian.AppendUint64(request, 1)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(conn); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
}

// However the stream is cut into pieces, it is known where messages begin.
func TestMessages_InAnyPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		begins := map[int]bool{0: true}
		ready := -1 // where the client knows that it is signed in
		for range rapid.IntRange(0, 8).Draw(t, "messages") {
			kind := rapid.SampledFrom([]byte("RSKZDCE")).Draw(t, "kind")
			body := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "body")
			if kind == 'Z' && ready < 0 {
				ready = len(stream) + 5
			}
			stream = append(stream, kind)
			stream = binary.BigEndian.AppendUint32(stream, uint32(len(body)+4))
			stream = append(stream, body...)
			begins[len(stream)] = true
		}
		var m messages
		for at := 0; at < len(stream); {
			n := rapid.IntRange(1, len(stream)-at).Draw(t, "piece")
			m.pass(stream[at : at+n])
			at += n
			if m.between() != begins[at] || m.ready != (ready >= 0 && at >= ready) || !m.any {
				t.Fatalf("after %d of %q: %+v", at, stream, m)
			}
		}
	})
}

// BenchmarkMessages is what following costs: rows of 100 bytes, 64 KiB at a time.
func BenchmarkMessages(b *testing.B) {
	row := append([]byte{'D', 0, 0, 0, 99}, make([]byte, 95)...)
	buf := bytes.Repeat(row, 656)
	b.SetBytes(int64(len(buf)))
	var m messages
	for b.Loop() {
		m.pass(buf)
	}
}

// What docs/postgres.md says of our own endings.
func TestDocs_OwnEndings(t *testing.T) {
	b, err := os.ReadFile("../../docs/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	lost := fmt.Errorf("the tunnel is closed (%w)", io.ErrUnexpectedEOF)
	for what, want := range map[string]string{
		"| `hoopctl` cannot reach the gateway": sqlState(unreachable("gw:1", errors.New("no route")).(*hoop.Error).Code),
		"| the tunnel is lost while a client":  told(t, messages{}, lost),
		"| the tunnel is lost later":           told(t, messages{any: true, ready: true}, lost),
	} {
		_, row, found := strings.Cut(string(b), "\n"+what)
		row, _, _ = strings.Cut(row, "\n")
		if cells := strings.Split(row, " | "); !found || len(cells) < 2 || cells[1] != want {
			t.Errorf("%s: %q, want %s", what, row, want)
		}
	}
	// A stream that the gateway does not want: it has too many, say.
	if got := told(t, messages{}, fmt.Errorf("%w (%w)", tunnel.ErrReset, io.ErrUnexpectedEOF)); got != stateConnectionFailure {
		t.Errorf("a stream that was reset: %s", got)
	}
}

// told is the SQLSTATE that a client is told when its stream ends with err.
func told(t *testing.T, m messages, err error) string {
	t.Helper()
	l, lerr := net.Listen("tcp", "127.0.0.1:0")
	if lerr != nil {
		t.Fatal(lerr)
	}
	defer l.Close() //nolint:errcheck // the test is over
	near, lerr := net.Dial("tcp", l.Addr().String())
	if lerr != nil {
		t.Fatal(lerr)
	}
	defer near.Close() //nolint:errcheck // the test is over
	far, lerr := l.Accept()
	if lerr != nil {
		t.Fatal(lerr)
	}
	defer far.Close() //nolint:errcheck // the test is over
	p := newPGClient(far.(*net.TCPConn), "gw:1")
	p.msgs = m
	if !p.tell(err) {
		return ""
	}
	got, lerr := pgproto3.NewFrontend(near, near).Receive()
	e, ok := got.(*pgproto3.ErrorResponse)
	if lerr != nil || !ok {
		t.Fatalf("got %T, %v", got, lerr)
	}
	return e.Code
}
