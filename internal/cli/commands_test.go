package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  func(w *world)
		args string
		code int
		want string // on stderr
	}{
		{"done", nil, "version", ExitDone, ""},
		{"no command shows help", nil, "", ExitDone, ""},
		{"unknown command", nil, "nonsense", ExitUsage, "hoopctl: hint: hoopctl --help"},
		{"unknown subcommand", nil, "sessions nonsense", ExitUsage, "hoopctl: hint: hoopctl sessions --help"},
		{"unknown flag", nil, "targets --nonsense", ExitUsage, "hoopctl: hint: hoopctl targets --help"},
		{"missing argument", nil, "request", ExitUsage, "hint: hoopctl request --help"},
		{"unknown field", nil, "targets --json=nonsense", ExitUsage, "there are name, type"},
		{"not signed in", func(w *world) { w.env["HOOPCTL_TOKEN"] = "" }, "targets", ExitSignIn, "hoopctl: hint: hoopctl login"},
		{"a token nobody knows", func(w *world) { w.env["HOOPCTL_TOKEN"] = "stale" }, "targets", ExitSignIn, "hoopctl: error: the token is not valid"},
		{"denied by a rule", func(w *world) {
			w.problem["POST /api/v1/requests"] = api.Problem{Code: hoop.CodeDenied, Title: "no rule lets you", Hint: "ask an administrator"}
		}, "request pg-prod", ExitDenied, "hoopctl: error: no rule lets you\nhoopctl: hint: ask an administrator\n"},
		{"the gateway's trouble", func(w *world) {
			w.problem["GET /api/v1/targets"] = api.Problem{Code: hoop.CodeUnavailable, Title: "the store is down"}
		}, "targets", ExitFailed, "hoopctl: error: the store is down\n"},
		{"waiting", nil, "request pg-pay --reason x", ExitPending, "hoopctl: request 17 for pg-pay waits for one of dba\nhoopctl: hint: "},
		{"another gateway's certificate", func(w *world) { w.env["HOOPCTL_CA_FILE"] = "" }, "targets", ExitFailed, "hoopctl: hint: pass --ca-file F"},
		{"nobody listens", func(w *world) { w.env["HOOPCTL_GATEWAY"] = "https://127.0.0.1:1" }, "targets", ExitFailed, "nothing listens there"},
		{"no https", nil, "targets --gateway http://localhost", ExitUsage, "must begin with https://"},
		{"a CA file that is none", func(w *world) { w.env["HOOPCTL_CA_FILE"] = os.Args[0] }, "targets", ExitUsage, "holds no certificate"},
		{"a deny without reason", nil, "deny 17", ExitUsage, "hint: hoopctl deny 17 --reason"},
		{"no number", nil, "approve x", ExitUsage, "is not the number of a request"},
		{"a speed of 0", nil, "sessions replay s --speed 0", ExitUsage, "--speed must be above 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			if tc.set != nil {
				tc.set(w)
			}
			got := w.pipe(strings.Fields(tc.args)...)
			if got.code != tc.code || !strings.Contains(got.errOut, tc.want) {
				t.Errorf("got %d, stderr %q, want %d, %q", got.code, got.errOut, tc.code, tc.want)
			}
			lines := strings.Split(got.errOut, "\n")
			if n := len(lines) - 1 - strings.Count(got.errOut, "hoopctl: hint: "); tc.code != 0 && n != 1 {
				t.Errorf("the error was printed %d times:\n%s", n, got.errOut)
			}
			if want := tc.code != 0 && tc.code != ExitPending; strings.Contains(got.errOut, "error: ") != want {
				t.Errorf("whether it is an error:\n%s", got.errOut)
			}
		})
	}
}

// lists is a world with something in every list.
func lists(t *testing.T) *world {
	w := newWorld(t)
	w.mu.Lock() // another process may be the next to look
	defer w.mu.Unlock()
	w.requests[3] = &hoop.Request{
		ID: 3, Kind: hoop.RequestStatement, State: hoop.Pending, Requester: hoop.Identity{Subject: "ci-agent"}, Target: "pg-prod",
		Statement: "DELETE FROM patients;\n-- all\tof them\x1b[2J", CreatedAt: noon.Add(-time.Minute), ExpiresAt: noon.Add(time.Minute),
		Groups: []string{"dba"}, Count: 1, Rule: "risky", Reason: "cleaning up", Params: []string{"'x'"}, InTx: true,
		Effects: []hoop.Use{{Effect: hoop.EffectUnboundedWrite, Tables: []string{"public.patients"}, Why: "DELETE without a condition"}},
	}
	w.requests[4] = &hoop.Request{
		ID: 4, Kind: hoop.RequestGrant, State: hoop.Denied, Requester: w.me.Identity, Target: "pg-pay", Duration: hoop.Duration(time.Hour),
		Reason: "ticket", CreatedAt: noon.Add(-3 * time.Hour), ExpiresAt: noon.Add(-2 * time.Hour), DecisionWhy: "ask kim",
		Approvals: []hoop.Approval{{By: "corp:5", Name: "lee", Approve: true, Reason: "fine"}, {By: "corp:7", Name: "sam", Reason: "ask kim"}},
	}
	w.grants = []hoop.Grant{{ID: "g1", Owner: w.me.Identity, Target: "pg-prod", Rule: "r", StartsAt: noon.Add(-time.Hour), ExpiresAt: noon.Add(30 * time.Minute), Reason: "ticket"}}
	w.sessions = []hoop.SessionInfo{
		{ID: "s2", Identity: w.me.Identity, Target: "pg-prod", Database: "clinic", Protocol: "postgres", Grant: "g1", Client: "psql", RemoteAddr: "10.0.0.7:1", StartedAt: noon.Add(-2 * time.Minute), Statements: 5, Rows: 42, Masked: 7},
		{ID: "s1", Identity: w.me.Identity, Target: "pg-prod", Protocol: "postgres", StartedAt: noon.Add(-26 * time.Hour), EndedAt: noon.Add(-25 * time.Hour), Statements: 1},
	}
	w.targets[0].Grant = &w.grants[0]
	return w
}

func TestLists(t *testing.T) {
	for _, tc := range []struct{ name, args, terminal, pipe string }{
		{
			"targets", "targets",
			"" +
				"NAME     TYPE      DATABASE  APPROVAL  REASON    AT MOST  GRANT ENDS\n" +
				"pg-prod  postgres  clinic    none      optional  8h       in 30m\n" +
				"pg-pay   postgres  pay       1 of dba  required  1h       -\n" +
				"web      http                none      optional  0s       -\n",
			"" +
				"pg-prod\tpostgres\tclinic\tnone\toptional\t8h0m0s\t2026-11-23T12:30:00Z\n" +
				"pg-pay\tpostgres\tpay\t1 of dba\trequired\t1h0m0s\t-\n" +
				"web\thttp\t\tnone\toptional\t0s\t-\n",
		},
		{
			"requests", "requests",
			"" +
				"ID  STATE    TARGET   FROM      ASKED   EXPIRES  WHAT             OUTCOME\n" +
				"3   pending  pg-prod  ci-agent  1m ago  in 1m    DELETE FROM pa…  -\n" +
				"4   denied   pg-pay   dana      3h ago  -        access for 1h:…  by sam: ask k…\n",
			"" +
				"3\tpending\tpg-prod\tci-agent\t2026-11-23T11:59:00Z\t2026-11-23T12:01:00Z\tDELETE FROM patients;\\n-- all\\tof them\\x1b[2J\t-\n" +
				"4\tdenied\tpg-pay\tdana\t2026-11-23T09:00:00Z\t-\taccess for 1h: ticket\tby sam: ask kim\n",
		},
		{
			"grants", "grants",
			"" +
				"ID  STATE     TARGET   OWNER  RULE  STARTS  ENDS    REASON\n" +
				"g1  in force  pg-prod  dana   r     1h ago  in 30m  ticket\n",
			"g1\tin force\tpg-prod\tdana\tr\t2026-11-23T11:00:00Z\t2026-11-23T12:30:00Z\tticket\t-\n",
		},
		{
			"sessions", "sessions list",
			"" +
				"ID  TARGET   WHO   STARTED  LASTED   STATEMENTS  ROWS  MASKED\n" +
				"s2  pg-prod  dana  2m ago   running  5           42    7\n" +
				"s1  pg-prod  dana  26h ago  1h       1           0     0\n",
			"" +
				"s2\tpg-prod\tdana\t2026-11-23T11:58:00Z\trunning\t5\t42\t7\n" +
				"s1\tpg-prod\tdana\t2026-11-22T10:00:00Z\t1h0m0s\t1\t0\t0\n",
		},
		{
			"whoami", "whoami",
			"" +
				"subject   dana\nname      Dana\nemail     dana@clinic.example\nkind      human\nprovider  dev\ngroups    developers\ngateway   GATEWAY\n",
			"" +
				"subject\tdana\nname\tDana\nemail\tdana@clinic.example\nkind\thuman\nprovider\tdev\ngroups\tdevelopers\ngateway\tGATEWAY\n",
		},
		{
			"a session", "sessions show s2",
			"" +
				"session     s2\nwho         Dana (dana)\ntarget      pg-prod\ndatabase    clinic\nprotocol    postgres\ngrant       g1\n" +
				"client      psql\naddress     10.0.0.7:1\nstarted     2026-11-23T11:58:00Z\nended       still running\n" +
				"statements  5\nrows        42\nchanged     0\nbytes       0\nmasked      7\n",
			"" +
				"session\ts2\nwho\tDana (dana)\ntarget\tpg-prod\ndatabase\tclinic\nprotocol\tpostgres\ngrant\tg1\n" +
				"client\tpsql\naddress\t10.0.0.7:1\nstarted\t2026-11-23T11:58:00Z\nended\tstill running\n" +
				"statements\t5\nrows\t42\nchanged\t0\nbytes\t0\nmasked\t7\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := lists(t)
			args := strings.Fields(tc.args)
			got := w.terminal(args...)
			if diff := cmp.Diff(strings.ReplaceAll(tc.terminal, "GATEWAY", w.URL), got.out); diff != "" || got.code != 0 {
				t.Errorf("at a terminal: exit %d, (-want +got)\n%s%s", got.code, diff, got.errOut)
			}
			got = w.pipe(args...)
			if diff := cmp.Diff(strings.ReplaceAll(tc.pipe, "GATEWAY", w.URL), got.out); diff != "" || got.code != 0 {
				t.Errorf("in a pipe: exit %d, (-want +got)\n%s%s", got.code, diff, got.errOut)
			}
			got = w.pipe(append(args, "--json")...)
			if !json.Valid([]byte(got.out)) || strings.Count(got.out, "\n") != 1 {
				t.Errorf("--json: want one line of JSON, got %q %s", got.out, got.errOut)
			}
		})
	}
}

func TestJSON_Fields(t *testing.T) {
	w := lists(t)
	if got, want := w.pipe("targets", "--json=type,name,grant").out,
		`[{"type":"postgres","name":"pg-prod","grant":`; !strings.HasPrefix(got, want) || !strings.Contains(got, `{"type":"http","name":"web","grant":null}`) {
		t.Errorf("got %s", got)
	}
	w.targets = nil
	if got := w.pipe("targets", "--json").out; got != "[]\n" {
		t.Errorf("an empty list: got %q", got)
	}
	if got := w.terminal("whoami", "--json=subject").out; got != "{\n  \"subject\": \"dana\"\n}\n" {
		t.Errorf("at a terminal: got %q", got)
	}
}

func TestApprove(t *testing.T) {
	t.Run("in a pipe the number is explicit enough", func(t *testing.T) {
		w := lists(t)
		got := w.pipe("approve", "3")
		if got.code != 0 || w.requests[3].State != hoop.Approved || got.out != "" || !strings.Contains(got.errOut, "approved request 3 of ci-agent on pg-prod") {
			t.Errorf("got %+v, %s", got, w.requests[3].State)
		}
	})
	t.Run("with all that the gateway found out", func(t *testing.T) {
		w := lists(t)
		r := w.requests[3]
		r.Hidden, r.Executes = 2, []string{"SELECT 1"}
		r.Facts = &hoop.Facts{
			Session:   hoop.SessionSoFar{Client: "psql", RemoteAddr: "10.0.0.7:5", Database: "clinic", StartedAt: r.CreatedAt, Statements: 4, Rows: 1},
			Estimate:  hoop.Estimate{Known: true, Rows: 1234567, What: "change"},
			Protected: []hoop.ColumnRef{{Schema: "public", Table: "patients", Column: "ssn"}}, More: true, Transaction: "none is open",
			Locks: hoop.Locks{Held: []hoop.Lock{{On: "public.patients", Mode: "RowShareLock"}}, Blocked: 1},
		}
		w.requests[3] = r
		got := proc{w: w, tty: true, in: "n\n"}.run("approve", "3")
		for _, want := range []string{
			"which runs what was prepared:\n  │ SELECT 1\n", "2 values masked for you", "psql from 10.0.0.7:5, clinic, since", "4 statements, 1",
			"about 1,234,567 would change", "public.patients: ssn; and others", "none is open", "RowShareLock on public.patients; 1 other backend waits for them",
		} {
			if !strings.Contains(got.errOut+got.out, want) {
				t.Errorf("no %q in:\n%s", want, got.errOut)
			}
		}
		r.Facts = &hoop.Facts{Estimate: hoop.Estimate{Why: "function f is a user's"}, Locks: hoop.Locks{Why: "the target could not be asked"}}
		w.requests[3] = r
		got = proc{w: w, tty: true, in: "n\n"}.run("approve", "3")
		for _, want := range []string{"not estimated: function f is a user's", "not known: the target could not be asked"} {
			if !strings.Contains(got.errOut+got.out, want) {
				t.Errorf("no %q in:\n%s", want, got.errOut)
			}
		}
	})
	t.Run("a terminal shows what would run, and asks", func(t *testing.T) {
		w := lists(t)
		got := proc{w: w, tty: true, in: "y\n"}.run("approve", "3")
		if got.code != 0 || w.requests[3].State != hoop.Approved {
			t.Fatalf("got %+v", got)
		}
		for _, want := range []string{
			"  │ DELETE FROM patients;\n  │ -- all    of them\\x1b[2J\n", "$1 = 'x'",
			"unbounded-write on public.patients: DELETE without a condition",
			"ci-agent", "cleaning up", "one of dba", "in 1m", "keeps its locks", "Approve request 3? [y/N] ",
		} {
			if !strings.Contains(got.errOut, want) {
				t.Errorf("want %q in:\n%s", want, got.errOut)
			}
		}
		if strings.Contains(got.errOut, "\x1b[2J") {
			t.Error("the statement's escape sequence reached the terminal")
		}
	})
	for name, in := range map[string]string{"n": "n\n", "return": "\n", "end of input": "", "y without return": "y"} {
		t.Run("not by "+name, func(t *testing.T) {
			w := lists(t)
			got := proc{w: w, tty: true, in: in}.run("approve", "3")
			if got.code != ExitUsage || w.requests[3].State != hoop.Pending {
				t.Errorf("got %+v, %s", got, w.requests[3].State)
			}
		})
	}
	t.Run("--yes does not ask", func(t *testing.T) {
		w := lists(t)
		if got := w.terminal("approve", "3", "--yes"); got.code != 0 || strings.Contains(got.errOut, "[y/N]") {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("twice, which counts once", func(t *testing.T) {
		w := lists(t)
		w.requests[3].Count = 2
		for _, want := range []string{
			"approved request 3 of ci-agent on pg-prod: DELETE FROM t; 1 of 2 approvals are there",
			"request 3 of ci-agent on pg-prod: DELETE FROM t; your approval counted before, and counts once; 1 of 2 approvals are there",
		} {
			w.requests[3].Shape = "DELETE FROM t;"
			if got := w.pipe("approve", "3"); got.code != 0 || strings.TrimSpace(got.errOut) != "hoopctl: "+want {
				t.Errorf("got %d %q, want %q", got.code, got.errOut, want)
			}
		}
		if got := w.pipe("requests", "--state", "pending"); !strings.HasSuffix(got.out, "\t1 of 2 approvals are there\n") {
			t.Errorf("the list says %q", got.out)
		}
	})
	t.Run("others are asked next", func(t *testing.T) {
		w := lists(t)
		w.requests[3].Shape = "DELETE FROM t;"
		w.requests[3].Next = []hoop.ApprovalRule{{Groups: []string{"privacy", "legal"}, Count: 1}, {Groups: []string{"ops"}, Count: 2}}
		const want = "hoopctl: approved request 3 of ci-agent on pg-prod: DELETE FROM t; it runs once, when others approve it too: asked now 1 of privacy or legal, then 2 of ops"
		if got := w.pipe("approve", "3"); got.code != 0 || strings.TrimSpace(got.errOut) != want {
			t.Errorf("got %d %q, want %q", got.code, got.errOut, want)
		}
	})
	t.Run("decided already", func(t *testing.T) {
		w := lists(t)
		for _, r := range []result{w.pipe("approve", "4"), w.terminal("approve", "4")} {
			if r.code != ExitFailed || !strings.Contains(r.errOut, "denied already") {
				t.Errorf("got %+v", r)
			}
		}
	})
	t.Run("no number in a pipe lists", func(t *testing.T) {
		w := lists(t)
		if got := w.pipe("approve"); got.code != 0 || !strings.HasPrefix(got.out, "3\tpending\tpg-prod\t") || strings.Contains(got.out, "\n4\t") {
			t.Errorf("got %+v", got)
		}
	})
}

func TestDenyAndRevoke(t *testing.T) {
	w := lists(t)
	if got := w.pipe("deny", "3", "--reason", "use the replica"); got.code != 0 || w.requests[3].State != hoop.Denied || w.requests[3].DecisionWhy != "use the replica" {
		t.Errorf("got %+v", got)
	}
	if got := w.pipe("revoke", "g1"); got.code != 0 || !strings.Contains(got.errOut, "revoked grant g1 of dana on pg-prod") {
		t.Errorf("got %+v", got)
	}
	if got := w.pipe("revoke", "--identity", "corp:17", "--reason", "left"); got.code != 0 || !strings.Contains(got.errOut, "all that corp:17 had: grants 4, requests 2, sign-ins 1") {
		t.Errorf("got %+v", got)
	}
	for _, args := range [][]string{{"revoke"}, {"revoke", "g1", "--identity", "corp:17"}} {
		if got := w.pipe(args...); got.code != ExitUsage {
			t.Errorf("%v: %+v", args, got)
		}
	}
	if got := w.pipe("revoke", "g/../x"); got.code != ExitFailed || w.calls("POST /api/v1/grants/g%2F..%2Fx/revoke") != 1 {
		t.Errorf("got %+v, %v", got, w.got)
	}
}

func TestRequest_Wait(t *testing.T) {
	w := newWorld(t)
	w.onAsk = func(w *world, r *hoop.Request) { go w.decideWhenAwaited(r, (*world).grant) }
	got := w.pipe("request", "pg-pay", "--reason", "x", "--wait", "--duration", "30m")
	if got.code != 0 || got.out != "request\t17\ntarget\tpg-pay\nstate\tapproved\ngrant\tg17\nexpires\t2026-11-23T12:30:00Z\n" {
		t.Errorf("got %+v", got)
	}
}

func TestRequest_WaitIsToldWhyItWasCancelled(t *testing.T) {
	w := newWorld(t)
	w.onAsk = func(w *world, r *hoop.Request) {
		go w.decideWhenAwaited(r, func(_ *world, r *hoop.Request) {
			r.State, r.DecisionWhy = hoop.Cancelled, "alex, who approved it, may not decide it any more"
		})
	}
	got := w.pipe("request", "pg-pay", "--reason", "x", "--wait")
	if got.code != ExitUsage || !strings.Contains(got.errOut, "error: request 17 was cancelled: alex, who approved it, may not decide it any more\n") {
		t.Errorf("got %+v", got)
	}
}

// decideWhenAwaited decides a request once somebody waits for it.
func (w *world) decideWhenAwaited(r *hoop.Request, decide func(*world, *hoop.Request)) {
	<-w.waits
	w.lock(func() { decide(w, r) })
}

func TestLogin_DeviceRemembersGatewayAndCA(t *testing.T) {
	w := newWorld(t)
	dir := w.env["HOOPCTL_CONFIG_DIR"]
	w.env = map[string]string{"HOOPCTL_CONFIG_DIR": dir}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	ca, err := filepath.Rel(wd, w.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	got := w.pipe("login", "--gateway", w.URL, "--ca-file", ca)
	if got.code != 0 || got.out != "" {
		t.Fatalf("got %+v", got)
	}
	for _, want := range []string{w.URL + "/device\n", "BCDF-GHJK", "signed in at " + w.URL + " as Dana (dana)", "credentials.json"} {
		if !strings.Contains(got.errOut, want) {
			t.Errorf("want %q in:\n%s", want, got.errOut)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "config.yaml"))
	if want := "gateway: " + w.URL + "\nca_file: " + w.CAFile + "\n"; err != nil || string(b) != want {
		t.Errorf("config file: got %q, %v, want %q", b, err, want)
	}
	if got := w.pipe("status"); got.code != 0 || !strings.Contains(got.out, "signed in\tdana, by device\n") {
		t.Errorf("status: got %+v", got)
	}
	if got := w.pipe("logout"); got.code != 0 {
		t.Errorf("logout: got %+v", got)
	}
	if got := w.pipe("whoami"); got.code != ExitSignIn {
		t.Errorf("after logout: got %+v", got)
	}
	if got := w.pipe("status"); got.code != ExitSignIn || !strings.Contains(got.out, "signed in\tno\n") {
		t.Errorf("status after logout: got %+v", got)
	}
}

func TestLogin_Browser(t *testing.T) {
	for _, tc := range []struct {
		name string
		tty  bool
		env  map[string]string
		args []string
		want bool
	}{
		{"at a terminal with a screen", true, map[string]string{"DISPLAY": ":0"}, nil, true},
		{"not in a pipe", false, map[string]string{"DISPLAY": ":0"}, nil, false},
		{"not in CI", true, map[string]string{"DISPLAY": ":0", "CI": "true"}, nil, false},
		{"not when told so", true, map[string]string{"DISPLAY": ":0"}, []string{"--no-browser"}, false},
		{"not without a screen", true, nil, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			delete(w.env, "HOOPCTL_TOKEN")
			for k, v := range tc.env {
				w.env[k] = v
			}
			opened := ""
			got := proc{w: w, tty: tc.tty, tune: func(f *Factory) {
				f.Browse = func(u string) error { opened = u; return nil }
			}}.run(append([]string{"login"}, tc.args...)...)
			if got.code != 0 || (opened != "") != tc.want {
				t.Errorf("opened %q, %+v", opened, got)
			}
		})
	}
}

func TestLogin_ServiceAccount(t *testing.T) {
	w := newWorld(t)
	delete(w.env, "HOOPCTL_TOKEN")
	w.Secrets["ci-agent"] = "opensesame"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("opensesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.pipe("login", "--service-account", "ci-agent", "--secret-file", file); got.code != 0 {
		t.Fatalf("got %+v", got)
	}
	// The access token ends at the gateway; hoopctl gets another without a word.
	w.Mu.Lock()
	clear(w.Live)
	w.Mu.Unlock()
	if got := w.pipe("whoami", "--json=subject"); got.code != 0 || got.errOut != "" {
		t.Errorf("got %+v", got)
	}
	w.Secrets["ci-agent"] = "another"
	got := w.pipe("login", "--service-account", "ci-agent", "--secret-file", file)
	if got.code != ExitSignIn || strings.Contains(got.errOut, "opensesame") {
		t.Errorf("got %+v", got)
	}
	if got := w.pipe("login", "--service-account", "ci-agent"); got.code != ExitUsage {
		t.Errorf("without a secret: got %+v", got)
	}
}

func TestLogin_Federated(t *testing.T) {
	w := newWorld(t)
	delete(w.env, "HOOPCTL_TOKEN")
	w.Tokens["k8s-agent"] = "header.first.signature"
	file := filepath.Join(t.TempDir(), "token")
	put := func(v string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(v), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("header.first.signature\n")
	if got := w.pipe("login", "--service-account", "k8s-agent", "--token-file", file); got.code != 0 {
		t.Fatalf("got %+v", got)
	}
	// The access token ends at the gateway, and the issuer's token was rotated meanwhile.
	w.Mu.Lock()
	clear(w.Live)
	w.Tokens["k8s-agent"] = "header.second.signature"
	w.Mu.Unlock()
	put("header.second.signature\n")
	if got := w.pipe("whoami", "--json=subject"); got.code != 0 || got.errOut != "" {
		t.Errorf("got %+v", got)
	}
	put("header.expired.signature")
	got := w.pipe("login", "--service-account", "k8s-agent", "--token-file", file)
	if got.code != ExitSignIn || strings.Contains(got.errOut, "header.") || !strings.Contains(got.errOut, "--token-file") {
		t.Errorf("got %+v", got)
	}
	for _, args := range [][]string{
		{"--service-account", "k8s-agent", "--token-file", file, "--secret-file", file},
		{"--secret-file", file},
		{"--secret-file", file, "--token-file", file},
		{"--service-account", "", "--token-file", file},
		{"--service-account", "k8s-agent", "--token-file", file + ".gone"},
	} {
		if got := w.pipe(append([]string{"login"}, args...)...); got.code != ExitUsage {
			t.Errorf("%q: got %+v", args, got)
		}
	}
}

func TestDoctor(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now
	got := w.pipe("doctor", "--json")
	var checks []check
	if err := json.Unmarshal([]byte(got.out), &checks); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	state := map[string]string{}
	for _, c := range checks {
		state[c.Name] = c.State
		if c.State == "failed" || c.State == "warning" && c.Fix == "" {
			t.Errorf("%+v", c)
		}
	}
	for _, name := range []string{"settings", "network", "certificate", "gateway", "clock", "sign-in"} {
		if state[name] != "ok" {
			t.Errorf("%s: got %q", name, state[name])
		}
	}
	w.now = func() time.Time { return time.Now().Add(time.Hour) }
	if got := w.pipe("doctor"); got.code != ExitFailed || !strings.Contains(got.out, "clock\tfailed\tthis machine's clock differs from the gateway's by 1h") {
		t.Errorf("a clock that is off: got %+v", got)
	}
	w.env["HOOPCTL_CA_FILE"] = ""
	if got := w.terminal("doctor"); got.code != ExitFailed || !strings.Contains(got.out, "fix: pass --ca-file F") {
		t.Errorf("another certificate: got %+v", got)
	}
}

// What a gateway says cannot move the cursor.
func TestErrors_AreEscaped(t *testing.T) {
	w := newWorld(t)
	w.problem["GET /api/v1/targets"] = api.Problem{Code: hoop.CodeDenied, Title: "no\x1b[2J", Hint: "go\x1b]0;x\x07"}
	got := w.terminal("targets")
	if strings.Contains(got.errOut, "\x1b") || !strings.Contains(got.errOut, `no\x1b[2J`) {
		t.Errorf("got %q", got.errOut)
	}
}

// A statement that was decided is shown without its literals.
func TestRequests_Decided(t *testing.T) {
	r := hoop.Request{Kind: hoop.RequestStatement, State: hoop.Approved, Shape: "DELETE FROM t WHERE id = $1"}
	if got := whatOf(r); got != r.Shape {
		t.Errorf("%q, want %q", got, r.Shape)
	}
}
