package mask

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
	"pgregory.net/rapid"
)

const canary = "CaNaRy" // no field name, no marker and no number has it

// sample is a value of a type in one format, full of canaries.
type sample struct {
	typ   *hoop.Type
	value []byte
}

// drawSample makes a value as the server would send it, in text or in binary.
func drawSample(t *rapid.T, binaryFormat bool, depth int) sample {
	kinds := []string{"text", "varchar", "json", "jsonb", "bytea", "foreign"}
	if depth > 0 {
		kinds = append(kinds, "array", "row", "array", "row")
	}
	chars := rapid.StringOfN(rapid.RuneFrom([]rune(`ab,"\{}() 	[]:é`)), 0, 6, -1).Draw(t, "chars")
	text := chars + canary + chars
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "varchar":
		return sample{typeMod(oidVarchar, int32(rapid.IntRange(1, 40).Draw(t, "n"))), []byte(text)}
	case "json":
		return sample{base(oidJSON), drawJSON(t, text)}
	case "jsonb":
		v := drawJSON(t, text)
		if binaryFormat {
			v = append([]byte{jsonbVersion}, v...)
		}
		return sample{base(oidJSONB), v}
	case "bytea":
		return sample{base(oidBytea), []byte(text)}
	case "foreign":
		return sample{&hoop.Type{OID: 99999, Name: "x"}, []byte(text)}
	case "array":
		return drawArray(t, binaryFormat, depth)
	case "row":
		return drawRow(t, binaryFormat, depth)
	}
	return sample{base(oidText), []byte(text)}
}

func drawJSON(t *rapid.T, text string) []byte {
	v, err := json.Marshal(map[string]any{
		"name": text, text + "@": []any{text, 1.5, true, nil}, "nested_9": map[string]any{"list": []any{[]any{text}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func drawArray(t *rapid.T, binaryFormat bool, depth int) sample {
	elem := drawSample(t, binaryFormat, depth-1)
	n := rapid.IntRange(1, 3).Draw(t, "elements")
	s := sample{typ: arrayOf(elem.typ)}
	if binaryFormat {
		s.value = binary.BigEndian.AppendUint32(s.value, 1)
		s.value = binary.BigEndian.AppendUint32(s.value, 0)
		s.value = binary.BigEndian.AppendUint32(s.value, elem.typ.OID)
		s.value = binary.BigEndian.AppendUint32(s.value, uint32(n))
		s.value = binary.BigEndian.AppendUint32(s.value, 1)
		for range n {
			s.value = append(binary.BigEndian.AppendUint32(s.value, uint32(len(elem.value))), elem.value...)
		}
		return s
	}
	s.value = append(s.value, '{')
	for i := range n {
		if i > 0 {
			s.value = append(s.value, ',')
		}
		s.value = quoteElement(s.value, elem.value, ',')
	}
	s.value = append(s.value, '}')
	return s
}

func drawRow(t *rapid.T, binaryFormat bool, depth int) sample {
	a, b := drawSample(t, binaryFormat, depth-1), drawSample(t, binaryFormat, depth-1)
	s := sample{typ: rowOf(a.typ, base(oidInt4), b.typ)}
	if binaryFormat {
		s.value = binary.BigEndian.AppendUint32(s.value, 3)
		for _, f := range []sample{a, {base(oidInt4), nil}, b} {
			s.value = binary.BigEndian.AppendUint32(s.value, f.typ.OID)
			if f.value == nil {
				s.value = append(s.value, 0xff, 0xff, 0xff, 0xff)
				continue
			}
			s.value = append(binary.BigEndian.AppendUint32(s.value, uint32(len(f.value))), f.value...)
		}
		return s
	}
	s.value = append(s.value, '(')
	s.value = append(quoteField(s.value, a.value), ",,"...)
	s.value = append(quoteField(s.value, b.value), ')')
	return s
}

// Whatever the type, the format and the transform, nothing of a protected value is in
// what comes out; and what was well formed stays so: masking it again succeeds.
func TestRedact_LeaksNothing(t *testing.T) {
	for _, binaryFormat := range []bool{false, true} {
		for _, with := range []resource.Transform{resource.Redact, resource.Hash, resource.Year, resource.Zip3, resource.Age90} {
			t.Run(fmt.Sprintf("%s binary=%v", with, binaryFormat), func(t *testing.T) {
				rapid.Check(t, func(rt *rapid.T) {
					s := drawSample(rt, binaryFormat, 3)
					r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}, With: with}).For(anybody, "pg")
					tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(s.typ, binaryFormat, "a.b.c")}).Columns[0]
					out, null, changed := tr.Append([]byte("kept"), s.value)
					if !changed || !bytes.HasPrefix(out, []byte("kept")) {
						rt.Fatalf("changed %v: %q", changed, out)
					}
					out = out[4:]
					if strings.Contains(strings.ToLower(string(out)), strings.ToLower(canary)) {
						rt.Fatalf("%q became %q", s.value, out)
					}
					if null {
						if len(out) > 0 {
							rt.Fatalf("NULL with bytes %q", out)
						}
						if k := tr.shape.kind; k == shapeArray || k == shapeComposite || k == shapeJSON || k == shapeJSONB || k == shapeText {
							rt.Fatalf("a value of kind %d was not decoded: %q", k, s.value)
						}
						return
					}
					if _, null, _ := tr.Append(nil, out); null {
						rt.Fatalf("%q became %q, which is not well formed", s.value, out)
					}
				})
			})
		}
	}
}

// An element that became NULL is announced in the head of the array (array_send).
func TestRedact_ArrayHeadTellsOfNulls(t *testing.T) {
	v := []byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x1e\x61")
	want := []byte("\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x17\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xff")
	if out, null := apply(t, resource.Redact, arrayOf(base(oidInt4)), true, v); null || !bytes.Equal(out, want) {
		t.Errorf("%x %v", out, null)
	}
}

// A value that is not what its type says is withheld, not shown.
func TestRedact_UndecodableIsWithheld(t *testing.T) {
	for _, c := range []struct {
		typ    *hoop.Type
		binary bool
		value  string
	}{
		{arrayOf(base(oidText)), false, "{CANARY"},
		{arrayOf(base(oidText)), false, "CANARY"},
		{arrayOf(base(oidText)), false, "{a}CANARY"},
		{arrayOf(base(oidText)), false, "[1:2]CANARY={a}"},
		{arrayOf(base(oidText)), true, "CANARYCANARYCANARY"},
		{arrayOf(base(oidText)), true, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x19\x7f\xff\xff\xff\x00\x00\x00\x01CANARY"},
		{rowOf(base(oidText)), false, "(CANARY,b)"},
		{rowOf(base(oidText)), false, "(CANARY"},
		{rowOf(base(oidText), base(oidText)), false, "(CANARY)"},
		{rowOf(base(oidText)), false, "(a)CANARY)"},
		{rowOf(base(oidText)), true, "\x00\x00\x00\x02CANARYCANARYCANARY"},
		{base(oidJSONB), true, "\x02CANARY"},
	} {
		out, null := apply(t, resource.Redact, c.typ, c.binary, []byte(c.value))
		if !null || len(out) > 0 {
			t.Errorf("%q became %q", c.value, out)
		}
	}
	for _, v := range []string{"CANARY", `{"a": CANARY}`, `"CANARY`, ""} {
		if out, _ := apply(t, resource.Redact, base(oidJSON), false, []byte(v)); string(out) != `"[masked]"` {
			t.Errorf("%q became %q", v, out)
		}
	}
}

// A type that holds itself, as no server has it, ends all the same.
func TestRedact_EndlessType(t *testing.T) {
	typ := &hoop.Type{Kind: hoop.TypeArray}
	typ.Elem = typ
	if out, _ := apply(t, resource.Redact, typ, false, []byte("{{CANARY}}")); strings.Contains(string(out), "CANARY") {
		t.Errorf("%q", out)
	}
}

// Value rules reach texts inside arrays, rows and JSON, through their quoting; where
// nothing matches, not a byte changes.
func TestScan_ReachesNestedText(t *testing.T) {
	for _, binaryFormat := range []bool{false, true} {
		t.Run(fmt.Sprintf("binary=%v", binaryFormat), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := drawSample(rt, binaryFormat, 3)
				for _, c := range []struct {
					regex string
					hits  bool
				}{{canary, true}, {"no such text 123", false}} {
					r := compile(t, resource.MaskRule{Patterns: []resource.Pattern{{Name: "c", Regex: c.regex}}}).For(anybody, "pg")
					tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(s.typ, binaryFormat, "a.b.c")}).Columns[0]
					if tr == nil {
						continue // bytea
					}
					out, null, changed := tr.Append(nil, s.value)
					if !c.hits {
						if changed || null || !bytes.Equal(out, s.value) {
							rt.Fatalf("clear %q became %q, %v %v", s.value, out, null, changed)
						}
						continue
					}
					if bytes.Contains(out, []byte(canary)) && !hasBytea(s.typ) {
						rt.Fatalf("%q became %q", s.value, out)
					}
				}
			})
		})
	}
}

// Ranges hold text where their bounds do; there is no place for a marker in them.
func TestScan_Ranges(t *testing.T) {
	r := compile(t, resource.MaskRule{Detect: []string{"us-ssn"}}).For(anybody, "pg")
	ranged := func(of *hoop.Type) *hoop.Type { return &hoop.Type{Kind: hoop.TypeRange, Elem: of} }
	for _, of := range []*hoop.Type{base(oidText), arrayOf(base(oidText)), rowOf(base(oidInt4), base(oidText)), base(oidJSONB), {Kind: hoop.TypeDomain, Elem: base(oidText)}} {
		for _, typ := range []*hoop.Type{ranged(of), {Kind: hoop.TypeMultirange, Elem: ranged(of)}} {
			tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(typ, false, "a.b.c")}).Columns[0]
			if tr == nil {
				t.Errorf("%v: relayed", typ)
				continue
			}
			if _, null, _ := tr.Append(nil, []byte(`{["(1,123-45-6789)",)}`)); !null {
				t.Errorf("%v: shown", typ)
			}
		}
	}
}

// hasBytea: value rules do not look into bytes.
func hasBytea(t *hoop.Type) bool {
	if t.OID == oidBytea || t.Elem != nil && hasBytea(t.Elem) {
		return true
	}
	for _, f := range t.Fields {
		if hasBytea(f) {
			return true
		}
	}
	return false
}

// A JSON string is scanned as it reads, not as it is written.
func TestScan_JSONEscapes(t *testing.T) {
	r := compile(t, resource.MaskRule{Detect: []string{"us-ssn", "email"}}).For(anybody, "pg")
	for in, want := range map[string]string{
		`{"a": "123-45-6789"}`:                 `{"a": "[us-ssn]"}`,
		`{"a": "x\n123-45-6789"}`:              `{"a": "x\u000a[us-ssn]"}`,
		`{"a": "\u0031\u00323-45-6789\u00e9"}`: `{"a": "[us-ssn]é"}`,
		`{"a@b.org": 1}`:                       `{"[email]": 1}`,
		`{"a": "clean \u0041\n"}`:              `{"a": "clean \u0041\n"}`,
		`["\ud83d\ude00 a@b.org"]`:             `["😀 [email]"]`,
		`"a@b.org`:                             `"[masked]"`,
		`{"a": nope}`:                          `"[masked]"`,
	} {
		tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidJSON), false)}).Columns[0]
		if out, _, changed := tr.Append(nil, []byte(in)); string(out) != want || changed != (in != want) {
			t.Errorf("%s became %s, want %s", in, out, want)
		}
	}
}

func TestScan_LengthLimits(t *testing.T) {
	r := compile(t, resource.MaskRule{Patterns: []resource.Pattern{{Name: "a-long-name-of-a-pattern", Regex: `\d{4}`}}}).For(anybody, "pg")
	for _, c := range []struct {
		typ      *hoop.Type
		in, want string
	}{
		{base(oidText), "x1234y", "x[a-long-name-of-a-pattern]y"},
		{typeMod(oidVarchar, 6), "x1234y", "x****y"},
		{typeMod(oidBpchar, 8), "x1234y  ", "x****y  "},
		{&hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidText)}, "1234", "[a-long-name-of-a-pattern]"},
	} {
		tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(c.typ, false)}).Columns[0]
		if out, _, _ := tr.Append(nil, []byte(c.in)); string(out) != c.want {
			t.Errorf("%q became %q, want %q", c.in, out, c.want)
		}
	}
}

// Where values overlap, no end of one stays.
func TestScan_Overlaps(t *testing.T) {
	r := compile(t, resource.MaskRule{Patterns: []resource.Pattern{{Name: "a", Regex: "abc"}, {Name: "b", Regex: "cde"}, {Name: "c", Regex: "bcd"}}}).For(anybody, "pg")
	if got := string(r.Text(nil, []byte("xabcdey abc cde"))); got != "x[a]y [a] [b]" {
		t.Error(got)
	}
	for _, rules := range [][]resource.MaskRule{
		{{Detect: []string{"us-ssn"}, With: resource.Partial, Last: 4}, {Patterns: []resource.Pattern{{Name: "id", Regex: `\d{3}-\d{2}-\d{4}`}}}},
		{{Patterns: []resource.Pattern{{Name: "a", Regex: `\d{3}-\d{2}`}}, With: resource.Partial, Last: 4}, {Patterns: []resource.Pattern{{Name: "id", Regex: `\d{2}-\d{4}`}}}},
		{{Patterns: []resource.Pattern{{Name: "a", Regex: `\d{3}-\d{2}`}}, With: resource.Partial, Last: 4}, {Patterns: []resource.Pattern{{Name: "b", Regex: `\d{2}-\d{4}`}}, With: resource.Partial, Last: 2}},
	} {
		if got := string(compile(t, rules...).For(anybody, "pg").Text(nil, []byte("xx 123-45-6789 yy"))); strings.Contains(got, "6789") {
			t.Errorf("the end of a value that another rule hides is shown: %s", got)
		}
	}
}

func TestText(t *testing.T) {
	r := compile(t, resource.MaskRule{Detect: []string{"us-ssn"}}).For(anybody, "pg")
	for in, want := range map[string]string{
		`invalid input syntax for type integer: "123-45-6789"`: `invalid input syntax for type integer: "[us-ssn]"`,
		`relation "x" does not exist`:                          `relation "x" does not exist`,
		"":                                                     "",
	} {
		if got := string(r.Text([]byte("> "), []byte(in))); got != "> "+want {
			t.Errorf("%q became %q", in, got)
		}
	}
	if got := string(compile(t).For(anybody, "other").Text(nil, []byte("a 123-45-6789"))); got != "a 123-45-6789" {
		t.Error(got)
	}
}

func TestScan_Transforms(t *testing.T) {
	for with, want := range map[resource.Transform]string{
		resource.Redact: "ssn [us-ssn].", resource.Partial: "ssn *******6789.",
	} {
		r := compile(t, resource.MaskRule{Detect: []string{"us-ssn"}, With: with, Last: 4}).For(anybody, "pg")
		if got := string(r.Text(nil, []byte("ssn 123-45-6789."))); got != want {
			t.Errorf("%s: %s", with, got)
		}
	}
	r := compile(t, resource.MaskRule{Detect: []string{"us-ssn"}, With: resource.Hash}).For(anybody, "pg")
	stored := func(c hoop.Column, v string) string {
		out, _, _ := r.Plan(&hoop.Statement{}, []hoop.Column{c}).Columns[0].Append(nil, []byte(v))
		return string(out)
	}
	a, b, c := stored(proven(base(oidText), false), "123-45-6789"), stored(proven(base(oidText), false), "123-45-6789"), stored(proven(base(oidText), false), "123-45-6780")
	if a != b || a == c || len(a) > 64 || !strings.HasPrefix(a, "[us-ssn:") {
		t.Errorf("%s %s %s", a, b, c)
	}
	// Of what the client may have written itself no hash is shown.
	if got := stored(derived(base(oidText), "a.b.c"), "123-45-6789"); got != "[us-ssn]" {
		t.Errorf("computed: %s", got)
	}
	if got := string(r.Text(nil, []byte("123-45-6789"))); got != "[us-ssn]" {
		t.Errorf("an error: %s", got)
	}
	// It is none that a column shows.
	if column, _ := apply(t, resource.Hash, base(oidText), false, []byte("123-45-6789")); strings.Contains(string(column), a[len("[us-ssn:"):len(a)-1]) {
		t.Errorf("%s in a text, %s in a column", a, column)
	}
}

func FuzzAppend(f *testing.F) {
	types := []*hoop.Type{
		arrayOf(base(oidText)), rowOf(base(oidText), arrayOf(base(oidInt4))), base(oidJSON), base(oidJSONB), base(oidRecord),
		arrayOf(rowOf(base(oidText), base(oidJSONB))), base(oidBytea), base(oidUUID), base(oidDate), typeMod(oidBpchar, 5), base(oidText),
	}
	for _, seed := range []string{
		`{a,"b\"c",NULL}`, `[1:2][0:0]={{a},{b}}`, `(a,"{1,2}")`, `{"a": ["b", 1]}`, "\x01{\"a\": null}", `{"(a,\"{\\\"x\\\": 1}\")"}`,
		"\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x19\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01a",
		"\x00\x00\x00\x01\x00\x00\x00\x19\x00\x00\x00\x01a", "\xff\xff\xff\xff", "{", "[", "(", `"\`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		set := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}}, resource.MaskRule{Columns: []string{"a.b.h"}, With: resource.Hash},
			resource.MaskRule{Detect: []string{"us-ssn", "email", "phone", "date"}})
		r := set.For(anybody, "pg")
		for _, typ := range types {
			for _, binaryFormat := range []bool{false, true} {
				for _, origin := range []string{"a.b.c", "a.b.h", "a.b.x"} {
					tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(typ, binaryFormat, origin)}).Columns[0]
					if tr == nil {
						continue
					}
					out, null, changed := tr.Append([]byte("kept"), v)
					if !bytes.HasPrefix(out, []byte("kept")) || null && len(out) != 4 {
						t.Fatalf("%q: %q %v", v, out, null)
					}
					if !changed && !null && !bytes.Equal(out[4:], v) {
						t.Fatalf("%q became %q and is not called changed", v, out)
					}
					if typ.OID == oidJSON && json.Valid(v) && !null && !json.Valid(out[4:]) {
						t.Fatalf("%q became %q, which is no JSON", v, out)
					}
				}
			}
		}
	})
}

// The detectors look at bounded stretches, whatever the text.
func FuzzText(f *testing.F) {
	set := allDetectors(f)
	r := set.For(anybody, "pg")
	for _, cases := range detectorCases {
		for _, c := range cases {
			f.Add([]byte(c))
		}
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		out := r.Text(nil, v)
		if len(v) == 0 && len(out) > 0 {
			t.Fatalf("%q became %q", v, out)
		}
	})
}

func allDetectors(t testing.TB) *Set {
	return compile(t, resource.MaskRule{Detect: allNames()})
}
