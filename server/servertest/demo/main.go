// Command demo shows the main job with the real programs: it starts `hoop-gateway
// dev`, signs three people in through the real device pages, and lets them work:
// masked rows, a DROP that is denied and one that is approved, the session replayed,
// the log verified, a tampered copy rejected. It leaves nothing running.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

func main() {
	bin := flag.String("bin", "bin", "folder of hoopctl and hoop-gateway")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if err := run(ctx, *bin); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// stage is where the demo plays: the programs, a folder that goes away, a gateway.
type stage struct {
	bin, dir, url, ca string
	log               bytes.Buffer // the gateway's; shown when the demo fails
}

func run(ctx context.Context, bin string) (err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hoop-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &stage{bin: bin, dir: dir}

	defer func() { // after the gateway has ended
		if err != nil {
			_, _ = os.Stderr.Write(s.log.Bytes()) // nobody is left to tell
		}
	}()

	say("A gateway with everything embedded: its own CA, sample users, a sample clinic")
	stop, err := s.startGateway(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()

	say("Three people sign in by device code: a developer, an approver, an auditor")
	for _, user := range []string{"dana", "alex", "avery"} {
		if err := s.signIn(ctx, user); err != nil {
			return fmt.Errorf("sign in %s: %w", user, err)
		}
	}
	for _, act := range []func(context.Context) error{s.query, s.deny, s.approve, s.replay, s.verify} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	say("Done. `make dev` leaves a gateway up for you; nothing of this one is left running")
	return nil
}

func (s *stage) query(ctx context.Context) error {
	say("The developer works with psql as always; protected columns come back masked")
	out, err := s.as(ctx, "dana", "connect", "pg-prod", "--", "psql", "-c",
		"SELECT id, full_name, birth_date, ssn, state FROM patients ORDER BY id LIMIT 3",
		"-c", "SELECT id, note FROM encounters ORDER BY id LIMIT 3")
	if err != nil {
		return err
	}
	return mustNot(out, `\b9\d\d-\d\d-\d{4}\b`, "a social security number came through")
}

const drop = "DROP TABLE scratch_import"

func (s *stage) deny(ctx context.Context) error {
	say("A DROP is held on the wire until somebody else decides; here the approver says no")
	out, err := s.held(ctx, "deny", "--reason", "not during business hours")
	if err == nil {
		return errors.New("the denied DROP succeeded")
	}
	return must(out, "not during business hours", "the reason did not reach psql")
}

func (s *stage) approve(ctx context.Context) error {
	say("The same statement again, approved: exactly this one runs")
	out, err := s.held(ctx, "approve")
	if err != nil {
		return err
	}
	return must(out, "DROP TABLE", "the approved DROP did not run")
}

// held runs the DROP as the developer and answers it as the approver.
func (s *stage) held(ctx context.Context, verdict string, more ...string) (string, error) {
	cmd := s.command(ctx, "dana", "connect", "pg-prod", "--", "psql", "-c", drop)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	s.show(cmd)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		w.Close()
		ended <- err
	}()
	var out bytes.Buffer
	asked := regexp.MustCompile(`hoopctl approve (\d+)`)
	answered := false
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		fmt.Println("  " + line)
		out.WriteString(line + "\n")
		if m := asked.FindStringSubmatch(line); m != nil && !answered {
			answered = true
			if _, err := s.as(ctx, "alex", append([]string{verdict, m[1]}, more...)...); err != nil {
				return out.String(), err
			}
		}
	}
	err := <-ended
	if !answered {
		return out.String(), errors.Join(errors.New("the DROP was not held"), err)
	}
	return out.String(), err
}

func (s *stage) replay(ctx context.Context) error {
	say("The auditor replays what the developer saw: masked there, masked here")
	list, err := s.as(ctx, "avery", "sessions", "list")
	if err != nil {
		return err
	}
	ids := regexp.MustCompile(`\b[0-9a-f]{24}\b`).FindAllString(list, -1)
	if len(ids) == 0 {
		return errors.New("no session in the list")
	}
	first := ids[len(ids)-1] // newest first
	out, err := s.as(ctx, "avery", "sessions", "replay", first, "--no-timing")
	if err != nil {
		return err
	}
	return mustNot(out, `\b9\d\d-\d\d-\d{4}\b`, "a social security number is in the recording")
}

func (s *stage) verify(ctx context.Context) error {
	say("Evidence stands alone: exported, then verified offline")
	if _, err := s.as(ctx, "avery", "audit", "export", "--out", "evidence"); err != nil {
		return err
	}
	if _, err := s.as(ctx, "avery", "audit", "verify", "evidence"); err != nil {
		return err
	}
	say("One byte changed in a copy, and it is told")
	copied := filepath.Join(s.dir, "tampered")
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(s.dir, "evidence"))); err != nil {
		return err
	}
	file, err := tamper(copied)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(copied, file)
	if err != nil {
		return err
	}
	fmt.Printf("  (the middle byte of tampered/%s is another one now)\n", rel)
	if _, err := s.as(ctx, "avery", "audit", "verify", "tampered"); err == nil {
		return errors.New("the tampered copy was accepted")
	}
	return nil
}

// tamper flips a bit in the middle of the first bundle of log entries.
func tamper(dir string) (string, error) {
	var file string
	err := filepath.WalkDir(filepath.Join(dir, "tile", "entries"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && file == "" {
			file = p
		}
		return err
	})
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	b[len(b)/2] ^= 1
	return file, os.WriteFile(file, b, 0o600)
}

// startGateway starts `hoop-gateway dev` and waits until it says how to sign in.
func (s *stage) startGateway(ctx context.Context) (stop func() error, err error) {
	data := filepath.Join(s.dir, "data")
	cmd := exec.Command(filepath.Join(s.bin, "hoop-gateway"), "dev", "--listen", "127.0.0.1:0", "--data-dir", data)
	cmd.Dir = s.dir
	cmd.Stderr = &s.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.show(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() error {
		_ = cmd.Process.Signal(os.Interrupt) // fails only when it has ended
		return cmd.Wait()
	}
	ready := make(chan bool, 1)
	login := regexp.MustCompile(`--gateway (\S+) --ca-file (\S+)`)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Println("  " + lines.Text())
			if m := login.FindStringSubmatch(lines.Text()); m != nil && s.url == "" {
				s.url, s.ca = m[1], m[2]
				ready <- true
			}
		}
		close(ready)
	}()
	select {
	case ok := <-ready:
		if ok {
			return stop, nil
		}
		return nil, errors.Join(errors.New("the gateway ended before it was ready"), stop())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), stop())
	}
}

// signIn runs `hoopctl login` and plays the person at the browser.
func (s *stage) signIn(ctx context.Context, user string) error {
	cmd := s.command(ctx, user, "login", "--gateway", s.url, "--ca-file", s.ca, "--no-browser")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	s.show(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	client, err := browser(s.ca)
	if err != nil {
		return err
	}
	page := regexp.MustCompile(`https://\S*user_code=\S+`)
	signed := make(chan error, 1)
	go func() {
		defer close(signed)
		lines, done := bufio.NewScanner(stderr), false
		for lines.Scan() {
			fmt.Println("  " + lines.Text())
			if u := page.FindString(lines.Text()); u != "" && !done {
				done = true
				if err := authtest.SignIn(ctx, client, u, user, true); err != nil {
					signed <- err
					_ = cmd.Process.Signal(os.Interrupt)
				}
			}
		}
	}()
	serr := <-signed
	return errors.Join(serr, cmd.Wait())
}

// browser is an HTTP client that trusts the gateway's CA.
func browser(ca string) (*http.Client, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}

// command is hoopctl as one of the people, each with a configuration of their own.
func (s *stage) command(ctx context.Context, user string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "hoopctl"), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOOPCTL_CONFIG_DIR="+filepath.Join(s.dir, user), "PAGER=", "PSQLRC=/dev/null")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// as runs hoopctl as user, shows what it prints, and returns it.
func (s *stage) as(ctx context.Context, user string, args ...string) (string, error) {
	cmd := s.command(ctx, user, args...)
	s.show(cmd)
	var out bytes.Buffer
	w := io.MultiWriter(&out, &indent{w: os.Stdout})
	cmd.Stdout, cmd.Stderr = w, w
	err := cmd.Run()
	return out.String(), err
}

// show prints a command as a person would type it.
func (s *stage) show(cmd *exec.Cmd) {
	words := []string{filepath.Base(cmd.Path)}
	for _, a := range cmd.Args[1:] {
		a = strings.ReplaceAll(a, s.dir+"/", "")
		if strings.ContainsAny(a, " *;'\"") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	who := ""
	for _, e := range cmd.Env {
		if v, ok := strings.CutPrefix(e, "HOOPCTL_CONFIG_DIR="+s.dir+"/"); ok {
			who = v
		}
	}
	fmt.Printf("\n%s$ %s\n", who, strings.Join(words, " "))
}

func say(what string) { fmt.Printf("\n== %s\n", what) }

func must(out, want, why string) error {
	if strings.Contains(out, want) {
		return nil
	}
	return errors.New(why)
}

func mustNot(out, pattern, why string) error {
	if regexp.MustCompile(pattern).MatchString(out) {
		return errors.New(why)
	}
	return nil
}

// indent writes each line two columns to the right.
type indent struct {
	w   io.Writer
	mid bool // within a line
}

func (i *indent) Write(p []byte) (int, error) {
	for _, line := range bytes.SplitAfter(p, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		if !i.mid {
			if _, err := io.WriteString(i.w, "  "); err != nil {
				return 0, err
			}
		}
		if _, err := i.w.Write(line); err != nil {
			return 0, err
		}
		i.mid = line[len(line)-1] != '\n'
	}
	return len(p), nil
}
