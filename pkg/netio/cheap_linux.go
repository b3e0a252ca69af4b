package netio

import (
	"syscall"
	"unsafe"
)

const cheap = true

// read reads once from a socket that does not block. b is not empty.
func read(fd uintptr, b []byte) (int, error) { return call(syscall.SYS_READ, fd, b) }

// write writes once to a socket that does not block. b is not empty.
func write(fd uintptr, b []byte) (int, error) { return call(syscall.SYS_WRITE, fd, b) }

func call(trap, fd uintptr, b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
