package mask

//go:generate go test -run TestDetectors_Corpus -update

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hoopctl/hoopctl/server/mask/corpus"
	"github.com/hoopctl/hoopctl/server/resource"
)

// measured is how one detector did on a corpus.
type measured struct {
	labels  int // identifiers of its class
	covered int // of which nothing is left, whichever detector found them
	found   int // stretches that it found
	right   int // of which are a part of some identifier
}

func (m measured) recall() float64    { return share(m.covered, m.labels) }
func (m measured) precision() float64 { return share(m.right, m.found) }

func share(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// measure runs all detectors over a corpus.
func measure(t testing.TB, docs []corpus.Document, miss func(class, what, text string)) map[string]measured {
	t.Helper()
	var all rule
	all.with = resource.Redact
	for _, d := range resource.Detectors {
		b, err := builtin(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		all.values = append(all.values, b)
	}
	s := newScanner(&Set{}, []*rule{&all})
	out := map[string]measured{}
	for _, doc := range docs {
		hits := s.found([]byte(doc.Text))
		for _, l := range doc.Labels {
			m := out[l.Class]
			m.labels++
			left := l.End - l.Start
			for i := l.Start; i < l.End; i++ {
				hit := false
				for _, h := range hits {
					if i >= h.start && i < h.end {
						hit = true
					}
				}
				if c := doc.Text[i]; hit || c == ' ' || c == ',' || c == '.' {
					left--
				}
			}
			if left == 0 {
				m.covered++
			} else {
				miss(l.Class, "missed", mark(doc.Text, l.Start, l.End))
			}
			out[l.Class] = m
		}
		for _, h := range hits {
			m := out[h.by.name]
			m.found++
			right := false
			for _, l := range doc.Labels {
				right = right || h.start < l.End && l.Start < h.end
			}
			if right {
				m.right++
			} else {
				miss(h.by.name, "wrong", mark(doc.Text, h.start, h.end))
			}
			out[h.by.name] = m
		}
	}
	return out
}

// mark shows a stretch with a little of what is around it.
func mark(text string, start, end int) string {
	return strings.ToValidUTF8(fmt.Sprintf("%q", text[max(0, start-40):start]+"{"+text[start:end]+"}"+text[end:min(len(text), end+20)]), "")
}

// floors are what detectors must reach on the templates that nobody improves them
// against: recall and precision in thousandths. The corpus has a fixed seed, so that
// these are no chance.
var floors = map[string][2]int{
	"name": {955, 990}, "city": {985, 990}, "zip": {990, 995}, "mrn": {915, 995}, "date": {990, 995}, "address": {995, 995}, "health-plan": {990, 990}, "plate": {995, 985},
	"mac": {780, 995}, "uuid": {740, 995}, // those without separators are digits like any other
}

// otherFloor is for detectors that floors does not name.
var otherFloor = [2]int{995, 995}

var (
	update = flag.Bool("update", false, "write docs/detectors.md")
	misses = flag.Bool("misses", false, "show what is missed and what is wrong on the templates for development")
)

const (
	corpusSeed = 2026
	corpusSize = 4000
)

// TestDetectors_Corpus measures every detector, holds the floors, and keeps the table
// in docs/detectors.md.
func TestDetectors_Corpus(t *testing.T) {
	show := func(class, what, text string) {
		if *misses {
			t.Logf("%s %s %s", class, what, text)
		}
	}
	dev := measure(t, corpus.Generate(corpus.Dev, corpusSeed, corpusSize), show)
	held := measure(t, corpus.Generate(corpus.HeldOut, corpusSeed+1, corpusSize), func(_, _, _ string) {})
	var table strings.Builder
	table.WriteString("| detector | identifiers | recall | precision | identifiers, held out | recall, held out | precision, held out |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for _, d := range resource.Detectors {
		for _, m := range []measured{dev[d.Name], held[d.Name]} {
			floor, ok := floors[d.Name]
			if !ok {
				floor = otherFloor
			}
			if m.recall() < float64(floor[0])/1000 || m.precision() < float64(floor[1])/1000 {
				t.Errorf("%s: recall %.4f, precision %.4f: below %v", d.Name, m.recall(), m.precision(), floor)
			}
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", d.Name, dev[d.Name], held[d.Name])
	}
	if testing.Verbose() {
		t.Logf("recall and precision, seeds %d and %d, %d documents each\n%s", corpusSeed, corpusSeed+1, corpusSize, table.String())
	}
	const path, from, to = "../../docs/detectors.md", "<!-- measured -->\n", "<!-- end -->"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(doc), from)
	old, tail, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+from+table.String()+to+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if old != table.String() {
		t.Errorf("%s has drifted; run go generate ./server/mask\n%s", path, cmp.Diff(old, table.String()))
	}
}

// String is the cells of the table.
func (m measured) String() string {
	if m.labels == 0 {
		return "0 | – | –"
	}
	precision := "–"
	if m.found > 0 {
		precision = fmt.Sprintf("%.3f", m.precision())
	}
	return fmt.Sprintf("%d | %.3f | %s", m.labels, m.recall(), precision)
}
