// Package notify tells others what happened: webhooks, and approvers in a chat.
//
// Its queue is the audit log. Each sink keeps, durably, the index of the next event it
// has to tell, and goes through the log on its own; so nothing waits for a sink, nothing
// is lost when the gateway stops, memory does not grow, and what is told is what events
// carry: no literal, no parameter, keyed digests only. An event that cannot be told is
// tried again, longer and longer apart, for a day; then it is passed over, and the
// gateway's log says so. An event may be told twice, under the same id.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
)

// Log is the audit log.
type Log interface {
	Events(ctx context.Context, from int64) iter.Seq2[audit.Entry, error]
	Size() int64
}

// DefaultEvents are what a sink is told that names nothing else: requests and what
// becomes of them.
var DefaultEvents = []hoop.EventType{
	hoop.EventRequest, hoop.EventApproval, hoop.EventDenial, hoop.EventExpiry, hoop.EventCancel, hoop.EventGrant, hoop.EventRevocation,
	hoop.EventAlert, hoop.EventReview,
}

const (
	pollEvery   = 500 * time.Millisecond
	firstRetry  = time.Second
	longestWait = 5 * time.Minute
	giveUp      = 24 * time.Hour   // after an event happened
	sendTimeout = 10 * time.Second // of one try
	maxAnswer   = 64 << 10         // bytes of an answer that are read
)

// teller tells one event; an error is tried again unless it is errRefused.
type teller interface {
	tell(ctx context.Context, index int64, e *hoop.Event) error
}

// watcher is a teller that looks, after each round, for what the log does not say.
type watcher interface {
	watch(ctx context.Context) error
}

// errRefused says that trying again is of no use.
var errRefused = errors.New("refused for good")

// Options of a sink.
type Options struct {
	Name   string
	Dir    string           // of its state; made when it is missing
	Events []hoop.EventType // nil: DefaultEvents
	Log    Log
	Now    func() time.Time // left out: time.Now
	Logger *slog.Logger     // left out: slog.Default
}

// Sink goes through the log for one teller.
type Sink struct {
	o     Options
	to    teller
	every time.Duration // between looks at the log
	after func(time.Duration) <-chan time.Time

	mu    sync.Mutex // guards what follows
	state state
}

// state is what a sink must remember.
type state struct {
	Next     int64              `json:"next"`               // index of the first event that was not told
	Messages map[int64]message  `json:"messages,omitempty"` // of requests that are pending, in a chat
	Links    map[string]linking `json:"links,omitempty"`    // accounts of a chat to identities
}

func newSink(o Options, to teller) (*Sink, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Events == nil {
		o.Events = DefaultEvents
	}
	s := &Sink{o: o, to: to, every: pollEvery, after: time.After}
	return s, s.load()
}

func (s *Sink) file() string { return filepath.Join(s.o.Dir, s.o.Name+".json") }

// load reads the state. A sink that is new begins with what happens from now on.
func (s *Sink) load() error {
	b, err := os.ReadFile(s.file())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.state.Next = s.o.Log.Size()
		if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
			return fmt.Errorf("notify %s: %w", s.o.Name, err)
		}
		return s.save()
	case err != nil:
		return fmt.Errorf("notify %s: %w", s.o.Name, err)
	}
	if err := json.Unmarshal(b, &s.state); err != nil {
		return fmt.Errorf("notify %s: read %s: %w", s.o.Name, s.file(), err)
	}
	return nil
}

// save makes the state durable. s.mu is held, or s is new.
func (s *Sink) save() error {
	b, err := json.Marshal(s.state)
	if err != nil {
		return err
	}
	if err := journal.WriteFile(journal.OS{}, s.file(), b); err != nil {
		return fmt.Errorf("notify %s: %w", s.o.Name, err)
	}
	return nil
}

// Run tells what happens until ctx ends.
func (s *Sink) Run(ctx context.Context) {
	for {
		if err := s.round(ctx); err != nil && ctx.Err() == nil {
			s.o.Logger.ErrorContext(ctx, "notify", "sink", s.o.Name, "error", err)
		}
		if w, ok := s.to.(watcher); ok {
			if err := w.watch(ctx); err != nil && ctx.Err() == nil {
				s.o.Logger.WarnContext(ctx, "notify: what other gateways decided", "sink", s.o.Name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.after(s.every):
		}
	}
}

// round tells everything up to the end of the log. The end is remembered once, events
// that were told one by one.
func (s *Sink) round(ctx context.Context) error {
	s.mu.Lock()
	from := s.state.Next
	s.mu.Unlock()
	if s.o.Log.Size() <= from {
		return nil
	}
	next := from
	for e, err := range s.o.Log.Events(ctx, from) {
		if err != nil {
			return errors.Join(err, s.passed(next))
		}
		next = e.Index + 1
		if !slices.Contains(s.o.Events, e.Event.Type) {
			continue
		}
		if err := s.insist(ctx, e); err != nil {
			return errors.Join(err, s.passed(e.Index))
		}
		if err := s.passed(next); err != nil {
			return err
		}
	}
	return s.passed(next)
}

func (s *Sink) passed(next int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next <= s.state.Next {
		return nil
	}
	s.state.Next = next
	return s.save()
}

// insist tells one event, again and again; an error is that of ctx.
func (s *Sink) insist(ctx context.Context, e audit.Entry) error {
	wait := firstRetry
	for {
		try, cancel := context.WithTimeout(ctx, sendTimeout)
		err := s.to.tell(try, e.Index, e.Event)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errRefused) || s.o.Now().Sub(e.Event.Time) > giveUp:
			s.o.Logger.ErrorContext(ctx, "notify: event passed over", "sink", s.o.Name, "event", e.Index, "error", err)
			return nil
		}
		s.o.Logger.WarnContext(ctx, "notify: try again", "sink", s.o.Name, "event", e.Index, "in", wait, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.after(wait):
		}
		wait = min(2*wait, longestWait)
	}
}

// client sends nothing anywhere but where it was told to: redirects are answers.
func client() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxResponseHeaderBytes = 2, 64<<10
	return &http.Client{
		Transport: t, Timeout: sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CheckURL refuses what a webhook must not call. Plain HTTP is for a receiver on this
// machine, where the configuration says so.
func CheckURL(text string, loopback bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("want an https URL")
	case u.User != nil || u.Fragment != "":
		return errors.New("want a URL without credentials and fragment: the signature says who calls")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback:
		if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
			return nil
		}
		return errors.New("plain http is for an address of this machine, 127.0.0.1 or [::1]")
	}
	return errors.New("want https")
}
