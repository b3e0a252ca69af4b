package pgparse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// startTimeout bounds the start of a worker: 2 s of CPU time on an idle machine.
const startTimeout = 2 * time.Minute

// worker is one parser process. It is used by one goroutine at a time.
type worker struct {
	cmd      *exec.Cmd
	requests *os.File
	replies  *os.File
	in       *bufio.Reader
	done     chan struct{} // closed when the process ended
	killOnce sync.Once
}

// startWorker starts a program as a worker and waits until it is warm.
func startWorker(ctx context.Context, program string) (*worker, error) {
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), ourOut.Close())
	}
	cmd := exec.Command(program)
	cmd.Env = []string{workerEnv + "=1", "GOMEMLIMIT=512MiB", "GOMAXPROCS=2"}
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // requestsFD, repliesFD
	dieWithParent(cmd)
	w := &worker{cmd: cmd, requests: ourOut, replies: ourIn, in: bufio.NewReaderSize(ourIn, 64<<10), done: make(chan struct{})}
	err = w.launch()
	// Ours would keep the pipes open after the worker ended.
	if err := errors.Join(err, theirIn.Close(), theirOut.Close()); err != nil {
		return nil, errors.Join(err, ourOut.Close(), ourIn.Close())
	}
	stop := context.AfterFunc(ctx, w.signal)
	defer stop()
	r, err := w.receive(startTimeout)
	if err == nil && r.kind != replyReady {
		err = errFrame
	}
	if err != nil {
		w.kill()
		return nil, fmt.Errorf("wait for the worker to warm up: %w", err)
	}
	return w, nil
}

// launch starts the process on a thread that lives as long as it: the kernel ends a
// child when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG).
func (w *worker) launch() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := w.cmd.Start()
		started <- err
		if err == nil {
			_ = w.cmd.Wait() // how it ended does not matter: a worker that ends is replaced
			close(w.done)
		}
	}()
	return <-started
}

// parse sends one statement and waits for the reply. After an error the worker must
// be killed.
func (w *worker) parse(sql string, timeout time.Duration) (reply, error) {
	if err := w.requests.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return reply{}, err
	}
	if err := writeFrame(w.requests, []byte(sql)); err != nil {
		return reply{}, fmt.Errorf("send to parser worker: %w", err)
	}
	return w.receive(timeout)
}

func (w *worker) receive(timeout time.Duration) (reply, error) {
	if err := w.replies.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return reply{}, err
	}
	body, err := readFrame(w.in, maxReply)
	if err != nil {
		return reply{}, fmt.Errorf("wait for parser worker: %w", err)
	}
	return parseReply(body)
}

// signal ends the process without waiting for it.
func (w *worker) signal() {
	_ = w.cmd.Process.Kill() // fails only when it has ended
}

// kill ends the process and waits until it is gone.
func (w *worker) kill() {
	w.killOnce.Do(func() {
		w.signal()
		<-w.done
		_ = w.requests.Close()
		_ = w.replies.Close()
	})
}
