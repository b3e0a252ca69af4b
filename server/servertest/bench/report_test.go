package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func sample() *bench {
	b := &bench{opts: options{Rounds: 2, Seconds: 1}}
	for round, v := range []float64{1000, 2000} {
		b.results.set(pathDirect, "S8"+tps, round, v)
		b.results.set(pathYamux, "S8"+tps, round, v/4)
		b.results.set(pathYamux, "S8"+cpu, round, 100)
		b.results.set(pathBatched, "S8"+tps, round, v/5)
		b.results.set(pathBatched, "S8"+cpu, round, 110)
	}
	b.results.fail(pathBouncer, "start", errNoBouncer)
	b.results.fail(pathBatched, "P8", errors.New("first"))
	b.results.fail(pathBatched, "P8", errors.New("second"))
	return b
}

func TestReport_Text(t *testing.T) {
	var out bytes.Buffer
	if err := sample().report().writeText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Ratios to direct in the same round\n\n" +
			"| path             | S8, transactions/s |\n" +
			"|------------------|-------------------:|\n" +
			"| direct, absolute |   1500 [1000-2000] |\n" +
			"| relay-yamux      |   0.25 [0.25-0.25] |\n" +
			"| hoop-batched     |   0.20 [0.20-0.20] |\n",
		"Ratios to relay-yamux in the same round\n",
		"bar ≤ 1.3, measured 1.10 [1.10-1.10] ok: S8: CPU for each transaction, of relay-yamux\n",
		"pgbouncer, start: not installed (no pgbouncer on PATH)\n",
		"hoop-batched, P8: first (2 times)\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "Ratios to relay-tls") {
		t.Error("a table of nothing was printed")
	}
}

func TestReport_JSON(t *testing.T) {
	var out bytes.Buffer
	if err := sample().report().writeJSON(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Values   map[string]map[string][]float64
		Verdicts []struct{ State string }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if v := got.Values[pathDirect]["S8.tps"]; len(v) != 2 || v[1] != 2000 {
		t.Errorf("values %v", v)
	}
	if len(got.Verdicts) != len(bars()) {
		t.Errorf("%d verdicts, want %d", len(got.Verdicts), len(bars()))
	}
}
