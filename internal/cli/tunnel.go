package cli

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/hoopctl/hoopctl/internal/agent"
)

// Endpoint is a port on this machine that leads to a target.
type Endpoint struct {
	Host     string
	Port     int
	User     string
	Password string
}

// Tunnel opens local ports; internal/agent has one. Close closes them all.
type Tunnel interface {
	// Listen opens a port for a target; port 0 takes any that is free.
	Listen(ctx context.Context, t agent.Target, port int) (Endpoint, error)
	// Drain closes the ports and waits, at most that long, until the gateway has ended
	// what runs through them.
	Drain(atMost time.Duration)
	Close() error
}

func (f *Factory) newTunnel() (Tunnel, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	conf, err := f.TLS()
	if err != nil {
		return nil, err
	}
	src, err := f.Login()
	if err != nil {
		return nil, err
	}
	// All that is left to do is to copy bytes through one connection. One thread does it;
	// more would mostly wake each other.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	return agentTunnel{agent.New(agent.Options{
		Gateway: s.Host(), TLS: conf.Clone(), Token: src.Token, Client: f.agent(),
	})}, nil
}

type agentTunnel struct{ agent *agent.Agent }

func (t agentTunnel) Listen(ctx context.Context, target agent.Target, port int) (Endpoint, error) {
	l, err := t.agent.Listen(ctx, target, port)
	if err != nil {
		return Endpoint{}, err
	}
	return Endpoint{Host: l.Host, Port: l.Port, User: l.User, Password: l.Password}, nil
}

func (t agentTunnel) Drain(atMost time.Duration) { t.agent.Drain(atMost) }

func (t agentTunnel) Close() error { return t.agent.Close() }
