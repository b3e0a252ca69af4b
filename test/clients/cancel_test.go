//go:build clients

package clients

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestPsql_Interrupt presses Ctrl-C in the middle of a query and of a \watch.
func TestPsql_Interrupt(t *testing.T) {
	b := start(t, "interrupt")
	for _, r := range []route{direct, clear[0], masking[1]} {
		t.Run(r.name, func(t *testing.T) {
			dsn := b.url(t, r)
			// psql that reads a script ends when it is interrupted.
			p := psql(t, dsn, r)
			p.enter(t, "SELECT pg_sleep(60);")
			busy(t, dsn, "pg_sleep")
			must(t, p.cmd.Process.Signal(os.Interrupt))
			p.until(t, "ERROR:  canceling statement due to user request")
			if err := p.cmd.Wait(); err == nil {
				t.Error("psql ended as if nothing had happened")
			}
			p = psql(t, dsn, r)
			p.enter(t, "SELECT 'tick' AS t \\watch 0.05")
			for range 3 {
				p.until(t, "tick")
			}
			must(t, p.cmd.Process.Signal(os.Interrupt))
			must(t, p.in.Close())
			_ = p.cmd.Wait() // its status depends on where it was interrupted
			eventually(t, dsn, "count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'psql'")
		})
	}
}

// typist is a psql that is typed into.
type typist struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func psql(t *testing.T, dsn string, r route) *typist {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "psql", "-X", "-At")
	cmd.Env = environment(t, dsn, r)
	in, err := cmd.StdinPipe()
	must(t, err)
	read, write, err := os.Pipe()
	must(t, err)
	cmd.Stdout, cmd.Stderr = write, write
	must(t, cmd.Start())
	must(t, write.Close())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill() // where it has not ended
		_ = read.Close()
	})
	return &typist{cmd, in, bufio.NewScanner(read)}
}

func (p *typist) enter(t *testing.T, line string) {
	t.Helper()
	_, err := io.WriteString(p.in, line+"\n")
	must(t, err)
}

// until reads up to a line that contains text.
func (p *typist) until(t *testing.T, text string) {
	t.Helper()
	for p.out.Scan() {
		if strings.Contains(p.out.Text(), text) {
			return
		}
	}
	t.Fatalf("psql ended before it said %q", text)
}
