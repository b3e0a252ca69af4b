//go:build unix

package tunnel

import (
	"io"
	"net"
	"syscall"
)

// withoutWaiting gives a function that writes to w what it takes at once and returns
// how many bytes that was; nil where w is no TCP connection. It is for one goroutine
// at a time, while no other writes to w.
func withoutWaiting(w io.Writer) func([]byte) int {
	c, ok := w.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	var b []byte
	var n int
	once := func(fd uintptr) bool {
		for {
			var err error
			n, err = syscall.Write(int(fd), b)
			if err == syscall.EINTR {
				continue
			}
			if err != nil {
				n = 0 // the goroutine that writes the rest finds out
			}
			return true
		}
	}
	return func(p []byte) int {
		b, n = p, 0
		err := raw.Write(once)
		b = nil
		if err != nil {
			return 0
		}
		return n
	}
}
