//go:build !unix

package cli

import "os"

// forwarded are the signals that a command gets which hoopctl gets: there is one.
var forwarded = []os.Signal{os.Interrupt}
