package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
	"go.yaml.in/yaml/v3"
)

// Case is one entry of a file of policy cases:
//
//	cases:
//	  - name: agents drop nothing by themselves
//	    groups: [agents]
//	    target: pg-prod
//	    uses: [{effect: destroy, tables: [clinic.patients]}]
//	    want: approve
//	    rule: risky-needs-a-human       # which rule decides; may be left out
//	  - name: a statement in place of its effects
//	    groups: [agents]
//	    target: pg-prod
//	    database: clinic                # may be left out
//	    sql: DELETE FROM patients
//	    want: approve
//
// A case with sql is about what is in the target now: only a running gateway can say.
type Case struct {
	Name     string      `yaml:"name"`
	Subject  string      `yaml:"subject"`
	Groups   []string    `yaml:"groups"`
	Target   string      `yaml:"target"`
	Database string      `yaml:"database"`
	Uses     []CaseUse   `yaml:"uses"`
	SQL      string      `yaml:"sql"`
	Want     hoop.Action `yaml:"want"`
	Rule     string      `yaml:"rule"`
}

// maxCases is how many one file may have.
const maxCases = 1000

// CaseUse is one effect of a case's statement and the tables it touches, quoted as in
// SQL; "*" is any.
type CaseUse struct {
	Effect hoop.Effect `yaml:"effect"`
	Tables []string    `yaml:"tables"`
}

// Outcome is what became of a case.
type Outcome struct {
	Case Case
	Got  hoop.Decision
	Err  error // nil where the decision is the wanted one
}

// TestFile decides the cases of a file and says which differ from what they want. The
// error is about the file itself; a file without cases is one.
func (e *Engine) TestFile(ctx context.Context, path string) ([]Outcome, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read policy cases: %w", err)
	}
	cases, err := ParseCases(b)
	if err != nil {
		return nil, fmt.Errorf("policy cases %s: %w", path, err)
	}
	var out []Outcome
	for _, c := range cases {
		out = append(out, e.Test(ctx, c))
	}
	return out, nil
}

// ParseCases reads a file of cases strictly.
func ParseCases(b []byte) ([]Case, error) {
	var file struct {
		Cases []Case `yaml:"cases"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		if list := []yaml.Node(nil); yaml.Unmarshal(b, &list) == nil {
			return nil, errors.New("a list: write cases: before it")
		}
		return nil, err
	}
	switch n := len(file.Cases); {
	case n == 0:
		return nil, errors.New("there are none")
	case n > maxCases:
		return nil, fmt.Errorf("there are %d, the limit is %d", n, maxCases)
	}
	return file.Cases, nil
}

// Test decides one case.
func (e *Engine) Test(ctx context.Context, c Case) Outcome {
	d, err := e.try(ctx, c)
	if err == nil {
		err = c.Differs(d)
	}
	return Outcome{Case: c, Got: d, Err: err}
}

// Differs says how a decision is not the one that the case wants; nil where it is.
func (c Case) Differs(d hoop.Decision) error {
	switch {
	case d.Action != c.Want:
		return fmt.Errorf("got %s by rule %s (%s), want %s", d.Action, d.Rule, d.Reason, c.Want)
	case c.Rule != "" && d.Rule != c.Rule:
		return fmt.Errorf("rule %s decided, want %s", d.Rule, c.Rule)
	}
	return nil
}

func (e *Engine) try(ctx context.Context, c Case) (hoop.Decision, error) {
	switch {
	case c.SQL != "" && len(c.Uses) > 0:
		return hoop.Decision{}, errors.New("it has both sql and uses: a case begins with one of them")
	case c.SQL != "":
		return hoop.Decision{}, errors.New("sql: what a statement does depends on what is in the target, so a running gateway must be asked: hoopctl policy test FILE; offline, write its effects as uses (hoopctl policy explain shows them)")
	case c.Database != "":
		return hoop.Decision{}, errors.New("database: goes with sql only")
	case len(c.Uses) == 0:
		return hoop.Decision{}, errors.New("it has neither uses nor sql: a case begins with one of them")
	case !e.targets[c.Target]:
		return hoop.Decision{}, fmt.Errorf("no target %q is declared", c.Target) // denied, which is what a case may want
	}
	var uses []hoop.Use
	for _, u := range c.Uses {
		if !u.Effect.Known() {
			return hoop.Decision{}, fmt.Errorf("uses: there is no effect %q", u.Effect)
		}
		use := hoop.Use{Effect: u.Effect}
		for _, name := range u.Tables {
			p, err := resource.ParseTable(name)
			switch {
			case err != nil:
				return hoop.Decision{}, fmt.Errorf("tables: %w", err)
			case p.Any():
				use.Tables = append(use.Tables, "*")
			case p.Schema.Any || p.Table.Any:
				return hoop.Decision{}, fmt.Errorf("tables: %q: a statement touches named tables, or \"*\"", name)
			default:
				use.Tables = append(use.Tables, hoop.TableName(p.Schema.Name, p.Table.Name))
			}
		}
		uses = append(uses, use)
	}
	return e.Decide(ctx, hoop.Identity{Subject: c.Subject, Groups: c.Groups}, c.Target, uses)
}
