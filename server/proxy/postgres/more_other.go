//go:build !unix

package postgres

import "net"

// moreToRead says no where the system has no poll: windows are smaller, no more.
func moreToRead(net.Conn) bool { return false }
