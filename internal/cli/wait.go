package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const (
	// longPoll is how long the gateway is asked to hold one question.
	longPoll = 30 * time.Second
	// retryPause is waited after a call failed for reasons of the network.
	retryPause = 2 * time.Second
)

func idOf(r hoop.Request) string { return strconv.FormatInt(r.ID, 10) }

// waitingFor says in a sentence who must do what.
func waitingFor(r hoop.Request) string {
	return fmt.Sprintf("request %d for %s waits for %s; they type: hoopctl approve %d", r.ID, r.Target, approvers(r), r.ID)
}

// approvers says who may approve: "dba", or "2 people of dba or security".
func approvers(r hoop.Request) string {
	who := strings.Join(r.Groups, " or ")
	if r.Count > 1 {
		return fmt.Sprintf("%d people of %s", r.Count, who)
	}
	return "one of " + who
}

// await waits until a request is decided or ends, with a countdown at a terminal.
// The gateway may go away meanwhile and come back.
func (f *Factory) await(ctx context.Context, c *api.Client, r hoop.Request) (api.RequestAnswer, error) {
	stop := f.countdown(r)
	defer stop()
	for {
		a, err := c.Request(ctx, r.ID, longPoll)
		var stated *hoop.Error
		switch {
		case err == nil && a.Request.State != hoop.Pending:
			return a, nil
		case err == nil:
			continue
		case ctx.Err() != nil:
			return a, hoop.Errorf(hoop.CodeCancelled, "interrupted while request %d waits for approval", r.ID)
		case errors.As(err, &stated) && stated.Code != hoop.CodeUnavailable && stated.Code != hoop.CodeShuttingDown:
			return a, err
		case f.Now().After(r.ExpiresAt):
			return a, err
		}
		pause(ctx, retryPause)
	}
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// countdown shows at a terminal how long a request is still open. stop takes it away.
func (f *Factory) countdown(r hoop.Request) (stop func()) {
	if !f.IO.ErrTTY {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			left := max(r.ExpiresAt.Sub(f.Now()), 0).Round(time.Second)
			fmt.Fprintf(f.IO.ErrOut, "\r\x1b[K%s",
				iostreams.OneLine(fmt.Sprintf("waiting for approval of request %d, %s left", r.ID, hoop.Duration(left))))
			select {
			case <-tick.C:
			case <-quit:
				fmt.Fprint(f.IO.ErrOut, "\r\x1b[K")
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// outcome turns how a request ended into an error, nil when there is a grant.
func outcome(a api.RequestAnswer) error {
	r := a.Request
	switch r.State {
	case hoop.Approved:
		if a.Grant == nil {
			return hoop.Errorf(hoop.CodeExpired, "the grant of request %d has ended", r.ID).
				WithHint("hoopctl request %s", r.Target)
		}
		return nil
	case hoop.Pending:
		return hoop.Errorf(hoop.CodePending, "request %d for %s waits for %s", r.ID, r.Target, approvers(r)).
			WithHint("they type: hoopctl approve %d; then: hoopctl connect %s", r.ID, r.Target)
	case hoop.Denied:
		return hoop.Errorf(hoop.CodeDenied, "request %d was denied%s", r.ID, verdict(r))
	case hoop.Expired:
		return hoop.Errorf(hoop.CodeExpired, "nobody decided request %d in time", r.ID).
			WithHint("ask again: hoopctl request %s; and tell %s", r.Target, approvers(r))
	}
	return hoop.Errorf(hoop.CodeCancelled, "request %d was %s%s", r.ID, r.State, verdict(r))
}

// verdict says who approved or denied a request, and why; or why it was cancelled.
func verdict(r hoop.Request) string {
	var names []string
	why := r.DecisionWhy
	for _, a := range r.Approvals {
		if a.Approve && r.State == hoop.Approved || !a.Approve && r.State == hoop.Denied {
			names = append(names, a.Name)
			why = cmp.Or(why, a.Reason)
		}
	}
	s := ""
	if len(names) > 0 {
		s = " by " + strings.Join(names, ", ")
	}
	if why != "" {
		s += ": " + why
	}
	return s
}
