package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// page needs no network and runs no script.
var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"at": func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	},
	"json": func(e *hoop.Event) (string, error) {
		b, err := json.MarshalIndent(e, "", "  ")
		return string(b), err
	},
	"chain": func(c []string) string { return strings.Join(c, " for ") },
}).Parse(`{{define "given"}}<td class="n">{{.Statements}}</td><td class="n">{{.Rows}}</td><td class="n">{{.Masked}}</td><td class="n">{{.Unanswered}}</td><td>{{at .FirstAt}} (event {{.First}})</td><td>{{at .LastAt}} (event {{.Last}})</td>{{end}}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Evidence of {{.About.Log}}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .2rem .6rem .2rem 0; vertical-align: top; border-bottom: 1px solid #eee }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } pre { background: #f6f6f6; padding: .6rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }
.note { color: #555 } .says { border-left: 4px solid #c80; padding-left: .8rem } code { overflow-wrap: anywhere }
</style></head><body>
<h1>Evidence of {{.About.Log}}</h1>
<p class="says">{{.Says}}</p>
<table>
<tr><th>Events</th><td>{{.Events}}: {{.About.First}} up to but without {{.About.End}}, of {{.About.Size}} in the log</td></tr>
<tr><th>Time</th><td>{{with at .About.From}}from {{.}} {{end}}{{with at .About.To}}up to but without {{.}}{{end}}</td></tr>
<tr><th>Root of the log</th><td><code>{{.About.Root}}</code></td></tr>
<tr><th>Identities</th><td>{{.Subjects}}</td></tr>
<tr><th>Targets</th><td>{{range .Targets}}{{.}} {{end}}</td></tr>
</table>
{{range .Paragraphs}}<h2>{{.ID}} {{.Title}}</h2>
<table><tr><th>Supported by</th><th class="n">Events</th><th>Among them</th></tr>
{{range .Supports}}<tr><td>{{.What}}</td><td class="n">{{.Count}}</td><td>{{range .Index}}<a href="#e{{.}}">{{.}}</a> {{end}}</td></tr>
{{end}}</table>
{{with .Note}}<p class="note">{{.}}</p>{{end}}
{{end}}
<h2 id="disclosures">Rows delivered, by identity and table</h2>
<p class="note">Rows that reached the client, RETURNING and COPY TO included; rows that were only changed are not among them. A statement over several tables counts for each of them.
Without result are statements that were to run and of which these events have no result: rows may have been delivered, and the recording has what was.
For a table stand * where the gateway could not tell which, ? where the statement is not among these events, … for those that the statement's event does not name.</p>
{{with .Accounting}}<table>
<tr><th></th><th class="n">Results</th><th class="n">Rows</th></tr>
<tr><td>that delivered rows ({{.Masked}} masked cells)</td><td class="n">{{.Results}}</td><td class="n">{{.Rows}}</td></tr>
<tr><td>of these, of no table</td><td class="n">{{.NoTable.Results}}</td><td class="n">{{.NoTable.Rows}}</td></tr>
<tr><td>of these, whose statement is not among these events (?)</td><td class="n">{{.NotHere.Results}}</td><td class="n">{{.NotHere.Rows}}</td></tr>
<tr><td>of these, with tables that are not named (…)</td><td class="n">{{.NotNamed.Results}}</td><td class="n">{{.NotNamed.Rows}}</td></tr>
<tr><td>of these, whose rows may have been changed only: of a gateway that did not tell</td><td class="n">{{.Undivided.Results}}</td><td class="n">{{.Undivided.Rows}}</td></tr>
<tr><td>statements without result</td><td class="n">{{.Unanswered}}</td><td class="n">not known</td></tr>
<tr><td>statements that were too many to be followed</td><td class="n">{{.Forgotten}}</td><td class="n">not known</td></tr>
</table>{{end}}
<table><tr><th>Who</th><th>Target</th><th>Table</th><th class="n">Statements</th><th class="n">Rows</th><th class="n">Masked cells</th><th class="n">Without result</th><th>First</th><th>Last</th></tr>
{{range .Disclosures}}<tr><td>{{.Subject}}{{with .Chain}} for {{chain .}}{{end}}</td><td>{{.Target}}</td><td>{{.Table}}</td>{{template "given" .}}</tr>
{{end}}{{with .Beyond}}<tr><td>others</td><td>*</td><td>*</td>{{template "given" .}}</tr>
{{end}}</table>
<h2>Policies in force</h2>
<table><tr><th>Revision</th><th class="n">Events</th><th>First and last</th></tr>
{{range .Policies}}<tr><td><a href="policies/{{.Revision}}.json"><code>{{.Revision}}</code></a></td><td class="n">{{.Events}}</td><td>{{.First}}, {{.Last}}</td></tr>
{{end}}</table>
<h2>What a gateway cannot see</h2>
<ul>{{range .Unseen}}<li>{{.}}</li>{{end}}</ul>
<h2>Events named above</h2>
<p class="note">All events are in tile/entries, 256 a file, in order: event N is number N mod 256, from 0, of file N / 256. hoopctl audit verify checks this report against them.</p>
{{range .Linked}}<h3 id="e{{.Index}}">Event {{.Index}}</h3>
<pre>{{json .Event}}</pre>
{{end}}</body></html>
`))

// HTML is report.html: one page without scripts or anything from elsewhere.
func (r *Report) HTML() ([]byte, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, r); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return b.Bytes(), nil
}
