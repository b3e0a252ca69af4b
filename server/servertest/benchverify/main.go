// Command benchverify makes an audit bundle of many events and has `hoopctl audit verify`
// verify it: how long that takes, and how much memory. `make bench-verify` runs it.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
)

// What verifying a bundle of a million events may take: of processor time, as the wall
// clock of a machine that is shared says little, and of memory.
const (
	million   = 1_000_000
	maxCPU    = 20 * time.Second
	maxMemory = 300 << 20 // bytes
)

// perSession is how many events a session has: its start and end, and 50 statements with
// their results.
const perSession = 102

var policy = []byte(`{"data":{}}`)

func main() {
	events := flag.Int("events", million, "how many events, about")
	hoopctl := flag.String("hoopctl", "bin/hoopctl", "the program that verifies")
	flag.Parse()
	if err := run(context.Background(), *events, *hoopctl); err != nil {
		fmt.Fprintln(os.Stderr, "benchverify:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, events int, hoopctl string) error {
	dir, err := os.MkdirTemp("", "benchverify")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "bundle.zip")
	began := time.Now()
	key, size, err := write(ctx, dir, file, events)
	if err != nil {
		return err
	}
	st, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Printf("made      %d events, %d MB, in %s\n", size, st.Size()>>20, time.Since(began).Round(time.Millisecond))

	cmd := exec.CommandContext(ctx, hoopctl, "audit", "verify", file, "--key", key)
	cmd.Stderr = os.Stderr
	began = time.Now()
	if out, err := cmd.Output(); err != nil {
		return fmt.Errorf("%s audit verify: %w\n%s", hoopctl, err, out)
	}
	wall := time.Since(began)
	s := cmd.ProcessState
	fmt.Printf("verified  in %s; CPU %s user, %s system", wall.Round(time.Millisecond), s.UserTime().Round(time.Millisecond), s.SystemTime().Round(time.Millisecond))
	var memory int64
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		memory = peak(u)
		fmt.Printf("; %d MB of memory at its peak", memory>>20)
	}
	fmt.Println()
	if s.UserTime()+s.SystemTime() > maxCPU || memory > maxMemory {
		return fmt.Errorf("more than %s of processor time, or %d MB", maxCPU, maxMemory>>20)
	}
	return nil
}

// write makes a log of so many events, in whole sessions, and its bundle.
func write(ctx context.Context, dir, file string, events int) (key string, size int64, err error) {
	quiet := slog.New(slog.DiscardHandler)
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Log: quiet})
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	sum := sha256.Sum256(policy)
	revision := hex.EncodeToString(sum[:])
	log, err := audit.Open(audit.Options{
		Dir: filepath.Join(dir, "audit"), Keys: filepath.Join(dir, "keys"), Origin: "bench.example/audit",
		Journal: j, Revision: func() string { return revision }, Log: quiet,
	})
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	for i := range max(events/perSession, 1) {
		if err := session(log, fmt.Sprintf("s%d", i)); err != nil {
			return "", 0, err
		}
	}
	// The recordings of them all are gone by now, by events outside of the bundle's time.
	to := time.Now().Add(time.Hour)
	for i := range max(events/perSession, 1) {
		id := fmt.Sprintf("s%d", i)
		if _, err := log.Append(&hoop.Event{Time: to, Type: hoop.EventExpired, Session: id, Target: "pg-prod", Grant: "g1", Subject: "hoop-gateway", Details: []hoop.Detail{
			{Name: auditlog.ExpiredHash, Value: recorded(id)}, {Name: "size", Value: "1"}, {Name: "retention", Value: "52560h0m0s"}, {Name: "session_subject", Value: "corp:248289761001"},
		}}); err != nil {
			return "", 0, err
		}
	}
	b, err := log.Bundle(ctx, audit.BundleOptions{To: to, Recordings: true, Policy: func(string) ([]byte, error) { return policy, nil }})
	if err != nil {
		return "", 0, err
	}
	out, err := os.Create(file)
	if err != nil {
		return "", 0, err
	}
	return log.VerifierKey(), log.Size(), errors.Join(b.Write(ctx, out), out.Close())
}

// session appends the events of a session.
func session(log *audit.Log, id string) error {
	at := time.Now().UTC()
	counter := int64(0)
	add := func(e hoop.Event) error {
		counter++
		e.Time, e.Session, e.Counter = at.Add(time.Duration(counter)*time.Millisecond), id, counter
		e.Subject, e.Target, e.Grant = "corp:248289761001", "pg-prod", "g1"
		_, err := log.Append(&e)
		return err
	}
	if err := add(hoop.Event{Type: hoop.EventSessionStart}); err != nil {
		return err
	}
	for counter < perSession-1 {
		err := add(hoop.Event{
			Type: hoop.EventStatement, Text: "SELECT name, email FROM patients WHERE id = $1", Effects: []hoop.Effect{hoop.EffectRead},
			Tables: []string{"public.patients"}, Action: hoop.Allow, Rule: "default",
		})
		if err == nil {
			err = add(hoop.Event{Type: hoop.EventResult, Duration: 800, Result: &hoop.Result{
				Statement: counter, Tag: "SELECT 1", Rows: 1, Bytes: 231, Masked: 2,
				Digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
			}})
		}
		if err != nil {
			return err
		}
	}
	return add(hoop.Event{Type: hoop.EventSessionEnd, Record: &hoop.Record{SHA256: recorded(id), Size: 1, Events: perSession}})
}

// recorded is the hash of a session's recording, which nobody has any more.
func recorded(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}
