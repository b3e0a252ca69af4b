package main

import (
	"encoding/json"
	"math"
	"testing"
)

func TestSeries_Summary(t *testing.T) {
	nan := math.NaN()
	for name, tc := range map[string]struct {
		in   series
		want summary
		text string
	}{
		"none":          {nil, summary{}, "-"},
		"all failed":    {series{nan, nan}, summary{}, "-"},
		"one":           {series{0.934}, summary{0.934, 0.934, 0.934, 1}, "0.93"},
		"odd":           {series{3, 1, 2}, summary{2, 1, 3, 3}, "2.00 [1.00-3.00]"},
		"even":          {series{400, 100, 200, 300}, summary{250, 100, 400, 4}, "250 [100-400]"},
		"one failed":    {series{12, nan, 14}, summary{13, 12, 14, 2}, "13.0 [12.0-14.0]"},
		"below nothing": {series{-0.5}, summary{-0.5, -0.5, -0.5, 1}, "-0.50"},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.in.sum()
			if got != tc.want || got.String() != tc.text {
				t.Errorf("%+v %q, want %+v %q", got, got, tc.want, tc.text)
			}
		})
	}
}

func TestSeries_OverComparesWithinARoundOnly(t *testing.T) {
	var a, b series
	a.set(0, 10)
	a.set(2, 30) // round 1 failed
	b.set(0, 20)
	b.set(1, 1)
	b.set(2, 10)
	b.set(3, 99) // a never got there
	if got, want := a.over(b).sum(), (summary{1.75, 0.5, 3, 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := a.over(series{0, 0, 0}); len(got) != 0 {
		t.Errorf("a division by zero counts: %v", got)
	}
}

func TestSeries_JSONHasNullForAFailedRound(t *testing.T) {
	b, err := json.Marshal(series{1.5, math.NaN()})
	if err != nil || string(b) != "[1.5,null]" {
		t.Errorf("%s, %v", b, err)
	}
}

func TestPercentile_NearestRank(t *testing.T) {
	v := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for p, want := range map[float64]int{0: 1, 0.5: 5, 0.9: 9, 0.99: 10, 1: 10} {
		if got := percentile(v, p); got != want {
			t.Errorf("%v: %d, want %d", p, got, want)
		}
	}
}

func TestBar_Judge(t *testing.T) {
	r := results{}
	for round, v := range []float64{93, 90, 97} {
		r.set(pathBatched, "P8"+cpu, round, v)
		r.set(pathYamux, "P8"+cpu, round, 100)
	}
	for name, tc := range map[string]struct {
		bar  bar
		want string
	}{
		"at most":  {bar{what: "w", limit: 1, measure: ratio(pathBatched, "P8"+cpu, pathYamux)}, "bar ≤ 1, measured 0.93 [0.90-0.97] ok: w"},
		"too much": {bar{what: "w", limit: 0.9, measure: ratio(pathBatched, "P8"+cpu, pathYamux)}, "bar ≤ 0.9, measured 0.93 [0.90-0.97] MISSED: w"},
		"at least": {bar{what: "w", least: true, limit: 95, aim: true, measure: value(pathBatched, "P8"+cpu)}, "aim ≥ 95, measured 93.0 [90.0-97.0] MISSED: w"},
		"nothing":  {bar{what: "w", limit: 1, measure: value(pathStrict, "P8"+cpu)}, "bar ≤ 1, not measured: w"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.bar.judge(&r).String(); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// A bar that names a metric nobody measures would be "not measured" for ever.
func TestBars_NameMetricsThatExist(t *testing.T) {
	r := results{}
	paths := append(append(pathNames(), progClient, progGateway), cutCauses()...)
	keys := []string{
		memIdle, memConns, memEach, memDrain, memStalled, memGrown, memHeld,
		farRate, farStalled, farConnect, farTrips, cliCPU, cliWall, cliSize, cutClient, cutClosed, cutBackend, cutBusy,
	}
	for _, w := range workloads() {
		keys = append(keys, w.name+cpu)
		for _, m := range w.metrics {
			keys = append(keys, m.key)
		}
	}
	for _, p := range paths {
		for _, k := range keys {
			r.set(p, k, 0, 1)
		}
	}
	for _, v := range r.judge() {
		if v.State == stateUnknown {
			t.Errorf("%v: nothing measures it", v.What)
		}
	}
}
