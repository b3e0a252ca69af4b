package cli

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestProtection_GetAndDelete(t *testing.T) {
	w := newWorld(t)
	there := []hoop.Protection{
		{Target: "pg-prod", Table: "*", Since: w.now().Add(-time.Hour), By: "s1"},
		{Target: "pg-prod", Table: "public.copies", Since: w.now(), By: "s2"},
	}
	w.stream[api.PathProtections] = func(rw http.ResponseWriter) { send(rw, api.List[hoop.Protection]{Items: there}) }
	w.stream[api.PathLift] = func(rw http.ResponseWriter) { send(rw, api.Lift{}) }
	for args, want := range map[string]string{
		"get protection":                        "pg-prod/*\t|pg-prod/public.copies\t",
		"get protections pg-prod/public.copies": "pg-prod/public.copies\t",
		"get protection --json=table,by":        `[{"table":"*","by":"s1"},{"table":"public.copies","by":"s2"}]`,
	} {
		got := w.pipe(strings.Fields(args)...)
		for part := range strings.SplitSeq(want, "|") {
			if got.code != 0 || !strings.Contains(got.out, part) {
				t.Errorf("%s: got %+v, want %q", args, got, part)
			}
		}
	}
	if got := w.pipe("get", "protection", "pg-prod/public.other"); got.code != ExitFailed || !strings.Contains(got.errOut, "there is no protection") {
		t.Errorf("got %+v", got)
	}
	if got := w.pipe("delete", "protection", "pg-prod/*"); got.code != ExitUsage {
		t.Errorf("without a reason: got %+v", got)
	}
	if got := w.pipe("delete", "protection", "pg-prod", "--reason", "x"); got.code != ExitUsage {
		t.Errorf("without a table: got %+v", got)
	}
	if got := w.pipe("delete", "protection", "pg-prod/*", "--reason", "the code was read"); got.code != 0 || !strings.Contains(got.errOut, "no longer protected") {
		t.Errorf("got %+v", got)
	}
	w.problem["POST "+api.PathLift] = api.Problem{Code: hoop.CodeDenied, Title: "only administrators lift inherited protection"}
	if got := w.pipe("delete", "protection", "pg-prod/*", "--reason", "x"); got.code != ExitDenied {
		t.Errorf("got %+v", got)
	}
}
