package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/hoopctl/hoopctl/internal/iostreams"
)

// table is a list: aligned columns at a terminal, tab-separated fields without a
// heading in a pipe.
type table struct {
	head []string
	rows [][]cell
}

// cell is a field: what people read, how it is painted, and what programs read
// where that differs.
type cell struct {
	text  string
	raw   string
	paint func(string) string
}

func newTable(head ...string) *table { return &table{head: head} }

func text(s string) cell { return cell{text: s} }

func painted(s string, paint func(string) string) cell { return cell{text: s, paint: paint} }

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// write prints the table; empty is what a person is told when there is no row.
func (t *table) write(s *iostreams.IOStreams, empty string) error {
	if !s.OutTTY {
		return t.writeTSV(s)
	}
	if len(t.rows) == 0 {
		_, err := fmt.Fprintln(s.ErrOut, empty)
		return err
	}
	t = t.filled()
	widths := t.widths(s.Width())
	var b strings.Builder
	for i, h := range t.head {
		b.WriteString(pad(s.Bold(h), runewidth.StringWidth(h), widths[i], i == len(t.head)-1))
	}
	b.WriteByte('\n')
	for _, r := range t.rows {
		for i, c := range r {
			v := runewidth.Truncate(iostreams.OneLine(c.text), widths[i], "…")
			w := runewidth.StringWidth(v)
			if c.paint != nil {
				v = c.paint(v)
			}
			b.WriteString(pad(v, w, widths[i], i == len(r)-1))
		}
		b.WriteByte('\n')
	}
	_, err := fmt.Fprint(s.Out, b.String())
	return err
}

func pad(s string, width, to int, last bool) string {
	if last {
		return s
	}
	return s + strings.Repeat(" ", to-width+2)
}

// filled is the table without columns in which no row has anything.
func (t *table) filled() *table {
	out := &table{rows: make([][]cell, len(t.rows))}
	for i, h := range t.head {
		if !slices.ContainsFunc(t.rows, func(r []cell) bool { return r[i].text != "" && r[i].text != "-" }) {
			continue
		}
		out.head = append(out.head, h)
		for j, r := range t.rows {
			out.rows[j] = append(out.rows[j], r[i])
		}
	}
	return out
}

// leastColumn is how far a column gives way, in columns of the terminal.
const leastColumn = 6

// widths fits the columns into total: the widest gives way, but not the first, which has
// what people type for the next command.
func (t *table) widths(total int) []int {
	w := make([]int, len(t.head))
	sum := 2 * (len(w) - 1)
	for i, h := range t.head {
		w[i] = runewidth.StringWidth(h)
		for _, r := range t.rows {
			w[i] = max(w[i], runewidth.StringWidth(iostreams.OneLine(r[i].text)))
		}
		sum += w[i]
	}
	for ; sum > total; sum-- {
		widest := -1
		for i := 1; i < len(w); i++ {
			if w[i] > leastColumn && (widest < 0 || w[i] >= w[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		w[widest]--
	}
	return w
}

func (t *table) writeTSV(s *iostreams.IOStreams) error {
	var b strings.Builder
	for _, r := range t.rows {
		for i, c := range r {
			if i > 0 {
				b.WriteByte('\t')
			}
			v := c.raw
			if v == "" {
				v = c.text
			}
			b.WriteString(iostreams.OneLine(v))
		}
		b.WriteByte('\n')
	}
	_, err := fmt.Fprint(s.Out, b.String())
	return err
}

// pairs prints names and values, one pair a line; pairs without a value are left out.
func pairs(s *iostreams.IOStreams, kv ...string) error {
	var b strings.Builder
	width := 0
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] != "" {
			width = max(width, len(kv[i]))
		}
	}
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] == "" {
			continue
		}
		if !s.OutTTY {
			fmt.Fprintf(&b, "%s\t%s\n", kv[i], iostreams.OneLine(kv[i+1]))
			continue
		}
		fmt.Fprintf(&b, "%s%s  %s\n", s.Dim(kv[i]), strings.Repeat(" ", width-len(kv[i])), iostreams.OneLine(kv[i+1]))
	}
	_, err := fmt.Fprint(s.Out, b.String())
	return err
}

// when is a moment: relative for people, RFC 3339 in UTC for programs.
func (f *Factory) when(t time.Time) cell {
	if t.IsZero() {
		return cell{text: "-"}
	}
	return cell{text: relative(t.Sub(f.Now())), raw: t.UTC().Format(time.RFC3339)}
}

// relative says "in 5m" or "3h ago".
func relative(d time.Duration) string {
	if d >= 0 {
		return "in " + short(d)
	}
	return short(-d) + " ago"
}

// short is a duration in at most two units.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return unit2(d/time.Minute, "m", d%time.Minute/time.Second, "s")
	case d < 48*time.Hour:
		return unit2(d/time.Hour, "h", d%time.Hour/time.Minute, "m")
	}
	return unit2(d/(24*time.Hour), "d", d%(24*time.Hour)/time.Hour, "h")
}

func unit2(a time.Duration, ua string, b time.Duration, ub string) string {
	if b == 0 {
		return fmt.Sprintf("%d%s", a, ua)
	}
	return fmt.Sprintf("%d%s%d%s", a, ua, b, ub)
}

// clock is a moment in local time, with its date where it is not today.
func (f *Factory) clock(t time.Time) string {
	t, now := t.Local(), f.Now().Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}
