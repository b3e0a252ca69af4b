package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadConfig_Notify(t *testing.T) {
	const secret = "secret: {file: ./s}"
	for text, want := range map[string]string{
		"- {name: siem, webhook: {url: 'https://x.example/y', " + secret + "}, events: [request, approval]}":                                                        "",
		"- {name: siem, webhook: {url: 'http://127.0.0.1:9/y', " + secret + ", allow_http_loopback: true}}":                                                         "",
		"- {name: ops, slack: {token: {file: ./t}, signing_secret: {file: ./s}, channel: C1, users: [{account: T1/U1, subject: 'corp:alex'}]}}":                     "",
		"- {name: siem, webhook: {url: 'http://x.example/y', " + secret + "}}":                                                                                      "want https",
		"- {name: siem, webhook: {url: 'http://127.0.0.1/y', " + secret + "}}":                                                                                      "want https",
		"- {name: siem, webhook: {url: 'https://x.example/y'}}":                                                                                                     "wants a secret",
		"- {name: siem, webhook: {url: 'https://x.example/y', " + secret + "}, events: [made-up]}":                                                                  `no event "made-up"`,
		"- {name: ../x, webhook: {url: 'https://x.example/y', " + secret + "}}":                                                                                     "letters a-z",
		"- {name: ops, slack: {token: {file: ./t}, signing_secret: {file: ./s}, channel: C1, users: [{account: alex, subject: x}]}}":                                "TEAM/USER",
		"- {name: ops, slack: {token: {file: ./t}, signing_secret: {file: ./s}, channel: C1, users: [{account: T1/U1, subject: x}, {account: T1/U1, subject: y}]}}": "there twice",
		"- {name: ops, slack: {token: {file: ./t}, signing_secret: {file: ./s}, channel: C1, api_url: 'https://slack-gov.com/api'}}":                                "",
		"- {name: ops, slack: {token: {file: ./t}, signing_secret: {file: ./s}, channel: C1, api_url: 'http://slack.example/api'}}":                                 "want https",
		"- {name: a}":                             "want webhook or slack",
		"- {name: a, slack: {channel: C1}}":       "wants token",
		"- {name: a, email: {to: x@example.org}}": "email",
		"- {name: a, webhook: {url: 'https://x.example/y', " + secret + "}}\n- {name: a, webhook: {url: 'https://x.example/y', " + secret + "}}": "two of this name",
	} {
		file := filepath.Join(t.TempDir(), "gateway.yaml")
		if err := os.WriteFile(file, []byte("notify:\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadConfig(file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
