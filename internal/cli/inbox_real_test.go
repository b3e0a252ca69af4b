package cli

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/exp/golden"
	"github.com/creack/pty"
	"github.com/jackc/pgx/v5"
	"github.com/mattn/go-runewidth"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// realRules mask a column for the dba, and let two people decide what is risky.
const realRules = `
kind: Target
name: pg-prod
spec: {type: postgres, address: "${ADDRESS}", database: postgres, tls: disable, credential: {username: postgres, password: {value: "${PASSWORD}"}}}
---
kind: AccessRule
name: everybody
spec: {groups: ["*"], targets: ["*"], max_duration: 8h, approval: none, reason: optional}
---
kind: StatementRule
name: risky-needs-a-human
spec:
  targets: [pg-prod]
  groups: ["*"]
  effects: [ddl, destroy, role, unbounded-write, export, derive, opaque]
  tables: ["*"]
  decision: approve
  approval: {groups: [dba, privacy-office], count: 2, timeout: 10m}
---
kind: MaskRule
name: patient-identifiers
spec: {targets: [pg-prod], columns: ["*.*.ssn", clinic.patients.mrn, clinic.patients.full_name, "*.*.\"E-Mail\""], with: redact, except: [privacy-office]}
`

// realSchema has eleven tables, one with a name that would break lines and say things.
const realSchema = `
create schema clinic;
create table clinic.patients (id int primary key, mrn text, full_name text, ssn text, "E-Mail" text, state text, tags text[], nick text);
insert into clinic.patients select n, 'mrn' || n, 'name' || n, 'ssn' || n, 'mail' || n, 'OR', '{}', '' from generate_series(1, 300) n;
create table clinic.visits (id int primary key, patient int);
create table clinic.letters (id int primary key, body text);
create table clinic.t4 (id int); create table clinic.t5 (id int); create table clinic.t6 (id int); create table clinic.t7 (id int);
create table clinic.t8 (id int); create table clinic.t9 (id int); create table clinic.t10 (id int);
create table clinic."漢字 Effects:" (id int, ssn text);
analyze;
`

// realStatement does several things at once, and would like to look like something else:
// it holds a terminal's commands, wide runes, and a line whose second half says in the first
// column of a narrow terminal what only hoopctl says.
var realStatement = `WITH told AS (INSERT INTO clinic.letters SELECT p.id, p.full_name FROM clinic.patients p
  JOIN clinic.t4 USING (id) JOIN clinic.t5 USING (id) JOIN clinic.t6 USING (id) JOIN clinic.t7 USING (id)
  JOIN clinic.t8 USING (id) JOIN clinic.t9 USING (id) JOIN clinic.t10 USING (id) JOIN clinic."漢字 Effects:" w ON w.id = p.id RETURNING 1),
gone AS (DELETE FROM clinic.visits RETURNING 1) -- ` + "\x1b]0;owned\a\x1b[2J\x1b[1;1H\u009b31m\u202e" + ` 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字
UPDATE clinic.patients SET nick = 'x` + strings.Repeat(" ", 70) + `Effects: none                                                        rows about 0 would change', ssn = $1, tags = $2, state = $3
WHERE id > $4 AND 1 = ` + "1\tOR true"

// TestInbox_RealFacts has a statement held that has all that there can be to say about one,
// by a real gateway before a real database, and looks at it on terminals of several sizes,
// page by page, as the program draws it there.
func TestInbox_RealFacts(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Resources: realRules, Setup: realSchema})
	started, err := g.API("dba").NewAgent(t.Context(), api.NewAgent{Targets: []string{"pg-prod"}, Duration: hoop.Duration(10 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	g.Hold("agent", started.Token)
	conn, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-prod")+"&application_name=nightly%20job%1b%5b2J")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{
		"SELECT id, mrn, full_name FROM clinic.patients WHERE id < 5", "BEGIN", "UPDATE clinic.t4 SET id = 1 WHERE id = 1",
		"SELECT id FROM clinic.patients WHERE id = 1 FOR UPDATE",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	waiter, err := pgx.Connect(t.Context(), g.PG.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	waited, ran := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := waiter.Exec(context.Background(), "update clinic.patients set state = 'NY' where id = 1; select pg_terminate_backend(pg_backend_pid())")
		waited <- err
	}()
	for g.Count("select count(*) from pg_locks where not granted") == 0 {
	}
	go func() {
		_, err := conn.Exec(context.Background(), realStatement, "123-45-6789", []string{"red\x1b[31m", "b"}, nil, -5)
		ran <- err
	}()
	held := hold(t, g.API("second-dba"), ran)

	// Somebody for whom values are masked, and somebody who sees them.
	f, s, cmd := openInbox(t, g, "second-dba")
	for _, z := range []struct{ w, h int }{{80, 24}, {40, 12}, {200, 60}} {
		t.Run(fmt.Sprintf("%dx%d", z.w, z.h), func(t *testing.T) {
			s.t = t
			if z.w != 80 {
				s.resize(z.w, z.h)
				s.stale = true
				if err := pty.Setsize(f, &pty.Winsize{Cols: uint16(z.w), Rows: uint16(z.h)}); err != nil {
					t.Fatal(err)
				}
			}
			golden.RequireEqual(t, []byte(plainFacts(s.readAll())))
			s.key("\x1b")
			s.until("q quit")
		})
	}
	t.Run("in_clear", func(t *testing.T) {
		_, s, cmd := openInbox(t, g, "privacy-officer")
		golden.RequireEqual(t, []byte(plainFacts(s.readAll())))
		s.key("a")
		s.until("1 of 2 approvals are there")
		s.key("a")
		s.until("request " + strconv.FormatInt(held.ID, 10))
		s.key("\x03")
		s.end()
		_ = cmd.Wait()
	})
	t.Run("by_number", func(t *testing.T) {
		cmd := inboxOf(t, g, "second-dba").hoopctl(t, "approve", strconv.FormatInt(held.ID, 10))
		f, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 80, Rows: 24})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s := &screen{t: t, f: f}
		s.resize(80, 100)
		s.write([]byte(readUntil(t, f, "[y/N]")))
		s.key("n\r")
		s.end()
		_ = cmd.Wait()
		golden.RequireEqual(t, []byte(plainFacts(strings.TrimRight(s.String(), "\n")+"\n")))
	})
	s.t = t
	s.key("d")
	s.until("reason: █")
	s.key("\r")
	s.until("a denial wants a reason", "reason: █")
	s.key("use the 漢字 replica\r")
	s.until("denied request "+strconv.FormatInt(held.ID, 10), "q quit")
	s.key("q")
	s.end()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if err := <-ran; err == nil || !strings.Contains(err.Error(), "use the 漢字 replica") {
		t.Errorf("got %v", err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	<-waited // ends with its backend
}

func inboxOf(t *testing.T, g *servertest.Gateway, who string) *world {
	t.Helper()
	token, err := g.Token(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	return &world{env: map[string]string{
		"HOOPCTL_CONFIG_DIR": t.TempDir(), "HOOPCTL_GATEWAY": g.URL, "HOOPCTL_CA_FILE": g.DataDir + "/ca.pem", "HOOPCTL_TOKEN": token,
		"PATH": os.Getenv("PATH"), "NO_COLOR": "1", "TZ": noonZone(t),
	}}
}

// noonZone is a time zone where it is noon, as TZ has one: what happened just now was
// today, whenever the test runs. It is a file without transitions (RFC 9636 §3): a header with
// the counts of one type and four characters, then 4B offset + 1B DST + 1B index, and a name.
func noonZone(t *testing.T) string {
	t.Helper()
	now := time.Now().UTC()
	offset := int32(12*time.Hour/time.Second) - int32(now.Sub(now.Truncate(24*time.Hour))/time.Second)
	zone := append([]byte("TZif"), make([]byte, 16)...)
	for _, count := range []uint32{0, 0, 0, 0, 1, 4} {
		zone = binary.BigEndian.AppendUint32(zone, count)
	}
	zone = append(binary.BigEndian.AppendUint32(zone, uint32(offset)), 0, 0)
	path := filepath.Join(t.TempDir(), "noon")
	if err := os.WriteFile(path, append(zone, "LMT\x00"...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openInbox opens somebody's inbox on a terminal of 80x24.
func openInbox(t *testing.T, g *servertest.Gateway, who string) (*os.File, *screen, *exec.Cmd) {
	t.Helper()
	cmd := inboxOf(t, g, who).hoopctl(t, "approve")
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 80, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	s := &screen{t: t, f: f}
	s.resize(80, 24)
	return f, s, cmd
}

// readAll is the list, then the details page by page until approving is offered.
func (s *screen) readAll() string {
	s.t.Helper()
	all := s.until("enter", "Approvals: 1 waits for you")
	s.key("\r")
	page := s.until("esc back", "Request ")
	between := strings.Repeat("═", s.w) + "\n"
	for {
		from, to, of, ok := paged(page)
		if !ok || to == of {
			return all + between + s.until("a approve", "esc back")
		}
		all += between + page
		s.key(" ")
		page = s.until(fmt.Sprintf("lines %d-", min(from+s.h-3, of-s.h+3)), "esc back")
	}
}

// hold waits until a statement is held with all that is found out about it; ran says that
// it is over.
func hold(t *testing.T, c *api.Client, ran chan error) hoop.Request {
	t.Helper()
	for {
		select {
		case err := <-ran:
			t.Fatal(err)
		default:
		}
		all, err := c.Requests(t.Context(), api.RequestFilter{State: hoop.Pending, Inbox: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == 1 && all[0].Facts != nil && !all[0].Facts.Pending {
			return all[0]
		}
	}
}

var pages = regexp.MustCompile(`lines (\d+)-(\d+) of (\d+)`)

func paged(page string) (from, to, of int, ok bool) {
	m := pages.FindStringSubmatch(page)
	if m == nil {
		return 0, 0, 0, false
	}
	from, _ = strconv.Atoi(m[1])
	to, _ = strconv.Atoi(m[2])
	of, _ = strconv.Atoi(m[3])
	return from, to, of, true
}

// plainFacts takes out what is another each time: times and numbers that name things.
func plainFacts(s string) string {
	for _, n := range []struct{ re, to string }{
		{`\b[0-9a-f]{24}\b`, "0123456789abcdef01234567"},
		{`agent:[0-9a-f]{16}`, "agent:0123456789abcdef"},
		{`agent:[0-9a-f]+…`, "agent:0123456…"},
		{`expires in \w+`, "expires in 59s"},
		{` +\d+[sm]  WITH`, "   59s  WITH"},
		{`\d\d:\d\d:\d\d`, "12:00:00"},
		{`127\.0\.0\.1:\d+`, "127.0.0.1:50000"},
	} {
		s = regexp.MustCompile(n.re).ReplaceAllString(s, n.to)
	}
	return s
}

// screen is a terminal that knows as much as the inbox needs, and takes anything else, and
// each line that is longer than the terminal is wide, for something that came out of the
// statement.
type screen struct {
	t     *testing.T
	f     *os.File
	w, h  int
	cells [][]string // "" behind a wide rune
	x, y  int
	drawn bool   // a frame is complete
	stale bool   // the terminal has a new size, and the program may still draw for the old one
	long  string // what was too long in a frame that may be one of those
	rest  []byte
}

func (s *screen) resize(w, h int) {
	s.w, s.h, s.x, s.y = w, h, 0, 0
	s.cells = make([][]string, h)
	for y := range s.cells {
		s.cells[y] = blanks(w)
	}
}

func blanks(n int) []string {
	row := make([]string, n)
	for i := range row {
		row[i] = " "
	}
	return row
}

func (s *screen) key(k string) {
	if _, err := s.f.WriteString(k); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) String() string {
	var b strings.Builder
	for _, row := range s.cells {
		b.WriteString(strings.TrimRight(strings.Join(row, ""), " ") + "\n")
	}
	return b.String()
}

// until reads until a whole frame has all of wants.
func (s *screen) until(wants ...string) string {
	s.t.Helper()
	buf := make([]byte, 64<<10)
	for {
		if got := s.String(); s.drawn && containsAll(got, wants) {
			return got
		}
		n, err := s.f.Read(buf)
		if err != nil {
			s.t.Fatalf("%v before %q:\n%s", err, wants, s)
		}
		s.write(buf[:n])
	}
}

func containsAll(s string, wants []string) bool {
	for _, want := range wants {
		if !strings.Contains(s, want) {
			return false
		}
	}
	return true
}

// end reads what is left.
func (s *screen) end() {
	buf := make([]byte, 4096)
	for {
		n, err := s.f.Read(buf)
		if err != nil {
			return
		}
		s.write(buf[:n])
	}
}

// commands are those of Bubble Tea's renderer (ECMA-48): colours are not among them, since
// NO_COLOR is set.
var commands = regexp.MustCompile(`^\x1b\[(\?(?:25|1049|2004|1002|1003|1006)[hl]|[0-9;]*[HAKJ])`)

func (s *screen) write(b []byte) {
	s.t.Helper()
	b = append(s.rest, b...)
	for len(b) > 0 {
		if !utf8.FullRune(b) || b[0] == 0x1b && len(b) < 16 && !commands.Match(b) {
			break // the rest is to come
		}
		if m := commands.FindSubmatch(b); m != nil {
			s.command(string(m[1]))
			b = b[len(m[0]):]
			continue
		}
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		switch {
		case r == '\r':
			s.x = 0
		case r == '\n':
			s.y = min(s.y+1, s.h-1)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError:
			s.t.Fatalf("%q at %d,%d reached the terminal:\n%s", string(r)+string(b[:min(len(b), 12)]), s.x, s.y, s)
		default:
			s.put(r)
		}
	}
	s.rest = append([]byte(nil), b...)
}

func (s *screen) put(r rune) {
	s.drawn = false
	w := runewidth.RuneWidth(r)
	if w == 0 {
		s.cells[s.y][max(s.x-1, 0)] += string(r)
		return
	}
	if s.x+w > s.w {
		if s.long = fmt.Sprintf("line %d is longer than %d columns at %q", s.y, s.w, r); !s.stale {
			s.t.Fatalf("%s:\n%s", s.long, s)
		}
		return
	}
	s.cells[s.y][s.x] = string(r)
	if w == 2 {
		s.cells[s.y][s.x+1] = ""
	}
	s.x += w
}

func (s *screen) command(c string) {
	arg, _ := strconv.Atoi(strings.TrimRight(c, "HAKJ"))
	switch {
	case strings.HasPrefix(c, "?"):
	case strings.HasSuffix(c, "H"):
		row, _, _ := strings.Cut(strings.TrimSuffix(c, "H"), ";")
		n, _ := strconv.Atoi(row)
		s.x, s.y, s.drawn = 0, min(max(n-1, 0), s.h-1), n == s.h
		if s.drawn && s.long != "" { // the first frame for the new size
			s.t.Fatalf("%s:\n%s", s.long, s)
		}
		s.stale, s.long = s.stale && !s.drawn, ""
	case strings.HasSuffix(c, "A"):
		s.y = max(s.y-max(arg, 1), 0)
	case strings.HasSuffix(c, "K"):
		copy(s.cells[s.y][s.x:], blanks(s.w))
	case strings.HasSuffix(c, "J"):
		s.drawn = false
		if arg == 2 {
			s.resize(s.w, s.h)
		}
	}
}
