//go:build !linux || race

package pgparse

// limitMemory does nothing: only Linux counts private memory (RLIMIT_DATA), and the
// race detector needs more of it than any limit that makes sense.
func limitMemory() error { return nil }
