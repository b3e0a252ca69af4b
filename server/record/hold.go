package record

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// holds are the legal holds that a store is to know of, set or lifted. The audit log is
// where they are kept; here is which of them the store was told since the start.
type holds struct {
	telling chan struct{} // held by whoever tells the store: on and off must not overtake

	mu sync.Mutex
	of map[string]held
}

// held is the hold of one recording; the zero value is none.
type held struct {
	on      bool
	told    bool  // every part that the store had when it was told
	changes int64 // how often it was set, lifted, or has to be told again
}

func newHolds() *holds { return &holds{telling: make(chan struct{}, 1), of: make(map[string]held)} }

func (h *holds) get(session string) held {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of[session]
}

// set has the store told, also of what it knows already.
func (h *holds) set(session string, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[session] = held{on: on, changes: h.of[session].changes + 1}
}

// put notes that a part was put as the hold was before: where it has changed since, the
// part may have come too late for whoever told the store.
func (h *holds) put(session string, before held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.of[session]
	if now.changes == before.changes {
		return
	}
	h.of[session] = held{on: now.on, changes: now.changes + 1}
}

// told notes that the store was told of the hold as it was before.
func (h *holds) told(session string, before held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.of[session]; now.changes == before.changes {
		now.told = true
		h.of[session] = now
	}
}

// untold lists the recordings whose hold the store has to be told of.
func (h *holds) untold() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	for id, is := range h.of {
		if !is.told {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Hold has the store keep every part of a recording, those that come later too, or lets
// them go again. An error says that it could not be told yet; it is told again until it was.
func (r *Recorder) Hold(ctx context.Context, session string, on bool) error {
	if r.mirror == nil || !validID(session) {
		return nil
	}
	r.mirror.holds.set(session, on)
	return r.mirror.tell(ctx, session)
}

// Held says what the log has of a recording's legal hold: after a start nobody knows
// whether the store was told, so it is told again, soon. Once is enough.
func (r *Recorder) Held(session string, on bool) {
	if r.mirror == nil || !validID(session) {
		return
	}
	if now := r.mirror.holds.get(session); now.changes == 0 || now.on != on {
		r.mirror.holds.set(session, on)
	}
}

// tell tells the store of a recording's hold, where it has to be told.
func (m *mirror) tell(ctx context.Context, session string) error {
	select {
	case m.holds.telling <- struct{}{}:
		defer func() { <-m.holds.telling }()
	case <-ctx.Done():
		return fmt.Errorf("legal hold of recording %s: %w", session, context.Cause(ctx))
	}
	h := m.holds.get(session)
	if h.told || h.changes == 0 {
		return nil
	}
	if err := m.store.Hold(ctx, session+"/", h.on); err != nil {
		return fmt.Errorf("legal hold of recording %s: %w", session, err)
	}
	m.holds.told(session, h)
	return nil
}

// tellHolds tells the store of every hold that it has to be told of, until it fails.
func (m *mirror) tellHolds(ctx context.Context) error {
	for _, id := range m.holds.untold() {
		if err := m.tell(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
