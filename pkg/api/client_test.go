package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// serve starts a server and a client of it.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &Client{
		Base: srv.URL, HTTP: srv.Client(), Agent: "test/1",
		Token: func(context.Context) (string, error) { return "t", nil },
	}
}

func TestClient_Calls(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Authorization") + " " + string(b)
		fmt.Fprint(w, `{}`)
	})
	ctx := t.Context()
	for _, tc := range []struct {
		call func() error
		want string
	}{
		{func() error { _, err := c.Version(ctx); return err }, "GET /api/v1/version  "},
		{func() error { _, err := c.Me(ctx); return err }, "GET /api/v1/me Bearer t "},
		{func() error { _, err := c.Targets(ctx); return err }, "GET /api/v1/targets Bearer t "},
		{func() error {
			_, err := c.Requests(ctx, RequestFilter{State: hoop.Pending, Inbox: true})
			return err
		}, "GET /api/v1/requests?inbox=1&state=pending Bearer t "},
		{func() error {
			_, err := c.NewRequest(ctx, NewRequest{Target: "a", Duration: hoop.Duration(time.Hour)})
			return err
		}, `POST /api/v1/requests Bearer t {"target":"a","duration":"1h0m0s"}`},
		{func() error { _, err := c.Request(ctx, 17, 30*time.Second); return err }, "GET /api/v1/requests/17?wait=30s Bearer t "},
		{func() error { _, err := c.Approve(ctx, 17, "ok"); return err }, `POST /api/v1/requests/17/approve Bearer t {"reason":"ok"}`},
		{func() error { _, err := c.Deny(ctx, 17, ""); return err }, `POST /api/v1/requests/17/deny Bearer t {}`},
		{func() error { _, err := c.Cancel(ctx, 17); return err }, `POST /api/v1/requests/17/cancel Bearer t {}`},
		{func() error { _, err := c.Grants(ctx, true); return err }, "GET /api/v1/grants?all=1 Bearer t "},
		{func() error { _, err := c.Revoke(ctx, "../x?y", "r"); return err }, `POST /api/v1/grants/..%2Fx%3Fy/revoke Bearer t {"reason":"r"}`},
		{func() error { _, err := c.Review(ctx, "g-1", "f"); return err }, `POST /api/v1/grants/g-1/review Bearer t {"reason":"f"}`},
		{func() error { _, err := c.Reviews(ctx, true); return err }, "GET /api/v1/reviews?all=1 Bearer t "},
		{func() error { _, err := c.Sessions(ctx, 5); return err }, "GET /api/v1/sessions?limit=5 Bearer t "},
		{func() error { _, err := c.Session(ctx, "s"); return err }, "GET /api/v1/sessions/s Bearer t "},
		{func() error { _, err := c.LogKey(ctx); return err }, "GET /api/v1/audit/key Bearer t "},
		{func() error { return closed(c.Recording(ctx, "s")) }, "GET /api/v1/sessions/s/recording Bearer t "},
		{func() error {
			return closed(c.Bundle(ctx, BundleAsk{From: time.Unix(0, 0), Recordings: true, Size: 7, Since: 3}))
		}, "GET /api/v1/audit/bundle?from=1970-01-01T00%3A00%3A00Z&recordings=1&since=3&size=7 Bearer t "},
		{func() error { return closed(c.Export(ctx)) }, "GET /api/v1/audit/export Bearer t "},
	} {
		if err := tc.call(); err != nil || got != tc.want {
			t.Errorf("got %q, %v, want %q", got, err, tc.want)
		}
	}
}

func closed(r io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	return r.Close()
}

func TestClient_Problems(t *testing.T) {
	for _, tc := range []struct {
		name, kind, body string
		status           int
		want             hoop.Code
		message          string
	}{
		{"a gateway's", "application/problem+json; charset=utf-8", `{"status":403,"code":"denied","title":"no","hint":"ask"}`, 403, hoop.CodeDenied, "no"},
		{"a proxy's", "text/html", "<html>", 502, hoop.CodeUnavailable, "which is no answer of a gateway"},
		{"a damaged one", "application/problem+json", `{"status":`, 500, hoop.CodeUnavailable, "which is no answer of a gateway"},
		{"one without a code", "application/problem+json", `{"title":"x"}`, 500, hoop.CodeUnavailable, "which is no answer of a gateway"},
		{"another's 401", "text/plain", "", 401, hoop.CodeUnauthenticated, "which is no answer of a gateway"},
		{"a redirect", "text/html", "", 302, hoop.CodeUnavailable, "302"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.kind)
				w.Header().Set("Location", "https://evil.example")
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			})
			c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			_, err := c.Me(t.Context())
			var e *hoop.Error
			if !errors.As(err, &e) || e.Code != tc.want || !strings.Contains(e.Message, tc.message) {
				t.Errorf("got %v, want %s %q", err, tc.want, tc.message)
			}
		})
	}
}

func TestClient_RenewsOnce(t *testing.T) {
	calls := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		if r.Header.Get("Authorization") == "Bearer fresh" {
			fmt.Fprint(w, `{"identity":{"subject":"dana"}}`)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		if err := json.NewEncoder(w).Encode(Problem{Code: hoop.CodeUnauthenticated, Title: "the token has ended"}); err != nil {
			t.Error(err)
		}
	})
	c.Renew = func(_ context.Context, stale string) (string, error) {
		if stale != "t" {
			t.Errorf("stale %q", stale)
		}
		return "fresh", nil
	}
	if me, err := c.Me(t.Context()); err != nil || me.Identity.Subject != "dana" || calls != 2 {
		t.Errorf("got %+v, %v after %d calls", me, err, calls)
	}
	for name, renew := range map[string]func(context.Context, string) (string, error){
		"nothing better": func(_ context.Context, stale string) (string, error) { return stale, nil },
		"an error":       func(context.Context, string) (string, error) { return "", errors.New("no") },
		"refused again":  func(context.Context, string) (string, error) { return "other", nil },
	} {
		c.Renew, calls = renew, 0
		_, err := c.Me(t.Context())
		if hoop.AsError(err).Code != hoop.CodeUnauthenticated || calls > 2 {
			t.Errorf("%s: got %v after %d calls", name, err, calls)
		}
	}
}

func TestClient_TokenError(t *testing.T) {
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("called without a token") })
	want := hoop.Errorf(hoop.CodeUnauthenticated, "not signed in")
	c.Token = func(context.Context) (string, error) { return "", want }
	if _, err := c.Me(t.Context()); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

func TestClient_CancelledTellsWhy(t *testing.T) {
	c := serve(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the grant ended")
	cancel(why)
	if _, err := c.Me(ctx); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
