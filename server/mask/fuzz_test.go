package mask

import (
	"bytes"
	"testing"

	"github.com/hoopctl/hoopctl/server/mask/corpus"
	"github.com/hoopctl/hoopctl/server/resource"
)

// Whatever the text: nothing outside of what was found changes, what was found lies in
// the text, and finding it again in the result ends.
func FuzzDetectors(f *testing.F) {
	for _, d := range corpus.Generate(corpus.Dev, 7, 40) {
		f.Add([]byte(d.Text))
	}
	for _, cases := range detectorCases {
		for _, c := range cases {
			f.Add([]byte(c))
		}
	}
	f.Add([]byte("\xc3\x28 St. St. St. Dr. \u200b1\u00ad2３-4"))
	var all rule
	all.with = resource.Redact
	for _, name := range allNames() {
		d, err := builtin(name)
		if err != nil {
			f.Fatal(err)
		}
		all.values = append(all.values, d)
	}
	s := newScanner(&Set{}, []*rule{&all})
	f.Fuzz(func(t *testing.T, v []byte) {
		before := bytes.Clone(v)
		spans := s.spans(v)
		at := 0
		var kept []byte
		for _, x := range spans {
			if x.start < at || x.end <= x.start || x.end > len(v) {
				t.Fatalf("%q: found %d to %d after %d", v, x.start, x.end, at)
			}
			kept = append(kept, v[at:x.start]...)
			at = x.end
		}
		kept = append(kept, v[at:]...)
		out, changed := s.replace(nil, v, 0)
		if changed != (len(spans) > 0) || !bytes.Equal(v, before) {
			t.Fatalf("%q: changed is %v with %d spans", v, changed, len(spans))
		}
		for i := len(spans) - 1; i >= 0; i-- { // without the markers it is what was kept
			m := []byte("[" + spans[i].by.name + "]")
			n := bytes.LastIndex(out, m)
			if n < 0 {
				t.Fatalf("%q became %q without %s", v, out, m)
			}
			out = append(out[:n:n], out[n+len(m):]...)
		}
		if !bytes.Contains(v, []byte("[")) && !bytes.Equal(out, kept) {
			t.Fatalf("%q: kept %q, want %q", v, out, kept)
		}
	})
}
