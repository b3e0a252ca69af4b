package main

import (
	"fmt"
	"math"
)

// bar is a figure that is to be reached: a limit that the median must keep, or, as an
// aim, that it should approach.
type bar struct {
	what    string
	least   bool // at least limit; else at most
	limit   float64
	aim     bool
	measure func(r *results) series
}

// verdict is a bar with what was measured.
type verdict struct {
	What     string  `json:"what"`
	Aim      bool    `json:"aim,omitempty"`
	Sign     string  `json:"sign"` // ≤ or ≥
	Limit    float64 `json:"limit"`
	Measured summary `json:"measured"`
	State    string  `json:"state"`
}

// The states of a verdict.
const (
	stateOK      = "ok"
	stateMissed  = "MISSED"
	stateUnknown = "not measured"
)

// String is "bar ≤ 1.0, measured 0.93 [0.90-0.97] ok  …".
func (v verdict) String() string {
	word := "bar"
	if v.Aim {
		word = "aim"
	}
	if v.State == stateUnknown {
		return fmt.Sprintf("%s %s %v, %s: %s", word, v.Sign, v.Limit, v.State, v.What)
	}
	return fmt.Sprintf("%s %s %v, measured %v %s: %s", word, v.Sign, v.Limit, v.Measured, v.State, v.What)
}

func (b bar) judge(r *results) verdict {
	v := verdict{What: b.what, Aim: b.aim, Sign: "≤", Limit: b.limit, Measured: b.measure(r).sum(), State: stateMissed}
	if b.least {
		v.Sign = "≥"
	}
	switch {
	case v.Measured.N == 0:
		v.State = stateUnknown
	case b.least && v.Measured.Median >= b.limit, !b.least && v.Measured.Median <= b.limit:
		v.State = stateOK
	}
	return v
}

// ratio is a metric of a path over the same of another, in the same rounds.
func ratio(path, key, base string) func(*results) series {
	return func(r *results) series { return r.get(path, key).over(r.get(base, key)) }
}

// value is a metric as it is.
func value(path, key string) func(*results) series {
	return func(r *results) series { return r.get(path, key) }
}

// quotient is a metric over another of the same path.
func quotient(path, key, base string) func(*results) series {
	return func(r *results) series { return r.get(path, key).over(r.get(path, base)) }
}

// trips are whole: what is beside them is work, not distance.
func trips(r *results) series {
	var out series
	for i, v := range r.get(pathBatched, farTrips) {
		out.set(i, math.Round(v))
	}
	return out
}

// fsyncs is how many of them a prepared select waits for, one at a time, which is whole
// for the same reason.
func fsyncs(r *results) series {
	strict, batched := r.get(pathStrictSlow, "L1"+p50), r.get(pathBatchedSlow, "L1"+p50)
	return strict.with(batched, func(s, b float64) float64 { return math.Round((s - b) / micro(slowFsync)) })
}

// bars are what hoopctl has set itself, for record: batched unless said.
func bars() []bar {
	var all []bar
	for _, w := range []string{"X8", "X32", "P8", "P32"} {
		all = append(all,
			bar{what: w + ": CPU for each transaction, of relay-yamux", limit: 1.0, measure: ratio(pathBatched, w+cpu, pathYamux)},
			bar{what: w + ": CPU for each transaction, of relay-tls", limit: 1.25, aim: true, measure: ratio(pathBatched, w+cpu, pathTLS)},
			bar{what: w + ": throughput, of relay-yamux", least: true, limit: 0.95, measure: ratio(pathBatched, w+tps, pathYamux)})
	}
	all = append(all, bar{what: "L1: p50, of relay-yamux", limit: 1.0, measure: ratio(pathBatched, "L1"+p50, pathYamux)})
	for _, w := range []string{"S8", "S32"} {
		all = append(all, bar{what: w + ": CPU for each transaction, of relay-yamux", limit: 1.3, measure: ratio(pathBatched, w+cpu, pathYamux)})
	}
	for _, cause := range cutCauses() {
		all = append(all,
			bar{what: "cut, " + cause + ": p99 until the client knows, ms", limit: 1000, measure: value(cause, cutClient)},
			bar{what: "cut, " + cause + ": p99 until a statement that runs has ended, ms", limit: 1000, measure: value(cause, cutBusy)},
			bar{what: "cut, " + cause + ": p99 until the target's connection is closed, ms", limit: 1000, aim: true, measure: value(cause, cutClosed)},
			bar{what: "cut, " + cause + ": p99 until the target's process is gone, ms", limit: 1000, aim: true, measure: value(cause, cutBackend)})
	}
	return append(all,
		bar{what: "maskdrain: MB/s, of relay-yamux", least: true, limit: 0.8, measure: ratio(pathBatched, "maskdrain"+rate, pathYamux)},
		bar{what: "maskdrain: MB/s, of relay-yamux", least: true, limit: 1.0, aim: true, measure: ratio(pathBatched, "maskdrain"+rate, pathYamux)},
		bar{what: "maskdrain: first kilobyte, of direct", limit: 3, measure: ratio(pathBatched, "maskdrain"+first, pathDirect)},
		bar{what: "maskdrain with detectors: MB/s, of relay-yamux", least: true, limit: 0.5, measure: ratio(pathDetect, "maskdrain"+rate, pathYamux)},
		bar{what: "gateway memory over idle while a masked result is read, MiB", limit: 32, measure: value(pathBatched, memGrown)},
		bar{what: "gateway memory over idle while its reader stands still, MiB", limit: 32, measure: value(pathBatched, memHeld)},
		bar{what: "strict: P32: throughput, of batched, when an fsync takes 1 ms", least: true, limit: 0.6, measure: ratio(pathStrictSlow, "P32"+tps, pathBatchedSlow)},
		bar{what: "strict: fsyncs that a read waits for, when one takes 1 ms", limit: 1, measure: fsyncs},
		bar{what: "one stream at 20 ms, MB/s", least: true, limit: 50, measure: value(pathBatched, farRate)},
		bar{what: "a new connection at 20 ms, round trips", limit: 3, measure: trips},
		bar{what: "one stream at 20 ms beside a stalled one, of the same alone", least: true, limit: 0.8, measure: quotient(pathBatched, farStalled, farRate)},
		bar{what: "an idle connection, both ends together, KiB", limit: 60, measure: value(pathBatched, memEach)},
		bar{what: "C8: connect rate, of relay-tls", least: true, limit: 0.9, measure: ratio(pathBatched, "C8"+tps, pathTLS)},
		bar{what: "C8: connect rate with connections used again, of direct", least: true, limit: 5, measure: ratio(pathOneHash, "C8"+tps, pathDirect)},
		bar{what: "hoopctl version: CPU, ms", limit: 15, measure: value(progClient, cliCPU)},
		bar{what: "hoopctl: size, MB", limit: 20, measure: value(progClient, cliSize)},
	)
}

// judge compares all bars.
func (r *results) judge() []verdict {
	var all []verdict
	for _, b := range bars() {
		all = append(all, b.judge(r))
	}
	return all
}
