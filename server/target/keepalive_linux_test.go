package target

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/jackc/pgx/v5/pgproto3"
)

// A target that vanishes while nothing is said is noticed: its end acknowledges no
// probe, as when a machine loses its power.
func TestDial_KeepAlive(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	accepted := make(chan *net.TCPConn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		b := pgproto3.NewBackend(c, c)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			return
		}
		b.Send(&pgproto3.AuthenticationOk{})
		b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if b.Flush() != nil {
			return
		}
		accepted <- c.(*net.TCPConn)
	}()
	d, target := declared(func(t *resource.Target) { t.Address = l.Addr().String() })
	d.keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 1}
	c := dial(t, d, target, nil)
	raw, err := (<-accepted).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // drops packets before TCP sees them: socket(7)
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Conn.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("got %v", err)
	}
	// What a dialer has that nobody changed.
	if d := New(nil); d.keepAlive.Idle+time.Duration(d.keepAlive.Count)*d.keepAlive.Interval > time.Minute {
		t.Errorf("a target that vanished is noticed after more than a minute: %+v", d.keepAlive)
	}
}
