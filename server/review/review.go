// Package review shows a held statement to whoever decides it: exactly what will run,
// with the values masked that are masked for them.
//
// It is pure: a request, what is known of its literals, and mask rules in; the request
// as one person may see it out. Who may decide is left to grant, what a literal is good
// for to sqlscan, what a rule protects to mask.
package review

import (
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
)

// Masked stands where a value is that the viewer may not see.
const Masked = "[masked]"

// Show gives the statement, its parameters and what it executes as rules let somebody
// see them. It is sound before it is precise: where the statement touches a table with
// protected columns, a value is shown only if it is known to belong to columns that
// are not protected. Without knowledge of the literals, the text's shape is shown. Value
// rules replace what they match, wherever it stands.
func Show(rules *mask.Rules, r hoop.Request) hoop.Request {
	if !rules.Any() {
		return r
	}
	v := viewer{rules: rules, request: &r}
	v.careful = v.touches()
	texts := append([]string{r.Statement}, r.Executes...)
	for i, text := range texts {
		var w hoop.Writing
		if i < len(r.Writing) {
			w = r.Writing[i]
		}
		texts[i] = v.text(text, w)
	}
	var params []hoop.Purpose
	if len(r.Writing) > 0 {
		params = r.Writing[0].Params
	}
	r.Params = slices.Clone(r.Params)
	for i := range r.Params {
		var p hoop.Purpose
		if i < len(params) {
			p = params[i]
		}
		r.Params[i] = v.value(r.Params[i], p)
	}
	r.Statement, r.Executes = texts[0], texts[1:]
	r.Hidden = v.hidden
	return r
}

// viewer shows one request by one set of rules.
type viewer struct {
	rules   *mask.Rules
	request *hoop.Request
	careful bool // the statement may touch something protected
	hidden  int
}

// touches reports whether the statement may touch something protected.
func (v *viewer) touches() bool {
	if !v.rules.ProtectsTable("*") {
		return false
	}
	w := v.request.Writing
	if len(w) == 0 || w[0].Opaque || len(w[0].Tables) == 0 && len(v.request.Effects) == 0 {
		return true
	}
	if slices.ContainsFunc(w[0].Tables, v.rules.ProtectsTable) {
		return true
	}
	return slices.ContainsFunc(v.request.Effects, func(u hoop.Use) bool {
		return slices.ContainsFunc(u.Tables, v.rules.ProtectsTable) || slices.ContainsFunc(u.Into, v.rules.ProtectsTable)
	})
}

// shows reports whether a value of that purpose may be seen.
func (v *viewer) shows(p hoop.Purpose) bool {
	if !v.careful {
		return true
	}
	return p.Known && !slices.ContainsFunc(p.Columns, func(c hoop.ColumnRef) bool {
		_, protected := v.rules.Protects(c)
		return protected
	})
}

func (v *viewer) value(s string, p hoop.Purpose) string {
	if !v.shows(p) {
		v.hidden++
		return Masked
	}
	return v.scan(s)
}

// scan replaces what value rules match.
func (v *viewer) scan(s string) string {
	out := string(v.rules.Text(nil, []byte(s)))
	if out != s {
		v.hidden++
	}
	return out
}

func (v *viewer) text(s string, w hoop.Writing) string {
	if !w.Known && v.careful {
		v.hidden++
		return v.scan(v.request.Shape)
	}
	var b strings.Builder
	at := 0
	for _, p := range w.Places {
		if v.shows(p.Purpose) {
			continue
		}
		v.hidden++
		b.WriteString(s[at:p.Start])
		at = p.End
		switch {
		case !p.Comment:
			b.WriteString(`'` + Masked + `'`)
		case strings.HasPrefix(s[p.Start:], "--"):
			b.WriteString("-- " + Masked)
		default:
			b.WriteString("/* " + Masked + " */")
		}
	}
	return v.scan(b.String() + s[at:])
}
