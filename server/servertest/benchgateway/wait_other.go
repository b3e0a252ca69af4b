//go:build !linux

package main

import "time"

// wait returns after d.
func wait(d time.Duration) { time.Sleep(d) }
