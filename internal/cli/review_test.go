package cli

import (
	"strings"
	"testing"
)

func TestReview(t *testing.T) {
	w := lists(t)
	if got := w.pipe("review", "g1"); got.code != 2 || !strings.Contains(got.errOut, "--finding") {
		t.Errorf("without a finding: %+v", got)
	}
	const open = "g1\topen\tpg-prod\tdana\t2026-11-23T11:00:00Z\t2026-11-23T12:30:00Z\tticket\t-\n"
	for _, args := range [][]string{{"audit"}, {"audit", "reviews"}} {
		if got := w.pipe(args...); got.code != 0 || got.out != open {
			t.Errorf("%v: %+v", args, got)
		}
	}
	if got := w.terminal("audit"); got.code != 0 || !strings.Contains(got.out, "ticket") || !strings.Contains(got.errOut, "hoopctl audit --help") {
		t.Errorf("%+v", got)
	}
	if got := w.pipe("audit", "x"); got.code != ExitUsage || got.out != "" {
		t.Errorf("%+v", got)
	}
	if got := w.pipe("review", "g1", "--finding", "all in order"); got.code != 0 || !strings.Contains(got.errOut, "reviewed grant g1 of dana on pg-prod") {
		t.Errorf("%+v", got)
	}
	if got := w.pipe("audit", "reviews", "--all"); got.code != 0 || !strings.Contains(got.out, "by dana") || !strings.Contains(got.out, "all in order") {
		t.Errorf("%+v", got)
	}
	if got := w.pipe("review", "g9", "--finding", "x"); got.code != 1 {
		t.Errorf("%+v", got)
	}
}
