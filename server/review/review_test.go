package review

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
)

func rulesFor(t *testing.T, groups ...string) *mask.Rules {
	t.Helper()
	set, err := mask.Compile([]resource.MaskRule{
		{Meta: resource.Meta{Name: "columns"}, Targets: []string{"*"}, Columns: []string{"clinic.patients.ssn"}, With: resource.Redact, Except: []string{"privacy"}},
		{Meta: resource.Meta{Name: "values"}, Targets: []string{"*"}, Detect: []string{"email"}, With: resource.Redact, Except: []string{"privacy"}},
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set.For(hoop.Identity{Subject: "alex", Groups: groups}, "pg")
}

func place(s, part string, columns ...string) hoop.Place {
	at := strings.Index(s, part)
	p := hoop.Place{Start: at, End: at + len(part), Comment: strings.HasPrefix(part, "--")}
	p.Purpose.Known = len(columns) > 0
	for _, c := range columns {
		p.Purpose.Columns = append(p.Purpose.Columns, hoop.ColumnRef{Schema: "clinic", Table: "patients", Column: c})
	}
	return p
}

const text = "DELETE FROM clinic.patients WHERE id = 7 AND ssn = '123-45-6789' AND f('x@example.org') -- for Mrs Doe"

func held() hoop.Request {
	return hoop.Request{
		Statement: text, Params: []string{"7", "123-45-6789", "y@example.org"},
		Shape:   "DELETE FROM clinic.patients WHERE id = $1 AND ssn = $2 AND f($3)",
		Effects: []hoop.Use{{Effect: hoop.EffectWrite, Tables: []string{"clinic.patients"}}},
		Writing: []hoop.Writing{{
			Known:  true,
			Tables: []string{"clinic.patients"},
			Places: []hoop.Place{place(text, "7", "id"), place(text, "'123-45-6789'", "ssn"), place(text, "'x@example.org'"), place(text, "-- for Mrs Doe")},
			Params: []hoop.Purpose{place(text, "7", "id").Purpose, place(text, "7", "id", "ssn").Purpose, {}},
		}},
	}
}

func TestShow_MasksWhatIsMaskedForTheViewer(t *testing.T) {
	got := Show(rulesFor(t), held())
	want := "DELETE FROM clinic.patients WHERE id = 7 AND ssn = '[masked]' AND f('[masked]') -- [masked]"
	if got.Statement != want {
		t.Errorf("got  %s\nwant %s", got.Statement, want)
	}
	if diff := cmp.Diff([]string{"7", "[masked]", "[masked]"}, got.Params); diff != "" || got.Hidden != 5 {
		t.Errorf("hidden %d, %s", got.Hidden, diff)
	}
}

func TestShow_ShowsEverythingToWhomNothingIsMasked(t *testing.T) {
	got := Show(rulesFor(t, "privacy"), held())
	if got.Statement != text || !slices.Equal(got.Params, held().Params) || got.Hidden != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestShow_ShowsValuesOfUnprotectedTablesButScansThem(t *testing.T) {
	r := held()
	r.Writing[0].Tables = []string{"public.scratch"}
	r.Effects[0].Tables = []string{"public.scratch"}
	got := Show(rulesFor(t), r)
	if !strings.Contains(got.Statement, "'123-45-6789'") || !strings.Contains(got.Statement, "Mrs Doe") || strings.Contains(got.Statement, "x@example") {
		t.Errorf("got %s", got.Statement)
	}
	if strings.Contains(got.Params[2], "example") || got.Hidden != 2 {
		t.Errorf("got %s, hidden %d", got.Params, got.Hidden)
	}
}

func TestShow_IsSoundWhereNothingIsKnown(t *testing.T) {
	for name, change := range map[string]func(*hoop.Request){
		"no writing":     func(r *hoop.Request) { r.Writing = nil },
		"unknown places": func(r *hoop.Request) { r.Writing[0].Known, r.Writing[0].Places, r.Writing[0].Params = false, nil, nil },
		"opaque":         func(r *hoop.Request) { r.Writing = []hoop.Writing{{Opaque: true}} },
		"any table":      func(r *hoop.Request) { r.Writing = []hoop.Writing{{Tables: []string{"*"}}} },
		"opaque, and names no protected table": func(r *hoop.Request) {
			r.Writing, r.Effects = []hoop.Writing{{Opaque: true, Tables: []string{"public.scratch"}}}, []hoop.Use{{Effect: hoop.EffectOpaque, Tables: []string{"public.scratch"}}}
		},
		"by its text alone": func(r *hoop.Request) {
			r.Writing = []hoop.Writing{{Tables: []string{"clinic.patients"}}}
			r.Effects[0].Tables = []string{"public.scratch"}
		},
		"by where to alone": func(r *hoop.Request) {
			r.Writing = []hoop.Writing{{Tables: []string{"public.scratch"}}}
			r.Effects = []hoop.Use{{Effect: hoop.EffectDerive, Tables: []string{"public.scratch"}, Into: []string{"clinic.patients"}}}
		},
		"by effect alone": func(r *hoop.Request) { r.Writing = []hoop.Writing{{Tables: []string{"public.scratch"}}} },
		"nothing named":   func(r *hoop.Request) { r.Writing, r.Effects = []hoop.Writing{{}}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := held()
			r.Executes = []string{text}
			change(&r)
			got := Show(rulesFor(t), r)
			all := got.Statement + strings.Join(got.Params, " ") + strings.Join(got.Executes, " ")
			for _, value := range []string{"6789", "example.org", "Doe"} {
				if strings.Contains(all, value) {
					t.Errorf("%s is shown: %s", value, all)
				}
			}
			if !strings.HasPrefix(got.Statement, "DELETE FROM clinic.patients") || got.Hidden != 5 {
				t.Errorf("got %s, hidden %d", got.Statement, got.Hidden)
			}
		})
	}
}
