package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
)

// sessionsFile keeps what can be derived from the entries, to save reading them all.
const sessionsFile = "sessions.json"

// savedSessions is the file: the sessions as JSON, with their HMAC-SHA256 under a key that is
// derived from the log's signing key. Recovery events say what it says, so that nobody may
// change it who cannot sign.
type savedSessions struct {
	MAC      []byte          `json:"mac"`
	Sessions json.RawMessage `json:"sessions"`
}

func (l *Log) sessionsMAC(b []byte) []byte {
	mac := hmac.New(sha256.New, l.derived)
	mac.Write(b)
	return mac.Sum(nil)
}

// encodeSessions gives the file of s.
func (l *Log) encodeSessions(s *sessions) ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return json.Marshal(savedSessions{MAC: l.sessionsMAC(b), Sessions: b})
}

// decodeSessions reads what encodeSessions gave; ok is false for all else.
func (l *Log) decodeSessions(b []byte) (s *sessions, ok bool) {
	var saved savedSessions
	s = newSessions()
	if json.Unmarshal(b, &saved) != nil || !hmac.Equal(saved.MAC, l.sessionsMAC(saved.Sessions)) ||
		json.Unmarshal(saved.Sessions, s) != nil || s.Open == nil {
		return nil, false
	}
	return s, true
}

// sessions are those that began and have not ended, after Size events.
type sessions struct {
	Size int64                   `json:"size"`
	Open map[string]*openSession `json:"open"`
}

// openSession is what a recovery event needs to say of a session.
type openSession struct {
	Events  int64    `json:"events"` // highest counter
	Subject string   `json:"subject,omitempty"`
	Chain   []string `json:"chain,omitempty"`
	Target  string   `json:"target,omitempty"`
	Grant   string   `json:"grant,omitempty"`
}

func newSessions() *sessions { return &sessions{Open: make(map[string]*openSession)} }

// track takes the next event into account.
func (s *sessions) track(e *hoop.Event) {
	s.Size++
	if e.Session == "" || e.Counter == 0 {
		return
	}
	switch e.Type {
	case hoop.EventSessionEnd, hoop.EventRecovery:
		delete(s.Open, e.Session)
	case hoop.EventSessionStart:
		s.Open[e.Session] = &openSession{Events: e.Counter, Subject: e.Subject, Chain: e.Chain, Target: e.Target, Grant: e.Grant}
	default:
		if o := s.Open[e.Session]; o != nil {
			o.Events = e.Counter
		}
	}
}

func (s *sessions) clone() *sessions {
	c := &sessions{Size: s.Size, Open: make(map[string]*openSession, len(s.Open))}
	for id, o := range s.Open {
		copied := *o
		c.Open[id] = &copied
	}
	return c
}

// loadSessions reads the saved state, and the events since. A state that is missing,
// damaged or ahead of the log is made anew from all events.
func (l *Log) loadSessions(ctx context.Context) error {
	s := newSessions()
	if b, err := journal.ReadFile(l.opt.FS, filepath.Join(l.opt.Dir, sessionsFile)); err == nil {
		saved, ok := l.decodeSessions(b)
		switch {
		case !ok:
			l.opt.Log.Warn("audit: what is kept of the sessions that run was changed, cut short, or is another version's; all events are read instead", "file", sessionsFile)
		case saved.Size <= l.next:
			s = saved
		}
	}
	for e, err := range l.genuine(ctx, s.Size) {
		if err != nil {
			return err
		}
		s.track(e.Event)
	}
	l.tracking.Lock()
	defer l.tracking.Unlock()
	l.sessions = s
	return nil
}

// genuine is Events of a log that does not grow, each checked to be the one whose hash the
// tree has: what recovery writes stays in the log, and must not come of a changed file.
func (l *Log) genuine(ctx context.Context, from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		now := l.tree.peek()
		size := now.edge.Size()
		tree := tlog.TileHashReader(tlog.Tree{N: size, Hash: now.edge.Root()}, &view{l, now})
		var hashes []tlog.Hash // of the events from first on
		first := from
		for e, err := range l.Events(ctx, from) {
			if err == nil && e.Index >= first+int64(len(hashes)) {
				first = e.Index
				hashes, err = leaves(tree, first, min(first+auditlog.TileWidth, size))
			}
			if err == nil && hashes[e.Index-first] != tlog.RecordHash(e.Raw) {
				err = fmt.Errorf("%s: event %d: the event is not the one whose hash is in the tree",
					auditlog.EntriesPath(e.Index/auditlog.TileWidth, auditlog.TileWidth), e.Index)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// leaves are the hashes of the events from begin to end, checked against the tree's root.
func leaves(tree tlog.HashReader, begin, end int64) ([]tlog.Hash, error) {
	indexes := make([]int64, 0, end-begin)
	for i := begin; i < end; i++ {
		indexes = append(indexes, tlog.StoredHashIndex(0, i))
	}
	hashes, err := tree.ReadHashes(indexes)
	if err != nil {
		return nil, fmt.Errorf("tile/: read the hashes of the events from %d on: %w", begin, err)
	}
	return hashes, nil
}

// saveSessions writes the state. Under load some events are always on their way from
// the journal to the tree; then the state is set aside now, and written by a later call,
// when the tree has all that it counts.
//
// It must not take l.mu: Append holds that while the journal makes it wait for the
// consumers, of which this is one.
func (l *Log) saveSessions() error {
	size := l.tree.size()
	l.tracking.Lock()
	var s *sessions
	switch {
	case l.sessions == nil: // replay
	case l.sessions.Size <= size:
		s, l.aside = l.sessions.clone(), nil
	case l.aside != nil && l.aside.Size <= size:
		s, l.aside = l.aside, nil
	case l.aside == nil:
		l.aside = l.sessions.clone()
	}
	l.tracking.Unlock()
	if s == nil {
		return nil
	}
	b, err := l.encodeSessions(s)
	if err != nil {
		return err
	}
	return journal.WriteFile(l.opt.FS, filepath.Join(l.opt.Dir, sessionsFile), b)
}

// recover commits the events found of each session that a crash ended, and the bytes
// found of its recording.
func (l *Log) recover() error {
	ctx := context.Background()
	if err := l.loadSessions(ctx); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(l.sessions.Open)) {
		o := l.sessions.Open[id]
		rec := hoop.Record{}
		if l.opt.Recordings != nil {
			var err error
			if rec, _, err = l.opt.Recordings.Found(id); err != nil {
				return fmt.Errorf("recover session %s: %w", id, err)
			}
		}
		rec.Events = o.Events + 1
		_, err := l.Append(&hoop.Event{
			Type:    hoop.EventRecovery,
			Subject: o.Subject,
			Chain:   o.Chain,
			Target:  o.Target,
			Grant:   o.Grant,
			Session: id,
			Counter: rec.Events,
			Text:    "the gateway stopped before the session ended; this is what was found of it",
			Cause:   hoop.CauseCrash,
			Record:  &rec,
		})
		if err != nil {
			return fmt.Errorf("recover session %s: %w", id, err)
		}
		l.opt.Log.Warn("audit: recovered a session that a crash ended", "session", id, "events", rec.Events)
	}
	if err := l.settle(ctx); err != nil {
		return fmt.Errorf("recover sessions: %w", err)
	}
	return nil
}
