//go:build linux && !race

package pgparse

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// maxMemory bounds a worker's private writable memory, in bytes. It is RLIMIT_DATA
// (getrlimit(2): private mappings count since Linux 4.7), not RLIMIT_AS: the grammar
// reserves 4 GiB of addresses that it does not use.
const maxMemory = 2 << 30

// limitMemory bounds this process's memory, so that a hostile statement ends its
// worker and not the machine.
func limitMemory() error {
	limit := unix.Rlimit{Cur: maxMemory, Max: maxMemory}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("setrlimit RLIMIT_DATA: %w", err)
	}
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // a core file would hold statements
}
