package postgres

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// silence is how long the other end of c has acknowledged nothing although something is
// sent to it again and again. It is zero where all is well, and for what is no TCP
// connection.
func silence(c net.Conn) time.Duration {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	var info *unix.TCPInfo
	cerr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	// What is tried again (tcp(7)): data, or a question whether there is room again.
	if cerr != nil || err != nil || info.Retransmits == 0 && info.Probes == 0 {
		return 0
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond
}
