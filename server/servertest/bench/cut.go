package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/server/pki"
)

// workCut measures how long live sessions outlast their right to be.
const workCut = "cut"

// Why sessions end; these take the paths' places in results and tables.
const (
	cutExpiry   = "the grant ends"
	cutRevoke   = "hoopctl revoke"
	cutGroup    = "out of the group"
	cutDisabled = "account gone"
	cutDirect   = "closed, without hoop"
)

// cutNames are what -causes calls the rows, in their order.
func cutNames() []string { return []string{"none", "expiry", "revoke", "group", "account"} }

func cutCauses() []string { return []string{cutExpiry, cutRevoke, cutGroup, cutDisabled} }

// cutRows are the causes, and what PostgreSQL takes by itself to end as many processes
// whose clients close, which is no bar.
func cutRows() []string { return append([]string{cutDirect}, cutCauses()...) }

// Metrics of one cause, ms over all sessions: until the client knows, until nothing can
// reach the target any more or come from it, since the connection to it is closed, and until the
// target's process has ended. A stalled reader cannot know; it counts in the others.
const (
	cutClient    = "cut.client.p99"
	cutClientMax = "cut.client.max"
	cutClosed    = "cut.closed.p99"
	cutClosedMax = "cut.closed.max"
	cutBackend   = "cut.backend.p99"
	cutBackMax   = "cut.backend.max"
	cutIdle      = "cut.idle.p99" // of the client's, by what the session did
	cutHeld      = "cut.held.p99"
	cutCopy      = "cut.copy.p99"
	cutStalled   = "cut.stalled.p99" // of the target's connection
	cutBusy      = "cut.busy.p99"    // of the target's process: those that run a statement, beside the others

	// CPU time from just before the cause until all is over, ms, by whose it is.
	cutCPUTarget  = "cut.cpu.postgresql"
	cutCPUGateway = "cut.cpu.gateway"
	cutCPUClient  = "cut.cpu.hoopctl"
	cutCPUSelf    = "cut.cpu.bench" // its clients, which are on the same machine
)

const (
	// cutAccounts share the sessions: no more than 50 statements of one requester wait.
	cutAccounts = 5
	// maxSessions keeps to that.
	maxSessions = cutAccounts * doings * 50
	// cutSettle and cutEach are how long a grant is for sessions to begin under, where its
	// end is what is measured: twice what they take on two slow processors.
	cutSettle = 20 * time.Second
	cutEach   = 250 * time.Millisecond
	// cutLook is how often the target's connections are looked at.
	cutLook = 20 * time.Millisecond
	// cutWorking is how many sessions of each account run a statement, beside the others.
	cutWorking = 5
	// cutWait is when a session that still lives is given up.
	cutWait = 30 * time.Second
)

// What a session does when it is cut.
const (
	doesIdle = iota
	doesStall
	doesHold
	doesCopy
	doings
	doesWork = doings // beside the others: a statement runs, and says nothing
)

// cutter is a gateway with several accounts and their sessions.
type cutter struct {
	path     *path // its processes
	env      *env
	dir      string
	gateway  *process
	accounts []*cutAccount
	sessions []*cutSession
	target   int // the process that started the sessions' ones
}

// cutAccount is a service account with a port of its own.
type cutAccount struct {
	path  *path // where its clients connect
	env   []string
	grant string
	ends  time.Time
}

// cutSession is one client.
type cutSession struct {
	account int
	does    int
	client  *client
	front   *pgproto3.Frontend
	backend int    // process of the target
	port    uint16 // of the other end of its connection

	told   error     // what was wrong with how it was told
	knew   time.Time // when the client was told, or saw the connection end
	closed time.Time // when the target's connection was
	gone   time.Time // when the target's process was
}

// cuts measures every cause, each with a gateway of its own.
func (b *bench) cuts(ctx context.Context) {
	for i, cause := range cutRows() {
		if !slices.Contains(b.opts.Causes, cutNames()[i]) {
			continue
		}
		say("%s: %d sessions, %s", workCut, b.opts.Sessions, cause)
		b.note(cause, workCut, b.cut(ctx, cause))
	}
}

func (b *bench) cut(ctx context.Context, cause string) (err error) {
	duration := 10 * time.Minute
	if cause == cutExpiry {
		duration = (cutSettle + time.Duration(b.opts.Sessions)*cutEach).Round(time.Second)
	}
	c := &cutter{path: b.env.newPath(), env: b.env}
	if cause == cutDirect {
		for range cutAccounts {
			c.accounts = append(c.accounts, &cutAccount{path: b.env.newPath()})
		}
	} else if err := c.start(ctx, duration); err != nil {
		return errors.Join(err, c.path.Close())
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.open(ctx, b.opts.Sessions, cause == cutDirect); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, duration+cutWait)
	defer cancel()
	if c.target, err = parentOf(c.sessions[0].backend); err != nil {
		return err
	}
	before, err := c.clocks()
	if err != nil {
		return err
	}
	begun, err := c.end(ctx, cause)
	if err != nil {
		return err
	}
	after, err := c.clocks()
	if err != nil {
		return err
	}
	for whose, t := range after {
		b.results.set(cause, whose, 0, micro(t-before[whose])/1e3)
	}
	return b.cutFigures(cause, c.sessions, begun)
}

// clocks are the CPU times so far, by whose they are.
func (c *cutter) clocks() (map[string]time.Duration, error) {
	sums := map[string]time.Duration{}
	for _, proc := range c.path.processes {
		t, err := proc.cpuTime()
		if err != nil {
			return nil, err
		}
		if proc == c.gateway {
			sums[cutCPUGateway] += t
		} else {
			sums[cutCPUClient] += t
		}
	}
	var err, own error
	sums[cutCPUTarget], err = cpuTime(c.target)
	sums[cutCPUSelf], own = processClock(os.Getpid())
	return sums, errors.Join(err, own)
}

// start starts a gateway and a port for each account.
func (c *cutter) start(ctx context.Context, duration time.Duration) (err error) {
	if c.dir, err = c.env.mkdir("cut"); err != nil {
		return err
	}
	for i := range cutAccounts {
		if err := os.WriteFile(filepath.Join(c.dir, account(i)+".secret"), []byte(randomHex(32)), 0o600); err != nil {
			return err
		}
	}
	url, err := c.path.startGateway(ctx, c.env, c.dir, hoopOptions{record: "strict", more: cutResources(cutAccounts, "cut")}, 0)
	if err != nil {
		return err
	}
	c.gateway = c.path.processes[0]
	for i := range cutAccounts {
		a := &cutAccount{path: c.env.newPath(), env: clientEnv(
			"HOOPCTL_CONFIG_DIR="+filepath.Join(c.dir, account(i)), "HOOPCTL_GATEWAY="+url, "HOOPCTL_CA_FILE="+filepath.Join(c.dir, "data", pki.CAFile))}
		c.accounts = append(c.accounts, a)
		if err := c.connect(ctx, a, account(i), duration); err != nil {
			return err
		}
	}
	return nil
}

func account(i int) string { return fmt.Sprintf("cut-%d", i) }

// cutResources are accounts in a group, what the group may do, and what waits for
// somebody.
func cutResources(accounts int, group string) string {
	s := `---
kind: AccessRule
name: cut
spec: {groups: [cut], targets: [bench], max_duration: 8h, approval: none, reason: optional}
---
kind: StatementRule
name: asks
spec: {targets: [bench], groups: ["*"], effects: [opaque], tables: ["*"], decision: approve, approval: {groups: [dba], timeout: 10m}}
`
	for i := range accounts {
		s += fmt.Sprintf("---\nkind: ServiceAccount\nname: %[1]s\nspec: {groups: [%[2]s], owner: bench, secret: {file: ./%[1]s.secret}}\n", account(i), group)
	}
	return s
}

// connect signs an account in, which gets its grant and its port.
func (c *cutter) connect(ctx context.Context, a *cutAccount, name string, duration time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if _, err := run(ctx, c.hoopctl(a, "login", "--service-account", name, "--secret-file", filepath.Join(c.dir, name+".secret"))); err != nil {
		return err
	}
	said, err := c.path.openPort(ctx, a.path, c.hoopctl(a, "connect", "bench", "--duration", duration.String(), "--reason", "benchmark", "--json"))
	if err != nil {
		return err
	}
	a.grant, a.ends = said.Grant, said.ExpiresAt
	return nil
}

func (c *cutter) hoopctl(a *cutAccount, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.env.bin, "hoopctl"), args...)
	cmd.Dir, cmd.Env = c.dir, a.env
	return cmd
}

// open begins the sessions, a quarter for each thing to do, and returns when all do it.
func (c *cutter) open(ctx context.Context, n int, direct bool) error {
	working := cutWorking
	if direct {
		working = 0 // PostgreSQL would not notice that such a client closed
	}
	for i, a := range c.accounts {
		clients, err := connectMany(ctx, a.path, n/len(c.accounts)+working)
		for k, cl := range clients {
			does := k % doings
			switch {
			case k >= n/len(c.accounts):
				does = doesWork
			case direct && does == doesHold:
				does = doesIdle
			}
			c.sessions = append(c.sessions, &cutSession{account: i, does: does, client: cl, front: pgproto3.NewFrontend(cl.conn, cl.conn)})
		}
		if err != nil {
			return fmt.Errorf("%d sessions of %d: %w", len(c.sessions), n, err)
		}
	}
	slots := make(chan struct{}, 8)
	var wg sync.WaitGroup
	errs := make([]error, len(c.sessions))
	for i, s := range c.sessions {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = s.begin()
		})
	}
	wg.Wait()
	return errors.Join(append(errs, c.settle(ctx))...)
}

// settle waits until nothing moves any more: what a reader that stands still was sent
// fills buffers for a while.
func (c *cutter) settle(ctx context.Context) error {
	const quiet = 100 * time.Millisecond // of CPU time in a second
	for range 60 {
		before, err := c.path.cpu()
		if err != nil {
			return err
		}
		if err := wait(ctx, time.Second); err != nil {
			return err
		}
		after, err := c.path.cpu()
		if err != nil || after-before < quiet {
			return err
		}
	}
	return errors.New("the sessions do not come to rest")
}

// begin gets the session to what it does.
func (s *cutSession) begin() error {
	if err := s.client.conn.SetDeadline(time.Now().Add(readyTime)); err != nil {
		return err
	}
	if err := s.client.begin("SELECT pg_backend_pid(), inet_client_port()"); err != nil {
		return err
	}
	row, err := until[*pgproto3.DataRow](s.front)
	if err != nil {
		return err
	}
	if _, err := fmt.Sscan(string(row.Values[0])+" "+string(row.Values[1]), &s.backend, &s.port); err != nil {
		return fmt.Errorf("the target's process: %w", err)
	}
	if _, err := until[*pgproto3.ReadyForQuery](s.front); err != nil {
		return err
	}
	switch s.does {
	case doesStall:
		err = s.client.begin(endlessRows)
		if err == nil {
			_, err = until[*pgproto3.DataRow](s.front)
		}
	case doesHold:
		err = s.client.begin("DO $$ BEGIN PERFORM 1; END $$")
		if err == nil {
			_, err = until[*pgproto3.NoticeResponse](s.front)
		}
	case doesCopy:
		err = s.client.begin("COPY wide_copy FROM STDIN")
		if err == nil {
			_, err = until[*pgproto3.CopyInResponse](s.front)
		}
		if err == nil {
			s.front.Send(&pgproto3.CopyData{Data: []byte("1\tsomebody\t\\N\t\\N\t\\N\n")})
			err = s.front.Flush()
		}
	case doesWork:
		err = s.client.begin("SELECT pg_sleep(600)")
	}
	return errors.Join(err, s.client.conn.SetDeadline(time.Time{}))
}

// until reads up to a message of a kind.
func until[M pgproto3.BackendMessage](f *pgproto3.Frontend) (M, error) {
	for {
		m, err := f.Receive()
		if err != nil {
			var none M
			return none, err
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			var none M
			return none, fmt.Errorf("%s: %s (%s)", e.Code, e.Message, e.Hint)
		}
		if m, ok := m.(M); ok {
			return m, nil
		}
	}
}

// end takes the right to be from all sessions at about one time, and returns when it
// did so for each account, with all sessions gone.
func (c *cutter) end(ctx context.Context, cause string) (begun []time.Time, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var clients, rest sync.WaitGroup
	for _, s := range c.sessions {
		if s.does != doesStall && cause != cutDirect {
			clients.Go(s.listen)
		}
	}
	pids := make([]int, len(c.sessions))
	for i, s := range c.sessions {
		pids[i] = s.backend
	}
	processes, err := watchEnds(pids)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, processes.Close()) }()
	var lost, unseen error
	rest.Go(func() { unseen = c.watchConnections(ctx) })
	rest.Go(func() {
		lost = processes.await(ctx, func(i int, at time.Time) { c.sessions[i].gone = at })
	})
	if begun, err = c.strike(ctx, cause); err != nil {
		cancel()
		rest.Wait()
		return nil, err
	}
	rest.Wait()
	if err := errors.Join(lost, unseen); err != nil {
		return nil, err
	}
	closing := time.AfterFunc(cutWait, func() { closeAll(c.clients()) }) // who was never told
	clients.Wait()
	closing.Stop()
	return begun, nil
}

// listen reads until the session ends, and looks at why it is told that it does.
func (s *cutSession) listen() {
	for {
		m, err := s.front.Receive()
		if err != nil {
			s.knew, s.told = time.Now(), fmt.Errorf("no reason came: %w", err)
			return
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok && e.Severity == "FATAL" {
			s.knew = time.Now()
			if e.Code != "57P01" || e.Message == "" || e.Hint == "" {
				s.told = fmt.Errorf("%s %q, hint %q", e.Code, e.Message, e.Hint)
			}
			return
		}
	}
}

// watchConnections notes when connections to the target are no longer established; it
// returns when none is.
func (c *cutter) watchConnections(ctx context.Context) error {
	left := slices.Clone(c.sessions)
	for len(left) > 0 {
		now := time.Now()
		open, err := portsTo(c.env.pg.Port)
		if err != nil {
			return err
		}
		left = slices.DeleteFunc(left, func(s *cutSession) bool {
			if open[s.port] {
				return false
			}
			s.closed = now
			return true
		})
		if err := wait(ctx, cutLook); err != nil {
			return fmt.Errorf("%d connections to the target are left: %w", len(left), err)
		}
	}
	return nil
}

// strike makes the cause happen. The times are the strictest there are: when a command
// or signal was sent, not when it was answered.
func (c *cutter) strike(ctx context.Context, cause string) ([]time.Time, error) {
	begun := make([]time.Time, len(c.accounts))
	switch cause {
	case cutDirect:
		for i := range begun {
			begun[i] = time.Now()
		}
		closeAll(c.clients())
		return begun, nil
	case cutExpiry:
		for i, a := range c.accounts {
			begun[i] = a.ends
			if time.Now().After(a.ends) {
				return nil, errors.New("the sessions had begun only after the grant's end; try fewer")
			}
		}
		return begun, wait(ctx, time.Until(slices.MaxFunc(begun, time.Time.Compare)))
	case cutRevoke:
		var wg sync.WaitGroup
		errs := make([]error, len(c.accounts))
		for i, a := range c.accounts {
			begun[i] = time.Now()
			wg.Go(func() {
				_, errs[i] = run(ctx, c.hoopctl(a, "revoke", a.grant, "--reason", "measured"))
			})
		}
		wg.Wait()
		return begun, errors.Join(errs...)
	}
	return begun, c.reload(cause, begun)
}

// reload declares the accounts otherwise.
func (c *cutter) reload(cause string, begun []time.Time) error {
	file := filepath.Join(c.dir, "resources.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	next := cutResources(0, "")
	if cause == cutGroup {
		next = cutResources(cutAccounts, "others")
	}
	changed := strings.Replace(string(text), cutResources(cutAccounts, "cut"), next, 1)
	if changed == string(text) {
		return errors.New("the accounts do not stand in the resources as they should")
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		return err
	}
	for i := range begun {
		begun[i] = time.Now()
	}
	return c.gateway.cmd.Process.Signal(syscall.SIGHUP)
}

func (c *cutter) clients() []*client {
	all := make([]*client, len(c.sessions))
	for i, s := range c.sessions {
		all[i] = s.client
	}
	return all
}

func (c *cutter) close() error {
	closeAll(c.clients())
	return c.path.Close()
}

// cutFigures sums up; a session that was not told why is a failure of its own.
func (b *bench) cutFigures(cause string, sessions []*cutSession, begun []time.Time) error {
	var client, closed, backend []time.Duration
	by := make([][]time.Duration, doings+1)
	var untold []error
	for _, s := range sessions {
		since := begun[s.account]
		if s.does == doesWork {
			by[doesWork] = append(by[doesWork], s.gone.Sub(since))
		} else {
			closed, backend = append(closed, s.closed.Sub(since)), append(backend, s.gone.Sub(since))
		}
		if cause == cutDirect {
			continue
		}
		if s.told != nil {
			untold = append(untold, s.told)
		}
		knew := s.knew.Sub(since)
		switch s.does {
		case doesWork:
		case doesStall:
			by[doesStall] = append(by[doesStall], s.closed.Sub(since))
		default:
			client, by[s.does] = append(client, knew), append(by[s.does], knew)
		}
	}
	set := func(key string, p float64, times []time.Duration) {
		if len(times) > 0 {
			b.results.set(cause, key, 0, micro(percentile(slices.Sorted(slices.Values(times)), p))/1e3)
		}
	}
	set(cutClient, 0.99, client)
	set(cutClientMax, 1, client)
	set(cutClosed, 0.99, closed)
	set(cutClosedMax, 1, closed)
	set(cutBackend, 0.99, backend)
	set(cutBackMax, 1, backend)
	for does, key := range map[int]string{doesIdle: cutIdle, doesStall: cutStalled, doesHold: cutHeld, doesCopy: cutCopy, doesWork: cutBusy} {
		set(key, 0.99, by[does])
	}
	if len(untold) > 0 {
		return fmt.Errorf("%d of %d clients were not told why: %w", len(untold), len(client), untold[0])
	}
	return nil
}

func cutColumns() []metric {
	return []metric{
		{cutClient, "client knows, p99", ""},
		{cutClientMax, "max", ""},
		{cutClosed, "target's connection closed, p99", ""},
		{cutClosedMax, "max", ""},
		{cutBackend, "target's process gone, p99", ""},
		{cutBackMax, "max", ""},
		{cutIdle, "idle: p99", ""},
		{cutHeld, "held: p99", ""},
		{cutCopy, "in COPY: p99", ""},
		{cutStalled, "stalled reader, connection closed: p99", ""},
		{cutBusy, "a statement runs, process gone: p99", ""},
		{cutCPUTarget, "CPU: PostgreSQL", ""},
		{cutCPUGateway, "gateway", ""},
		{cutCPUClient, "hoopctl", ""},
		{cutCPUSelf, "the clients", ""},
	}
}

// portSaid is what hoopctl connect --json prints.
type portSaid struct {
	Host, User, Password, Database string
	Port                           int
	Grant                          string
	ExpiresAt                      time.Time `json:"expires_at"`
}

// openPort runs a connect, which becomes one of p's processes, and has to lead to its
// port.
func (p *path) openPort(ctx context.Context, to *path, connect *exec.Cmd) (portSaid, error) {
	var said portSaid
	proc, line, err := start(ctx, "client", connect, func(line string) bool { return strings.HasPrefix(line, "{") })
	if err != nil {
		return said, err
	}
	p.own(proc)
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		return said, fmt.Errorf("what hoopctl connect --json prints: %w", err)
	}
	to.host, to.port, to.user, to.password, to.database = said.Host, said.Port, said.User, said.Password, said.Database
	return said, nil
}
