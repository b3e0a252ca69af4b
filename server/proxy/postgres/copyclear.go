package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/mask"
)

// ground is what the names in a text depend on besides the catalog: values that differ say
// that a name may stand for something else.
type ground struct {
	moved, grew, mixed, ddl, adopted int64
	made                             int
	joined                           bool
}

// groundLocked gives the session's; c.mu is held.
func (c *conn) groundLocked() ground {
	return ground{moved: c.moved, grew: c.overlay.grew, mixed: c.overlay.mixed, ddl: c.ddl, adopted: c.adopted, made: c.shadows.made, joined: c.joined}
}

// uncovered refuses COPY TO whose data the gateway could not mask, and notes which may pass
// though the statement reads what is masked.
func (c *conn) uncovered(r *running) (err error) {
	rules := r.run.Rules()
	for at, m := range r.meanings {
		switch {
		case at < 0:
			r.copied, err = c.copyPlan(m, r.by.snap, r.st, r.withheld, rules, r.run.Plan)
		case r.withheld && m.copies != nil:
			err = copyHides(nil)
		case rules.Values():
			err = m.scannable()
		}
		if err != nil {
			return err
		}
		if r.opaque && rules.Values() && slices.ContainsFunc(m.copies, func(c copying) bool { return c.format == copyBinary }) {
			return hoop.Errorf(hoop.CodeDenied, "COPY TO in binary format could deliver values that are masked for you, as types may have changed").
				WithHint("use FORMAT text or csv, or SELECT")
		}
	}
	return nil
}

// copyPlan gives for each COPY TO of a text how many columns it has, where all of them are
// known to show nothing that is masked; the error refuses the text. Data of COPY is not
// described, so there is no second witness: nothing may be open that could make the text
// mean something else. withheld says that the text reads what is masked.
func (c *conn) copyPlan(m *meaning, snap *catalog.Snapshot, st *hoop.Statement, withheld bool, rules *mask.Rules, plan func([]hoop.Column) *mask.Plan) (copied map[int]int, err error) {
	if withheld && m.copies != nil {
		c.mu.Lock()
		joined := c.joined && !c.seesLocked(m) || c.adopted >= 0
		c.mu.Unlock()
		certain := !joined && !st.Opaque && !st.Changes() && m.version == snap.Version &&
			!slices.ContainsFunc(st.Uses, func(u hoop.Use) bool { return u.Effect == hoop.EffectOpaque })
		for i, cmd := range m.analysis.Commands {
			if !cmd.CopyOut {
				continue
			}
			var cols []hoop.Column
			if certain {
				cols = c.copyColumns(m, i, snap)
			}
			if cols == nil {
				return nil, copyHides(nil)
			}
			var hidden []string
			for n, t := range plan(cols).Columns {
				if !rules.Open(t) {
					hidden = append(hidden, columnName(cols[n].Name, n))
				}
			}
			if hidden != nil {
				return nil, copyHides(hidden)
			}
			if copied == nil {
				copied = map[int]int{}
			}
			copied[i] = len(cols)
		}
	}
	if rules.Values() {
		err = m.scannable()
	}
	return copied, err
}

// copyColumns gives the columns of a COPY TO by what they derive from; nil where that is not
// known of one, or where there are none.
func (c *conn) copyColumns(m *meaning, command int, snap *catalog.Snapshot) []hoop.Column {
	var cols []hoop.Column
	for _, o := range c.outputs(m, command, snap) {
		if !o.Known {
			return nil
		}
		cols = append(cols, foreseen(o, snap).Column)
	}
	return cols
}

func columnName(name string, n int) string {
	if name == "" {
		return fmt.Sprintf("column %d", n+1)
	}
	return name
}

// maxNamed is how many columns an error names.
const maxNamed = 20

// copyHides refuses COPY TO with columns that are masked; none are named where it is not
// known which.
func copyHides(columns []string) error {
	const message = "COPY TO would deliver values that are masked for you"
	if columns == nil {
		return hoop.Errorf(hoop.CodeDenied, message).WithHint("use SELECT: its values are masked one by one")
	}
	more := ""
	if n := len(columns) - maxNamed; n > 0 {
		columns, more = columns[:maxNamed], fmt.Sprintf(" and %d more", n)
	}
	return hoop.Errorf(hoop.CodeDenied, "%s: %s%s", message, strings.Join(columns, ", "), more).
		WithHint("leave them out, or use SELECT: its values are masked one by one")
}

// copiesStill checks, once the target has locked what COPY TO reads and begins, that it
// copies what was judged: it may have waited for somebody who has changed the tables. The
// CopyOutResponse has 1B format + 2B n + n formats.
func (a *answerer) copiesStill(e *expected, m []byte) error {
	f := fields{b: m[headerSize:]}
	f.byte()
	n, ok := e.run.copied[e.tags]
	if got := int(f.uint16()); !ok || got != n || f.err != nil {
		return a.fault("COPY TO of other columns than were judged")
	}
	return a.same(&weighed{meaning: e.run.meaning, by: basis{snap: e.run.by.snap}, st: e.run.st, beside: a.beside.now()})(a.ctx)
}
