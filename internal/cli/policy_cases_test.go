package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func answers(t *testing.T, w *world, path string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	w.stream[path] = func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(b)
	}
}

func TestPolicyExplain_Terminal(t *testing.T) {
	w := newWorld(t)
	answers(t, w, api.PathExplain, api.Explanation{
		Target: "pg-prod", Database: "clinic", Groups: []string{"a", "b"}, Shape: "SELECT $1\x1b[2J",
		Decision: hoop.Decision{
			Action: hoop.Approve, Rule: "risky", Reason: "needs approval: derive", Approval: &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 2, Timeout: hoop.Duration(120e9)},
			Also: []hoop.Decision{{Action: hoop.Approve, Rule: "copies", Approval: &hoop.ApprovalRule{Groups: []string{"privacy"}, Count: 2, Timeout: hoop.Duration(60e9)}}},
		},
		Effects: []api.ExplainedEffect{{
			Use: hoop.Use{Effect: hoop.EffectDerive, Tables: []string{"c.p"}, Into: []string{"c.q"}, Why: "copies"}, Decision: hoop.Decision{Action: hoop.Approve, Rule: "risky"},
		}},
		Columns: []api.ExplainedColumn{
			{Command: 1, Name: "", Known: true, Origins: []string{"c.p.x"}, Rule: "r", Transform: "redact", Why: "so", Itself: &api.Treatment{Rule: "r", Transform: "partial"}},
			{Command: 2, Name: "*", Transform: "clear", Why: "clear: it is"},
		},
		Notes: []string{"mind this"},
	})
	got := w.terminal("policy", "explain", "--target", "pg-prod", "SELECT 1")
	want := "" +
		"target     pg-prod\n" +
		"database   clinic\n" +
		"groups     a, b\n" +
		"statement  SELECT $1\\x1b[2J\n" +
		"decision   approve\n" +
		"rule       risky\n" +
		"why        needs approval: derive\n" +
		"approval   2 of dba within 2m, and 2 of privacy within 1m\n" +
		"\n" +
		"EFFECT  DECISION  RULE   ON             WHY\n" +
		"derive  approve   risky  c.p, into c.q  copies\n" +
		"\n" +
		"COLUMN  SHOWN                                   RULE  FROM          WHY\n" +
		"1: ?    partial as it is, redact when computed  r     c.p.x         so\n" +
		"2: *    clear                                   -     not provable  clear: it is\n"
	if got.code != 0 || got.errOut != "hoopctl: mind this\n" {
		t.Errorf("got %d, %q", got.code, got.errOut)
	}
	if diff := cmp.Diff(want, got.out); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPolicyExplain_Usage(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{
		{"policy", "explain", "SELECT 1"},
		{"policy", "explain", "--target", "pg-prod"},
		{"policy", "explain", "--target", "pg-prod", "--as-groups", "", "SELECT 1"},
		{"policy", "test"},
		{"policy", "test", filepath.Join(t.TempDir(), "none")},
	} {
		if got := w.pipe(args...); got.code != ExitUsage || len(w.got) > 0 {
			t.Errorf("%q: %d, %q, calls %q", args, got.code, got.errOut, w.got)
		}
	}
}

func TestPolicyTest_SaysWhatDiffers(t *testing.T) {
	w := newWorld(t)
	answers(t, w, api.PathCases, api.List[api.PolicyOutcome]{Items: []api.PolicyOutcome{
		{Name: "one", OK: true, Action: hoop.Allow, Rule: "default"}, {Name: "two\n", Why: "got deny"},
	}})
	file := filepath.Join(t.TempDir(), "cases.yaml")
	if err := os.WriteFile(file, []byte("cases: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := w.pipe("policy", "test", file)
	if got.code != ExitFailed || got.out != "ok      one: allow by default\nFAILED  two\\n: got deny\n" || !strings.Contains(got.errOut, "1 of 2 cases failed") {
		t.Errorf("got %d, %q, %q", got.code, got.out, got.errOut)
	}
	if err := os.WriteFile(file, make([]byte, api.MaxExplained+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.pipe("policy", "test", file); got.code != ExitFailed || !strings.Contains(got.errOut, "larger than") {
		t.Errorf("a large file: %d, %q", got.code, got.errOut)
	}
}
