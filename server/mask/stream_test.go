package mask

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask/corpus"
	"github.com/hoopctl/hoopctl/server/resource"
)

// streamed masks a value in pieces of the sizes that next gives.
func streamed(t testing.TB, tr *Transform, v []byte, next func() int) (out []byte, null, changed bool) {
	t.Helper()
	s := tr.Stream(int64(len(v)))
	n, null := s.Len(int64(len(v)))
	for rest := v; len(rest) > 0; {
		k := min(len(rest), max(next(), 1))
		out = s.Append(out, bytes.Clone(rest[:k]))
		rest = rest[k:]
		if len(s.held) > streamBehind+2*streamChunk+streamAhead {
			t.Fatalf("%d bytes are held", len(s.held))
		}
	}
	out, changed = s.End(out)
	if int64(len(out)) != n && !null || null && len(out) > 0 {
		t.Fatalf("%d bytes came out, %d (NULL %v) were announced", len(out), n, null)
	}
	return out, null, changed
}

// A stream replaces exactly what is replaced in a value that is masked whole, wherever
// its pieces end, and keeps its length.
func TestStream_FindsWhatAWholeValueShows(t *testing.T) {
	var text []byte
	for _, c := range corpus.Generate(corpus.Dev, 7, 1500) {
		text = append(append(text, c.Text...), "\n１２３-４５-６７８９ é "...)
	}
	if len(text) < 4*streamChunk {
		t.Fatalf("%d bytes are too few to be streamed", len(text))
	}
	r := compile(t, resource.MaskRule{Detect: allNames()}, resource.MaskRule{Patterns: []resource.Pattern{{Name: "p", Regex: `\bpatient \w+`}}}).For(anybody, "pg")
	tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidText), false)}).Columns[0]
	for n, most := range []int{100, 5000, 70000, 300000} {
		v := text[n*1117:]
		want := bytes.Clone(v)
		for _, f := range tr.scan.spans(v) {
			copy(want[f.start:], tr.scan.markSame(nil, v[f.start:f.end], f.by))
		}
		got, null, changed := streamed(t, tr, v, func() int { return most - len(v)%97 })
		if null || !changed {
			t.Fatalf("NULL %v, changed %v", null, changed)
		}
		if !bytes.Equal(got, want) {
			i := 0
			for got[i] == want[i] {
				i++
			}
			t.Fatalf("at %d: %q, want %q", i, got[max(0, i-60):min(len(got), i+60)], want[max(0, i-60):min(len(want), i+60)])
		}
	}
}

// A match without end is masked to the end, in bounded memory.
func TestStream_EndlessMatch(t *testing.T) {
	r := compile(t, resource.MaskRule{Patterns: []resource.Pattern{{Name: "x", Regex: `x+`}}}).For(anybody, "pg")
	tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidText), false)}).Columns[0]
	out, _, _ := streamed(t, tr, []byte("a "+strings.Repeat("x", 20*streamChunk)+" b"), func() int { return 10000 })
	if bytes.Contains(out, []byte("x")) && strings.Count(string(out), "x") != strings.Count(string(out), "[x]") || !bytes.HasPrefix(out, []byte("a [x]*")) || !bytes.HasSuffix(out, []byte("* b")) {
		t.Errorf("%q … %q", out[:20], out[len(out)-20:])
	}
}

func TestStream_Transforms(t *testing.T) {
	long := []byte(strings.Repeat("CANARY é 123-45-6789 ", 60000))
	for _, c := range []struct {
		name   string
		with   resource.Transform
		typ    *hoop.Type
		binary bool
		want   string
		null   bool
	}{
		{"redact", resource.Redact, base(oidText), false, marker, false},
		{"redact, binary", resource.Redact, base(oidText), true, marker, false},
		{"varchar", resource.Redact, typeMod(oidVarchar, 10485760), false, marker, false},
		{"xml", resource.Redact, base(oidXML), false, marker, false},
		{"null", resource.Null, base(oidText), false, "", true},
		{"partial", resource.Partial, base(oidText), false, marker, false},
		{"year", resource.Year, base(oidText), false, marker, false},
		{"tokenize", resource.Tokenize, base(oidText), false, marker, false},
		{"bytea", resource.Redact, base(oidBytea), false, `\x`, false},
		{"bytea, binary", resource.Redact, base(oidBytea), true, "", false},
		{"bytea, hash", resource.Hash, base(oidBytea), true, "", true},
		{"json", resource.Redact, base(oidJSON), false, "", true},
		{"jsonb", resource.Redact, base(oidJSONB), true, "", true},
		{"array", resource.Redact, arrayOf(base(oidText)), false, "", true},
		{"row", resource.Redact, rowOf(base(oidText)), true, "", true},
		{"numeric", resource.Redact, base(oidNumeric), false, "", true},
		{"domain", resource.Redact, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidText)}, false, "", true},
		{"unknown type", resource.Redact, &hoop.Type{Kind: hoop.TypeUnknown, OID: 99999}, false, "", true},
	} {
		r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}, With: c.with, Last: 4}).For(anybody, "pg")
		tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(c.typ, c.binary, "a.b.c")}).Columns[0]
		out, null, changed := streamed(t, tr, long, func() int { return 33333 })
		if string(out) != c.want || null != c.null || !changed {
			t.Errorf("%s: %.60q, NULL %v, changed %v", c.name, out, null, changed)
		}
	}
	hashed := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}, With: resource.Hash}).For(anybody, "pg")
	for _, typ := range []*hoop.Type{base(oidText), base(oidXML), typeMod(oidVarchar, 10485760), typeMod(oidBpchar, 10485760), typeMod(oidBpchar, 40)} {
		tr := hashed.Plan(&hoop.Statement{}, []hoop.Column{proven(typ, false, "a.b.c")}).Columns[0]
		for _, v := range [][]byte{long, []byte(strings.Repeat("CANARY"+strings.Repeat(" ", 5000), 300)), bytes.Repeat([]byte(" "), 1<<20)} {
			whole, _, _ := tr.Append(nil, v)
			if got, _, _ := streamed(t, tr, v, func() int { return 3333 }); !bytes.Equal(got, whole) {
				t.Errorf("%d: hash %.80s, of the whole %.80s", typ.OID, got, whole)
			}
		}
	}
}

// Where values are looked for, a type with a structure is NULL, and one that cannot hold
// text stays.
func TestStream_ScanOfOtherTypes(t *testing.T) {
	r := compile(t, resource.MaskRule{Detect: []string{"us-ssn"}}).For(anybody, "pg")
	long := []byte(strings.Repeat("CANARY 123-45-6789 ", 60000))
	for _, typ := range []*hoop.Type{base(oidJSON), base(oidJSONB), arrayOf(base(oidText)), rowOf(base(oidText)), {Kind: hoop.TypeUnknown, OID: 99999}} {
		tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(typ, false)}).Columns[0]
		if out, null, _ := streamed(t, tr, long, func() int { return 5000 }); !null {
			t.Errorf("%+v: %.40q", typ, out)
		}
	}
	domain := &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidText)}
	tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(domain, false)}).Columns[0]
	if out, null, _ := streamed(t, tr, long, func() int { return 5000 }); null || bytes.Contains(out, []byte("6789")) || !bytes.Contains(out, []byte("CANARY [us-ssn]*** CANARY")) {
		t.Errorf("a domain: NULL %v, %.60q", null, out)
	}
	if r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidBytea), false)}).Columns[0] != nil {
		t.Error("bytes are scanned")
	}
}

// What stands for a part of a text has as many bytes and characters.
func TestStream_SameLength(t *testing.T) {
	for _, with := range []resource.Transform{resource.Redact, resource.Partial, resource.Hash} {
		r := compile(t, resource.MaskRule{Patterns: []resource.Pattern{{Name: "long-name", Regex: `<.*?>`}}, With: with, Last: 2}).For(anybody, "pg")
		tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidText), false)}).Columns[0]
		for _, in := range []string{"<>", "<a>", "<abcdefghijkl>", "<é𝅘𝅥𝅮語>", "<" + strings.Repeat("z", 80) + ">"} {
			out, _, _ := streamed(t, tr, []byte("x "+in+" y"), func() int { return 3 })
			if !utf8.Valid(out) || utf8.RuneCount(out) != utf8.RuneCountInString("x "+in+" y") || string(out) == "x "+in+" y" {
				t.Errorf("%s of %q: %q", with, in, out)
			}
		}
	}
}
