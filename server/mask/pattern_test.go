package mask

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/server/resource"
	"pgregory.net/rapid"
)

func TestMandatory_Lengths(t *testing.T) {
	for regex, want := range map[string]int{
		`\b\d{3}-\d{2}-\d{4}\b`:     11,
		`MRN-\d{9}`:                 13,
		`\(\d{3}\) \d{3}-\d{4}`:     14,
		`[a-z]+@[a-z.]+\.[a-z]{2,}`: 4,
		`(?i)mrn\d`:                 4,
		`(?i)skip\d`:                3, // k and s have forms beyond ASCII
		`a|b`:                       1, // a class
		`foo|barbaz`:                0,
		`é\d\d`:                     2,
		`\pL\d`:                     1,
		`(ab)+c`:                    2,
		`.x`:                        1,
		`(?:abc)?d`:                 1,
	} {
		d, err := pattern(resource.Pattern{Name: "x", Regex: regex})
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		if d.must != nil {
			got = len(d.must.sets)
		}
		if got != want {
			t.Errorf("%s: %d, want %d", regex, got, want)
		}
	}
}

// Whatever an expression matches has its mandatory sequence.
func TestMandatory_IsInEveryMatch(t *testing.T) {
	pieces := []string{`a`, `\d`, `[ab-]`, `-`, `b+`, `\d{2}`, `(ab)+`, `c?`, `\b`, `(?i)K`, `(?i)mS`, `é`, `[é-ü]`, `x*`, `(?:a|bc)`, `.`, `^`, `$`, `[^a]`, `(?i)[k]`, `\pL`, `(a\d|\d-)+`, `ſ`}
	rapid.Check(t, func(t *rapid.T) {
		regex := ""
		for range rapid.IntRange(1, 6).Draw(t, "pieces") {
			regex += rapid.SampledFrom(pieces).Draw(t, "piece")
		}
		d, err := pattern(resource.Pattern{Name: "x", Regex: regex})
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab-12cxKkKsſSMmé ü")), 0, 24, -1).Draw(t, "text")
		if rapid.Bool().Draw(t, "made to match") {
			text += rapid.StringMatching(regex).Draw(t, "match")
		}
		if d.re.MatchString(text) && !d.must.in([]byte(text)) {
			t.Fatalf("%s matches %q, which has no %+v", regex, text, d.must)
		}
	})
}

// An expression that looks far past what it matches takes no time in the square of the
// text: what it would take that for is masked as a whole. It would be some eighty seconds.
func TestPattern_LooksFarAhead(t *testing.T) {
	for _, c := range []struct {
		regex, text string
		want        [][]int
	}{
		{`x(.*y)?`, strings.Repeat("x", 100_000), [][]int{{0, 100_000}}},
		{`x.*y|x`, strings.Repeat("x", 100_000), [][]int{{0, 100_000}}},
		{`x(.*y)?`, strings.Repeat("x", 9) + "y", [][]int{{0, 10}}},
		{`x`, strings.Repeat("x", 40), regexp.MustCompile("x").FindAllIndex(bytes.Repeat([]byte("x"), 40), -1)},
		{`x`, "", nil},
	} {
		if got := allIndex(regexp.MustCompile(c.regex), []byte(c.text)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s in %.20s…: %v, want %v", c.regex, c.text, got, c.want)
		}
	}
}
