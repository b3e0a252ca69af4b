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
type Case struct {
	Name    string      `yaml:"name"`
	Subject string      `yaml:"subject"`
	Groups  []string    `yaml:"groups"`
	Target  string      `yaml:"target"`
	Uses    []CaseUse   `yaml:"uses"`
	Want    hoop.Action `yaml:"want"`
	Rule    string      `yaml:"rule"`
}

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
	var file struct {
		Cases []Case `yaml:"cases"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("policy cases %s: %w", path, err)
	}
	if len(file.Cases) == 0 {
		return nil, fmt.Errorf("policy cases %s: there are none", path)
	}
	var out []Outcome
	for _, c := range file.Cases {
		o := Outcome{Case: c}
		o.Got, o.Err = e.try(ctx, c)
		out = append(out, o)
	}
	return out, nil
}

func (e *Engine) try(ctx context.Context, c Case) (hoop.Decision, error) {
	var uses []hoop.Use
	for _, u := range c.Uses {
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
	d, err := e.Decide(ctx, hoop.Identity{Subject: c.Subject, Groups: c.Groups}, c.Target, uses)
	switch {
	case err != nil:
		return d, err
	case d.Action != c.Want:
		return d, fmt.Errorf("got %s by rule %s (%s), want %s", d.Action, d.Rule, d.Reason, c.Want)
	case c.Rule != "" && d.Rule != c.Rule:
		return d, fmt.Errorf("rule %s decided, want %s", d.Rule, c.Rule)
	}
	return d, nil
}
