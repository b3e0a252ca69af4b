package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit"
)

// memLog is an audit log in memory.
type memLog struct {
	mu     sync.Mutex
	events []*hoop.Event
}

func (l *memLog) add(events ...*hoop.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		if e.Time.IsZero() {
			e.Time = time.Now().UTC()
		}
		l.events = append(l.events, e)
	}
}

func (l *memLog) Write(_ context.Context, e *hoop.Event) error { l.add(e); return nil }

func (l *memLog) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.events))
}

func (l *memLog) Events(_ context.Context, from int64) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		for i := from; i < l.Size(); i++ {
			l.mu.Lock()
			e := l.events[i]
			l.mu.Unlock()
			if !yield(audit.Entry{Index: i, Event: e}, nil) {
				return
			}
		}
	}
}

const secret = "0123456789abcdef0123456789abcdef"

// receiver is a webhook's other end.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []*http.Request
	bodies [][]byte
	answer func(n int, w http.ResponseWriter)
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got, r.bodies = append(r.got, req), append(r.bodies, b)
		n, answer := len(r.got), r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(n, w)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ids(t *testing.T) (ids []string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bodies {
		var c cloudEvent
		if err := json.Unmarshal(b, &c); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.ID)
	}
	return ids
}

func options(t *testing.T, log *memLog) Options {
	return Options{Name: "siem", Dir: filepath.Join(t.TempDir(), "notify"), Log: log, Logger: slog.New(slog.DiscardHandler)}
}

func hook(t *testing.T, o Options, url string) *Sink {
	t.Helper()
	s, err := NewWebhook(o, Webhook{URL: url, Secret: secret, Loopback: true, Source: "https://gateway.example"})
	if err != nil {
		t.Fatal(err)
	}
	s.after = func(time.Duration) <-chan time.Time { // waits for nothing
		c := make(chan time.Time)
		close(c)
		return c
	}
	return s
}

func TestWebhook_PostsSignedCloudEvents(t *testing.T) {
	log, r := &memLog{}, newReceiver(t)
	log.add(&hoop.Event{Type: hoop.EventRequest, Request: 1}) // before the sink was
	s := hook(t, options(t, log), r.URL)
	log.add(&hoop.Event{Type: hoop.EventSignIn}, &hoop.Event{Type: hoop.EventRequest, Request: 17, Text: "DELETE FROM t WHERE a = $1"})
	if err := s.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.ids(t); !slices.Equal(got, []string{"2"}) {
		t.Fatalf("got events %v", got)
	}
	var c cloudEvent
	if err := json.Unmarshal(r.bodies[0], &c); err != nil {
		t.Fatal(err)
	}
	if c.SpecVersion != "1.0" || c.Type != "hoop.request" || c.Subject != "requests/17" || c.Source != "https://gateway.example" || c.Data.Text == "" {
		t.Errorf("got %s", r.bodies[0])
	}
	h := r.got[0].Header
	want := "v1," + sign([]byte(secret), h.Get("webhook-id")+"."+h.Get("webhook-timestamp")+".", r.bodies[0])
	if h.Get("webhook-signature") != want || h.Get("webhook-id") != "evt_2" || !strings.HasPrefix(h.Get("Content-Type"), "application/cloudevents+json") {
		t.Errorf("headers %v", h)
	}
}

// The known answer of Standard Webhooks' own libraries.
func TestWebhook_SignsAsStandardWebhooksDo(t *testing.T) {
	key, err := signingKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	if got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.", []byte(`{"test": 2432232314}`)); got != "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("got %s", got)
	}
}

func TestWebhook_TriesAgainAndLosesNothing(t *testing.T) {
	log, r := &memLog{}, newReceiver(t)
	o := options(t, log)
	s := hook(t, o, r.URL)
	log.add(&hoop.Event{Type: hoop.EventRequest, Request: 1}, &hoop.Event{Type: hoop.EventDenial, Request: 1})
	r.answer = func(n int, w http.ResponseWriter) {
		if n <= 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	if err := s.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.ids(t); !slices.Equal(got, []string{"0", "0", "0", "0", "1"}) {
		t.Errorf("got events %v", got)
	}
	// Stopped in the middle, it goes on where it was.
	log.add(&hoop.Event{Type: hoop.EventGrant, Grant: "g-1"}, &hoop.Event{Type: hoop.EventGrant, Grant: "g-2"})
	ctx, stop := context.WithCancel(t.Context())
	r.answer = func(n int, w http.ResponseWriter) {
		if n == 7 {
			stop()
			w.WriteHeader(http.StatusBadGateway)
		}
	}
	if err := s.round(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.answer = nil
	if err := hook(t, o, r.URL).round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.ids(t)[5:]; !slices.Equal(got, []string{"2", "3", "3"}) {
		t.Errorf("got events %v", got)
	}
}

func TestWebhook_GivesUpInTheEnd(t *testing.T) {
	log, r := &memLog{}, newReceiver(t)
	s := hook(t, options(t, log), r.URL)
	log.add(&hoop.Event{Type: hoop.EventRequest, Request: 1, Time: time.Now().Add(-giveUp - time.Minute)}, &hoop.Event{Type: hoop.EventRequest, Request: 2})
	r.answer = func(n int, w http.ResponseWriter) {
		switch n {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.WriteHeader(http.StatusGone)
		}
	}
	if err := s.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.ids(t); !slices.Equal(got, []string{"0", "1"}) || s.state.Next != 2 {
		t.Errorf("got events %v, next %d", got, s.state.Next)
	}
}

func TestWebhook_FollowsNoRedirect(t *testing.T) {
	log, r, inner := &memLog{}, newReceiver(t), newReceiver(t)
	s := hook(t, options(t, log), r.URL)
	log.add(&hoop.Event{Type: hoop.EventRequest, Request: 1})
	r.answer = func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Location", inner.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}
	if err := s.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(inner.got) != 0 || len(r.got) != 2 {
		t.Errorf("%d requests where it was redirected to, %d where it goes", len(inner.got), len(r.got))
	}
}

func TestCheckURL(t *testing.T) {
	for url, want := range map[string]bool{
		"https://hooks.example/x": true, "http://127.0.0.1:8080/x": true, "http://[::1]/x": true,
		"http://hooks.example/x": false, "http://localhost/x": false, "http://10.0.0.1/x": false, "ftp://x": false, "x": false, "": false,
		"https://user:pass@hooks.example": false, "https://hooks.example/#x": false, "http://127.0.0.1.evil.example/": false,
	} {
		if err := CheckURL(url, true); (err == nil) != want {
			t.Errorf("%q: %v", url, err)
		}
	}
	if CheckURL("http://127.0.0.1/x", false) == nil {
		t.Error("plain http was not asked for")
	}
}

func TestWebhook_WantsARealSecret(t *testing.T) {
	for _, bad := range []string{"", "short", "whsec_!!", "whsec_c2hvcnQ="} {
		if _, err := NewWebhook(options(t, &memLog{}), Webhook{URL: "https://x.example", Secret: bad}); err == nil || strings.Contains(err.Error(), "short") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
