//go:build !unix

package netread

const canTry = false

func (s *Source) once(uintptr) bool { return true }
