//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

var errNoProc = errors.New("CPU time and memory of other processes are measured on Linux only")

// dieWithParent does nothing: only Linux can tie a child's life to its parent's.
func dieWithParent(*syscall.SysProcAttr) {}

func cpuTime(int) (time.Duration, error) { return 0, errNoProc }

func resetPeak(int) error { return errNoProc }

func resident(int) (now, peak int64, err error) { return 0, 0, errNoProc }

func loadAverage() string { return "unknown" }
