package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/server/pki"
)

// hoopOptions are what differs between the paths through hoopctl.
type hoopOptions struct {
	record string        // strict or batched
	detect bool          // detectors on every text value
	reuse  bool          // of connections to PostgreSQL
	rounds int           // of SCRAM at the local port; 0: hoopctl's default
	fsync  time.Duration // what an fsync takes at least; 0: the disk itself
	more   string        // resources beside the others
}

const gatewayReady = "hoop-gateway is ready at "

// startHoop starts a gateway with a data folder of its own, signs a service account in
// and opens a local port, all by the programs themselves.
func startHoop(opts hoopOptions) starter {
	return func(ctx context.Context, e *env, delay time.Duration) (_ *path, err error) {
		for _, bin := range []string{"hoopctl", "hoop-gateway"} {
			if _, err := os.Stat(filepath.Join(e.bin, bin)); err != nil {
				return nil, fmt.Errorf("%w: run make build, or say where by -bin", err)
			}
		}
		p := e.newPath()
		defer func() { err = closeOn(err, p) }()
		dir, err := e.mkdir("hoop")
		if err != nil {
			return nil, err
		}
		url, err := p.startGateway(ctx, e, dir, opts, delay)
		if err != nil {
			return nil, err
		}
		if err := p.connectHoop(ctx, e, dir, url, opts.rounds); err != nil {
			return nil, err
		}
		p.masks = true
		return p, nil
	}
}

// startGateway starts the gateway and returns its public URL, which is the delay
// relay's where there is one: clients know no other.
func (p *path) startGateway(ctx context.Context, e *env, dir string, opts hoopOptions, delay time.Duration) (string, error) {
	listen, err := freeAddress()
	if err != nil {
		return "", err
	}
	public, err := p.delayed(listen, delay)
	if err != nil {
		return "", err
	}
	for name, content := range map[string]string{
		"gateway.yaml":   gatewayYAML(listen, public),
		"resources.yaml": resourcesYAML(e, opts),
		"app.password":   e.pass,
		"agent.secret":   randomHex(32),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	cmd, err := gatewayCmd(ctx, e, filepath.Join(dir, "gateway.yaml"), opts.fsync)
	if err != nil {
		return "", err
	}
	cmd.Dir, cmd.Env = dir, clientEnv()
	proc, _, err := start(ctx, "gateway", cmd, func(line string) bool { return strings.HasPrefix(line, gatewayReady) })
	if err != nil {
		return "", err
	}
	p.own(proc)
	return "https://" + public, nil
}

// gatewayCmd is the gateway, or the one with a slow disk, which is built for it.
func gatewayCmd(ctx context.Context, e *env, config string, fsync time.Duration) (*exec.Cmd, error) {
	if fsync == 0 {
		return exec.Command(filepath.Join(e.bin, "hoop-gateway"), "serve", "--config", config), nil
	}
	const name = "benchgateway"
	file := filepath.Join(e.dir, name)
	if _, err := os.Stat(file); err != nil {
		ctx, cancel := context.WithTimeout(ctx, buildTime)
		defer cancel()
		build := exec.Command("go", "build", "-o", file, "github.com/hoopctl/hoopctl/server/servertest/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if _, err := run(ctx, build); err != nil {
			return nil, err
		}
	}
	return exec.Command(file, "-config", config, "-fsync", fsync.String()), nil
}

// buildTime bounds building the gateway with a slow disk, all it is made of included.
const buildTime = 10 * time.Minute

// connectHoop signs in and opens the local port.
func (p *path) connectHoop(ctx context.Context, e *env, dir, url string, rounds int) error {
	env := clientEnv("HOOPCTL_CONFIG_DIR="+filepath.Join(dir, "client"), "HOOPCTL_GATEWAY="+url,
		"HOOPCTL_CA_FILE="+filepath.Join(dir, "data", pki.CAFile))
	hoopctl := func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(e.bin, "hoopctl"), args...)
		cmd.Dir, cmd.Env = dir, env
		return cmd
	}
	signIn, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if _, err := run(signIn, hoopctl("login", "--service-account", "bench-agent", "--secret-file", filepath.Join(dir, "agent.secret"))); err != nil {
		return err
	}
	args := []string{"connect", "bench", "--duration", "8h", "--reason", "benchmark", "--json"}
	if rounds > 0 {
		args = append(args, "--scram-iterations", strconv.Itoa(rounds))
	}
	_, err := p.openPort(ctx, p, hoopctl(args...))
	return err
}

func gatewayYAML(listen, public string) string {
	return fmt.Sprintf("listen: %s\npublic_url: https://%s\ndata_dir: ./data\nresources: [./resources.yaml]\n", listen, public)
}

// resourcesYAML has everything on: rules for grants, statements and masks.
func resourcesYAML(e *env, opts hoopOptions) string {
	reuse := ""
	if opts.reuse {
		reuse = "\n  reuse: {max_idle: 32}"
	}
	s := fmt.Sprintf(`kind: Target
name: bench
spec:
  type: postgres
  address: %s
  database: %s
  tls: disable
  record: %s%s
  credential: {username: %s, password: {file: ./app.password}}
---
kind: AccessRule
name: agents
spec: {groups: [agents], targets: [bench], max_duration: 8h, approval: none, reason: optional}
---
kind: StatementRule
name: no-schema-changes
spec: {targets: [bench], groups: ["*"], effects: [ddl, destroy, role, unbounded-write], tables: ["*"], decision: deny}
---
kind: MaskRule
name: identifiers
spec: {targets: [bench], columns: [public.people.email, public.people.ssn], with: redact, except: [privacy-office]}
---
kind: ServiceAccount
name: bench-agent
spec: {groups: [agents], owner: bench, secret: {file: ./agent.secret}}
`, e.pg.Address(), database, opts.record, reuse, e.user)
	s += opts.more
	if opts.detect {
		s += `---
kind: MaskRule
name: identifiers-in-free-text
spec: {targets: [bench], detect: [us-ssn, email, phone], with: redact}
`
	}
	return s
}

// freeAddress is a loopback address that nobody listens on now. The gateway must know
// its port beforehand, for its public URL.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
