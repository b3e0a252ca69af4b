package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// report is what a run found.
type report struct {
	Meta     meta                         `json:"meta"`
	Options  options                      `json:"options"`
	Values   map[string]map[string]series `json:"values"` // path, metric, round
	Verdicts []verdict                    `json:"verdicts"`
	Failures []failure                    `json:"failures"`

	results *results
}

func (b *bench) report() *report {
	return &report{
		Meta: b.meta, Options: b.opts, Values: b.results.values, Verdicts: b.results.judge(),
		Failures: b.results.failures, results: &b.results,
	}
}

// MarshalJSON writes null for a round that failed.
func (s series) MarshalJSON() ([]byte, error) {
	out := make([]*float64, len(s))
	for i := range s {
		if !math.IsNaN(s[i]) {
			out[i] = &s[i]
		}
	}
	return json.Marshal(out)
}

func (r *report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r *report) writeText(w io.Writer) error {
	out := bufio.NewWriter(w)
	r.head(out)
	for _, base := range []string{pathDirect, pathYamux, pathTLS} {
		for _, cols := range columns() {
			r.ratios(out, fmt.Sprintf("Ratios to %s in the same round", base), base, cols)
		}
	}
	for _, cols := range cpuColumns() {
		r.absolute(out, "CPU of the path's own processes", pathNames(), cols)
	}
	for _, base := range []string{pathYamux, pathTLS} {
		for _, cols := range cpuColumns() {
			r.ratios(out, fmt.Sprintf("CPU, ratios to %s in the same round", base), base, cols)
		}
	}
	r.absolute(out, "Memory resident, all processes of the path (MiB)", pathNames(), memoryColumns())
	r.absolute(out, "20 ms between the ends", pathNames(), distanceColumns())
	r.absolute(out, fmt.Sprintf("From the cause to the end of %d live sessions (ms)", r.Options.Sessions), cutRows(), cutColumns())
	r.absolute(out, "Command line", []string{progClient, progGateway}, cliColumns())
	r.verdicts(out)
	return out.Flush()
}

func (r *report) head(w io.Writer) {
	m := r.Meta
	fmt.Fprintf(w, "%s, %s, %d CPUs, load %s before and %s after, PostgreSQL %s, %s, fsync %s µs\n",
		m.Date.Format(time.RFC3339), m.Gateway, m.CPUs, m.LoadBefore, m.LoadAfter, m.PostgreSQL, m.Go, figure(m.FsyncMicro))
	fmt.Fprintf(w, "%d rounds of %d s, %d rows, scale %d. A cell is the median [least-greatest].\n",
		r.Options.Rounds, r.Options.Seconds, r.Options.Rows, r.Options.Scale)
	fmt.Fprintln(w)
	for _, k := range kinds() {
		if r.Values[k.name] != nil {
			fmt.Fprintf(w, "%s: %s\n", k.name, k.what)
		}
	}
}

func (r *report) verdicts(w io.Writer) {
	fmt.Fprint(w, "\nBars\n\n")
	for _, v := range r.Verdicts {
		fmt.Fprintln(w, v)
	}
	if len(r.Failures) > 0 {
		fmt.Fprint(w, "\nNot measured\n\n")
	}
	for _, f := range r.Failures {
		times := ""
		if f.Times > 1 {
			times = fmt.Sprintf(" (%d times)", f.Times)
		}
		fmt.Fprintf(w, "%s, %s: %s%s\n", f.Path, f.Workload, f.Error, times)
	}
}

// columns are the tables of throughput and latency.
func columns() [][]metric {
	var out [][]metric
	var table []metric
	for _, w := range workloads() {
		if w.name == "X1" || w.name == "T8" || w.name == "L1" {
			out, table = append(out, table), nil
		}
		table = append(table, w.metrics...)
	}
	return append(out, table)
}

// cpuColumns are the same tables with the CPU that was used.
func cpuColumns() [][]metric {
	var trans, large []metric
	for _, w := range workloads() {
		m := metric{w.name + cpu, w.name, "µs each"}
		if strings.HasSuffix(w.name, "drain") {
			m.unit = "ms/MB"
			large = append(large, m)
			continue
		}
		trans = append(trans, m)
	}
	return [][]metric{trans[:6], append(trans[6:], large...)}
}

func memoryColumns() []metric {
	return []metric{
		{memIdle, "idle", ""},
		{memConns, "with idle connections", ""},
		{memEach, "each", "KiB"},
		{memDrain, "peak, maskdrain", ""},
		{memStalled, "peak, reader stalled", ""},
		{memGrown, "gateway, maskdrain, over idle", ""},
		{memHeld, "gateway, stalled, over idle", ""},
	}
}

func distanceColumns() []metric {
	return []metric{
		{farRate, "one stream", "MB/s"},
		{farStalled, "beside a stalled one", "MB/s"},
		{farConnect, "new connection", "ms"},
		{farTrips, "the same", "round trips"},
	}
}

func cliColumns() []metric {
	return []metric{{cliCPU, "version, CPU", "ms"}, {cliWall, "version", "ms"}, {cliSize, "size", "MB"}}
}

// ratios prints base's own figures and the others' over them.
func (r *report) ratios(w io.Writer, title, base string, cols []metric) {
	r.table(w, title, pathNames(), cols, func(path, key string) summary {
		if path == base {
			return r.results.get(path, key).sum()
		}
		return r.results.get(path, key).over(r.results.get(base, key)).sum()
	}, base)
}

// absolute prints figures as they are.
func (r *report) absolute(w io.Writer, title string, rows []string, cols []metric) {
	r.table(w, title, rows, cols, func(path, key string) summary { return r.results.get(path, key).sum() }, "")
}

// table prints what there is of rows and columns, or nothing at all. The row of base is
// called absolute; without it there are no ratios.
func (r *report) table(w io.Writer, title string, rows []string, cols []metric, cell func(path, key string) summary, base string) {
	var used []metric
	for _, c := range cols {
		for _, path := range rows {
			if path != base && cell(path, c.key).N > 0 {
				used = append(used, c)
				break
			}
		}
	}
	if len(used) == 0 {
		return
	}
	lines := [][]string{{"path"}}
	for _, c := range used {
		lines[0] = append(lines[0], strings.TrimSuffix(c.title+", "+c.unit, ", "))
	}
	for _, path := range rows {
		line, any := []string{path}, false
		if path == base {
			line[0] += ", absolute"
		}
		for _, c := range used {
			s := cell(path, c.key)
			any = any || s.N > 0
			line = append(line, s.String())
		}
		if any {
			lines = append(lines, line)
		}
	}
	fmt.Fprintf(w, "\n%s\n\n", title)
	writeTable(w, lines)
}

// writeTable prints lines as a Markdown table whose columns stand in line.
func writeTable(w io.Writer, lines [][]string) {
	width := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, c := range l {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for n, l := range lines {
		for i, c := range l {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i == 0 {
				fmt.Fprint(w, "| ", c, pad, " |")
				continue
			}
			fmt.Fprint(w, " ", pad, c, " |")
		}
		fmt.Fprintln(w)
		if n > 0 {
			continue
		}
		for i := range l {
			if i == 0 {
				fmt.Fprint(w, "|", strings.Repeat("-", width[i]+2), "|")
				continue
			}
			fmt.Fprint(w, strings.Repeat("-", width[i]+1), ":|")
		}
		fmt.Fprintln(w)
	}
}
