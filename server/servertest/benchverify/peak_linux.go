package main

import "syscall"

// peak is the most memory that a process held, in bytes (getrusage(2): ru_maxrss is in
// kilobytes).
func peak(u *syscall.Rusage) int64 { return u.Maxrss << 10 }
