package mask

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

func TestAppend_AllocatesNothing(t *testing.T) {
	array := []byte("{CANARY,\"a b\",NULL}")
	for _, c := range []struct {
		with  resource.Transform
		typ   *hoop.Type
		value []byte
	}{
		{resource.Redact, base(oidText), []byte("CANARY")},
		{resource.Redact, typeMod(oidBpchar, 20), []byte("CANARY")},
		{resource.Redact, base(oidJSONB), []byte(`{"a": ["b", 1, {"c": true}]}`)},
		{resource.Redact, arrayOf(base(oidText)), array},
		{resource.Redact, rowOf(base(oidText), base(oidInt4)), []byte(`("a b",5)`)},
		{resource.Null, base(oidText), []byte("CANARY")},
		{resource.Partial, base(oidText), []byte("123-45-6789")},
		{resource.Hash, base(oidText), []byte("123-45-6789")},
		{resource.Hash, base(oidUUID), []byte("77777777-7777-4777-8777-777777777777")},
	} {
		r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}, With: c.with, Last: 4}).For(anybody, "pg")
		tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(c.typ, false, "a.b.c")}).Columns[0]
		buf := make([]byte, 0, 1024)
		tr.Append(buf, c.value)
		if n := testing.AllocsPerRun(100, func() { tr.Append(buf, c.value) }); n != 0 {
			t.Errorf("%s of %q: %v allocations", c.with, c.value, n)
		}
	}
	r := allDetectors(t).For(anybody, "pg")
	tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidText), false)}).Columns[0]
	for kind, text := range cleanTexts() {
		buf := make([]byte, 0, 2*len(text))
		if out, _, changed := tr.Append(buf, text); changed {
			t.Errorf("%s is no clean text: %.300s", kind, out)
		}
		least := math.Inf(1) // of several: what a sync.Pool keeps may be dropped at any time
		for range 20 {
			least = min(least, testing.AllocsPerRun(1, func() { tr.Append(buf, text) }))
		}
		if least != 0 {
			t.Errorf("scan of %s: %v allocations", kind, least)
		}
	}
}

// cleanTexts are texts of several kinds in which nothing is found.
func cleanTexts() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	var log, csv, json strings.Builder
	for i := range 100 {
		fmt.Fprintf(&log, "level=info msg=request status=200 bytes=%d dur=%d.%03dms seq=%d shard=%d worker=%d\n", r.IntN(100000), r.IntN(80), r.IntN(1000), 1000000+i, r.IntN(64), r.IntN(16))
		fmt.Fprintf(&csv, "%d,%d.%02d,ward-%c,ok,%d,%d,true,%d\n", i, r.IntN(500), r.IntN(100), 'a'+rune(r.IntN(26)), r.IntN(10), r.IntN(100), r.IntN(1000))
		fmt.Fprintf(&json, `{"id":%d,"kind":"lab","value":%d.%d,"unit":"mmol/L","flags":["high","checked"],"normal":{"low":3.5,"high":5.1},"ok":true},`, i, r.IntN(9), r.IntN(9))
	}
	return map[string][]byte{
		"note": note,
		"prose": []byte(strings.Repeat("It was a bright cold morning in the early spring, and the clocks of the town were striking as the old man "+
			"walked slowly down to the harbour. Nobody spoke to him; nobody ever did. ", 20)),
		"german": []byte(strings.Repeat("Die Untersuchung der Lunge ergab keinen Befund, der Patient fühlt sich wohl und kann übermorgen entlassen "+
			"werden. Über die weitere Behandlung wird später entschieden. ", 20)),
		"chinese":  []byte(strings.Repeat("患者一般情况良好，体温正常，肺部听诊清晰，腹部柔软无压痛。继续目前的药物治疗，注意饮食和运动。", 20)),
		"json":     []byte(json.String()),
		"log":      []byte(log.String()),
		"csv":      []byte(csv.String()),
		"digits":   bytes.Repeat([]byte("0123 "), 800),
		"capitals": bytes.Repeat([]byte("NORMAL SINUS RHYTHM, NO ACUTE FINDINGS. "), 100),
		"titles":   bytes.Repeat([]byte("Springfield General Hospital "), 100),
		"cell":     []byte("Springfield General Hospital"),
		"word":     []byte("completed"),
		"one byte": bytes.Repeat([]byte("X"), 4000),
		"at signs": bytes.Repeat([]byte("@"), 4000),
	}
}

// note is clinical text without identifiers, with the usual share of digits.
var note = []byte(strings.Repeat("Pt resting comfortably, BP 120/80, HR 72, SpO2 98% on room air. Lungs clear; abdomen soft, non-tender. "+
	"Continue metformin 500 mg twice a day (with food), recheck A1c in 3 months. Discussed diet - exercise 30 min daily. ", 20))

func BenchmarkScan(b *testing.B) {
	one := func(names ...string) resource.MaskRule { return resource.MaskRule{Detect: names} }
	for _, c := range []struct {
		name string
		rule resource.MaskRule
	}{
		{"ssn+email+phone", one("us-ssn", "email", "phone")},
		{"all detectors", resource.MaskRule{Detect: allNames()}},
		{"clinic patterns", resource.MaskRule{Patterns: []resource.Pattern{
			{Name: "ssn", Regex: `\b\d{3}-\d{2}-\d{4}\b`},
			{Name: "mrn", Regex: `\bMRN-\d{9}\b`},
			{Name: "phone", Regex: `\(\d{3}\) \d{3}-\d{4}`},
			{Name: "email", Regex: `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`},
		}}},
	} {
		r := compile(b, c.rule).For(anybody, "pg")
		texts := cleanTexts()
		for _, kind := range slices.Sorted(maps.Keys(texts)) {
			value := texts[kind]
			b.Run(c.name+"/"+kind, func(b *testing.B) {
				tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidText), false)}).Columns[0]
				b.SetBytes(int64(len(value)))
				b.ReportAllocs()
				var buf []byte
				start := cpuTime()
				for b.Loop() {
					buf, _, _ = tr.Append(buf[:0], value)
				}
				// A busy machine stretches the clock's time, not this.
				if used := cpuTime() - start; used > 0 {
					b.ReportMetric(float64(len(value))*float64(b.N)/1e6/used.Seconds(), "cpu-MB/s")
				}
			})
		}
	}
}

// cpuTime is the processor time that this process used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func allNames() (names []string) {
	for _, d := range resource.Detectors {
		names = append(names, d.Name)
	}
	return names
}

func BenchmarkRedact(b *testing.B) {
	for _, c := range []struct {
		name  string
		with  resource.Transform
		typ   *hoop.Type
		value string
	}{
		{"text", resource.Redact, base(oidText), "Jane Doe, 12 Main Street"},
		{"jsonb", resource.Redact, base(oidJSONB), `{"name": "Jane Doe", "dob": "1984-03-12", "phones": ["212-555-0123"]}`},
		{"hash", resource.Hash, base(oidText), "123-45-6789"},
		{"tokenize", resource.Tokenize, base(oidText), "123-45-6789"},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := compile(b, resource.MaskRule{Columns: []string{"a.b.c"}, With: c.with}).For(anybody, "pg")
			tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(c.typ, false, "a.b.c")}).Columns[0]
			b.ReportAllocs()
			var buf []byte
			value := []byte(c.value)
			for b.Loop() {
				buf, _, _ = tr.Append(buf[:0], value)
			}
		})
	}
}
