//go:build unix

package postgres

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// moreToRead reports whether a read from c would not wait. For connections that it
// cannot look into (TLS, tests) it says no, which only makes windows smaller.
func moreToRead(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	ready := false
	err = rc.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		ready = err == nil && n == 1
	})
	return err == nil && ready
}
