// Package authtest signs in as a person with a browser would: it opens the sign-in
// pages, fills in their forms and follows their links. For tests and demonstrations.
package authtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// SignIn opens verificationURIComplete, signs in as the sample user of that name, or,
// where user is empty, at the first identity provider that is offered, and approves or
// denies. The client's own cookie jar is used where it has one; its other settings (TLS)
// are kept. The error of a page that refuses is what the page says.
func SignIn(ctx context.Context, client *http.Client, verificationURIComplete, user string, approve bool) error {
	c := *client
	if c.Jar == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return fmt.Errorf("make cookie jar: %w", err)
		}
		c.Jar = jar
	}
	b := &Browser{Client: &c}
	if err := b.Open(ctx, verificationURIComplete); err != nil {
		return err
	}
	if err := b.Submit(ctx, "/device", nil); err != nil {
		return err
	}
	if err := signIn(ctx, b, user); err != nil {
		return err
	}
	action := "deny"
	if approve {
		action = "approve"
	}
	return b.Submit(ctx, "/device/confirm", url.Values{"action": {action}})
}

func signIn(ctx context.Context, b *Browser, user string) error {
	if user != "" {
		return b.Submit(ctx, "/signin/dev", url.Values{"user": {user}})
	}
	for _, l := range b.Links() {
		if strings.HasPrefix(l, "/signin/oidc/") {
			return b.Open(ctx, l)
		}
	}
	return errors.New("sign-in page: it offers no identity provider")
}

// Browser is a browser's idea of one page. It is for one goroutine.
type Browser struct {
	Client *http.Client // needs a cookie jar
	URL    *url.URL     // of the page
	Status int
	Text   string // what a person reads, blanks collapsed
	page   *html.Node
}

// Open follows a link, relative to the page.
func (b *Browser) Open(ctx context.Context, link string) error {
	u, err := b.resolve(link)
	if err != nil {
		return err
	}
	return b.do(ctx, http.MethodGet, u, nil)
}

// Submit sends the first form whose action is path, with the fields it has, and those
// given in their place.
func (b *Browser) Submit(ctx context.Context, path string, fields url.Values) error {
	form, ok := b.Form(path)
	if !ok {
		return fmt.Errorf("page %s: no form %s: %s", b.URL, path, b.Text)
	}
	for k, v := range fields {
		form[k] = v
	}
	return b.Post(ctx, path, form)
}

// Post sends a form, whatever the page has.
func (b *Browser) Post(ctx context.Context, path string, form url.Values) error {
	u, err := b.resolve(path)
	if err != nil {
		return err
	}
	return b.do(ctx, http.MethodPost, u, form)
}

// Form lists the input fields of the first form whose action is path; buttons are left
// to the caller.
func (b *Browser) Form(path string) (url.Values, bool) {
	for n := range b.page.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" || attr(n, "action") != path {
			continue
		}
		form := url.Values{}
		for in := range n.Descendants() {
			if in.Type == html.ElementNode && in.Data == "input" && attr(in, "name") != "" {
				form.Add(attr(in, "name"), attr(in, "value"))
			}
		}
		return form, true
	}
	return nil, false
}

// Links lists where the page's links lead, in order.
func (b *Browser) Links() []string {
	var links []string
	for n := range b.page.Descendants() {
		if n.Type == html.ElementNode && n.Data == "a" {
			links = append(links, attr(n, "href"))
		}
	}
	return links
}

// Alert is what the page says went wrong, "" where nothing did.
func (b *Browser) Alert() string {
	for n := range b.page.Descendants() {
		if n.Type == html.ElementNode && attr(n, "role") == "alert" {
			return text(n)
		}
	}
	return ""
}

func (b *Browser) resolve(link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, fmt.Errorf("link %q: %w", link, err)
	}
	if b.URL != nil {
		u = b.URL.ResolveReference(u)
	}
	return u, nil
}

// maxPage bounds a page, in bytes.
const maxPage = 1 << 20

func (b *Browser) do(ctx context.Context, method string, u *url.URL, form url.Values) error {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return fmt.Errorf("page %s: %w", u, err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.Client.Do(req)
	if err != nil {
		return fmt.Errorf("page %s: %w", u, err)
	}
	defer resp.Body.Close()
	page, err := html.Parse(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return fmt.Errorf("page %s: %w", u, err)
	}
	b.URL, b.Status, b.page, b.Text = resp.Request.URL, resp.StatusCode, page, text(page)
	if alert := b.Alert(); alert != "" {
		return fmt.Errorf("page %s: %s", b.URL.Path, alert)
	}
	if b.Status != http.StatusOK {
		return fmt.Errorf("page %s: %s", b.URL.Path, resp.Status)
	}
	return nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "style" {
			b.WriteString(d.Data)
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
