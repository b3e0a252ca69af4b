package server

import (
	"context"
	"maps"
	"os/user"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/policy"
)

// operator is the account of the operating system that the gateway runs as: only whoever
// has it, or may do everything, changes what the gateway reads and has it read again.
func operator() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return u.Username + " (" + u.Uid + ")"
}

// resourceEvents are those of what is declared otherwise than before, under the new
// revision.
func resourceEvents(revision string, changes []policy.Change) []*hoop.Event {
	var events []*hoop.Event
	for _, c := range changes {
		events = append(events, &hoop.Event{
			Time: time.Now().UTC(), Type: hoop.EventResource, Subject: gatewayItself, Policy: revision, Text: c.Kind + " " + c.Name + " was " + c.What,
			Details: []hoop.Detail{
				{Name: "kind", Value: c.Kind}, {Name: "name", Value: c.Name}, {Name: "change", Value: c.What}, {Name: "operator", Value: operator()},
			},
		})
	}
	return events
}

// gatewayItself is the subject of what a gateway does by itself.
const gatewayItself = "hoop-gateway"

// writeAll returns when the events are durable, in this order.
func (g *Gateway) writeAll(ctx context.Context, events ...*hoop.Event) error {
	for _, e := range events[:len(events)-1] {
		if _, err := g.audit.Append(e); err != nil {
			return err
		}
	}
	return g.audit.Write(ctx, events[len(events)-1])
}

// secretChanges are the service accounts that have another secret than before, and are
// otherwise declared as they were: the policy's text has no secrets.
func secretChanges(before, next map[string]auth.ServiceAccount, changes []policy.Change) []policy.Change {
	var found []policy.Change
	for _, name := range slices.Sorted(maps.Keys(next)) {
		c := policy.Change{Kind: "ServiceAccount", Name: name, What: policy.Changed}
		if was, ok := before[name]; ok && was.SecretHash != next[name].SecretHash && !slices.Contains(changes, c) {
			found = append(found, c)
		}
	}
	return found
}

// inForceBefore is the revision of the policy that was in force when the gateway stopped,
// "" where the log does not say. It reads no more of the log's end than it must.
func (g *Gateway) inForceBefore(ctx context.Context) (string, error) {
	if err := g.audit.Settle(ctx); err != nil {
		return "", err
	}
	const some = 256
	for end := g.audit.Size(); end > 0; {
		from := max(end-some, 0)
		revision := ""
		for e, err := range g.audit.Events(ctx, from) {
			if err != nil {
				return "", err
			}
			if e.Index >= end {
				break
			}
			if e.Event.TellsPolicy() {
				revision = e.Event.Policy
			}
		}
		if revision != "" {
			return revision, nil
		}
		end = from
	}
	return "", nil
}

// startEvents are those of a start: what is declared otherwise than when the gateway
// stopped comes behind it.
func (g *Gateway) startEvents(start *hoop.Event, former string) []*hoop.Event {
	events := []*hoop.Event{start}
	if former == "" || former == start.Policy {
		return events
	}
	start.Details = append(start.Details, hoop.Detail{Name: "former", Value: former})
	text, err := g.policies.text(former)
	var changes []policy.Change
	if err == nil {
		changes, err = policy.Changes(text, g.rules.Text())
	}
	if err != nil {
		g.log.Warn("what is declared otherwise than before the start is not in the audit log", "former", former, "error", err)
	}
	return append(events, resourceEvents(start.Policy, changes)...)
}
