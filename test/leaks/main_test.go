package leaks

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
)

//go:embed testdata
var data embed.FS

// wards are databases with victims: each attack that changes something has a schema of its
// own. What a gateway knows of a database it reads again whenever that changes, so there are
// many with few; the last one has the casts, too.
var wards = []string{"w1", "w2", "w3", "w4", "cast"}

// victims is how many there are in a ward.
const victims = 56

// keepers is how many compute columns from themselves, likewise.
const keepers = 40

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(runTests(m))
}

// pg has one database per way to it, all the same at first: what one does there is
// not seen by the others.
var pg *pgserver.Server

// canaries of the clinic.
var canaries = newMint()

// outside is the folder for files that attacks have the server write.
var outside string

// databases by who works in them.
const (
	direct = "clinic_direct"
	ruled  = "clinic_ruled" // target of that name: the site's rules
	open1  = "clinic_open"  // target of that name: every statement is allowed
	beside = "clinic_side"  // another target that leads to clinic_open

	benignDirect = "benign_direct"
	benignRuled  = "benign_ruled" // of the target with the site's rules
)

func runTests(m *testing.M) int {
	ctx := context.Background()
	var err error
	if outside, err = os.MkdirTemp("", "hoop-leaks-"); err == nil {
		defer os.RemoveAll(outside) //nolint:errcheck // the tests are over
		err = os.Chmod(outside, 0o777)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if pg, err = pgserver.Start(ctx, pgserver.Options{Settings: map[string]string{"autovacuum": "off"}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer pg.Stop() //nolint:errcheck // the tests are over
	if err := makeClinic(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "make the clinic:", err)
		return 1
	}
	return m.Run()
}

func makeClinic(ctx context.Context) error {
	for _, sql := range []string{"CREATE ROLE rt_agent SUPERUSER LOGIN PASSWORD 'rt_agent_pw'; CREATE ROLE plain", "CREATE DATABASE rt_clinic"} {
		if err := pg.Exec(ctx, "postgres", sql); err != nil {
			return err
		}
	}
	if err := pg.Exec(ctx, "rt_clinic", canaries.fill(file("clinic.sql"))); err != nil {
		return err
	}
	var all strings.Builder
	for n := range keepers {
		all.WriteString(canaries.fill(strings.ReplaceAll(file("kept.sql"), "$K", keeper(n))))
	}
	if err := pg.Exec(ctx, "rt_clinic", all.String()); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, pg.DSN("rt_clinic"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // it was closed before
	// A new object's OID is above all that there are.
	if err := conn.QueryRow(ctx, "SELECT lo_create(0)").Scan(&newOIDs); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT lo_unlink($1)", newOIDs); err != nil {
		return err
	}
	if err := conn.Close(ctx); err != nil { // a template has no guests
		return err
	}
	copies := []string{direct, ruled, open1, benignDirect, benignRuled}
	if err := copyDatabase(ctx, "rt_clinic", copies...); err != nil {
		return err
	}
	for _, ward := range wards {
		var all strings.Builder
		for n := range victims {
			all.WriteString(canaries.fill(strings.ReplaceAll(file("victim.sql"), "$V", victim(n))))
		}
		if ward == "cast" {
			all.WriteString(file("cast.sql"))
		}
		first := direct + "_" + ward
		if err := copyDatabase(ctx, "rt_clinic", first); err != nil {
			return err
		}
		if err := pg.Exec(ctx, first, all.String()); err != nil {
			return err
		}
		if err := copyDatabase(ctx, first, ruled+"_"+ward, open1+"_"+ward); err != nil {
			return err
		}
	}
	return nil
}

func copyDatabase(ctx context.Context, template string, names ...string) error {
	for _, name := range names {
		if err := pg.Exec(ctx, "postgres", "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY file_copy"); err != nil {
			return err
		}
	}
	return nil
}

// wardsOf is the databases of a target beside its own.
func wardsOf(target string) string {
	return target + "_" + strings.Join(wards, ", "+target+"_")
}

func victim(n int) string { return fmt.Sprintf("v%03d", n) }
func keeper(n int) string { return fmt.Sprintf("k%03d", n) }

func file(name string) string {
	b, err := data.ReadFile(path.Join("testdata", name))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// documented is the site's rules as docs/clinic-rules.md has them.
func documented() string {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "clinic-rules.md"))
	if err != nil {
		panic(err)
	}
	_, block, _ := strings.Cut(string(doc), "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	return block
}

// resources is the site's rules for one target, and an open one beside it.
func resources() string {
	site := documented()
	site = strings.ReplaceAll(site, ", approval: {groups: [privacy-office], count: 1, timeout: 2m}}]", "}]") // nobody may: denied
	site = strings.ReplaceAll(site, "decision: approve, approval: {groups: [privacy-office], count: 1, timeout: 2m}", "decision: deny")
	var more strings.Builder
	for n := range victims {
		for _, table := range []string{"victim", "parted"} {
			fmt.Fprintf(&more, "    - %s.%s.secret\n", victim(n), table)
		}
	}
	for _, column := range []string{"secret", "tags", "doc"} {
		more.WriteString("    - '*.kept." + column + "'\n")
	}
	site = strings.ReplaceAll(site, "    - clinic.patients.mrn\n", "    - clinic.patients.mrn\n"+more.String())
	site = strings.ReplaceAll(site, "    - clinic.encounters.note\n", "    - clinic.encounters.note\n    - '*.kept.note'\n")
	site += "\n---\nkind: MaskRule\nname: cards\nspec: {targets: [rt-clinic], columns: ['*.kept.card'], with: partial, last: 4}\n"
	site = strings.NewReplacer(
		"name: rt-clinic\n", "name: "+ruled+"\n",
		"database: rt_clinic", "database: "+ruled+"\n  databases: ["+benignRuled+", "+wardsOf(ruled)+"]",
		"db.example.org:5432", "${ADDRESS}",
		"tls: verify-full", "tls: disable",
		"{env: RT_CLINIC_PASSWORD}", "{value: rt_agent_pw}",
		"targets: [rt-clinic]", "targets: ["+ruled+"]",
	).Replace(site)
	var out strings.Builder
	for doc := range strings.SplitSeq(site, "\n---\n") {
		if strings.Contains(doc, "kind: MaskRule") {
			doc = strings.ReplaceAll(doc, "["+ruled+"]", "["+ruled+", "+open1+", "+beside+"]")
		}
		out.WriteString(doc + "\n---\n")
	}
	return out.String() + strings.NewReplacer("WARDS", wardsOf(open1), "OPEN", open1, "BESIDE", beside).Replace(openTarget)
}

const openTarget = `
kind: Target
name: OPEN
spec:
  type: postgres
  address: ${ADDRESS}
  database: OPEN
  databases: [WARDS]
  tls: disable
  record: batched
  inference_limits: [{columns: ["*.*.*"], values: 100000, scans: 100000, min_group: 0, per: 1h, approval: {groups: [privacy-office], count: 1, timeout: 30s}}]
  credential: {username: rt_agent, password: {value: rt_agent_pw}}
---
kind: Target
name: BESIDE
spec:
  type: postgres
  address: ${ADDRESS}
  database: other
  databases: [OPEN]
  tls: disable
  credential: {username: rt_agent, password: {value: rt_agent_pw}}
---
kind: StatementRule
name: anything-goes
spec: {targets: [OPEN], groups: ["*"], effects: ["*"], tables: ["*"], decision: allow}
---
kind: AccessRule
name: everybody
spec: {groups: ["*"], targets: ["*"], max_duration: 8h, approval: none, reason: optional}
---
kind: ServiceAccount
name: agent
spec: {groups: [agents], owner: data-team, secret: {value: agent-secret}}
---
kind: ServiceAccount
name: auditor
spec: {groups: [compliance], owner: compliance-team, secret: {value: auditor-secret}}
---
kind: GroupRole
name: auditors
spec: {group: compliance, role: auditor}
---
kind: ServiceAccount
name: admin
spec: {groups: [admins], owner: it, secret: {value: admin-secret}}
---
kind: GroupRole
name: admins
spec: {group: admins, role: admin}
`

// line is the ways to the clinic: by target, and past the gateway.
type line struct {
	tb      testing.TB
	gateway *servertest.Gateway
	dsn     map[string]string
	past    map[string]*wire // connections past the gateway, by database
	watch   map[string]*wire // connections that only look at what is protected, by database
	admin   *api.Client
	officer *api.Client // who may agree to what exceeds inference limits
}

// version is PostgreSQL's, as 15.
func version(t *testing.T) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "select current_setting('server_version_num')::int / 10000").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// as gives a way to a target for an account that withAccounts declares.
func (l *line) as(t *testing.T, account, target string) (dsn string) {
	t.Helper()
	if _, err := l.gateway.API(account).NewRequest(t.Context(), api.NewRequest{Target: target, Reason: "an attack"}); err != nil {
		t.Fatal(err)
	}
	dsn, lose := l.gateway.Tunnel(account, target)
	t.Cleanup(lose)
	return dsn
}

func start(t *testing.T) *line {
	t.Helper()
	g := servertest.Start(t, servertest.Options{PG: pg, Resources: withAccounts(resources(), len(scripts(t, "attacks")))})
	past, site := fmt.Sprintf("postgres://rt_agent:rt_agent_pw@%s/?sslmode=disable", pg.Address()), g.Connect("agent", ruled)
	l := &line{t, g, map[string]string{
		direct: past, benignDirect: past, ruled: site, benignRuled: site, open1: g.Connect("agent", open1),
	}, map[string]*wire{}, map[string]*wire{}, g.API("admin"), g.API("privacy-officer")}
	t.Cleanup(l.admin.HTTP.CloseIdleConnections)
	for _, target := range []string{ruled, open1} {
		if why := l.protection(t, target, target); why != "" { // attacks on them run at the same time
			t.Fatal(why)
		}
	}
	return l
}

// script is one attack or one benign case.
type script struct {
	group, title string
	lines        []string // one message each
	copy         string   // what COPY FROM STDIN is fed with
	masked       []int    // benign: columns that are masked, from 1
	only         string   // the only mode
	changes      bool     // it has a victim, or a keeper
	database     string   // the ward that it is in; "" for none
	denied       bool     // an attack: people deny what exceeds an inference limit, since its rows tell what it asks
	account      string   // who makes it; "" for agent
	since, until int      // the first version of PostgreSQL that takes it, and that refuses it again; 0 for none
}

// pure reports whether the script leaves nothing behind: one statement that only reads.
func (s script) pure() bool {
	if len(s.lines) != 1 || s.changes {
		return false
	}
	word, _, _ := strings.Cut(strings.TrimLeft(s.lines[0], "("), " ")
	switch word {
	case "SELECT", "TABLE", "VALUES", "WITH":
		return !strings.Contains(s.lines[0], ";") && !strings.Contains(s.lines[0], "nextval")
	}
	return false
}

// shared is what the databases have in common: one server's roles, files and activity.
var shared = regexp.MustCompile(`(?i)role|create user|pg_user|database|pg_stat|pg_auth|\bcopy\b|file|program|dblink|prepare transaction|prepared '`)

// apart reports whether the script may run in several databases at once.
func (s script) apart() bool { return !shared.MatchString(strings.Join(s.lines, " ")) }

// scripts reads the files of a folder: "-- title" begins a script, each line is a
// statement, "@word …" tells something about it; $V is its victim's schema, $K its keeper's,
// $D a folder for the server's files.
func scripts(t *testing.T, folder string) []script {
	t.Helper()
	names, err := fs.Glob(data, path.Join("testdata", folder, "*.sql"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts in %s: %v", folder, err)
	}
	var out []script
	seen := map[string]bool{}
	for _, name := range names {
		group := strings.TrimSuffix(path.Base(name), ".sql")
		for l := range strings.Lines(file(path.Join(folder, path.Base(name)))) {
			l = strings.TrimSpace(l)
			title, begins := strings.CutPrefix(l, "-- ")
			switch {
			case begins:
				if seen[group+title] {
					t.Fatalf("%s: two scripts %q", name, title)
				}
				seen[group+title] = true
				out = append(out, script{group: group, title: title})
			case l == "" || strings.HasPrefix(l, "--"):
			case strings.HasPrefix(l, "@"):
				directive(t, &out[len(out)-1], l)
			default:
				s := &out[len(out)-1]
				s.lines = append(s.lines, l)
			}
		}
	}
	kept, taken, ward := 0, map[string]int{}, 0
	for i := range out {
		s := &out[i]
		all := strings.Join(s.lines, " ")
		v, k := strings.Contains(all, "$V"), strings.Contains(all, "$K")
		s.changes = v || k
		if v && s.database == "" {
			if taken[wards[ward]] == victims && ward < len(wards)-1 {
				ward++
			}
			s.database = wards[ward]
		}
		if v && taken[s.database] == victims || k && kept == keepers {
			t.Fatalf("more than %d scripts change something in %s, or %d compute columns from themselves", victims, s.database, keepers)
		}
		for n := range s.lines {
			s.lines[n] = strings.NewReplacer("$V", victim(taken[s.database]), "$K", keeper(kept), "$D", outside).Replace(s.lines[n])
		}
		if v {
			taken[s.database]++
		}
		if k {
			kept++
		}
	}
	return out
}

func directive(t *testing.T, s *script, l string) {
	t.Helper()
	word, rest, _ := strings.Cut(l, " ")
	switch word {
	case "@copy":
		s.copy += strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(rest)
	case "@masked":
		for f := range strings.FieldsSeq(rest) {
			var n int
			if _, err := fmt.Sscan(f, &n); err != nil {
				t.Fatalf("%s: %v", l, err)
			}
			s.masked = append(s.masked, n)
		}
	case "@database":
		s.database = rest
	case "@since", "@until":
		n, err := strconv.Atoi(rest)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		if word == "@since" {
			s.since = n
		} else {
			s.until = n
		}
	case "@empty":
		s.lines = append(s.lines, "")
	case "@only":
		s.only = rest
	case "@denied":
		s.denied = true
	default:
		t.Fatalf("no directive %q", word)
	}
}
