package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/auth"
)

//go:embed templates static
var files embed.FS

// page is what a template shows.
type page struct {
	Title string
	Tab   string
	Who   auth.Browser

	Requests []hoop.Request
	Request  hoop.Request
	Decides  bool // whoever looks may decide Request
	Grants   []hoop.Grant
	Sessions []hoop.SessionInfo
	Session  hoop.SessionInfo

	Statements []ran
	More       bool // there are other statements
	Problem    *hoop.Error
	// Of a chat account that is to be linked, or was.
	Account, AccountName, Code string
	Linked                     string
}

// ran is a statement of a session.
type ran struct {
	At        time.Time
	Statement recording.Statement
	Result    *hoop.Result
	Hidden    bool // without literals and parameters
}

type pages struct{ t *template.Template }

func newPages(now func() time.Time) (*pages, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"visible": visible,
		"join":    strings.Join,
		"clock":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"left":    func(t time.Time) string { return left(t.Sub(now())) },
		"live":    func(g hoop.Grant) bool { return g.InForce(now()) },
		"lines":   func(s string) int { return strings.Count(s, "\n") + 1 },
		"add":     func(a, b int) int { return a + b },
		"counted": hoop.Counted,
		"param":   param,
		"mine":    func(p page, id hoop.Identity) bool { return p.Who.Identity.Subject == id.Subject },
	}).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("web pages: %w", err)
	}
	return &pages{t}, nil
}

// render writes a page; a fault of the template becomes a bare 500.
func (p *pages) render(w http.ResponseWriter, status int, name string, v page) {
	var b bytes.Buffer
	if err := p.t.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "the gateway met a fault of its own", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// static serves the style and the script.
func (p *pages) static() http.Handler {
	sub, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // it is embedded
	}
	return http.StripPrefix("/static/", http.FileServerFS(sub))
}

// piece is a part of somebody's text. An odd one stands for a character that cannot be
// seen, or that would change how others are read.
type piece struct {
	Text string
	Odd  bool
}

// visible splits a text so that nothing in it can hide: control characters, direction
// marks and blanks other than the plain one are named. Lines stay lines.
func visible(s string) []piece {
	var out []piece
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			out = append(out, piece{Text: plain.String()})
			plain.Reset()
		}
	}
	for _, r := range s {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) && r != unicode.ReplacementChar && !hoop.Unseen(r) {
			plain.WriteRune(r)
			continue
		}
		flush()
		out = append(out, piece{fmt.Sprintf("U+%04X", r), true})
	}
	flush()
	return out
}

// left is how long something still has.
func left(d time.Duration) string {
	switch {
	case d <= 0:
		return "now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	}
	return fmt.Sprintf("%d h", int(d/time.Hour))
}

// param is a bound value as people read it.
func param(p recording.Param) string {
	switch {
	case p.Secret:
		return hoop.Hidden
	case p.Null:
		return "NULL"
	case p.Binary:
		return fmt.Sprintf(`\x%x`, p.Value)
	}
	return string(p.Value)
}
