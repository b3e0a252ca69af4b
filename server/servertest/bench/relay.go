package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/pki"
)

// relayCommand as the first argument makes this program one end of a relay that does
// nothing: `relay client` listens for clients, `relay gateway` dials PostgreSQL.
const relayCommand = "relay"

// relayReady is what a relay prints, before its address, when it listens.
const relayReady = "relay listens at "

// relayMain runs one end until standard input ends, which it does with our parent.
func relayMain(args []string) error {
	fs := flag.NewFlagSet(relayCommand, flag.ContinueOnError)
	side := fs.String("side", "", "client or gateway")
	mux := fs.Bool("yamux", false, "one TLS connection for all clients, with default yamux in it, instead of one each")
	to := fs.String("to", "", "where to connect to, host:port")
	pkiDir := fs.String("pki", "", "folder of the private CA")
	if err := fs.Parse(args); err != nil {
		return &usageError{err}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Println(relayReady + l.Addr().String()); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		l.Close()
	}()
	if *side == "gateway" {
		err = relayGateway(l, *mux, *to, *pkiDir)
	} else {
		err = relayClient(l, *mux, *to, *pkiDir)
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// relayGateway carries each TLS connection, or each yamux stream in one, to addr.
func relayGateway(l net.Listener, mux bool, addr, dir string) error {
	cert, err := pki.Issue(journal.OS{}, dir, time.Now(), "127.0.0.1")
	if err != nil {
		return err
	}
	l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13})
	carry := func(c net.Conn) {
		up, err := net.Dial("tcp", addr)
		if err != nil {
			c.Close()
			return
		}
		splice(c, up)
	}
	if !mux {
		return acceptEach(l, carry)
	}
	return acceptEach(l, func(c net.Conn) {
		s, err := yamux.Server(c, yamuxConfig())
		if err != nil {
			c.Close()
			return
		}
		defer s.Close()
		_ = acceptEach(s, carry) // the session ended
	})
}

// relayClient carries each TCP connection over TLS to addr.
func relayClient(l net.Listener, mux bool, addr, dir string) error {
	pem, err := os.ReadFile(filepath.Join(dir, pki.CAFile))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conf := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	open := func() (net.Conn, error) { return tls.Dial("tcp", addr, conf) }
	if mux {
		c, err := tls.Dial("tcp", addr, conf)
		if err != nil {
			return err
		}
		s, err := yamux.Client(c, yamuxConfig())
		if err != nil {
			return err
		}
		defer s.Close()
		open = s.Open
	}
	return acceptEach(l, func(c net.Conn) {
		up, err := open()
		if err != nil {
			c.Close()
			return
		}
		splice(c, up)
	})
}

// yamuxConfig is the default, but silent.
func yamuxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	return c
}

func acceptEach(l net.Listener, handle func(net.Conn)) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go handle(c)
	}
}

// relayBuffer is the copy buffer of each direction.
const relayBuffer = 64 << 10

// splice copies both ways until either ends, then closes both.
func splice(a, b net.Conn) {
	var wg sync.WaitGroup
	pump := func(to, from net.Conn) {
		// The wrappers hide ReadFrom and WriteTo, which would bring their own buffers.
		_, _ = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, relayBuffer))
		a.Close()
		b.Close()
	}
	wg.Go(func() { pump(a, b) })
	pump(b, a)
	wg.Wait()
}

// startRelay starts both ends of a relay.
func startRelay(mux bool) starter {
	return func(ctx context.Context, e *env, delay time.Duration) (_ *path, err error) {
		p := e.newPath()
		defer func() { err = closeOn(err, p) }()
		dir, err := e.mkdir("relay")
		if err != nil {
			return nil, err
		}
		if _, err := pki.Issue(journal.OS{}, dir, time.Now()); err != nil { // makes the authority
			return nil, err
		}
		addr, err := p.startRelayEnd(ctx, "gateway", mux, e.pg.Address(), dir)
		if err != nil {
			return nil, err
		}
		if addr, err = p.delayed(addr, delay); err != nil {
			return nil, err
		}
		if addr, err = p.startRelayEnd(ctx, "client", mux, addr, dir); err != nil {
			return nil, err
		}
		return p, p.setAddress(addr)
	}
}

func (p *path) startRelayEnd(ctx context.Context, side string, mux bool, to, dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	proc, line, err := start(ctx, side, relayCmd(self, side, mux, to, dir), func(line string) bool { return strings.HasPrefix(line, relayReady) })
	if err != nil {
		return "", err
	}
	p.own(proc)
	return strings.TrimPrefix(line, relayReady), nil
}

func relayCmd(self, side string, mux bool, to, dir string) *exec.Cmd {
	cmd := exec.Command(self, relayCommand, "-side", side, fmt.Sprintf("-yamux=%t", mux), "-to", to, "-pki", dir)
	cmd.Env = clientEnv()
	return cmd
}
