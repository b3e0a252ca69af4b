package audit_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/journal"
)

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// evidence makes what a statement leaves: two events and two frames. strict waits twice.
func evidence(ctx context.Context, s *session, i int, strict bool, answer []byte) error {
	s.counter++
	n := s.counter
	_, err := s.g.log.Append(&hoop.Event{
		Type: hoop.EventStatement, Subject: "alice", Target: "pg-prod", Session: s.id, Counter: n, Policy: "0123456789abcdef",
		Text: "SELECT name, email FROM patients WHERE id = $1", Effects: []hoop.Effect{hoop.EffectRead},
		Tables: []string{"public.patients"}, Action: hoop.Allow, Rule: "default", Grant: "g1",
	})
	if err != nil {
		return err
	}
	pos, err := s.rec.Append(recording.Record{Kind: recording.KindStatement, Counter: n, Statement: &recording.Statement{
		Text: fmt.Sprintf("SELECT name, email FROM patients WHERE id = %d", i), Uses: []hoop.Use{{Effect: hoop.EffectRead, Tables: []string{"public.patients"}}},
		Decision: hoop.Decision{Action: hoop.Allow, Rule: "default", Policy: "0123456789abcdef"},
	}})
	if err != nil {
		return err
	}
	if strict {
		if err := s.g.journal.Wait(ctx, pos); err != nil {
			return err
		}
	}
	if _, err = s.rec.Append(recording.Record{Kind: recording.KindOutput, Counter: n, Wire: answer}); err != nil {
		return err
	}
	s.counter++
	pos, err = s.g.log.Append(&hoop.Event{Type: hoop.EventResult, Session: s.id, Counter: s.counter, Duration: 800, Result: &hoop.Result{
		Statement: n, Tag: "SELECT 1", Rows: 1, Bytes: 231, Masked: 2, Digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	}})
	if err != nil || !strict {
		return err
	}
	return s.g.journal.Wait(ctx, pos)
}

// BenchmarkStatement measures what the evidence of one statement costs, all of it: the
// journal, the recording's file, the tree and its checkpoints.
func BenchmarkStatement(b *testing.B) {
	for _, bc := range []struct {
		name     string
		sessions int
		strict   bool
	}{{"batched/1", 1, false}, {"batched/32", 32, false}, {"strict/1", 1, true}, {"strict/32", 32, true}} {
		b.Run(bc.name, func(b *testing.B) {
			g, err := started(b.TempDir(), journal.OS{}, 32<<20, time.Second)
			if err != nil {
				b.Fatal(err)
			}
			answer := bytes.Repeat([]byte("D\x00\x00\x00\x10\x00\x01"), 30)
			sessions := make([]*session, bc.sessions)
			for i := range sessions {
				s := &session{g: g, ctx: b.Context(), id: fmt.Sprintf("s%d", i)}
				if err := s.event(hoop.Event{Type: hoop.EventSessionStart}); err != nil {
					b.Fatal(err)
				}
				if s.rec, err = g.recorder.Open(hoop.SessionInfo{ID: s.id}, []byte("key")); err != nil {
					b.Fatal(err)
				}
				sessions[i] = s
			}
			b.ResetTimer()
			before := cpu(b)
			var wg sync.WaitGroup
			for n, s := range sessions {
				wg.Go(func() {
					for i := n; i < b.N; i += len(sessions) {
						if err := evidence(b.Context(), s, i, bc.strict, answer); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			if err := g.close(); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1000, "cpu-us/statement")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "statements/s")
		})
	}
}
