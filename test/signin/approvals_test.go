//go:build signin

package signin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// TestBrowserApprovals has an approver work in Chromium: the inbox fills by itself, what is
// denied does not run, what is approved does, nothing of the statement is taken for a
// part of the page, the pages break no rule of their own policy, and a checker of
// accessibility finds nothing, wide and narrow, by day and by night.
func TestBrowserApprovals(t *testing.T) {
	const more = `
---
kind: GroupRole
name: dba-audits
spec: {group: dba, role: auditor}
---
kind: MaskRule
name: identifiers
spec: {targets: [pg-prod], columns: [public.patients.ssn], with: redact}
`
	g := servertest.Start(t, servertest.Options{
		Setup:     "CREATE TABLE patients (id int PRIMARY KEY, ssn text, state text); INSERT INTO patients SELECT n, 'x', 'NY' FROM generate_series(1, 300) n; ANALYZE patients",
		Resources: servertest.Resources + more,
	})
	conn, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-prod"))
	must(t, err)
	defer conn.Close(context.Background())
	// A long one, whose values would be taken for parts of the page if anything could.
	sql := "UPDATE patients SET state = '<img src=x onerror=alert(1)>\u202e for-browser',\n" + strings.Repeat("  -- a line\n", 60) + "  ssn = '123-45-6789' WHERE true"
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	held := map[string]chan error{}
	hold := func(what string) {
		held[what] = make(chan error, 1)
		go func() {
			c := context.Background()
			if what == "leave" {
				c = ctx
			}
			_, err := conn.Exec(c, sql, pgx.QueryExecModeSimpleProtocol)
			held[what] <- err
		}()
	}

	in, err := json.Marshal(map[string]string{"gateway": g.URL, "person": "dba", "marker": "for-browser", "shots": *shots})
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "node", "testdata/node/approve.js")
	var talk bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &talk
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var saw struct {
		Problems []string
		Texts    map[string]string
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		switch line := lines.Text(); line {
		case "deny", "approve", "leave":
			hold(line)
		case "left":
			leave()
		default:
			must(t, json.Unmarshal([]byte(line), &saw))
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	for _, problem := range saw.Problems {
		t.Error(problem)
	}
	if err := <-held["deny"]; err == nil || !strings.Contains(err.Error(), "not <b>on</b> a Friday") {
		t.Errorf("denied: %v", err)
	}
	if err := <-held["approve"]; err != nil {
		t.Errorf("approved: %v", err)
	}
	if err := <-held["leave"]; err == nil {
		t.Error("it ran without its client")
	}
	if n := g.Count("SELECT count(*) FROM patients WHERE ssn = '123-45-6789'"); n != 300 {
		t.Errorf("%d rows were changed, want 300", n)
	}
	for page, wants := range map[string][]string{
		"request": {"<img src=x onerror=alert(1)>", "U+202E", "unbounded-write", "about 300 would change", "public.patients.ssn", "none is open", "none are held", "masked for you", "62 lines"},
		"denied":  {"not <b>on</b> a Friday"}, "approved": {"looked at it"}, "session": {"UPDATE patients"},
	} {
		for _, want := range wants {
			if !strings.Contains(saw.Texts[page], want) {
				t.Errorf("page %s lacks %q:\n%s", page, want, saw.Texts[page])
			}
		}
	}
	if strings.Contains(saw.Texts["request"], "123-45-6789") {
		t.Error("the masked literal is shown")
	}
}

// TestBrowserGrant has an approver from an OpenID provider give access in Chromium, let a held
// statement run, and take the access back. Deciding takes a sign-in of the last hour.
func TestBrowserGrant(t *testing.T) {
	redirect := ""
	openID := startOpenID(t, &redirect)
	resources := strings.Replace(servertest.Resources, `{groups: ["*"], targets: ["*"], max_duration: 8h, approval: none, reason: optional}`,
		`{groups: ["*"], targets: ["*"], max_duration: 8h, approval: {groups: [agents], count: 1, timeout: 5m}, reason: required}`, 1)
	resources = strings.Replace(resources, "approval: {groups: [dba], count: 1, timeout: 30s}", "approval: {groups: [agents], count: 1, timeout: 2m}", 1)
	g := servertest.Start(t, servertest.Options{
		Setup: "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 200); ANALYZE t", Resources: resources,
		Configure: func(c *server.Config) {
			corp := &server.OIDCConfig{Issuer: openID, ClientID: "hoop", ClientSecret: resource.SecretValue("idp-client-secret")}
			c.Identity.Providers = []server.ProviderConfig{{Name: "corp", OIDC: corp}}
		},
	})
	redirect = g.URL + "/signin/oidc/corp/callback"
	agent := g.API("agent")

	in, err := json.Marshal(map[string]string{"gateway": g.URL, "provider": "corp", "user": "test-user2", "password": "verysecure"})
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "node", "testdata/node/grant.js")
	var talk bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &talk
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var saw struct {
		Problems []string
		Texts    map[string]string
	}
	cut := make(chan error, 1)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		switch line := lines.Text(); line {
		case "ask":
			_, err := agent.NewRequest(t.Context(), api.NewRequest{Target: "pg-prod", Reason: "ticket 17", Duration: hoop.Duration(time.Hour)})
			must(t, err)
		case "work":
			conn, err := pgx.Connect(t.Context(), g.Listen("agent", "pg-prod"))
			must(t, err)
			defer conn.Close(context.Background())
			go func() { // approved, then cut while it waits for nothing
				if _, err := conn.Exec(t.Context(), "UPDATE t SET id = id + 1"); err != nil {
					cut <- fmt.Errorf("the statement that was approved: %w", err)
					return
				}
				_, err := conn.Exec(t.Context(), "SELECT pg_sleep(600)")
				cut <- err
			}()
		default:
			must(t, json.Unmarshal([]byte(line), &saw))
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	for _, problem := range saw.Problems {
		t.Error(problem)
	}
	if err := <-cut; err == nil || !strings.Contains(err.Error(), "was revoked by") || !strings.Contains(err.Error(), "that is enough") {
		t.Errorf("the session ended with %v", err)
	}
	if n := g.Count("SELECT max(id) FROM t"); n != 201 {
		t.Errorf("the statement ran otherwise than once: %d", n)
	}
	for page, wants := range map[string][]string{
		"request": {"Access for1h", "ticket 17", "agent"}, "approved": {"approved"},
		"held": {"UPDATE t SET id = id + 1", "unbounded-write", "about 200 would change"}, "grants": {"pg-prod", "ticket 17"}, "revoked": {"revoked"},
	} {
		for _, want := range wants {
			if !strings.Contains(saw.Texts[page], want) {
				t.Errorf("page %s lacks %q:\n%s", page, want, saw.Texts[page])
			}
		}
	}
}
