package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

type policyExplainOptions struct {
	f   *Factory
	Ask api.Explain

	JSON jsonFlag
}

func newPolicyExplain(f *Factory, runF func(*policyExplainOptions) error) *cobra.Command {
	o := &policyExplainOptions{f: f}
	cmd := &cobra.Command{
		Use:   `explain --target TARGET "SQL"`,
		Short: "Say what a statement would do, who decides, and what its answer shows",
		Long: `Say what a statement would do on a target, which rule decides about each of its
effects, and what becomes of each column of its answer. Nothing runs, and the
statement's literals are kept nowhere. With - the statement is read from stdin.`,
		Example: `  hoopctl policy explain --target pg-prod "SELECT full_name, count(*) FROM patients GROUP BY 1"
  hoopctl policy explain --target pg-prod --as-groups agents - < report.sql`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Ask.SQL = args[0]; args[0] == "-" {
				b, err := io.ReadAll(io.LimitReader(f.IO.In, api.MaxExplained+1))
				if err != nil {
					return fmt.Errorf("read the statement from stdin: %w", err)
				}
				o.Ask.SQL = string(b)
			}
			if cmd.Flags().Changed("as-groups") && !slices.ContainsFunc(o.Ask.Groups, func(g string) bool { return g != "" }) {
				return usagef("--as-groups names no group")
			}
			if runF != nil {
				return runF(o)
			}
			return o.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.Ask.Target, "target", "", "the `TARGET` it would run on")
	fl.StringVar(&o.Ask.Database, "database", "", "the target's `DATABASE`; left out: its default")
	fl.StringSliceVar(&o.Ask.Groups, "as-groups", nil, "ask for somebody who is in these `GROUPS` only (auditors and administrators)")
	addJSON[api.Explanation](cmd, &o.JSON)
	cobra.CheckErr(cmd.MarkFlagRequired("target"))
	return cmd
}

func (o *policyExplainOptions) run(ctx context.Context) error {
	c, err := o.f.API()
	if err != nil {
		return err
	}
	x, err := c.Explain(ctx, o.Ask)
	if err != nil {
		return err
	}
	if o.JSON.set {
		return o.f.writeJSON(o.JSON, x)
	}
	texts := ""
	if x.Withheld {
		texts = "texts of errors and notices are withheld"
	}
	d := x.Decision
	if err := pairs(o.f.IO,
		"target", x.Target, "database", x.Database, "groups", strings.Join(x.Groups, ", "), "statement", x.Shape,
		"decision", string(d.Action), "rule", d.Rule, "why", d.Reason, "approval", byWhom(d), "observed", observed(d.Observed), "answer", texts,
	); err != nil {
		return err
	}
	if err := o.effects(x.Effects); err != nil {
		return err
	}
	if err := o.columns(x.Columns); err != nil {
		return err
	}
	for _, n := range x.Notes {
		o.f.note(n)
	}
	return nil
}

// section is a table below the pairs: set off for people, its rows named for programs.
func (o *policyExplainOptions) section(name string, t *table) error {
	if len(t.rows) == 0 {
		return nil
	}
	if o.f.IO.OutTTY {
		fmt.Fprintln(o.f.IO.Out)
		return t.write(o.f.IO, "")
	}
	for i, r := range t.rows {
		t.rows[i] = append([]cell{text(name)}, r...)
	}
	return t.write(o.f.IO, "")
}

func (o *policyExplainOptions) effects(effects []api.ExplainedEffect) error {
	t := newTable("EFFECT", "DECISION", "RULE", "APPROVAL", "ON", "WHY")
	for _, e := range effects {
		var on []string
		for _, c := range e.Columns {
			on = append(on, c.String())
		}
		if len(on) == 0 {
			on = append(on, e.Tables...)
		}
		for _, into := range e.Into {
			on = append(on, "into "+into)
		}
		t.add(text(string(e.Effect)), o.action(e.Decision.Action), text(e.Decision.Rule), text(dash(byWhom(e.Decision))),
			text(dash(strings.Join(on, ", "))), text(dash(e.Why)))
	}
	return o.section("effect", t)
}

func (o *policyExplainOptions) columns(columns []api.ExplainedColumn) error {
	t := newTable("COLUMN", "SHOWN", "RULE", "FROM", "WHY")
	many := slices.ContainsFunc(columns, func(c api.ExplainedColumn) bool { return c.Command > 1 })
	for _, c := range columns {
		name := c.Name
		if name == "" {
			name = "?"
		}
		if many {
			name = strconv.Itoa(c.Command) + ": " + name
		}
		from := strings.Join(c.Origins, ", ")
		if !c.Known {
			from = "not provable"
		}
		shown := c.Transform
		if c.Itself != nil {
			shown = c.Itself.Transform + " as it is, " + c.Transform + " when computed"
		}
		paint := o.f.IO.Yellow
		if shown == api.TransformClear {
			paint = o.f.IO.Green
		}
		t.add(text(name), painted(shown, paint), text(dash(c.Rule)), text(dash(from)), text(c.Why))
	}
	return o.section("column", t)
}

func (o *policyExplainOptions) action(a hoop.Action) cell {
	switch a {
	case hoop.Allow:
		return painted(string(a), o.f.IO.Green)
	case hoop.Approve:
		return painted(string(a), o.f.IO.Yellow)
	}
	return painted(string(a), o.f.IO.Red)
}

// byWhom says who must approve: "2 of dba, ops within 2m, and 1 of privacy within 5m".
func byWhom(d hoop.Decision) string {
	var who []string
	for _, d := range append([]hoop.Decision{d}, d.Also...) {
		if a := d.Approval; a != nil {
			who = append(who, fmt.Sprintf("%d of %s within %s", a.Count, strings.Join(a.Groups, ", "), a.Timeout))
		}
	}
	return strings.Join(who, ", and ")
}

func observed(o *hoop.Observed) string {
	if o == nil {
		return ""
	}
	return o.String()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
