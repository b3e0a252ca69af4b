package session

import (
	"strings"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/infer"
)

// Whether what is made of a protected value has room tells how long it is, though nothing is
// compared and nothing shown: concat(ltrim(ssn, '123'), repeat('x', n)) has at most 1 GB. That
// happens to nobody who does not look for it, so it is counted when it has happened, and whoever
// goes on needs an approval for everything that reads protected data. This is kept in memory: no
// statement has to ask the store for it.

// shortages is when what everybody made of protected data had no room, within a limit's time. The
// zero value is ready; it is safe for concurrent use.
type shortages struct {
	mu sync.Mutex
	at map[infer.Key][]time.Time // the newest, at most as many as tell
}

// noRoom reports whether an SQLSTATE may say that a value was too long: of what the server has
// not enough, limits of programs, and what palloc and jsonb complain of.
func noRoom(state string) bool {
	return strings.HasPrefix(state, "53") || strings.HasPrefix(state, "54") || state == "XX000"
}

func (w *shortages) add(l infer.Limit, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at == nil {
		w.at = map[infer.Key][]time.Time{}
	}
	at := append(w.at[l.Key], now)
	w.at[l.Key] = at[max(0, len(at)-max(1, l.Scans)):]
}

// over reports whether there were as many as a limit has searches, and when there is room again.
func (w *shortages) over(l infer.Limit, now time.Time) (free time.Time, over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.at[l.Key]
	if len(at) == 0 {
		return free, false
	}
	if now.Sub(at[len(at)-1]) > l.Per {
		delete(w.at, l.Key)
		return free, false
	}
	return at[0].Add(l.Per), len(at) >= l.Scans && now.Sub(at[0]) <= l.Per
}

// short finds a limit that says how often what is made of protected data may have no room, and
// that is used up.
func (x *inferences) short(s *Session) {
	now := s.line.Now()
	for _, c := range (byColumn{hoop.AnyColumn: {}}).claims(s) {
		if free, over := s.line.shortages.over(c.Limit, now); over {
			x.room = &infer.Count{Limit: c.Limit, Free: free}
			return
		}
	}
}

// short notes that what the statement made of protected data had no room.
func (r *Run) short() {
	for _, c := range (byColumn{hoop.AnyColumn: {}}).claims(r.session) {
		r.session.line.shortages.add(c.Limit, r.session.line.Now())
	}
}
