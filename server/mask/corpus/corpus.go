// Package corpus makes clinical text with labelled identifiers, to measure detectors
// by: notes, messages, letters and claim lines about people who do not exist.
//
// The same seed gives the same documents. There are two sets of templates, written by
// hand before the detectors were measured: Dev, which detectors may be improved
// against, and HeldOut, which tells how they do on phrases, formats and names that
// nobody looked at. Nothing here is built from what the detectors look for; names come
// from lists of their own, with uncommon ones among them. It is used by tests only.
package corpus

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// Label is one identifier in a text.
type Label struct {
	Start, End int    // bytes
	Class      string // name of the detector that should find it
}

// Document is one text with its identifiers in order.
type Document struct {
	Text   string
	Labels []Label
}

// Set names the templates.
type Set int

// The sets.
const (
	Dev     Set = iota // detectors are improved against it
	HeldOut            // and judged by it
)

// Generate makes n documents.
func Generate(set Set, seed uint64, n int) []Document {
	g := &generator{r: rand.New(rand.NewPCG(seed, 0x686f6f70))}
	t := dev
	if set == HeldOut {
		t, g.heldOut = heldOut, true
	}
	docs := make([]Document, n)
	for i := range docs {
		docs[i] = g.document(t)
	}
	return docs
}

type generator struct {
	r       *rand.Rand
	heldOut bool
	out     strings.Builder
	labels  []Label
}

// document joins a few phrases, as a note does.
func (g *generator) document(t templates) Document {
	g.out.Reset()
	g.labels = nil
	sep := pick(g, " ", "\n", "\n\n", "  ", ". ", " | ")
	if sep == ". " || sep == " | " {
		sep = "\n"
	}
	for range 3 + g.r.IntN(6) {
		list := t.identified
		if g.r.IntN(3) == 0 {
			list = t.clean
		}
		g.phrase(list[g.r.IntN(len(list))])
		g.out.WriteString(sep)
	}
	return Document{Text: g.out.String(), Labels: slices.Clone(g.labels)}
}

// phrase writes a template with its {placeholders} filled in.
func (g *generator) phrase(t string) {
	for {
		before, after, ok := strings.Cut(t, "{")
		g.out.WriteString(before)
		if !ok {
			return
		}
		kind, rest, _ := strings.Cut(after, "}")
		fill, ok := fills[kind]
		if !ok {
			panic("corpus: there is no placeholder " + kind)
		}
		text := fill.make(g)
		at := g.out.Len()
		g.out.WriteString(text)
		if fill.class != "" {
			g.labels = append(g.labels, Label{at, g.out.Len(), fill.class})
		}
		t = rest
	}
}

func pick[T any](g *generator, list ...T) T { return list[g.r.IntN(len(list))] }

// digits writes a pattern: # any digit, N one to nine, A any capital, X capital or
// digit, h a hexadecimal digit.
func (g *generator) digits(pattern string) string {
	b := []byte(pattern)
	for i, c := range b {
		switch c {
		case '#':
			b[i] = byte('0' + g.r.IntN(10))
		case 'N':
			b[i] = byte('1' + g.r.IntN(9))
		case 'A':
			b[i] = byte('A' + g.r.IntN(26))
		case 'X':
			if b[i] = byte('A' + g.r.IntN(26)); g.r.IntN(2) == 0 {
				b[i] = byte('0' + g.r.IntN(10))
			}
		case 'h':
			b[i] = "0123456789abcdef"[g.r.IntN(16)]
		}
	}
	return string(b)
}
