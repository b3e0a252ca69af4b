package cli

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// archive makes a tar of names and contents; a name with "->" is a link.
func archive(t *testing.T, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		h := &tar.Header{Name: entries[i], Mode: 0o644, Size: int64(len(entries[i+1])), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if from, to, ok := strings.Cut(entries[i], "->"); ok {
			h.Name, h.Linkname, h.Typeflag, h.Size = from, to, tar.TypeSymlink, 0
			if entries[i+1] == "hard" {
				h.Typeflag = tar.TypeLink
			}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte(entries[i+1])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (w *world) exports(b []byte) {
	w.stream[api.PathExport] = func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Type", "application/x-tar")
		if _, err := rw.Write(b); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func TestAuditExport(t *testing.T) {
	w := newWorld(t)
	w.exports(archive(t, "checkpoint", "c", "tile/entries/000.p/1", "e", "recordings/s1", ""))
	out := filepath.Join(t.TempDir(), "a", "b")
	got := w.pipe("audit", "export", "--out", out)
	if got.code != 0 || got.out != "dir\t"+out+"\nkey\tlog+0badcafe+AbCd\n" {
		t.Fatalf("got %+v", got)
	}
	for name, want := range map[string]string{"checkpoint": "c", "tile/entries/000.p/1": "e", "recordings/s1": ""} {
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || string(b) != want {
			t.Errorf("%s: got %q, %v", name, b, err)
		}
	}
	if got := w.pipe("audit", "export", "--out", out); got.code != ExitUsage || !strings.Contains(got.errOut, "is not empty") {
		t.Errorf("a second time into the same folder: got %+v", got)
	}
	w.problem["GET "+api.PathExport] = api.Problem{Code: hoop.CodeDenied, Title: "only auditors export"}
	if got := w.pipe("audit", "export", "--out", out+"2"); got.code != ExitDenied {
		t.Errorf("not an auditor: got %+v", got)
	}
	if _, err := os.Stat(out + "2"); err == nil {
		t.Error("a refused export leaves a folder behind")
	}
	if got := w.pipe("audit", "export"); got.code != ExitUsage {
		t.Errorf("without --out: got %+v", got)
	}
}

// A gateway, or whoever stands in for it, writes nothing outside the folder and
// replaces nothing in it.
func TestAuditExport_HostileArchive(t *testing.T) {
	whole := archive(t, "checkpoint", strings.Repeat("c", 4096))
	for name, b := range map[string][]byte{
		"up":                      archive(t, "../evil", "x"),
		"up in the middle":        archive(t, "tile/../../evil", "x"),
		"absolute":                archive(t, "/evil", "x"),
		"link, then through it":   archive(t, "l->..", "", "l/evil", "x"),
		"hard link":               archive(t, "l->/etc/passwd", "hard"),
		"the same name twice":     archive(t, "checkpoint", "one", "checkpoint", "two"),
		"the same name otherwise": archive(t, "checkpoint", "one", "./checkpoint", "two"),
		"the folder itself":       archive(t, ".", "x"),
		"empty":                   archive(t),
		"no archive":              []byte(strings.Repeat("x", 2048)),
		"cut":                     whole[:2000],
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.exports(b)
			dir := t.TempDir()
			got := w.pipe("audit", "export", "--out", filepath.Join(dir, "out"))
			if got.code != ExitFailed || !strings.Contains(got.errOut, "is not complete") {
				t.Errorf("got %+v", got)
			}
			if _, err := os.Lstat(filepath.Join(dir, "evil")); err == nil {
				t.Error("a file was written outside the folder")
			}
			if b, err := os.ReadFile(filepath.Join(dir, "out", "checkpoint")); err == nil && string(b) == "two" {
				t.Error("a file was replaced")
			}
		})
	}
}

func TestAuditVerify_SaysWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.env["HOOPCTL_GATEWAY"] = "https://127.0.0.1:1" // offline
	_, key, err := note.GenerateKey(rand.Reader, "log")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	got := w.pipe("audit", "verify", dir, "--key", key)
	if got.code != ExitFailed || !strings.Contains(got.errOut, "VERIFICATION FAILED") || !strings.Contains(got.errOut, "the file is missing") || got.out != "" {
		t.Errorf("an empty folder: got %+v", got)
	}
	if got := w.pipe("audit", "verify", filepath.Join(dir, "none")); got.code != ExitUsage {
		t.Errorf("no folder: got %+v", got)
	}
	if got := w.pipe("audit", "verify", dir, "--key", "nonsense"); got.code != ExitUsage {
		t.Errorf("no key: got %+v", got)
	}
	if got := w.pipe("audit", "verify", dir, "--checkpoint", "none"); got.code != ExitUsage {
		t.Errorf("no checkpoint: got %+v", got)
	}
}

func TestLogKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log+0badcafe+x")
	if err := os.WriteFile(file, []byte("log+0badcafe+FromFile\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{"": "", "log+0badcafe+AbCd": "log+0badcafe+AbCd", file: "log+0badcafe+FromFile"} {
		if got, err := logKey(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestSessionsReplay(t *testing.T) {
	w := newWorld(t)
	w.stream["/api/v1/sessions/s1/recording"] = func(rw http.ResponseWriter) {
		for _, l := range []string{
			`{"kind":"start","at_ns":0,"session":{"id":"s1","protocol":"postgres","target":"pg-prod","identity":{"subject":"dana"}}}`,
			`{"kind":"statement","at_ns":3600000000000,"counter":1,"statement":{"text":"SELECT 1","decision":{"action":"allow","rule":"default"}}}`,
			`{"kind":"end","at_ns":3600000000000}`,
		} {
			if _, err := rw.Write([]byte(l + "\n")); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
	}
	for name, r := range map[string]result{"pipe": w.pipe("sessions", "replay", "s1"), "terminal": w.terminal("sessions", "replay", "s1", "--no-timing")} {
		if r.code != 0 || !strings.Contains(r.out, "│ SELECT 1\n") {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	w.problem["GET /api/v1/sessions/s2/recording"] = api.Problem{Code: hoop.CodeDenied, Title: "only auditors read recordings"}
	if r := w.pipe("sessions", "replay", "s2"); r.code != ExitDenied {
		t.Errorf("got %+v", r)
	}
}

func TestSessionsHold(t *testing.T) {
	w := newWorld(t)
	w.problem["POST /api/v1/sessions/s1/hold"] = api.Problem{Code: hoop.CodeDenied, Title: "only auditors hold recordings"}
	if got := w.pipe("sessions", "hold", "s1", "--reason", "case 7"); got.code != ExitDenied {
		t.Errorf("got %+v", got)
	}
	w.stream["/api/v1/sessions/s2/hold"] = func(rw http.ResponseWriter) { send(rw, api.Hold{On: true, Waiting: true}) }
	if got := w.pipe("sessions", "hold", "s2", "--reason", "case 7"); got.code != 0 || !strings.Contains(got.errOut, "object store cannot be reached") {
		t.Errorf("with the object store away: got %+v", got)
	}
	if got := w.pipe("sessions", "hold", "s1"); got.code != ExitUsage {
		t.Errorf("without a reason: got %+v", got)
	}
}

func TestAuditExport_Bundle(t *testing.T) {
	w := newWorld(t)
	var b bytes.Buffer
	z := bundle.NewWriter(&b)
	if err := z.File("checkpoint", []byte("c")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	body := b.Bytes()
	w.stream[api.PathBundle] = func(rw http.ResponseWriter) {
		if _, err := rw.Write(body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	old := filepath.Join(t.TempDir(), "checkpoint")
	if err := os.WriteFile(old, []byte("log\n17\nroot\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "a.zip")
	got := w.pipe("audit", "export", "--out", out, "--from", "2026-10-01", "--to", "2026-10-02T03:00:00+01:00", "--checkpoint", old, "--size", "20")
	if got.code != 0 || got.out != "file\t"+out+"\nkey\tlog+0badcafe+AbCd\n" {
		t.Fatalf("got %+v", got)
	}
	if b, err := os.ReadFile(out); err != nil || !bytes.Equal(b, body) {
		t.Errorf("the file is not what the gateway sent: %v", err)
	}
	if got := w.pipe("audit", "export", "--out", out); got.code != ExitUsage || !strings.Contains(got.errOut, "exists") {
		t.Errorf("over another: got %+v", got)
	}
	for _, args := range [][]string{
		{"--from", "yesterday"}, {"--to", "2026-13-01"}, {"--checkpoint", "none"}, {"--checkpoint", out},
	} {
		if got := w.pipe(append([]string{"audit", "export", "--out", out + "x.zip"}, args...)...); got.code != ExitUsage {
			t.Errorf("%v: got %+v", args, got)
		}
	}
	if got := w.pipe("audit", "export", "--out", t.TempDir(), "--from", "2026-10-01"); got.code != ExitUsage || !strings.Contains(got.errOut, ".zip") {
		t.Errorf("a range into a folder: got %+v", got)
	}
	body = body[:len(body)-3]
	cut := filepath.Join(t.TempDir(), "cut.zip")
	if got := w.pipe("audit", "export", "--out", cut); got.code != ExitFailed || !strings.Contains(got.errOut, "not complete") {
		t.Errorf("cut on the way: got %+v", got)
	}
	if left, err := os.ReadDir(filepath.Dir(cut)); err != nil || len(left) > 0 {
		t.Errorf("a part is left behind: %v %v", left, err)
	}
	if got := w.pipe("audit", "verify", out); got.code != ExitFailed || !strings.Contains(got.errOut, "bundle.json") {
		t.Errorf("no bundle: got %+v", got)
	}
}

func TestSessionsExport(t *testing.T) {
	w := newWorld(t)
	w.stream["/api/v1/sessions/s1/recording"] = func(rw http.ResponseWriter) {
		if _, err := rw.Write([]byte(`{"kind":"start","at_ns":0,"session":{"id":"s1","protocol":"postgres","target":"pg"}}` + "\n" + `{"kind":"end","at_ns":5}` + "\n")); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	out := filepath.Join(t.TempDir(), "a.cast")
	if got := w.pipe("sessions", "export", "s1", "--out", out); got.code != 0 {
		t.Fatalf("got %+v", got)
	}
	if b, err := os.ReadFile(out); err != nil || !strings.HasPrefix(string(b), `{"version":2,`) {
		t.Errorf("by its name: %q, %v", b, err)
	}
	if got := w.pipe("sessions", "export", "s1", "--format", "txt"); got.code != 0 || !strings.Contains(got.out, "session s1") {
		t.Errorf("to a pipe: got %+v", got)
	}
	for _, args := range [][]string{{}, {"--format", "exe"}, {"--out", out}, {"--out", out + ".exe"}} {
		if got := w.pipe(append([]string{"sessions", "export", "s1"}, args...)...); got.code != ExitUsage {
			t.Errorf("%v: got %+v", args, got)
		}
	}
	if got := w.terminal("sessions", "export", "s1", "--format", "gif"); got.code != ExitUsage {
		t.Errorf("a film at a terminal: got %+v", got)
	}
}

func TestAuditTail(t *testing.T) {
	w := newWorld(t)
	calls := 0
	w.stream[api.PathEvents] = func(rw http.ResponseWriter) {
		if calls++; calls == 1 {
			for _, l := range []string{
				`{"index":4,"event":{"time":"2026-10-01T00:00:00Z","type":"sign-in","subject":"dana"}}`,
				`{"index":5,"event":{"time":"2026-10-01T00:00:01Z","type":"sign-out","subject":"dana\u001b[2J"}}`,
			} {
				if _, err := rw.Write([]byte(l + "\n")); err != nil {
					panic(http.ErrAbortHandler)
				}
			}
		}
	}
	got := w.pipe("audit", "tail", "--from", "4", "--follow=false", "--format", "cef")
	if got.code != 0 || strings.Count(got.out, "\n") != 2 || !strings.Contains(got.out, "externalId=4 suser=dana") || strings.Contains(got.out, "\x1b") || calls != 2 {
		t.Errorf("got %+v after %d calls", got, calls)
	}
	calls = 0
	if got := w.pipe("audit", "tail", "--from", "3", "--follow=false"); got.code != ExitFailed || !strings.Contains(got.errOut, "not event 3") {
		t.Errorf("a gap: got %+v", got)
	}
	for _, args := range [][]string{{"--format", "xml"}, {"--from", "-1"}} {
		if got := w.pipe(append([]string{"audit", "tail"}, args...)...); got.code != ExitUsage {
			t.Errorf("%v: got %+v", args, got)
		}
	}
}
