//go:build !linux

package pgparse

import "os/exec"

// dieWithParent does nothing: a worker ends when its request pipe is closed.
func dieWithParent(*exec.Cmd) {}
