package auth

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

//go:embed templates
var templates embed.FS

// pages renders the sign-in pages.
type pages struct {
	t   *template.Template
	csp string
}

// view is what a page shows.
type view struct {
	Title     string
	Error     string
	Text      string
	CSRF      string
	UserCode  string
	Providers []choice
	DevUsers  []DevUser
	Identity  hoop.Identity
	Device    Device
	Web       bool // the browser itself signs in, not a device
	Elsewhere bool // the device asked from another address than the browser's
}

// choice is an identity provider that people may sign in at.
type choice struct{ Path, Label string }

func newPages() (*pages, error) {
	css, err := templates.ReadFile("templates/style.css")
	if err != nil {
		return nil, fmt.Errorf("sign-in pages: %w", err)
	}
	style := strings.TrimSpace(string(css))
	t, err := template.New("").
		Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(style) }}).
		ParseFS(templates, "templates/pages.html")
	if err != nil {
		return nil, fmt.Errorf("sign-in pages: %w", err)
	}
	sum := sha256.Sum256([]byte(style))
	return &pages{t: t, csp: strings.Join([]string{
		"default-src 'none'",
		"style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
		"form-action 'self'",
		"frame-ancestors 'none'",
		"base-uri 'none'",
	}, "; ")}, nil
}

// headers are on every page and redirect. The referrer policy is not "no-referrer":
// with that, browsers send "Origin: null" with our own forms.
func (p *pages) headers(h http.Header) {
	h.Set("Content-Security-Policy", p.csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// render writes a page; a fault of the template becomes a bare 500.
func (p *pages) render(w http.ResponseWriter, status int, name string, v view) {
	var b bytes.Buffer
	if err := p.t.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "the gateway met a fault of its own", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
