package session

import (
	"context"
	"errors"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
)

// What an approval binds to has every member: whichever is another, so is the digest.
func TestDigest_ChangesWithEveryMember(t *testing.T) {
	type asked struct {
		s        *Session
		ask      Ask
		uses     []hoop.Use
		tree     string
		revision string
	}
	big := make([]byte, maxParams+1)
	digest := func(change func(*asked)) string {
		t.Helper()
		a := &asked{
			s:    &Session{target: hoop.Target{Name: "pg"}, info: hoop.SessionInfo{ID: "s1", Identity: hoop.Identity{Subject: "corp:1", Chain: []string{"corp:2"}}}, binds: []byte("key")},
			ask:  Ask{Catalog: "c1", Statement: &hoop.Statement{Database: "d1", Params: []hoop.Param{{Value: []byte("1")}, {Value: big}}, Reads: []string{"a.b"}}},
			uses: []hoop.Use{{Effect: hoop.EffectWrite, Tables: []string{"a.b"}, Into: []string{"c.d"}, Columns: []hoop.ColumnRef{{Schema: "a", Table: "b", Column: "c"}}}},
			tree: "tree", revision: "r1",
		}
		change(a)
		a.ask.Tree = func(context.Context) ([][]byte, error) { return [][]byte{[]byte(a.tree)}, nil }
		a.s.line = &Line{Revision: func() string { return a.revision }}
		got, err := a.s.digest(t.Context(), a.ask, a.uses)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	seen := map[string]string{digest(func(*asked) {}): "nothing"}
	for what, change := range map[string]func(*asked){
		"the tree":              func(a *asked) { a.tree = "another" },
		"the catalog":           func(a *asked) { a.ask.Catalog = "c2" },
		"the database":          func(a *asked) { a.ask.Statement.Database = "d2" },
		"the target":            func(a *asked) { a.s.target.Name = "pg2" },
		"the session":           func(a *asked) { a.s.info.ID = "s2" },
		"the session's key":     func(a *asked) { a.s.binds = []byte("another") },
		"who asks":              func(a *asked) { a.s.info.Identity.Subject = "corp:3" },
		"for whom":              func(a *asked) { a.s.info.Identity.Chain = []string{"corp:3"} },
		"for nobody":            func(a *asked) { a.s.info.Identity.Chain = nil },
		"the rules":             func(a *asked) { a.revision = "r2" },
		"a parameter":           func(a *asked) { a.ask.Statement.Params[0].Value = []byte("2") },
		"a parameter in binary": func(a *asked) { a.ask.Statement.Params[0].Binary = true },
		"a parameter's type":    func(a *asked) { a.ask.Statement.Params[0].Type = 23 },
		"NULL":                  func(a *asked) { a.ask.Statement.Params[0].Value = nil },
		"a long parameter":      func(a *asked) { a.ask.Statement.Params[1].Value = append([]byte{1}, big[1:]...) },
		"a digest for a long parameter": func(a *asked) {
			short, _ := digested(a.ask.Statement.Params)
			a.ask.Statement.Params = short
		},
		"no parameter": func(a *asked) { a.ask.Statement.Params = a.ask.Statement.Params[:1] },
		"an effect":    func(a *asked) { a.uses[0].Effect = hoop.EffectDestroy },
		"a table":      func(a *asked) { a.uses[0].Tables = []string{"a.c"} },
		"where to":     func(a *asked) { a.uses[0].Into = []string{"c.e"} },
		"a column":     func(a *asked) { a.uses[0].Columns[0].Column = "d" },
		"what is read": func(a *asked) { a.ask.Statement.Reads = []string{"a.b", "e.f"} },
	} {
		got := digest(change)
		if was, ok := seen[got]; ok {
			t.Errorf("%s changes no more than %s", what, was)
		}
		seen[got] = what
	}
}

// Where the statement's canonical form is not known, there is nothing that an approval could
// bind to.
func TestDigest_NeedsTheTree(t *testing.T) {
	ask := Ask{Statement: &hoop.Statement{}, Tree: func(context.Context) ([][]byte, error) { return nil, errors.New("no time") }}
	if got, err := (&Session{line: &Line{}}).digest(t.Context(), ask, nil); err == nil {
		t.Errorf("the digest is %q", got)
	}
}

// says decides always the same, or not at all.
type says struct {
	hoop.Decision
	err error
}

func (p says) Decide(context.Context, hoop.Identity, string, []hoop.Use) (hoop.Decision, error) {
	return p.Decision, p.err
}
func (says) Approvers() *hoop.ApprovalRule { return nil }

// open protects nothing.
type open struct{}

func (open) For(id hoop.Identity, target string) *mask.Rules { return new(mask.Set).For(id, target) }

func (open) Inherit(context.Context, string, []string, string) error { return nil }

// Once people agreed, the rules of that moment count: whoever has not been asked must not have
// to agree by now, by the rule that decides or by another as strict.
func TestStillHolds_AsksAgain(t *testing.T) {
	by := func(count int, groups ...string) hoop.Decision {
		return hoop.Decision{Action: hoop.Approve, Approval: &hoop.ApprovalRule{Groups: groups, Count: count}}
	}
	also := func(d hoop.Decision, more ...hoop.Decision) hoop.Decision { d.Also = more; return d }
	asks := []hoop.Decision{by(2, "dba"), by(1, "privacy")}
	uses := []hoop.Use{{Effect: hoop.EffectDDL}}
	for what, tt := range map[string]struct {
		now says
		ok  bool
	}{
		"the same":                   {says{Decision: also(by(2, "dba"), by(1, "privacy"))}, true},
		"fewer people":               {says{Decision: by(1, "dba")}, true},
		"nobody":                     {says{Decision: hoop.Decision{Action: hoop.Allow}}, true},
		"more people":                {says{Decision: by(3, "dba")}, false},
		"others":                     {says{Decision: by(1, "owners")}, false},
		"others besides":             {says{Decision: also(by(2, "dba"), by(1, "owners"))}, false},
		"more of those asked beside": {says{Decision: also(by(2, "dba"), by(2, "privacy"))}, false},
		"denied":                     {says{Decision: hoop.Decision{Action: hoop.Deny}}, false},
		"no decision":                {says{err: errors.New("no time")}, false},
	} {
		s := &Session{line: &Line{Policy: tt.now, Protection: open{}}}
		if _, err := s.stillHolds(t.Context(), &hoop.Statement{Uses: uses}, uses, asks); (err == nil) != tt.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}
