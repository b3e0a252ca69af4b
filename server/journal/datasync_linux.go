package journal

import (
	"errors"
	"os"
	"syscall"
)

// datasync is fdatasync(2): the bytes and the size, without the time stamps.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
