package cli

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// onTerminal runs hoopctl on a pseudo-terminal that answers no question, and gives
// all that it printed.
func (w *world) onTerminal(t *testing.T, in string, args ...string) (string, int) {
	t.Helper()
	cmd := w.hoopctl(t, args...)
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 80, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(in); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(f) // ends with EIO when the last process has closed the terminal
	_ = cmd.Wait()
	return strings.ReplaceAll(string(b), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

// Bubble Tea asks the terminal for its colours when a program starts that links it;
// see internal/tui/hush. A command that needs no full screen must stay mute, and fast
// where nothing answers.
func TestTerminal_IsAskedNothing(t *testing.T) {
	w := newWorld(t)
	began := time.Now()
	got, code := w.onTerminal(t, "", "version")
	if got != "hoopctl 1.2.3\n" || code != 0 {
		t.Errorf("got %q, %d", got, code)
	}
	if d := time.Since(began); d > 4*time.Second {
		t.Errorf("took %s", d)
	}
}

func TestTerminal_TermIsGivenOn(t *testing.T) {
	w := newWorld(t)
	got, code := w.onTerminal(t, "", "connect", "pg-prod", "--", "sh", "-c", "echo $TERM; test -t 0 && test -t 1")
	if got != "xterm-256color\n" || code != 0 {
		t.Errorf("got %q, %d", got, code)
	}
}

func TestTerminal_TypedAheadReachesTheCommand(t *testing.T) {
	w := newWorld(t)
	got, code := w.onTerminal(t, "typed ahead\n", "connect", "pg-prod", "--", "sh", "-c", "read line; echo got $line")
	if !strings.Contains(got, "got typed ahead\n") || code != 0 {
		t.Errorf("got %q, %d", got, code)
	}
}

func TestTerminal_TableAndColour(t *testing.T) {
	w := lists(t)
	got, _ := w.onTerminal(t, "", "grants")
	if !strings.Contains(got, "\x1b[1mSTATE\x1b[0m") {
		t.Errorf("no colour at a terminal: %q", got)
	}
	w.env["NO_COLOR"] = "1"
	got, _ = w.onTerminal(t, "", "targets")
	if strings.Contains(got, "\x1b") || !strings.HasPrefix(got, "NAME ") {
		t.Errorf("NO_COLOR: got %q", got)
	}
	for l := range strings.Lines(got) {
		if len(l) > 81 {
			t.Errorf("%d columns: %q", len(l), l)
		}
	}
}

func TestTerminal_ApproveAsks(t *testing.T) {
	w := lists(t)
	got, code := w.onTerminal(t, "y\n", "approve", "3")
	if code != 0 || !strings.Contains(got, "Approve request 3? [y/N]") || w.calls("POST /api/v1/requests/3/approve") != 1 {
		t.Errorf("got %d, %q", code, got)
	}
}

func TestTerminal_CtrlCAtTheQuestion(t *testing.T) {
	w := lists(t)
	cmd := w.hoopctl(t, "approve", "3")
	f, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	readUntil(t, f, "[y/N]")
	// The terminal drops output when it gets a signal's character, at times also what is
	// written in answer to the signal.
	keep := exec.Command("stty", "noflsh")
	keep.Stdin = f
	if out, err := keep.CombinedOutput(); err != nil {
		t.Fatalf("stty: %v: %s", err, out)
	}
	if _, err := f.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	readUntil(t, f, "hoopctl: error: interrupted")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != ExitUsage || w.calls("POST") != 0 {
		t.Errorf("got %d, %v", code, w.got)
	}
}

// The inbox on a real terminal: one keystroke.
func TestTerminal_Inbox(t *testing.T) {
	w := lists(t)
	w.mu.Lock()
	w.requests[3].Facts = &hoop.Facts{
		Session:     hoop.SessionSoFar{Client: "psql", RemoteAddr: "127.0.0.1", Database: "clinic", StartedAt: noon, Statements: 3},
		Transaction: "one is open, and keeps its locks while this waits", Estimate: hoop.Estimate{Known: true, Rows: 12345, What: "change"},
		Protected: []hoop.ColumnRef{{Schema: "public", Table: "patients", Column: "ssn"}}, Locks: hoop.Locks{Held: []hoop.Lock{{On: "public.visits", Mode: "RowExclusiveLock"}}},
	}
	w.mu.Unlock()
	cmd := w.hoopctl(t, "approve")
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 80, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// All that there is to know is on a screen of 24 lines, so no other key is wanted.
	seen := readUntil(t, f, "approval by one of dba")
	for _, want := range []string{
		"DELETE FROM patients", "unbounded-write on public.patients: DELETE without a condition", "about 12,345 would change", "public.patients: ssn",
		"one is open", "RowExclusiveLock on public.visits", "psql from 127.0.0.1, clinic",
	} {
		if !strings.Contains(seen, want) {
			t.Errorf("no %q on the screen: %q", want, seen)
		}
	}
	// The key is offered once the details were on the screen for a moment.
	seen += readUntil(t, f, "a approve")
	if _, err := f.WriteString("a"); err != nil {
		t.Fatal(err)
	}
	seen += readUntil(t, f, "approved request 3")
	if _, err := f.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, f); err == nil {
		t.Error("the terminal is still open")
	}
	if err := cmd.Wait(); err != nil || w.calls("POST /api/v1/requests/3/approve") != 1 {
		t.Errorf("%v, %v: %q", err, w.got, seen)
	}
}

// readUntil reads what hoopctl prints until want is in it.
func readUntil(t *testing.T, f *os.File, want string) string {
	t.Helper()
	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), want) {
		n, err := f.Read(buf)
		if err != nil {
			t.Fatalf("%v before %q: %q", err, want, seen.String())
		}
		seen.Write(buf[:n])
	}
	return seen.String()
}

// What go generate ./cmd/hoopctl writes is in the repository, and up to date.
func TestCompletions_AreUpToDate(t *testing.T) {
	w := newWorld(t)
	for shell, file := range map[string]string{"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "ps1"} {
		want, err := os.ReadFile(filepath.Join("..", "..", "completions", "hoopctl."+file))
		if err != nil {
			t.Fatal(err)
		}
		if got := w.pipe("completion", shell); got.out != string(want) {
			t.Errorf("completions/hoopctl.%s is out of date: go generate ./cmd/hoopctl", file)
		}
	}
	if got := w.pipe("__complete", "connect", ""); !strings.Contains(got.out, "pg-prod\tpostgres\n") {
		t.Errorf("targets are not completed: %q", got.out)
	}
	w.env["HOOPCTL_TOKEN"] = ""
	if got := w.pipe("__complete", "connect", ""); got.code != 0 || strings.Contains(got.out, "pg-prod") {
		t.Errorf("not signed in: %+v", got)
	}
}
