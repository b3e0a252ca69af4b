package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyTime = 30 * time.Second // how long a program may take until it says that it is ready
	stopTime  = 10 * time.Second // and until it has ended when asked to
)

// process is a running program.
type process struct {
	role string // client, gateway or pooler; of a path's own programs
	cmd  *exec.Cmd
	done chan struct{} // closed when it ended
	in   io.Closer     // its standard input; a relay ends with it
	errs *tail
}

// spawn starts cmd in a group of its own, so that Ctrl-C at a terminal reaches only us
// and we stop it in order. It ends when we do, in whatever way.
func spawn(role string, cmd *exec.Cmd) (*process, error) {
	p := &process{role: role, cmd: cmd, done: make(chan struct{}), errs: &tail{}}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	cmd.Stderr = p.errs
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		// The thread that starts it waits for it: see dieWithParent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended stands in ProcessState
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name(), err)
	}
	return p, nil
}

// start spawns cmd and returns with the first line of its standard output that ready
// accepts.
func start(ctx context.Context, role string, cmd *exec.Cmd, ready func(line string) bool) (*process, string, error) {
	lines := make(chan string, 1)
	cmd.Stdout = &lineFinder{ready: ready, found: lines}
	p, err := spawn(role, cmd)
	if err != nil {
		return nil, "", err
	}
	timer := time.NewTimer(readyTime)
	defer timer.Stop()
	select {
	case line := <-lines:
		return p, line, nil
	case <-p.done:
		return nil, "", fmt.Errorf("%s ended before it was ready: %s", p.name(), p.errs)
	case <-timer.C:
		err = fmt.Errorf("%s was not ready after %v: %s", p.name(), readyTime, p.errs)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, "", errors.Join(err, p.stop())
}

// run runs cmd to its end, or ctx's, and returns its standard output. An error quotes
// the last line of its standard error.
func run(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var out bytes.Buffer
	cmd.Stdout = &out
	p, err := spawn("", cmd)
	if err != nil {
		return "", err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.kill()
		return "", fmt.Errorf("%s: %w", p.name(), ctx.Err())
	}
	if !cmd.ProcessState.Success() {
		return "", fmt.Errorf("%s: %v: %s", p.name(), cmd.ProcessState, p.errs)
	}
	return out.String(), nil
}

func (p *process) name() string { return filepath.Base(p.cmd.Path) }

// cpuTime is the user and system time of the process and its descendants so far, or, as
// with hoopctl connect that lost its grant, until it ended.
func (p *process) cpuTime() (time.Duration, error) {
	t, err := cpuTime(p.cmd.Process.Pid)
	if err == nil {
		return t, nil
	}
	select {
	case <-p.done:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), nil
	case <-time.After(2 * p.cmd.WaitDelay):
		return 0, err
	}
}

// stop asks the process to end and, when it does not, ends it and its children.
func (p *process) stop() error {
	_ = p.in.Close()                         // both fail only when it has ended
	_ = p.cmd.Process.Signal(syscall.SIGINT) //
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	p.kill()
	return fmt.Errorf("%s did not end when asked to, and was killed", p.name())
}

func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // fails only when it has ended
	<-p.done
}

// lineFinder sends the first line that ready accepts and drops everything else.
type lineFinder struct {
	ready func(string) bool
	found chan<- string // has room for one; nil when it was sent
	line  []byte
}

func (f *lineFinder) Write(b []byte) (int, error) {
	n := len(b)
	for f.found != nil {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			f.line = append(f.line, b...)
			break
		}
		line := string(append(f.line, b[:i]...))
		f.line, b = f.line[:0], b[i+1:]
		if f.ready(line) {
			f.found <- line
			f.found, f.line = nil, nil
		}
	}
	return n, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 2 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(b), nil
}

// String is the last two lines: an error, and where there is one its hint.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	return strings.Join(lines[max(0, len(lines)-2):], "; ")
}
