// Package heap gives the garbage collector room to work in.
//
// Go collects when the heap has doubled since the last time. A gateway of one quiet target
// keeps 2 MB, so it would collect after every 4 MB, which is a hundred decisions of the policy:
// then those that run beside a collection are what the slowest hundredth shows.
package heap

import "runtime"

// Room is what Reserve adds to the heap that the collector counts with, in bytes.
const Room = 8 << 20

// Reserve lets the heap grow by Room more before it is collected, until release is called.
// It holds memory that nothing reads or writes: that counts as live, and as its pages are
// never touched the system has none of them in memory. The program takes as much more at
// most: the garbage that is collected later.
func Reserve() (release func()) {
	room := make([]byte, Room)
	return func() { runtime.KeepAlive(room) }
}
