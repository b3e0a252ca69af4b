package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestRequest_Start(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	for s, want := range map[string]time.Time{
		"":                     {},
		"2h":                   now.Add(2 * time.Hour),
		"22:00":                time.Date(2026, 11, 23, 22, 0, 0, 0, time.Local),
		"06:30":                time.Date(2026, 11, 24, 6, 30, 0, 0, time.Local), // tomorrow
		"2026-11-24T22:00:00Z": time.Date(2026, 11, 24, 22, 0, 0, 0, time.UTC),
	} {
		if got, err := startTime(s, now); err != nil || !got.Equal(want) {
			t.Errorf("--start %q: %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"soon", "-2h", "25:00", "2026-11-24"} {
		if _, err := startTime(s, now); err == nil {
			t.Errorf("--start %q was taken", s)
		}
	}
}

// What narrows a grant reaches the gateway as it was typed.
func TestRequest_Narrowed(t *testing.T) {
	w := lists(t)
	if got := w.pipe("request", "pg-pay", "--effects", "read,infer", "--tables", "pay.*,public.x", "--start", "30m"); got.code != 8 {
		t.Fatalf("%+v", got)
	}
	var last *hoop.Request
	for _, r := range w.requests {
		if last == nil || r.ID > last.ID {
			last = r
		}
	}
	if last.Scope.String() != "read, infer on pay.*, public.x" || !last.StartsAt.Equal(w.now().Add(30*time.Minute)) {
		t.Errorf("%+v", last)
	}
}

// A flag that narrows, with a variable that is not set behind it, must not give everything.
func TestScope_OfNothing(t *testing.T) {
	w := lists(t)
	before := len(w.requests)
	for _, args := range [][]string{
		{"request", "pg-pay", "--effects", ""},
		{"request", "pg-pay", "--effects", "read", "--tables", ""},
		{"agent", "token", "--target", "pg-pay", "--effects", ""},
		{"agent", "token", "--target", "pg-pay", "--tables="},
	} {
		if got := w.pipe(args...); got.code != 2 || got.out != "" || !strings.Contains(got.errOut, "names nothing") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if len(w.requests) != before {
		t.Error("a request all the same")
	}
}

// --renew names the grant in force, and says so where there is none.
func TestRequest_Renew(t *testing.T) {
	for _, usedUp := range []bool{false, true} {
		w := lists(t)
		if got := w.pipe("request", "pg-pay", "--renew"); got.code != 1 || len(w.requests) != 2 {
			t.Errorf("without a grant: %+v", got)
		}
		if usedUp { // no session may begin under it any more, but some go on
			w.targets[0].Grant = nil
		}
		if got := w.pipe("request", "pg-prod", "--renew"); got.code != 0 {
			t.Errorf("with a grant: %+v", got)
		}
		for _, r := range w.requests {
			if r.Target == "pg-prod" && r.Kind == hoop.RequestGrant && r.Renews != "g1" {
				t.Errorf("%+v", r)
			}
		}
	}
}
