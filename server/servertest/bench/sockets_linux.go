package main

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// portsTo are the local ports of the TCP connections over IPv4 that are established to a
// port, whosever they are. The kernel picks them (sock_diag(7)), so that it costs little.
func portsTo(port int) (map[uint16]bool, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	if err := unix.Sendto(fd, diagRequest(port), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	found := map[uint16]bool{}
	b := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			return nil, fmt.Errorf("list connections: %w", err)
		}
		if done, err := diagAnswer(b[:n], found); done || err != nil {
			return found, err
		}
	}
}

// diagRequest is nlmsghdr (4B length + 2B type + 2B flags + 4B number + 4B port) and
// inet_diag_req_v2 (1B family + 1B protocol + 2B + 4B states + inet_diag_sockid, which
// begins with 2B source port + 2B destination port).
func diagRequest(port int) []byte {
	const header, body = 16, 56
	ne := binary.NativeEndian
	m := make([]byte, header+body)
	ne.PutUint32(m, header+body)
	ne.PutUint16(m[4:], unix.SOCK_DIAG_BY_FAMILY)
	ne.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r := m[header:]
	r[0], r[1] = unix.AF_INET, unix.IPPROTO_TCP
	ne.PutUint32(r[4:], 1<<unix.BPF_TCP_ESTABLISHED)
	binary.BigEndian.PutUint16(r[10:], uint16(port))
	return m
}

// diagAnswer adds the source ports of what the kernel lists: inet_diag_msg (4B, then
// inet_diag_sockid).
func diagAnswer(b []byte, found map[uint16]bool) (done bool, err error) {
	const header = 16
	ne := binary.NativeEndian
	for len(b) >= header {
		n := int(ne.Uint32(b))
		if n < header || n > len(b) {
			break
		}
		switch kind := ne.Uint16(b[4:]); {
		case kind == unix.NLMSG_DONE:
			return true, nil
		case kind == unix.NLMSG_ERROR || n < header+8:
			return true, fmt.Errorf("list connections: the kernel refuses (message %d of %d bytes)", kind, n)
		}
		found[binary.BigEndian.Uint16(b[header+4:])] = true
		b = b[min((n+3)&^3, len(b)):]
	}
	if len(b) > 0 {
		return true, fmt.Errorf("list connections: %d bytes that are no message", len(b))
	}
	return false, nil
}
