package postgres

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// TestLine_Transcripts are the conversations that no server without a gateway has.
func TestLine_Transcripts(t *testing.T) {
	t.Run("masked", func(t *testing.T) {
		g := setup(t, flowSchema, resource.MaskRule{Columns: []string{"public.f.s"}})
		golden(t, rawConn(t, g.dsn()).exchange(
			step{ready: 1, send: msgs(query("select i, s from f order by i limit 2; select count(*) from f"))},
			step{ready: 1, send: msgs(parse("q", "select s, i from f where i > $1 order by i"), describe('S', "q"), bind("", "q", "7"), execute("", 1), execute("", 0), syncMsg)},
			step{ready: 1, send: msgs(&pgproto3.Bind{PreparedStatement: "q", Parameters: [][]byte{[]byte("8")}, ResultFormatCodes: []int16{1}}, describe('P', ""), execute("", 0), syncMsg)},
			step{ready: 1, send: msgs(query("insert into f values (1, 'x')"))},
			step{ready: 1, send: msgs(query("copy f to stdout"))},
			step{ready: 1, send: msgs(query("update f set s = 'y' where i = 1 returning s, i"))},
		))
	})
	for name, answer := range map[string]hoop.Request{
		"approved": {State: hoop.Approved}, "denied": {State: hoop.Denied, DecisionWhy: "not today", Approvals: []hoop.Approval{{Name: "Dora"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, flowSchema)
			g.policy.on(hoop.Approve, hoop.EffectUnboundedWrite)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 2 {
					r := <-g.grants.held
					answer.ID, answer.Digest = r.ID, r.Digest
					g.grants.answer <- answer
				}
			}()
			golden(t, rawConn(t, g.dsn()).exchange(
				step{ready: 1, send: msgs(query("delete from empty"))},
				step{ready: 1, send: msgs(parse("", "delete from empty"), bind("", ""), describe('P', ""), execute("", 0), syncMsg)},
				step{ready: 1, send: msgs(query("select count(*) from empty"))},
			))
			<-done
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		g := setup(t, "")
		c, watch := rawConn(t, g.dsn()), g.direct()
		go func() {
			eventually(t, "it sleeps", func() bool { return g.backends(watch, "select pg_sleep(60)") == 1 })
			check(t, cancelRaw(context.Background(), c))
		}()
		golden(t, c.exchange(step{ready: 1, send: msgs(query("select pg_sleep(60)"))}, step{ready: 1, send: msgs(query("select 1"))}))
	})
}

// cancelRaw cancels what c does, on a connection of its own.
func cancelRaw(ctx context.Context, c *raw) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", c.Conn.RemoteAddr().String())
	if err != nil {
		return err
	}
	defer nc.Close() //nolint:errcheck // nothing depends on it
	m := binary.BigEndian.AppendUint32(nil, uint32(12+len(c.SecretKey)))
	m = binary.BigEndian.AppendUint32(m, cancelRequest)
	m = binary.BigEndian.AppendUint32(m, c.PID)
	if _, err := nc.Write(append(m, c.SecretKey...)); err != nil {
		return err
	}
	_, err = io.ReadAll(nc)
	return err
}

// What comes behind a request for encryption before it is answered is not trusted
// (CVE-2021-23222); asking twice is fine, going on for ever is not.
func TestStartup_EncryptionRequests(t *testing.T) {
	g := setup(t, "")
	request := func(code uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, code) }
	body := binary.BigEndian.AppendUint32(nil, version30)
	body = append(body, "user\x00"+g.user+"\x00\x00"...)
	hello := append(binary.BigEndian.AppendUint32(nil, uint32(4+len(body))), body...)
	for name, tt := range map[string]struct {
		writes [][]byte // each after the answer to the one before
		want   string   // how the answer to the last begins
	}{
		"startup behind SSLRequest":    {[][]byte{append(request(sslRequest), hello...)}, "E"},
		"startup behind GSSENCRequest": {[][]byte{append(request(gssEncRequest), hello...)}, "E"},
		"one behind the other":         {[][]byte{append(request(gssEncRequest), request(sslRequest)...)}, "E"},
		"a byte behind":                {[][]byte{append(request(sslRequest), 0)}, "E"},
		"twice":                        {[][]byte{request(sslRequest), request(sslRequest), hello}, "R"},
		"for ever":                     {[][]byte{request(sslRequest), request(gssEncRequest), request(sslRequest), request(sslRequest)}, "E"},
	} {
		c, err := net.Dial("tcp", g.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 1)
		for i, w := range tt.writes {
			if _, err := c.Write(w); err != nil {
				t.Fatal(name, err)
			}
			want := "N"
			if i == len(tt.writes)-1 {
				want = tt.want
			}
			if _, err := io.ReadFull(c, answer); err != nil || !strings.Contains(want, string(answer)) {
				t.Errorf("%s: answer %d is %q %v, want %q", name, i, answer, err, want)
				break
			}
		}
		_ = c.Close()
	}
}
