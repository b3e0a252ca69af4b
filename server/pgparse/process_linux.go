package pgparse

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the worker when the thread that started it ends.
// A worker also ends when its request pipe is closed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
