//go:build !linux

package main

import (
	"context"
	"errors"
	"syscall"
	"time"
)

var errNoProc = errors.New("CPU time and memory of other processes are measured on Linux only")

// dieWithParent does nothing: only Linux can tie a child's life to its parent's.
func dieWithParent(*syscall.SysProcAttr) {}

func cpuTime(int) (time.Duration, error) { return 0, errNoProc }

func parentOf(int) (int, error) { return 0, errNoProc }

func processClock(int) (time.Duration, error) { return 0, errNoProc }

func portsTo(int) (map[uint16]bool, error) { return nil, errNoProc }

func resetPeak(int) error { return errNoProc }

func resident(int) (now, peak int64, err error) { return 0, 0, errNoProc }

func loadAverage() string { return "unknown" }

type ends struct{}

func watchEnds([]int) (*ends, error) { return nil, errNoProc }

func (*ends) await(context.Context, func(int, time.Time)) error { return errNoProc }

func (*ends) Close() error { return nil }
