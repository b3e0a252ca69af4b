package postgres

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// '2000-01-01 12:00' is another moment in each time zone, and '1/2/3' another day in each
// DateStyle: somebody who changes these compares one text as many values.

// timely are the settings by which texts are read as times, in lower case. The target
// reports all of them.
var timely = []string{"datestyle", "intervalstyle", "timezone"}

// dialect is what is known of these settings. The target reports them with ReadyForQuery,
// so the texts that change them count until that.
type dialect struct {
	told    string // as the target reported them
	changed string // hash of the texts of one batch that may change them; "" for none
	batch   int64  // of changed
	local   bool   // the open transaction may have changed them: its end does it again
	opened  bool   // a cursor or portal may change them, wherever FETCH names it
}

// report takes in what the target says.
func (d *dialect) report(status map[string]string) {
	values := make([]string, len(timely))
	for name, value := range status {
		if i := slices.Index(timely, strings.ToLower(name)); i >= 0 {
			values[i] = value
		}
	}
	d.told = strings.Join(values, "\n")
}

// turns reports whether the text may change the settings.
func (d *dialect) turns(a *sqlscan.Analysis) bool {
	return a.Has(hoop.EffectOpaque) || slices.ContainsFunc(timely, func(s string) bool { return slices.Contains(a.Settings, s) }) ||
		slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool {
			return cmd.ResetAll || cmd.Discard || d.local && cmd.Tx != sqlscan.TxNone && cmd.Tx != sqlscan.TxBegin || d.opened && cmd.Fetch != ""
		})
}

// read gives the settings by which a text of batch is read, in which they may be changed
// by what it does itself.
func (d *dialect) read(batch int64, m *meaning, also []executed, params []hoop.Param) string {
	out := d.told
	if d.batch == batch {
		out += d.changed
	}
	if d.turns(m.analysis) || slices.ContainsFunc(also, func(x executed) bool { return d.turns(x.meaning.analysis) }) {
		out += saying(m.text, params)
	}
	return out
}

// saying is a text with its parameters.
func saying(text string, params []hoop.Param) string {
	text = "\n" + text
	for _, p := range params {
		text += "\x00" + string(p.Value)
	}
	return text
}

// forwarded notes what e may change.
func (d *dialect) forwarded(e *expected) {
	for _, m := range e.run.meanings {
		if !d.turns(m.analysis) {
			continue
		}
		if d.batch != e.batch {
			d.batch, d.changed = e.batch, ""
		}
		sum := sha256.Sum256([]byte(d.changed + saying(e.run.meaning.text, e.run.st.Params)))
		d.changed = string(sum[:])
		d.local = true
		d.opened = d.opened || slices.ContainsFunc(m.analysis.Commands, func(cmd sqlscan.Command) bool { return cmd.Declare != "" })
		return
	}
}

// heard waits until the settings are known that what was sent in earlier batches leaves: the
// target reports them when such a batch ends.
func (c *conn) heard(ctx context.Context) error {
	c.mu.Lock()
	d := &c.dialect
	waits := d.changed != "" && d.batch != c.batch && len(c.queue) > 0
	c.mu.Unlock()
	if !waits || !c.sess.Compares() {
		return nil
	}
	return c.barrier(ctx)
}
