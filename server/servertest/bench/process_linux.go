package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dieWithParent has the kernel kill the process when the thread that started it ends
// (prctl(2), PR_SET_PDEATHSIG), so that kill -9 of us leaves nothing behind.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// tree is pid and all its descendants.
func tree(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		if s, err := parseStat(b); err == nil {
			children[s.parent] = append(children[s.parent], s.pid)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// parentOf is the process that started pid.
func parentOf(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	s, err := parseStat(b)
	return s.parent, err
}

// stat is what we use of /proc/PID/stat (proc(5)).
type stat struct {
	pid, parent int
	reaped      time.Duration // user + system time of children that ended and were waited for
}

// tick is the unit of times in /proc: USER_HZ is 100 on every architecture that Linux
// and Go share.
const tick = 10 * time.Millisecond

func parseStat(b []byte) (stat, error) {
	// The name stands in brackets and may contain any of these itself.
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("stat of a process: no name in %q", b)
	}
	f := strings.Fields(string(b[end+1:])) // f[0] is field 3, the state
	if len(f) < 15 {
		return stat{}, fmt.Errorf("stat of a process: %d fields", len(f)+2)
	}
	var s stat
	var user, system int64
	for _, v := range []struct {
		to   any
		from string
	}{
		{&s.pid, string(b[:open])},
		{&s.parent, f[1]},
		{&user, f[13]},
		{&system, f[14]}, // fields 16 and 17, cutime and cstime
	} {
		if _, err := fmt.Sscan(v.from, v.to); err != nil {
			return stat{}, fmt.Errorf("stat of a process: %w", err)
		}
	}
	s.reaped = time.Duration(user+system) * tick
	return s, nil
}

// cpuTime is the user and system time of pid and its descendants, ended ones included
// when they were waited for.
func cpuTime(pid int) (time.Duration, error) {
	pids, err := tree(pid)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, p := range pids {
		own, err := processClock(p)
		if err != nil && p == pid {
			return 0, fmt.Errorf("CPU time of process %d: %w", p, err)
		}
		sum += own
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p)); err == nil {
			if s, err := parseStat(b); err == nil {
				sum += s.reaped
			}
		}
	}
	return sum, nil
}

// processClock reads a process's CPU clock to the nanosecond, where /proc counts in
// ticks of 10 ms. The clock's number is what clock_getcpuclockid(3) makes of pid:
// MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) in the kernel's linux/posix-timers.h.
func processClock(pid int) (time.Duration, error) {
	const sched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}

// resetPeak begins a new peak of resident memory for pid and its descendants.
func resetPeak(pid int) error {
	pids, err := tree(pid)
	if err != nil {
		return err
	}
	for _, p := range pids {
		// "5" resets VmHWM (proc(5), /proc/pid/clear_refs).
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p), []byte("5"), 0); err != nil && p == pid {
			return fmt.Errorf("peak memory of process %d: %w", p, err)
		}
	}
	return nil
}

// resident is the memory of pid and its descendants now, and the sum of each one's
// peak since resetPeak, in bytes. Pages that they share count for each.
func resident(pid int) (now, peak int64, err error) {
	pids, err := tree(pid)
	if err != nil {
		return 0, 0, err
	}
	for _, p := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		if err != nil {
			if p == pid {
				return 0, 0, fmt.Errorf("memory of process %d: %w", p, err)
			}
			continue // it ended
		}
		n, h := parseMemory(string(b))
		now, peak = now+n, peak+h
	}
	return now, peak, nil
}

// parseMemory reads VmRSS and VmHWM of /proc/PID/status, in bytes.
func parseMemory(status string) (now, peak int64) {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			now = kib << 10
		case "VmHWM":
			peak = kib << 10
		}
	}
	return now, peak
}

// loadAverage is the machine's over one minute.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}
