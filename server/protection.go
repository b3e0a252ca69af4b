package server

import (
	"context"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// lift ends an inherited protection. The event is durable first.
func (g *Gateway) lift(ctx context.Context, by hoop.Identity, ask api.Lift) error {
	there, err := g.protect.Inherited(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(there, func(p hoop.Protection) bool { return p.Target == ask.Target && p.Table == ask.Table })
	if i < 0 {
		return hoop.Errorf(hoop.CodeNotFound, "%s on %s inherited no protection", ask.Table, ask.Target).
			WithHint("hoopctl get protection lists what did; what a rule declares is changed there")
	}
	if err := g.audit.Write(ctx, &hoop.Event{
		Type: hoop.EventProtection, Subject: by.Subject, Chain: by.Chain, Target: ask.Target, Tables: []string{ask.Table}, Action: hoop.Allow, Reason: ask.Reason,
		Details: []hoop.Detail{{Name: "inherited_by", Value: there[i].By}, {Name: "since", Value: there[i].Since.UTC().Format(time.RFC3339)}},
	}); err != nil {
		return &hoop.Error{
			Code: hoop.CodeUnrecorded, Message: "the gateway cannot record this, so it did not happen",
			Hint: "tell an administrator: the gateway's log names the disk or file", Err: err,
		}
	}
	return g.protect.Lift(ctx, ask.Target, ask.Table)
}

// followEvery is how long another gateway's copies of protected data may go unnoticed.
const followEvery = time.Second

// followProtection takes over what other gateways of the same store let inherit.
func (g *Gateway) followProtection() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(followEvery)
		defer t.Stop()
		failed := false
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			err := g.line.FollowOthers(ctx, g.protect.Refresh)
			if err != nil && !failed && ctx.Err() == nil {
				g.log.ErrorContext(ctx, "inherited protection: what other gateways add is not seen", "error", err)
			}
			failed = err != nil
		}
	}()
	g.add("inherited protection", func() error {
		cancel()
		<-done
		return nil
	})
}
