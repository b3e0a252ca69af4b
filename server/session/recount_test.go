package session_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// This file counts a bundle's events again as an auditor would who trusts nobody: from
// their bytes, with nothing of the report's own code.

// fact is an event as JSON has it.
type fact map[string]any

func (f fact) word(name string) string { s, _ := f[name].(string); return s }

func (f fact) number(name string) int64 { n, _ := f[name].(float64); return int64(n) }

func (f fact) part(name string) fact { p, _ := f[name].(map[string]any); return p }

func (f fact) list(name string) (words []string) {
	items, _ := f[name].([]any)
	for _, i := range items {
		words = append(words, i.(string))
	}
	return words
}

func (f fact) detail(name string) string {
	items, _ := f["details"].([]any)
	for _, i := range items {
		if d := fact(i.(map[string]any)); d.word("name") == name {
			return d.word("value")
		}
	}
	return ""
}

func (f fact) any(name string, words ...string) bool {
	return slices.ContainsFunc(f.list(name), func(w string) bool { return slices.Contains(words, w) })
}

// countedBy says what each line of a report counts.
var countedBy = map[string]func(f fact) bool{
	"statements allowed by policy":                      func(f fact) bool { return f.word("type") == "statement" && f.word("action") == "allow" },
	"statements allowed after people approved":          func(f fact) bool { return f.word("type") == "statement" && f.word("action") == "approve" },
	"statements denied":                                 func(f fact) bool { return f.word("type") == "statement" && f.word("action") == "deny" },
	"denied statements to look at":                      func(f fact) bool { return f.word("type") == "statement" && f.word("action") == "deny" },
	"sessions that began under a grant":                 func(f fact) bool { return f.word("type") == "session-start" && f.word("grant") != "" },
	"sessions refused":                                  kind("session-denied"),
	"sessions ended by a limit on exports or inference": cause("session-end", "limit"),
	"attempts over the API refused (of the same one the 1st, 2nd, 4th, 8th and so on)": kind("api-denied"),
	"attempts over the API to look at":                                                 kind("api-denied"),
	"grants given or prolonged":                                                        kind("grant"),
	"sessions with an identity of their own":                                           func(f fact) bool { return f.word("type") == "session-start" && f.word("subject") != "" },
	"sessions of programs that act for somebody (delegation chain)":                    func(f fact) bool { return f.word("type") == "session-start" && len(f.list("chain")) > 0 },
	"sessions without an identity":                                                     func(f fact) bool { return f.word("type") == "session-start" && f.word("subject") == "" },
	"grants taken in an emergency, without an approval":                                func(f fact) bool { return f.word("type") == "alert" && f.word("session") == "" },
	"alerts to look at: a decoy value was touched":                                     func(f fact) bool { return f.word("type") == "alert" && f.word("session") != "" },
	"sessions under such a grant":                                                      func(f fact) bool { return f.word("type") == "session-start" && f.detail("break_glass") == "true" },
	"reviews of emergency access":                                                      kind("review"),
	"starts of the gateway":                                                            kind("start"),
	"stops of the gateway in order":                                                    kind("stop"),
	"sessions that a stop in order ended":                                              cause("session-end", "gateway-stopped"),
	"sessions that a crash of the gateway ended, completed afterwards":                 kind("recovery"),
	"sessions ended because they did nothing":                                          cause("session-end", "idle"),
	"sessions ended because their grant reached its end":                               cause("session-end", "grant-expired"),
	"sign-ins that reached their end":                                                  cause("sign-out", "sign-in-expired"),
	"recordings written, encrypted (age X25519, AES-256-GCM)":                          func(f fact) bool { return f.part("recording").word("sha256") != "" },
	"recordings bound to the log by hash":                                              func(f fact) bool { return f.part("recording").word("sha256") != "" },
	"readings of recordings by others than their owners": func(f fact) bool {
		return f.word("type") == "recording-read" && f.word("subject") != f.detail("session_subject")
	},
	"readings of recordings by their owners": func(f fact) bool {
		return f.word("type") == "recording-read" && f.word("subject") == f.detail("session_subject")
	},
	"readings that showed literals and parameters": func(f fact) bool { return f.word("type") == "recording-read" && f.detail("literals") == "shown" },
	"statements on record":                         kind("statement"),
	"results on record":                            kind("result"),
	"sessions that commit to the number of their events": func(f fact) bool {
		return f.word("type") == "session-end" && f.part("recording").number("events") == f.number("counter")
	},
	"exports of this log, and hours of following it":                          kind("audit-export"),
	"statements that can change rows, allowed by policy":                      changes("allow", "write", "unbounded-write", "import"),
	"statements that can change rows, approved by people":                     changes("approve", "write", "unbounded-write", "import"),
	"statements that can change rows, denied":                                 changes("deny", "write", "unbounded-write", "import"),
	"statements that can change structure, roles or code, allowed by policy":  changes("allow", "ddl", "destroy", "role", "derive", "opaque", "server"),
	"statements that can change structure, roles or code, approved by people": changes("approve", "ddl", "destroy", "role", "derive", "opaque", "server"),
	"statements that can change structure, roles or code, denied":             changes("deny", "ddl", "destroy", "role", "derive", "opaque", "server"),
	"results in which the target says that rows were changed":                 func(f fact) bool { return f.part("result").number("changed") > 0 },
	"results with a keyed digest of what was released":                        func(f fact) bool { return f.part("result").word("digest") != "" },
	"cosignatures of witnesses on this log's checkpoints":                     kind("checkpoint"),
	"sign-ins":            kind("sign-in"),
	"failed sign-ins":     kind("sign-in-failed"),
	"sign-ins that ended": kind("sign-out"),
	"accounts of a chat that decide in somebody's name from then on": kind("chat-link"),
	"sign-ins with other groups from then on":                        kind("groups-changed"),
	"sessions over the gateway's tunnel (TLS 1.3 only)":              kind("session-start"),
	"grants revoked": kind("revocation"),
	"sign-ins ended by an administrator or the directory":             cause("sign-out", "disabled"),
	"sign-ins ended because the identity provider vouches no more":    cause("sign-out", "provider-refused"),
	"sign-ins ended because a token was used twice":                   cause("sign-out", "token-reused"),
	"sessions cut because their grant was revoked":                    cause("session-end", "grant-revoked"),
	"sessions cut because no access rule allowed the target any more": cause("session-end", "access-lost"),
	"sessions cut because the sign-in had ended":                      cause("session-end", "sign-in-ended"),
	"sessions cut because groups or account had changed, or the account was gone": func(f fact) bool {
		return f.word("cause") == "identity-changed" || f.word("cause") == "account-removed"
	},
	"requests for access":                  func(f fact) bool { return f.word("type") == "request" && f.word("session") == "" },
	"requests to run one statement":        func(f fact) bool { return f.word("type") == "request" && f.word("session") != "" },
	"approvals by people":                  kind("approval"),
	"denials by people":                    kind("denial"),
	"requests that nobody decided in time": kind("expiry"),
	"requests withdrawn":                   func(f fact) bool { return f.word("type") == "cancel" && f.number("request") > 0 },
	"times that policy and resources were loaded again while the gateway ran": kind("policy"),
	"targets, rules, accounts, roles and modules of the policy added":         func(f fact) bool { return f.word("type") == "resource" && f.detail("change") == "added" },
	"targets, rules, accounts, roles and modules of the policy changed":       func(f fact) bool { return f.word("type") == "resource" && f.detail("change") == "changed" },
	"targets, rules, accounts, roles and modules of the policy removed":       func(f fact) bool { return f.word("type") == "resource" && f.detail("change") == "removed" },
	"inherited protection of copies lifted":                                   kind("protection-lifted"),
	"questions what the policy would decide":                                  kind("policy-explain"),
	"recordings whose time was over (their hash stays)":                       kind("recording-expired"),
	"legal holds set":             func(f fact) bool { return f.word("type") == "legal-hold" && f.word("action") == "deny" },
	"legal holds lifted":          func(f fact) bool { return f.word("type") == "legal-hold" && f.word("action") == "allow" },
	"results that delivered rows": func(f fact) bool { return f.part("result").number("rows") > 0 },
	"results with masked values":  func(f fact) bool { return f.part("result").number("masked") > 0 },
	"statements allowed with effect server, which can move rows past the gateway": func(f fact) bool {
		return f.word("type") == "statement" && f.word("action") != "deny" && f.any("effects", "server")
	},
}

func kind(name string) func(fact) bool { return func(f fact) bool { return f.word("type") == name } }

func cause(name, cause string) func(fact) bool {
	return func(f fact) bool { return f.word("type") == name && f.word("cause") == cause }
}

func changes(action string, effects ...string) func(fact) bool {
	return func(f fact) bool {
		return f.word("type") == "statement" && f.word("action") == action && f.any("effects", effects...)
	}
}

// withoutResult are the indexes of statements that were to run and have no result.
func withoutResult(facts []fact) (at []int64) {
	answered := map[string]bool{}
	for _, f := range facts {
		if f.word("type") == "result" {
			answered[fmt.Sprint(f.word("session"), " ", f.part("result").number("statement"))] = true
		}
	}
	for i, f := range facts {
		if f.word("type") == "statement" && f.word("action") != "deny" && !answered[fmt.Sprint(f.word("session"), " ", f.number("counter"))] {
			at = append(at, int64(i))
		}
	}
	return at
}

// startedOtherwise are the indexes of starts under another policy than the run before
// had at its end: than its last start or change.
func startedOtherwise(facts []fact) (at []int64) {
	former := ""
	for i, f := range facts {
		if t := f.word("type"); t != "start" && t != "policy" {
			continue
		}
		if f.word("type") == "start" && former != "" && f.word("policy") != former {
			at = append(at, int64(i))
		}
		former = f.word("policy")
	}
	return at
}

// given is rows by who, target and table.
func given(facts []fact) map[string]int64 {
	tables, rows := map[string][]string{}, map[string]int64{}
	for _, f := range facts {
		if f.word("type") == "statement" {
			tables[fmt.Sprint(f.word("session"), " ", f.number("counter"))] = f.list("tables")
		}
	}
	for _, f := range facts {
		if r := f.part("result"); r.number("rows") > 0 {
			for _, table := range tables[fmt.Sprint(f.word("session"), " ", r.number("statement"))] {
				rows[fmt.Sprint(f.word("subject"), f.list("chain"), " ", f.word("target"), " ", table)] += r.number("rows")
			}
		}
	}
	return rows
}

// exported is an audit bundle of all events so far, which verifies.
func exported(t *testing.T, g *servertest.Gateway) *zip.Reader {
	t.Helper()
	key, err := g.API("auditor").LogKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body, err := g.API("auditor").Bundle(t.Context(), api.BundleAsk{Recordings: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: key.Verifier}); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func content(t *testing.T, z *zip.Reader, name string) []byte {
	t.Helper()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

// factsOf reads the events of a bundle that has all of a log, in order.
func factsOf(t *testing.T, z *zip.Reader) (facts []fact) {
	t.Helper()
	for _, file := range z.File {
		if !strings.HasPrefix(file.Name, "tile/entries/") {
			continue
		}
		for b := content(t, z, file.Name); len(b) > 0; {
			n := 2 + int(binary.BigEndian.Uint16(b))
			var f fact
			if err := json.Unmarshal(b[2:n], &f); err != nil {
				t.Fatal(err)
			}
			facts, b = append(facts, f), b[n:]
		}
	}
	return facts
}

// recounted exports a bundle and checks that its report says, line by line, what its
// events say; happened are lines that must not be empty.
func recounted(t *testing.T, g *servertest.Gateway, happened ...string) {
	t.Helper()
	z := exported(t, g)
	facts, html := factsOf(t, z), string(content(t, z, "report.html"))
	var r struct {
		Events     int
		Subjects   int
		Targets    []string
		Paragraphs []struct {
			ID        string
			Supported []struct {
				What  string
				Count int64
				Index []int64
			} `json:"supported_by"`
		}
		Policies []struct {
			Revision string
			Events   int64
		}
		Accounting struct {
			Results, Rows, Masked int64
			Without               int64                         `json:"statements_without_result"`
			NoTable               struct{ Results, Rows int64 } `json:"of_no_table"`
		}
		Disclosures []struct {
			Subject, Target, Table string
			Chain                  []string
			Rows                   int64
			Without                int64 `json:"without_result"`
			First, Last            int64
		}
		Unseen []string `json:"not_seen"`
		Linked []struct {
			Index int64
			Event fact
		} `json:"linked_events"`
	}
	if err := json.Unmarshal(content(t, z, "report.json"), &r); err != nil {
		t.Fatal(err)
	}
	if r.Events != len(facts) || len(facts) == 0 {
		t.Errorf("the report is of %d events, there are %d", r.Events, len(facts))
	}
	linked := map[int64]fact{}
	for _, l := range r.Linked {
		if linked[l.Index] = l.Event; l.Index >= int64(len(facts)) || !cmp.Equal(l.Event, facts[l.Index]) {
			t.Errorf("event %d is not the log's", l.Index)
		}
		if strings.Count(html, fmt.Sprintf(`id="e%d"`, l.Index)) != 1 {
			t.Errorf("event %d has no place in report.html", l.Index)
		}
	}
	seen := map[string]bool{}
	for _, p := range r.Paragraphs {
		for _, l := range p.Supported {
			var want []int64
			switch l.What {
			case "statements that were to run and have no result among these events":
				want = withoutResult(facts)
			case "starts of the gateway with other policy and resources than it had before":
				want = startedOtherwise(facts)
			default:
				match := countedBy[l.What]
				if match == nil {
					t.Errorf("%s: nobody counts %q again", p.ID, l.What)
					continue
				}
				for i, f := range facts {
					if match(f) {
						want = append(want, int64(i))
					}
				}
			}
			if seen[l.What] = true; l.Count != int64(len(want)) {
				t.Errorf("%s: %s: %d, the events say %d", p.ID, l.What, l.Count, len(want))
			}
			if len(l.Index) != min(len(want), 20) {
				t.Errorf("%s: %s: %d links of %d events", p.ID, l.What, len(l.Index), len(want))
			}
			for _, i := range l.Index {
				if !slices.Contains(want, i) || linked[i] == nil {
					t.Errorf("%s: %s: event %d is none of these, or is not there: %v", p.ID, l.What, i, facts[i])
				}
			}
			if !strings.Contains(html, fmt.Sprintf(`<td class="n">%d</td><td>`, l.Count)) {
				t.Errorf("%s: report.html does not say %d", p.ID, l.Count)
			}
		}
	}
	for what := range countedBy {
		if !seen[what] {
			t.Errorf("no line of the report is %q", what)
		}
	}
	for _, what := range happened {
		if match := countedBy[what]; match == nil || !slices.ContainsFunc(facts, match) {
			t.Errorf("of this run nothing is %q", what)
		}
	}

	// The accounting of disclosures.
	rows, without := map[string]int64{}, int64(0)
	for _, d := range r.Disclosures {
		if d.Rows > 0 {
			rows[fmt.Sprint(d.Subject, d.Chain, " ", d.Target, " ", d.Table)] = d.Rows
		}
		without = max(without, d.Without)
		for _, i := range []int64{d.First, d.Last} {
			if f := facts[i]; f.word("subject") != d.Subject || f.word("target") != d.Target {
				t.Errorf("event %d is not of %s on %s: %v", i, d.Subject, d.Target, f)
			}
		}
	}
	if diff := cmp.Diff(given(facts), rows); diff != "" {
		t.Errorf("rows delivered, of the events and of the report (-events +report):\n%s", diff)
	}
	var results, total, masked int64
	revisions, subjects, targets := map[string]int64{}, map[string]bool{}, map[string]bool{}
	for _, f := range facts {
		if res := f.part("result"); res.number("rows") > 0 {
			results++
			total += res.number("rows")
			masked += res.number("masked")
		}
		revisions[f.word("policy")]++
		if typ := f.word("type"); f.word("subject") != "" && typ != "sign-in-failed" && typ != "checkpoint" && typ != "recording-expired" && typ != "policy" && typ != "resource" {
			subjects[f.word("subject")] = true
		}
		if target := f.word("target"); target != "" {
			targets[target] = true
		}
	}
	if a := r.Accounting; a.Results != results || a.Rows != total || a.Masked != masked || a.Without != int64(len(withoutResult(facts))) || without > a.Without {
		t.Errorf("accounting %+v, the events say %d results, %d rows, %d cells, %d without result", a, results, total, masked, len(withoutResult(facts)))
	}
	if !slices.Equal(r.Targets, slices.Sorted(maps.Keys(targets))) || r.Subjects != len(subjects) {
		t.Errorf("%d identities and targets %v, the events say %v and %v", r.Subjects, r.Targets, subjects, targets)
	}
	for _, p := range r.Policies {
		if p.Events != revisions[p.Revision] {
			t.Errorf("policy %s: %d events, want %d", p.Revision, p.Events, revisions[p.Revision])
		}
		delete(revisions, p.Revision)
		if len(content(t, z, "policies/"+p.Revision+".json")) == 0 {
			t.Errorf("policy %s has no text", p.Revision)
		}
	}
	if len(revisions) > 0 {
		t.Errorf("policies that the report leaves out: %v", revisions)
	}
	for _, s := range r.Unseen {
		if len(s) < 20 {
			t.Errorf("not seen: %q", s)
		}
	}
	if len(r.Unseen) < 8 || strings.Contains(strings.ToLower(html), "satisf") {
		t.Errorf("%d things that a gateway cannot see", len(r.Unseen))
	}
}
