package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/siem"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// events are all that the audit log has so far.
func events(t *testing.T, g *servertest.Gateway) []hoop.Event {
	t.Helper()
	body, err := g.API("auditor").Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var all []hoop.Event
	for dec := json.NewDecoder(body); ; {
		var e siem.Entry
		if err := dec.Decode(&e); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, *e.Event)
	}
}

func detail(e hoop.Event, name string) string {
	for _, d := range e.Details {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// Whatever happens, the event of it names the policy that was in force, and all else that its
// kind must have.
func TestEvents_AreWhole(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup, Module: "package hoop.site\n"})
	conn := open(t, g, nil)
	for _, approve := range []bool{true, false} {
		decided := answer(t, g, approve, nil)
		_, _ = conn.Exec(t.Context(), "DROP TABLE scratch") // once it runs, once it is denied
		if err := <-decided; err != nil {
			t.Fatal(err)
		}
	}
	_, _ = conn.Exec(t.Context(), "COPY patients TO PROGRAM 'true'")
	grants, err := g.API("agent").Grants(t.Context(), false)
	if err != nil || len(grants) != 1 {
		t.Fatalf("%+v, %v", grants, err)
	}
	former := events(t, g)[0].Policy
	g.Reload(strings.Replace(servertest.Resources, "max_duration: 8h", "max_duration: 7h", 1), "package hoop.site\n")
	if _, err := conn.Exec(t.Context(), "SELECT state FROM patients"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.API("agent").Revoke(t.Context(), grants[0].ID, "done"); err != nil {
		t.Fatal(err)
	}
	for err == nil { // until the session has ended
		_, err = conn.Exec(t.Context(), "SELECT state FROM patients")
	}
	for !slices.ContainsFunc(events(t, g), func(e hoop.Event) bool { return e.Type == hoop.EventSessionEnd }) {
		runtime.Gosched() // it may follow what the client was told
	}
	must(t, conn.Close(t.Context()))
	ended := func(e hoop.Event) bool { return e.Type == hoop.EventSessionEnd }
	session := events(t, g)[slices.IndexFunc(events(t, g), ended)].Session
	for _, who := range []string{"agent", "auditor"} {
		body, err := g.API(who).Recording(t.Context(), session)
		if err != nil {
			t.Fatal(err)
		}
		must(t, body.Close())
	}
	for _, on := range []bool{true, false} {
		if _, err := g.API("auditor").Hold(t.Context(), session, api.Hold{On: on, Reason: "case 7"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.API("agent").Explain(t.Context(), api.Explain{Target: "pg-prod", SQL: "SELECT 1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.API("agent").Export(t.Context()); err == nil {
		t.Error("the agent exported the log")
	}
	seen := map[hoop.EventType]bool{}
	revisions := map[string]bool{}
	for _, e := range events(t, g) {
		seen[e.Type], revisions[e.Policy] = true, true
		if len(e.Policy) != len(former) {
			t.Errorf("event %s of %q names policy %q", e.Type, e.Subject, e.Policy)
		}
	}
	for _, want := range []hoop.EventType{
		hoop.EventStart, hoop.EventSignIn, hoop.EventRequest, hoop.EventGrant, hoop.EventSessionStart, hoop.EventStatement, hoop.EventResult,
		hoop.EventApproval, hoop.EventDenial, hoop.EventPolicy, hoop.EventRevocation, hoop.EventSessionEnd, hoop.EventAPIDenied, hoop.EventExplain, hoop.EventExport,
		hoop.EventRead, hoop.EventLegalHold,
	} {
		if !seen[want] {
			t.Errorf("this run has no event %s", want)
		}
	}
	if len(revisions) != 2 {
		t.Errorf("%d policies, want the one before the reload and the one after", len(revisions))
	}
	whole(t, events(t, g))
	recounted(t, g, "readings of recordings by others than their owners", "readings of recordings by their owners", "legal holds set", "legal holds lifted",
		"statements allowed after people approved", "denials by people", "attempts over the API to look at", "questions what the policy would decide")
}

// whole checks that every event has what its kind must have: both clocks, who, and what of
// target, grant, request and session it is about. Counters leave none out.
func whole(t *testing.T, all []hoop.Event) {
	t.Helper()
	counted := map[string]int64{}
	mono := int64(0)
	for _, e := range all {
		missing := func(what string, there bool) {
			if !there {
				t.Errorf("event %s has no %s: %+v", e.Type, what, e)
			}
		}
		missing("time", !e.Time.IsZero())
		missing("monotonic time behind the one before", e.Type == hoop.EventStart || e.Mono >= mono)
		mono = e.Mono
		switch e.Type {
		case hoop.EventStart, hoop.EventStop, hoop.EventCheckpoint, hoop.EventPolicy, hoop.EventResource, hoop.EventExpired, hoop.EventRecovery:
		default:
			missing("subject", e.Subject != "")
		}
		switch e.Type {
		case hoop.EventSessionStart, hoop.EventStatement, hoop.EventResult, hoop.EventSessionEnd, hoop.EventCancel:
			missing("session", e.Session != "")
			missing("target", e.Target != "")
			missing("grant", e.Grant != "")
			counted[e.Session]++
			missing("counter that follows", e.Counter == counted[e.Session])
		case hoop.EventGrant, hoop.EventRevocation:
			missing("grant", e.Grant != "")
		case hoop.EventRead, hoop.EventLegalHold, hoop.EventExpired:
			missing("session", e.Session != "")
		case hoop.EventExplain, hoop.EventSessionDenied:
			missing("target", e.Target != "")
		case hoop.EventRequest, hoop.EventApproval, hoop.EventDenial:
			missing("target", e.Target != "")
			missing("request", e.Request != 0)
		}
		// Whatever is about a session is about its grant, and what is about a grant about its target.
		missing("grant of its session", e.Session == "" || e.Grant != "")
		missing("target of its grant", e.Grant == "" || e.Target != "")
		switch e.Type {
		case hoop.EventStatement:
			missing("text", e.Text != "")
			missing("effects", len(e.Effects) > 0)
			missing("decision", e.Action != "" && e.Rule != "")
		case hoop.EventResult:
			missing("result", e.Result != nil)
		case hoop.EventRead:
			missing("reader", e.Detail(hoop.ReaderDetail) != "")
		case hoop.EventSessionEnd:
			missing("cause", e.Cause != "")
			missing("count of its events", e.Record != nil && e.Record.Events == e.Counter && e.Record.SHA256 != "")
		}
	}
}

// A rule that observes decides nothing, and the event says what it would have decided.
func TestSession_Observe(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup, Resources: servertest.Resources + `
---
kind: StatementRule
name: watch-patients
spec: {targets: [pg-prod], groups: ["*"], effects: [read], tables: [public.patients], decision: deny, mode: observe}
`})
	conn := open(t, g, nil)
	for _, sql := range []string{"SELECT state FROM patients", "SELECT x FROM scratch"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	observed := map[string]string{}
	for _, e := range events(t, g) {
		if e.Type == hoop.EventStatement {
			observed[e.Text] = detail(e, "observed")
			if e.Action != hoop.Allow {
				t.Errorf("%s: %s", e.Text, e.Action)
			}
		}
	}
	if got := observed["SELECT state FROM patients"]; !strings.Contains(got, "watch-patients") || !strings.Contains(got, "deny") {
		t.Errorf("observed %q in %v", got, observed)
	}
	if got := observed["SELECT x FROM scratch"]; got != "" {
		t.Errorf("nothing to observe: %q", got)
	}
}

// slowDisk has files whose Sync waits while the gate is shut.
type slowDisk struct {
	journal.OS
	gate *gate
}

// gate counts who waits at it.
type gate struct {
	mu      sync.Mutex
	shut    chan struct{} // nil: open
	arrived chan struct{}
}

func (g *gate) pass() {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut == nil {
		return
	}
	select {
	case g.arrived <- struct{}{}:
	default:
	}
	<-shut
}

func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shut := make(chan struct{})
	g.shut = shut
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.shut = nil
		close(shut)
	}
}

func (d slowDisk) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	f, err := d.OS.OpenFile(name, flag, perm)
	return slowFile{f, d.gate}, err
}

type slowFile struct {
	journal.File
	gate *gate
}

func (f slowFile) Sync() error {
	f.gate.pass()
	return f.File.Sync()
}

// Where a target's record is batched, answers under a grant that was taken in an emergency
// wait for the disk all the same, and the session's events say which grant that was.
func TestSession_BreakGlassRecordsStrictly(t *testing.T) {
	disk := slowDisk{gate: &gate{arrived: make(chan struct{}, 1)}}
	resources := strings.NewReplacer(
		"  tls: disable\n", "  tls: disable\n  record: batched\n",
		"spec: {groups: [\"*\"], targets: [\"*\"], max_duration: 8h, approval: none, reason: optional}",
		`spec: {groups: [agents], targets: ["*"], max_duration: 8h, approval: none, reason: optional}
---
kind: AccessRule
name: emergency
spec: {groups: [compliance], targets: ["*"], max_duration: 1h, approval: none, break_glass: {reviewers: [dba]}}`,
	).Replace(servertest.Resources)
	g := servertest.Start(t, servertest.Options{Setup: setup, Resources: resources, FS: disk})
	ordinary := open(t, g, nil)
	if _, err := g.API("auditor").NewRequest(t.Context(), api.NewRequest{Target: "pg-prod", Reason: "the ward is dark", BreakGlass: true}); err != nil {
		t.Fatal(err)
	}
	emergency, err := pgx.Connect(t.Context(), g.Listen("auditor", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer emergency.Close(context.Background())
	for _, conn := range []*pgx.Conn{ordinary, emergency} { // what the first statement waits for, once
		if _, err := conn.Exec(t.Context(), "SELECT x FROM scratch"); err != nil {
			t.Fatal(err)
		}
	}

	unlock := disk.gate.close()
	answered := make(chan error, 1)
	go func() {
		_, err := emergency.Exec(t.Context(), "SELECT x FROM scratch")
		answered <- err
	}()
	select {
	case <-disk.gate.arrived:
	case err := <-answered:
		t.Fatalf("answered without the disk: %v", err)
	}
	select {
	case err := <-answered:
		t.Errorf("answered before the disk did: %v", err)
	default:
	}
	unlock()
	if err := <-answered; err != nil {
		t.Error(err)
	}

	all := events(t, g)
	glass := slices.IndexFunc(all, func(e hoop.Event) bool {
		return e.Type == hoop.EventSessionStart && detail(e, "break_glass") == "true" && e.Subject == "service:auditor"
	})
	alert := slices.IndexFunc(all, func(e hoop.Event) bool {
		return e.Type == hoop.EventAlert && e.Subject == "service:auditor" && e.Reason == "the ward is dark"
	})
	if glass < 0 || alert < 0 || alert > glass {
		t.Errorf("alert at %d, session at %d", alert, glass)
	}
	for _, e := range all {
		if e.Type == hoop.EventSessionStart && e.Subject == "service:agent" && detail(e, "break_glass") != "" {
			t.Error("the ordinary session is called one in an emergency")
		}
	}
}

// Somebody signs out at one gateway: what they have open through another one on the same
// store is cut too, with the reason, and so is the recording that they have stopped reading.
// What one gateway let be copied is protected at the other, and what that let be copied on too.
func TestSession_AnotherGatewayEndsAndProtects(t *testing.T) {
	pg, err := pgserver.Start(t.Context(), pgserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := pg.Exec(t.Context(), "postgres", "CREATE DATABASE store"); err != nil {
		t.Fatal(err)
	}
	shared := func(c *server.Config) { c.Store.URL = pg.DSN("store") }
	resources := strings.Replace(servertest.Resources, "  decision: approve\n  approval: {groups: [dba], count: 1, timeout: 30s}", "  decision: allow", 1) + protectedRules
	a := servertest.Start(t, servertest.Options{PG: pg, Config: shared, Resources: resources, Setup: inferSetup + "CREATE TABLE clinic.once (ssn text); CREATE TABLE clinic.twice (ssn text);"})
	b := servertest.Start(t, servertest.Options{PG: pg, Config: shared, Resources: resources, Beside: a})
	conns := map[string]*pgx.Conn{}
	for _, who := range []string{"dba", "second-dba"} {
		conn, err := pgx.Connect(t.Context(), b.Connect(who, "pg-prod"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		conns[who] = conn
	}
	const text = 1 << 20 // bytes; more than a client's window takes ahead, a few MiB
	if _, err := conns["dba"].Exec(t.Context(), "SELECT repeat('x', $1) FROM generate_series(1, 12)", text); err != nil {
		t.Fatal(err)
	}
	sessions, err := b.API("dba").Sessions(t.Context(), 1)
	must(t, err)
	recording, err := b.API("dba").Recording(t.Context(), sessions[0].ID)
	must(t, err)
	defer recording.Close()
	if _, err := io.ReadFull(recording, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	signOut(t, a, "dba")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := conns["dba"].WaitForNotification(ctx); state(err) != "57P01" || !strings.Contains(err.Error(), "sign-in has ended") {
		t.Errorf("%v", err)
	}
	// What is copied on before the other gateway knows what has become protected.
	there, err := pgx.Connect(t.Context(), a.Connect("second-dba", "pg-prod"))
	must(t, err)
	defer there.Close(context.Background())
	carry := "INSERT INTO clinic.twice SELECT ssn FROM clinic.once"
	run(t, conns["second-dba"], carry)
	run(t, there, "INSERT INTO clinic.once SELECT ssn FROM clinic.patients WHERE id = 7")
	run(t, conns["second-dba"], carry)
	for deadline, ssn := time.Now().Add(2*time.Minute), ""; ssn != "[masked]"; {
		must(t, conns["second-dba"].QueryRow(t.Context(), "SELECT ssn FROM clinic.twice").Scan(&ssn))
		if time.Now().After(deadline) {
			t.Fatalf("what was copied on is %q", ssn)
		}
	}
	if n, err := io.Copy(io.Discard, recording); err == nil {
		t.Errorf("all of the recording, %d bytes", n)
	}
}

// Somebody signs out in the middle of connecting: after the gateway has met them, before
// there is a session that a sign-out would cut.
func TestSession_SignedOutWhileConnecting(t *testing.T) {
	g := servertest.Start(t, servertest.Options{})
	conf, err := pgx.ParseConfig(g.Connect("dba", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	met := conf.Copy()
	conf.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &halting{Conn: c, halt: func() {
			// A whole connection over the same tunnel takes longer than to be met.
			conn, err := pgx.ConnectConfig(ctx, met)
			if err != nil {
				t.Errorf("while signed in: %v", err)
				return
			}
			must(t, conn.Close(ctx))
			signOut(t, g, "dba")
		}}, err
	}
	conn, err := pgx.ConnectConfig(t.Context(), conf)
	if err == nil {
		_ = conn.Close(t.Context())
	}
	if state(err) != "28000" || !strings.Contains(err.Error(), "sign-in has ended") {
		t.Errorf("%v", err)
	}
}

// halting is a client's connection that halts once, after the first eight bytes: with them
// a startup packet has begun.
type halting struct {
	net.Conn
	once sync.Once
	halt func()
}

// Write implements io.Writer.
func (h *halting) Write(b []byte) (n int, err error) {
	const begun = 8
	h.once.Do(func() {
		if n, err = h.Conn.Write(b[:begun]); err == nil {
			h.halt()
		}
	})
	if err != nil {
		return n, err
	}
	rest, err := h.Conn.Write(b[n:])
	return n + rest, err
}

// signOut ends the sign-in of one of People.
func signOut(t *testing.T, g *servertest.Gateway, who string) {
	t.Helper()
	token, err := g.Token(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := g.HTTP().PostForm(g.URL+"/oauth/revoke", url.Values{"client_id": {"hoopctl"}, "token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		t.Errorf("sign-out: status %d", resp.StatusCode)
	}
}

// Who goes on asking for grants while an administrator disables them keeps none.
func TestSession_DisabledWhileAsking(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Resources: asking(1) + `
---
kind: GroupRole
name: administrators
spec: {group: compliance, role: admin}
`})
	dba := g.API("dba")
	var all sync.WaitGroup
	asked := make(chan struct{}, 1)
	for n := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				if _, err := dba.NewRequest(t.Context(), api.NewRequest{Target: "pg-prod", Reason: fmt.Sprint(n, i)}); err != nil {
					return
				}
				if i == 20 {
					select {
					case asked <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	<-asked
	if _, err := g.API("auditor").Disable(t.Context(), api.Disable{Subject: "dba", Reason: "left today"}); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	grants, err := g.API("auditor").Grants(t.Context(), true)
	if err != nil || len(grants) < 20 {
		t.Fatalf("%d grants, %v", len(grants), err)
	}
	for _, got := range grants {
		if got.RevokedAt.IsZero() {
			t.Errorf("in force still: %+v", got)
		}
	}
}

// An administrator ends all that somebody has, at once: grants, those to come too, what
// waits for one, and what they approved of others' that waits for more people; the sign-in,
// and what is open.
func TestSession_DisabledByAnAdministrator(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Resources: asking(2) + `
---
kind: GroupRole
name: administrators
spec: {group: compliance, role: admin}
`})
	ask := func(account string, n api.NewRequest) int64 {
		t.Helper()
		a, err := g.API(account).NewRequest(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		return a.Request.ID
	}
	waiting := map[string]int64{"the dba's own": ask("dba", api.NewRequest{Target: "pg-two"}), "the agent's": ask("agent", api.NewRequest{Target: "pg-two"})}
	ask("dba", api.NewRequest{Target: "pg-prod", StartsAt: time.Now().Add(time.Hour)})
	if r, err := g.API("dba").Approve(t.Context(), waiting["the agent's"], ""); err != nil || r.State != hoop.Pending {
		t.Fatalf("%+v, %v", r, err)
	}
	conn, err := pgx.Connect(t.Context(), g.Connect("dba", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := g.API("agent").Disable(t.Context(), api.Disable{Subject: "dba"}); hoop.AsError(err).Code != hoop.CodeDenied {
		t.Errorf("the agent disabled the dba: %v", err)
	}
	done, err := g.API("auditor").Disable(t.Context(), api.Disable{Subject: "dba", Reason: "left today"})
	if err != nil || done.Grants != 2 || done.Requests != 1 || done.SignIns != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := conn.WaitForNotification(ctx); state(err) != "57P01" || !strings.Contains(err.Error(), "left today") {
		t.Errorf("%v", err)
	}
	if _, err := g.API("dba").Me(t.Context()); hoop.AsError(err).Code != hoop.CodeUnauthenticated {
		t.Errorf("the dba's sign-in: %v", err)
	}
	all, err := g.API("auditor").Grants(t.Context(), true)
	if err != nil || len(all) != 2 || all[0].RevokedBy != "service:auditor" || all[1].RevokedBy != "service:auditor" {
		t.Errorf("%+v, %v", all, err)
	}
	for whose, why := range map[string]string{"the dba's own": "left today", "the agent's": "dba, who approved it, may not decide it any more"} {
		if a, err := g.API("auditor").Request(t.Context(), waiting[whose], 0); err != nil || a.Request.State != hoop.Cancelled || a.Request.DecisionWhy != why {
			t.Errorf("%s: %+v, %v", whose, a.Request, err)
		}
	}
	if _, err := g.API("auditor").Disable(t.Context(), api.Disable{Subject: "dba"}); hoop.AsError(err).Code != hoop.CodeNotFound {
		t.Errorf("again: %v", err)
	}
}
