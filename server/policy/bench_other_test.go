//go:build !linux

package policy

import "time"

// processorTime is not known here.
func processorTime() time.Duration { return 0 }
