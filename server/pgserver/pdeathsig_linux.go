package pgserver

import "syscall"

// dieWithParent has the kernel stop the server when the thread that started it ends
// (prctl(2), PR_SET_PDEATHSIG), so that kill -9 of us leaves no PostgreSQL behind.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
