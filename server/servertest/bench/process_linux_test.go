package main

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const line = `4242 (a (odd) name) S 17 4242 4242 0 -1 4194304 1203 88 0 0 150 25 7 3 20 0 9 0 123456 1000 200 18446744073709551615`
	got, err := parseStat([]byte(line))
	if want := (stat{pid: 4242, parent: 17, reaped: 100 * time.Millisecond}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 2", ") 1 ("} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestParseMemory(t *testing.T) {
	now, peak := parseMemory("Name:\tVmRSS\nVmPeak:\t  999 kB\nVmHWM:\t   12 kB\nVmRSS:\t    8 kB\nThreads:\t3\n")
	if now != 8<<10 || peak != 12<<10 {
		t.Errorf("%d and %d bytes", now, peak)
	}
}

func TestCPUTime_OfThisProcess(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if pids, err := tree(os.Getpid()); err != nil || !slices.Contains(pids, os.Getpid()) {
		t.Errorf("tree %v, %v", pids, err)
	}
	after, err := cpuTime(os.Getpid())
	if err != nil || before <= 0 || after <= before {
		t.Errorf("%v, then %v, %v", before, after, err)
	}
}

func TestResident_PeakIsNoLessThanNow(t *testing.T) {
	if err := resetPeak(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	now, peak, err := resident(os.Getpid())
	if err != nil || now <= 0 || peak <= 0 {
		t.Errorf("%d, peak %d, %v", now, peak, err)
	}
}

func TestEnds_TellWhichProcessEnded(t *testing.T) {
	var pids []int
	var all []*exec.Cmd
	for range 3 {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pids, all = append(pids, cmd.Process.Pid), append(all, cmd)
	}
	e, err := watchEnds(pids)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var got []int
	next := func() {
		if len(got) < len(all) {
			if err := all[2-len(got)].Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	next()
	err = e.await(t.Context(), func(i int, at time.Time) {
		if at.Before(began) {
			t.Errorf("process %d ended before it was killed", i)
		}
		got = append(got, i)
		next()
	})
	if err != nil || !slices.Equal(got, []int{2, 1, 0}) {
		t.Errorf("%v ended, %v", got, err)
	}
	for _, cmd := range all {
		_ = cmd.Wait() // it was killed
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := watchEnds(pids[:1]); err == nil {
		t.Error("a process that is no more is watched")
	}
}

func TestPortsTo_ThoseThatAreEstablished(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	to := l.Addr().(*net.TCPAddr).Port
	if found, err := portsTo(to); err != nil || len(found) != 1 || !found[uint16(c.LocalAddr().(*net.TCPAddr).Port)] {
		t.Errorf("%v, %v", found, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := portsTo(to); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
}
