package auditlog_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// BenchmarkVerify verifies a log of HOOP_BENCH_EVENTS events (100,000), sessions of 100
// statements.
func BenchmarkVerify(b *testing.B) {
	events := 100_000
	if s := os.Getenv("HOOP_BENCH_EVENTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		events = n
	}
	f := newFolder(b)
	f.recordings = false
	for i := 0; f.edge.Size() < int64(events); i++ {
		f.session(fmt.Sprintf("s%d", i), 100)
	}
	f.checkpoint()
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for range b.N {
		if _, err := f.verify(nil); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(f.edge.Size())*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(after.HeapSys-before.HeapSys)/1e6, "heap-growth-MB")
}

func BenchmarkEncode(b *testing.B) {
	f := newFolder(b)
	e := hoop.Event{
		Time: f.now, Type: hoop.EventStatement, Subject: "alice", Target: "pg-prod", Session: "0123456789abcdef", Counter: 12,
		Policy: "0123456789abcdef", Text: "SELECT name, email FROM patients WHERE id = $1", Effects: []hoop.Effect{hoop.EffectRead},
		Tables: []string{"public.patients"}, Action: hoop.Allow, Rule: "default", Grant: "g1",
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := auditlog.Encode(&e); err != nil {
			b.Fatal(err)
		}
	}
}
