package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ends tells when processes end that are not our children, by a file for each (pidfd_open(2))
// and one place to wait for all of them: looking for a thousand again and again would take
// the processors from what is measured.
type ends struct {
	epoll int
	files []int // by number; -1 once it ended
}

// watchEnds begins to watch. The caller must Close it.
func watchEnds(pids []int) (_ *ends, err error) {
	e := &ends{}
	if e.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("watch processes: %w", err)
	}
	for i, pid := range pids {
		file, err := unix.PidfdOpen(pid, 0)
		if err == nil {
			e.files = append(e.files, file)
			err = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, file, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("watch process %d: %w", pid, err), e.Close())
		}
	}
	return e, nil
}

// await calls ended with the number and the time of each process that ends, and returns
// when all have.
func (e *ends) await(ctx context.Context, ended func(i int, at time.Time)) error {
	events := make([]unix.EpollEvent, 64)
	for left := len(e.files); left > 0; {
		n, err := unix.EpollWait(e.epoll, events, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("watch processes: %w", err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d processes are left: %w", left, ctx.Err())
		}
		now := time.Now()
		for _, ev := range events[:max(n, 0)] {
			i := int(ev.Fd)
			if err := unix.Close(e.files[i]); err != nil { // which takes it out
				return fmt.Errorf("watch processes: %w", err)
			}
			e.files[i] = -1
			left--
			ended(i, now)
		}
	}
	return nil
}

// Close gives the files back.
func (e *ends) Close() error {
	errs := []error{unix.Close(e.epoll)}
	for _, file := range e.files {
		if file >= 0 {
			errs = append(errs, unix.Close(file))
		}
	}
	return errors.Join(errs...)
}
