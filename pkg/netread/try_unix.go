//go:build unix

package netread

import "syscall"

const canTry = true

// once reads what is there; false when there is nothing yet.
func (s *Source) once(fd uintptr) bool {
	s.b = s.lend()
	for {
		n, err := syscall.Read(int(fd), s.b)
		switch err {
		case nil:
			s.n = n
			return true
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			s.back(s.b)
			s.b = nil
			return false
		}
		s.err = err
		return true
	}
}
