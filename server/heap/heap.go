// Package heap gives the garbage collector room to work in.
//
// Go collects when the heap has doubled since the last time. A gateway of one quiet target
// keeps 2 MB, so it would collect after every 4 MB, which is a hundred decisions of the policy:
// then those that run beside a collection are what the slowest hundredth shows.
package heap

import "sync"

// Room is what Reserve adds to the heap that the collector counts with, in bytes.
const Room = 8 << 20

// room is memory that nothing reads or writes. It counts as live, so that the heap may
// grow by it before it is collected; its pages were never touched, so the system has none
// of them in memory.
var room []byte

var once sync.Once

// Reserve lets the heap grow by Room more before it is collected, for as long as the
// program runs. The program takes as much more memory at most: the garbage that is
// collected later. Called again it does nothing. It may be called concurrently.
func Reserve() {
	once.Do(func() { room = make([]byte, Room) })
}
