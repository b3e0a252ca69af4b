package faultfs

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// DropVariable names the syncs that do nothing and say that they did: those of one place
// in the code, "server/journal/fs.go:153", or of one place on the way from another,
// "server/journal/fs.go:153<server/audit/publish.go:215". A test that passes with it
// proves that the place needs no sync, or that the test looks at nothing.
const DropVariable = "HOOP_CRASH_DROP"

var drop = func() []string {
	if s := os.Getenv(DropVariable); s != "" {
		return strings.Split(s, "<")
	}
	return nil
}()

// dropped reports whether the sync that is being asked for is to be left out.
func dropped() bool {
	if drop == nil {
		return false
	}
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)]) // 3: who called Sync or SyncDir
	missing := drop
	for first := true; len(missing) > 0; first = false {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.File+":"+strconv.Itoa(frame.Line), "/"+missing[0]) {
			missing = missing[1:]
		} else if first {
			return false
		}
		if !more {
			break
		}
	}
	return len(missing) == 0
}
