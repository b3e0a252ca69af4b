//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The real program: the port is real, signals reach the command, and its status comes
// back.
func TestConnect_ProcessForwardsSignals(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "ready")
	w.lock(func() { w.now = time.Now })
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1} {
		name := strings.ToUpper(strings.TrimPrefix(sigName(sig), "SIG"))
		if err := syscall.Mkfifo(file+name, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := w.hoopctl(t, "connect", "pg-prod", "--", "sh", "-c", `trap 'exit 33' `+name+`; echo > `+file+name+`; while :; do sleep 0.05; done`)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.ReadFile(file + name); err != nil { // the fifo: the trap is set
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != 33 {
			t.Errorf("%s: got status %d, want 33", name, got)
		}
	}
}

func sigName(s syscall.Signal) string {
	return map[syscall.Signal]string{
		syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT", syscall.SIGHUP: "SIGHUP", syscall.SIGUSR1: "SIGUSR1",
	}[s]
}
