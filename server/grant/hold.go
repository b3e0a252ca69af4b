package grant

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// question is a pending request as this process knows it.
type question struct {
	request hoop.Request  // with the text and parameters of a statement that is held here
	local   bool          // a statement that is held here
	held    bool          // a session here has not come for the answer yet
	done    chan struct{} // closed by settle
	final   hoop.Request  // set before done is closed
	settled time.Time
}

// Hold makes a pending request with a number out of a statement that waits on the
// wire. Duration is how long people have; the text and the parameters stay in memory,
// here, until it is decided. Await must follow.
func (s *Service) Hold(ctx context.Context, r hoop.Request) (hoop.Request, error) {
	if len(r.Groups) == 0 {
		return hoop.Request{}, hoop.Errorf(hoop.CodeDenied, "rule %s wants an approval and names nobody who may give it", r.Rule).
			WithHint("tell an administrator")
	}
	if r.Digest == "" || r.Requester.Subject == "" {
		return hoop.Request{}, hoop.Errorf(hoop.CodeInternal, "a held statement needs a digest and a requester")
	}
	unlock, err := s.asking.Lock(ctx, person(r.Requester))
	if err != nil {
		return hoop.Request{}, err
	}
	defer unlock()
	waiting, err := s.waiting(ctx, r.Requester)
	if err == nil {
		err = tooMany(waiting)
	}
	if err != nil {
		return hoop.Request{}, err
	}
	if r.Duration <= 0 {
		r.Duration = hoop.Duration(defaultHoldTimeout)
	}
	r.Kind, r.State, r.Gateway, r.GatewayURL = hoop.RequestStatement, hoop.Pending, s.gateway, s.url()
	r.Count, r.CreatedAt = max(1, r.Count), s.stamp()
	r.ExpiresAt = r.CreatedAt.Add(time.Duration(r.Duration))
	r.DecidedAt, r.DecisionWhy, r.Approvals = time.Time{}, "", nil
	ctx, cancel := stepContext(ctx)
	defer cancel()
	stored, err := s.store.AddRequest(ctx, r, func(added *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
		s.release(r.ID) // of a try that the store gave up
		r.ID = added.ID
		s.retain(r) // before others can see it: they may decide at once
		e := event(hoop.EventRequest, added.CreatedAt, added)
		e.Subject, e.Chain, e.Reason = added.Requester.Subject, added.Requester.Chain, added.Reason
		return nil, s.record(ctx, e)
	})
	if err != nil {
		s.release(r.ID)
		return hoop.Request{}, err
	}
	r.ID = stored.ID
	return r, nil
}

// retain holds the statement of a request here.
func (s *Service) retain(r hoop.Request) {
	q := s.ask(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	q.request, q.local, q.held = r, true, true
}

// release lets go of the statement of a request that was not stored.
func (s *Service) release(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.questions, id)
}

// Await waits until the held statement is decided, its time runs out, or ctx ends,
// which cancels it. It tells the outcome once: the request in its final state, without
// text and parameters, with the facts that there were for whoever decided. Only where that is Approved, and the error nil, may anything
// run.
func (s *Service) Await(ctx context.Context, id int64) (hoop.Request, error) {
	s.mu.Lock()
	q := s.questions[id]
	mine := q != nil && q.held
	if mine {
		q.held = false // an answer is used once
	}
	s.mu.Unlock()
	if !mine {
		return hoop.Request{}, hoop.Errorf(hoop.CodeNotFound, "no statement waits for request %d here", id)
	}
	defer s.forget(id)
	timeout := time.NewTimer(q.request.ExpiresAt.Sub(s.now()))
	defer timeout.Stop()
	select {
	case <-q.done:
		return q.final, nil
	case <-timeout.C:
		return outcome(s.expire(ctx, id))
	case <-ctx.Done():
		r, err := outcome(s.cancel(ctx, id, q.request.Requester, gone(ctx)))
		if err == nil && r.State == hoop.Approved { // a moment too late for anybody to run it
			err = hoop.Errorf(hoop.CodeCancelled, "request %d was approved when nobody waited any more", id)
		}
		return r, err
	}
}

// gone says why nobody waits for an answer any more: what ended the session, a grant's end
// say, or else the client.
func gone(ctx context.Context) string {
	var stated *hoop.Error
	if errors.As(context.Cause(ctx), &stated) {
		return stated.Message
	}
	return "the client went away"
}

// outcome lets a conflict pass as an answer: somebody else ended the request first.
func outcome(r hoop.Request, err error) (hoop.Request, error) {
	if err != nil && r.ID != 0 && r.State != hoop.Pending {
		return r, nil
	}
	return r, err
}

// ask notes that a request is pending.
func (s *Service) ask(r hoop.Request) *question {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.questions[r.ID]
	if q == nil {
		q = &question{request: r, done: make(chan struct{})}
		s.questions[r.ID] = q
	}
	return q
}

// settle wakes whoever waits for r, which is final and stored. The exact statement is
// forgotten.
func (s *Service) settle(r hoop.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.questions[r.ID]
	if q == nil || !q.settled.IsZero() {
		return
	}
	q.final, q.settled = r, s.now()
	q.final.Facts = q.request.Facts // for the recording: what whoever decided could see
	q.request.Statement, q.request.Params, q.request.Executes = "", nil, nil
	q.request.Facts, q.request.Writing = nil, nil
	close(q.done)
	if !q.held {
		delete(s.questions, r.ID)
	}
}

// forget drops a question that has its answer.
func (s *Service) forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.questions[id]; q != nil && !q.settled.IsZero() {
		delete(s.questions, id)
	}
}

// holds reports whether the statement of a request is known here.
func (s *Service) holds(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.questions[id]
	return q != nil && q.local && q.settled.IsZero()
}

// dueAt is when a request is ended here because its time ran out. What another gateway holds
// is for that one to end, by its own clock; here only where it has not, as one that died.
func (s *Service) dueAt(r *hoop.Request) time.Time {
	if r.Kind == hoop.RequestStatement && r.Gateway != s.gateway {
		return r.ExpiresAt.Add(clockSkew)
	}
	return r.ExpiresAt
}

// settleDue ends requests whose time ran out and finds what other gateways decided.
func (s *Service) settleDue(ctx context.Context) {
	for _, id := range s.dueQuestions() {
		if _, err := s.expire(ctx, id); err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "request not expired", slog.Int64("request", id), slog.Any("error", err))
		}
	}
	if !s.store.Shared() {
		return
	}
	if err := s.meet(ctx); err != nil && ctx.Err() == nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "other gateways' decisions unknown", slog.Any("error", err))
	}
}

// dueQuestions lists the requests whose time ran out. It drops answers that nobody
// came for.
func (s *Service) dueQuestions() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var due []int64
	for id, q := range s.questions {
		switch {
		case q.settled.IsZero() && !now.Before(s.dueAt(&q.request)):
			due = append(due, id)
		case !q.settled.IsZero() && now.Sub(q.settled) > time.Minute:
			delete(s.questions, id)
		}
	}
	return due
}

// meet compares what is pending here with what is pending in a shared store.
func (s *Service) meet(ctx context.Context) error {
	pending, err := s.allPending(ctx)
	if err != nil {
		return err
	}
	there := make(map[int64]bool, len(pending))
	for _, r := range pending {
		there[r.ID] = true
		s.ask(r)
	}
	s.mu.Lock()
	var gone []int64
	for id, q := range s.questions {
		if !there[id] && q.settled.IsZero() {
			gone = append(gone, id)
		}
	}
	s.mu.Unlock()
	for _, id := range gone {
		// It may be younger than the list: then it is pending still, or about to be stored.
		r, err := s.store.Request(ctx, id)
		if hoop.AsError(err).Code == hoop.CodeNotFound {
			continue
		}
		if err != nil {
			return err
		}
		if r.State != hoop.Pending {
			s.settle(r)
		}
	}
	return nil
}
