package api_test

import (
	"fmt"
	"slices"
	"testing"

	wire "github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Whoever asks for what they may not have leaves a trace, without flooding the log.
func TestRefused_IsRecorded(t *testing.T) {
	g := newGateway(t)
	g.session("s1", "alice", true)
	req, err := g.as("alice").NewRequest(t.Context(), wire.NewRequest{Target: "one", Reason: "r", Duration: hoop.Duration(3600e9)})
	if err != nil {
		t.Fatal(err)
	}
	open, err := g.as("alice").NewRequest(t.Context(), wire.NewRequest{Target: "open", Duration: hoop.Duration(3600e9)})
	if err != nil {
		t.Fatal(err)
	}
	denied := func() []hoop.Event { return g.log.Of(hoop.EventAPIDenied) }
	ctx := t.Context()
	for i, tt := range []struct {
		who, want string
		try       func(c *wire.Client) error
	}{
		{"alice", "POST /api/v1/requests/{id}/approve", func(c *wire.Client) error { _, err := c.Approve(ctx, req.Request.ID, ""); return err }},
		{"eve", "POST /api/v1/requests/{id}/approve", func(c *wire.Client) error { _, err := c.Approve(ctx, req.Request.ID, ""); return err }},
		{"eve", "POST /api/v1/requests/{id}/deny", func(c *wire.Client) error { _, err := c.Deny(ctx, req.Request.ID, "no"); return err }},
		{"eve", "POST /api/v1/requests/{id}/cancel", func(c *wire.Client) error { _, err := c.Cancel(ctx, req.Request.ID); return err }},
		{"eve", "GET /api/v1/requests/{id}", func(c *wire.Client) error { _, err := c.Request(ctx, req.Request.ID, 0); return err }},
		{"eve", "POST /api/v1/grants/{id}/revoke", func(c *wire.Client) error { _, err := c.Revoke(ctx, open.Grant.ID, ""); return err }},
		{"ann", "POST /api/v1/grants/{id}/revoke", func(c *wire.Client) error { _, err := c.Revoke(ctx, open.Grant.ID, ""); return err }},
		{"eve", "GET /api/v1/sessions/{id}", func(c *wire.Client) error { _, err := c.Session(ctx, "s1"); return err }},
		{"eve", "GET /api/v1/sessions/{id}/recording", func(c *wire.Client) error { _, err := c.Recording(ctx, "s1"); return err }},
		{"eve", "GET /api/v1/audit/export", func(c *wire.Client) error { _, err := c.Export(ctx); return err }},
		{"eve", "POST /api/v1/requests", func(c *wire.Client) error { _, err := c.NewRequest(ctx, wire.NewRequest{Target: "secret"}); return err }},
	} {
		if err := tt.try(g.as(tt.who)); err == nil {
			t.Errorf("%s: %s was not refused", tt.who, tt.want)
		}
		events := denied()
		if len(events) != i+1 {
			t.Fatalf("%s: %s: %d events, want %d", tt.who, tt.want, len(events), i+1)
		}
		e := events[i]
		if e.Subject != tt.who || e.Text != tt.want || e.Reason == "" || e.Time.IsZero() || !slices.Contains(e.Details, hoop.Detail{Name: "attempts", Value: "1"}) {
			t.Errorf("event %+v, want %s of %s", e, tt.want, tt.who)
		}
	}

	before := len(denied())
	for range 98 { // two were told already
		_, _ = g.as("ann").Revoke(ctx, open.Grant.ID, "")
	}
	events := denied()[before:]
	if n := len(events); n != 6 || !slices.Contains(events[n-1].Details, hoop.Detail{Name: "attempts", Value: "64"}) {
		t.Errorf("99 attempts that are the same: %d more events: %+v", n, events)
	}
	before = len(denied())
	for i := range 2000 { // somebody guesses
		_, _ = g.as("ann").Session(ctx, fmt.Sprintf("guess%d", i))
	}
	if n := len(denied()) - before; n < 20 || n > 40 {
		t.Errorf("2000 guesses: %d events", n)
	}
}
