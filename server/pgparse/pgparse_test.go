package pgparse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// pool has one worker, which tests share. The hostile statements cost a new one each:
// see pgparsetest for which program that is.
var pool *Pool

func TestMain(m *testing.M) {
	RunWorker()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if pool, err = New(Options{Workers: 1, MaxBytes: 12 << 20, Timeout: time.Minute, Program: os.Getenv("HOOP_TEST_PARSER")}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer pool.Close()
	return m.Run()
}

func mustParse(t *testing.T, p *Pool, sql string) *Parsed {
	t.Helper()
	got, err := p.Parse(t.Context(), sql)
	if err != nil {
		t.Fatalf("Parse(%.60q): %v", sql, err)
	}
	return got
}

func codeOf(err error) hoop.Code {
	var e *hoop.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestPool_ParsesAndCaches(t *testing.T) {
	p := pool
	a := mustParse(t, p, "SELECT 1; SELECT 3")
	if got, want := len(a.Tree.Stmts), 2; got != want {
		t.Errorf("statements = %d, want %d", got, want)
	}
	if b := mustParse(t, p, "SELECT 1; SELECT 3"); a != b {
		t.Error("the same text was parsed twice")
	}
	var syntax *SyntaxError
	if _, err := p.Parse(t.Context(), "SELEC 1"); !errors.As(err, &syntax) || syntax.Position != 1 {
		t.Errorf("SELEC 1: %#v, want a SyntaxError at 1", err)
	}
	if got := mustParse(t, p, "").Tree.Stmts; len(got) != 0 {
		t.Errorf("empty text has %d statements", len(got))
	}
}

func TestPool_RefusesWhatItWouldMisread(t *testing.T) {
	p := pool
	for _, tt := range []struct {
		name, sql string
		want      hoop.Code
	}{
		{"NUL byte", "SELECT 1\x00; DROP TABLE x", hoop.CodeInvalid},
		{"invalid UTF-8", "SELECT '\xff'", hoop.CodeInvalid},
		{"too long", "SELECT '" + strings.Repeat("x", 12<<20) + "'", hoop.CodeTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := p.Parse(t.Context(), tt.sql); codeOf(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// Statements that overflowed, poisoned or exhausted the grammar where it ran in the
// process. Each is followed by ordinary ones.
func TestPool_SurvivesHostileStatements(t *testing.T) {
	p := pool
	hostile := map[string]string{
		"4000 additions":   "SELECT 1" + strings.Repeat("+1", 4000),
		"100k parentheses": "SELECT " + strings.Repeat("(", 100_000),
		"5000 joins":       "SELECT 1 FROM a" + strings.Repeat(" JOIN a ON true", 5000),
		"10000 unions":     "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 10_000),
		"10 MB literal":    "SELECT '" + strings.Repeat("x", 10<<20) + "'",
	}
	for name, sql := range hostile {
		t.Run(name, func(t *testing.T) {
			if _, err := p.Parse(t.Context(), sql); err != nil && codeOf(err) != hoop.CodeInvalid {
				var syntax *SyntaxError
				if !errors.As(err, &syntax) {
					t.Errorf("%v, want a refusal", err)
				}
			}
			for range 3 {
				got := mustParse(t, p, "SELECT a FROM b WHERE c = 'd' -- "+name)
				if got.Shape != "SELECT a FROM b WHERE c = $1" {
					t.Errorf("shape after it: %q", got.Shape)
				}
			}
		})
	}
}

func TestPool_DeadlineKillsTheWorker(t *testing.T) {
	p := pool
	w := <-p.idle
	if _, err := w.parse("SELECT 1, ("+strings.Repeat("1),(", 100_000)+"1)", time.Nanosecond); err == nil {
		t.Error("a parse in 1 ns")
	}
	w.kill()
	p.replace()
	mustParse(t, p, "SELECT 1")
}

func TestPool_WorkerKilledInTheMiddle(t *testing.T) {
	p := pool
	w := <-p.idle
	p.idle <- w
	long := "INSERT INTO t VALUES (1" + strings.Repeat(",1", 200_000) + ")"
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := p.Parse(context.Background(), long); err != nil && codeOf(err) != hoop.CodeInvalid {
			t.Errorf("%v, want a refusal", err)
		}
	})
	w.signal()
	wg.Wait()
	// The worker may have died before or after it answered: the next statement may be
	// the one that finds out, and the one after it works.
	_, _ = p.Parse(t.Context(), "SELECT 1")
	mustParse(t, p, "SELECT 2")
}

func TestPool_SharesAParse(t *testing.T) {
	p := pool
	w := <-p.idle // so that all calls wait
	var wg sync.WaitGroup
	got := make([]*Parsed, 8)
	for i := range got {
		wg.Go(func() { got[i], _ = p.Parse(context.Background(), "SELECT shared") })
	}
	p.idle <- w
	wg.Wait()
	for _, g := range got {
		if g == nil || g != got[0] {
			t.Fatal("callers got different trees")
		}
	}
}

func TestPool_CallerGoesAway(t *testing.T) {
	p := pool
	w := <-p.idle
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Parse(ctx, "SELECT gone"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
	p.idle <- w
	mustParse(t, p, "SELECT gone")
}

func TestPool_CloseLeavesNothing(t *testing.T) {
	p, err := New(Options{Workers: 2, Program: os.Getenv("HOOP_TEST_PARSER")})
	if err != nil {
		t.Fatal(err)
	}
	w := <-p.idle
	p.idle <- w
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.done:
	default:
		t.Error("a worker still runs")
	}
	if _, err := p.Parse(t.Context(), "SELECT 1"); codeOf(err) != hoop.CodeShuttingDown {
		t.Errorf("%v after Close", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestCache_BoundedLeastRecentlyUsedOut(t *testing.T) {
	c := newCache(8 * 1000)
	for _, k := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		c.put(k, &flight{}, 400)
	}
	c.get("a")
	c.put("i", &flight{}, 400)
	c.put("huge", &flight{}, 900)
	if _, ok := c.get("b"); ok {
		t.Error("b is still there")
	}
	if _, ok := c.get("a"); !ok {
		t.Error("a, used last, is gone")
	}
	if _, ok := c.get("huge"); ok {
		t.Error("an entry took more than an eighth")
	}
	if c.used > c.limit {
		t.Errorf("%d bytes used, limit %d", c.used, c.limit)
	}
}
