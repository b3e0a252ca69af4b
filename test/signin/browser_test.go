//go:build signin

package signin

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// visit is what testdata/node/browse.js is told.
type visit struct {
	Page     string `json:"page"`
	Code     string `json:"code"`
	Gateway  string `json:"gateway"`
	Host     string `json:"host"`   // that the page must name as who asks
	Choice   string `json:"choice"` // what to click to sign in
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	Wrong    string `json:"wrong,omitempty"` // a code to enter first
	Script   bool   `json:"script"`
	Dark     bool   `json:"dark"`
	Narrow   bool   `json:"narrow"`
	Shots    string `json:"shots,omitempty"` // prefix of screenshots
}

// TestBrowser has people sign in with Chromium, in each way there is. The SAML provider's
// answer is a POST from another site, which only a real browser decides to send our
// cookie with.
func TestBrowser(t *testing.T) {
	saml := startSimpleSAMLphp(t)
	redirect := ""
	openID := startOpenID(t, &redirect)
	g := startGateway(t, saml.provider()+
		"    - {name: corp, oidc: {issuer: \""+openID+"\", client_id: hoop, client_secret: {value: idp-client-secret}}}\n")
	saml.meet(t, g)
	redirect = g.url + "/signin/oidc/corp/callback"

	for _, tt := range []struct {
		name, want string
		visit      visit
	}{
		{"sample user without scripts", "dana", visit{Choice: "button[value=dana]", Wrong: "BBBB-BBBB", Narrow: true}},
		{"OpenID Connect", "corp:", visit{Choice: "text=Sign in with corp", User: "test-user2", Password: "verysecure", Script: true}},
		{"SAML", "clinic:jane-0042", visit{Choice: "text=Sign in with clinic", User: "jane", Password: "secret", Script: true, Dark: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := g.person()
			p.login(func(page, code string) {
				v := tt.visit
				host, err := os.Hostname()
				must(t, err)
				v.Page, v.Code, v.Gateway, v.Host = page, code, g.url, host
				if *shots != "" {
					v.Shots = *shots + "-" + strings.ReplaceAll(tt.name, " ", "-")
				}
				in, err := json.Marshal(v)
				must(t, err)
				cmd := exec.CommandContext(t.Context(), "node", "testdata/node/browse.js")
				var out, talk bytes.Buffer
				cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &talk
				if err := cmd.Run(); err != nil {
					t.Fatalf("%v\n%s", err, talk.String())
				}
				var saw struct {
					Text                       string
					Problems, Headers, Cookies []string
				}
				must(t, json.Unmarshal(out.Bytes(), &saw))
				for _, problem := range saw.Problems {
					t.Error(problem)
				}
				if !strings.Contains(saw.Text, "Signed in") || len(saw.Headers) < 5 {
					t.Errorf("the last page: %s; answers seen: %q", saw.Text, saw.Headers)
				}
				if want := []string{"__Host-hoop secure httponly Lax"}; !slices.Equal(saw.Cookies, want) {
					t.Errorf("cookies left: %q, want %q", saw.Cookies, want)
				}
			})
			if out, err := p.run("whoami"); err != nil || !strings.Contains(out, tt.want) {
				t.Errorf("whoami: %v\n%s", err, out)
			}
		})
	}
}
