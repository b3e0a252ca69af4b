package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/infer"
)

// Whoever writes values into a protected column knows them: one sort of it tells between
// which of them every other one lies. So a search of a column, by whom wrote more different
// values into it than the limit has, is over the limit. This is kept in memory: it need not
// outlive what it is about by much, and every INSERT would ask the store.

// writings is what everybody wrote into protected columns, within a limit's time. The zero
// value is ready; it is safe for concurrent use.
type writings struct {
	mu     sync.Mutex
	of     map[infer.Key]*writing
	pruned time.Time
}

type writing struct {
	values map[[sha256.Size]byte]time.Time
	many   time.Time // when so many were written that they were not counted
	per    time.Duration
}

// add notes values; of more than limit no more are kept than tell that.
func (w *writings) add(c infer.Claim, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[infer.Key]*writing{}
	}
	if now.Sub(w.pruned) > time.Minute {
		w.pruned = now
		for k, x := range w.of {
			if x.forget(now); len(x.values) == 0 && now.Sub(x.many) > x.per {
				delete(w.of, k)
			}
		}
	}
	x := w.of[c.Key]
	if x == nil {
		x = &writing{values: map[[sha256.Size]byte]time.Time{}}
		w.of[c.Key] = x
	}
	x.per = c.Per
	if c.Many {
		x.many = now
	}
	for _, v := range c.Compared {
		if h := sha256.Sum256(v); len(x.values) <= c.Values {
			x.values[h] = now
		} else {
			x.many = now
		}
	}
}

// over reports whether more different values were written than the limit has.
func (w *writings) over(l infer.Limit, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.of[l.Key]
	if x == nil {
		return false
	}
	x.forget(now)
	return now.Sub(x.many) <= x.per || len(x.values) > l.Values
}

func (x *writing) forget(now time.Time) {
	for h, at := range x.values {
		if now.Sub(at) > x.per {
			delete(x.values, h)
		}
	}
}

// write adds what a look says is written into a column.
func (b byColumn) write(c hoop.ColumnRef, st *hoop.Statement, look hoop.Look) {
	claim := b.on(c)
	values := operands(st, look.Operands)
	if look.Together {
		values = [][]byte{bytes.Join(values, []byte{0})}
	}
	claim.Compared = append(claim.Compared, values...)
	claim.Many = claim.Many || look.Many
}

// searched finds a column that the statement searches, and into which whoever sends it
// wrote more values than a limit has, here or before.
func (x *inferences) searched(s *Session) {
	now := s.line.Now()
	for _, c := range x.claims {
		if c.Looks == 0 {
			continue
		}
		here := slices.ContainsFunc(x.wrote, func(w infer.Claim) bool {
			return w.Key == c.Key && (w.Many || len(distinct(w.Compared)) > w.Values)
		})
		if here || s.line.written.over(c.Limit, now) {
			x.known = &infer.Count{Limit: c.Limit}
			return
		}
	}
}

// untried has columns that show hashes and the like be masked as what is computed, where whoever
// sends the statement wrote more values into them than they may compare: each that is shown
// again would be a comparison of it with all others.
func (r *Run) untried(cols []hoop.Column) []hoop.Column {
	out := cols
	for i, c := range cols {
		if c.Plain && slices.ContainsFunc(c.Origins, func(o hoop.ColumnRef) bool { return r.rules.Traceable(o) && r.session.tried(o) }) {
			if &out[0] == &cols[0] {
				out = slices.Clone(cols)
			}
			out[i].Plain, out[i].Shaped = false, true
		}
	}
	return out
}

// tried reports whether more values were written into a column than a limit has.
func (s *Session) tried(c hoop.ColumnRef) bool {
	now := s.line.Now()
	return slices.ContainsFunc(byColumn{c: {}}.claims(s), func(claim infer.Claim) bool { return s.line.written.over(claim.Limit, now) })
}

func distinct(values [][]byte) [][]byte {
	out := slices.Clone(values)
	slices.SortFunc(out, bytes.Compare)
	return slices.CompactFunc(out, bytes.Equal)
}

// failed counts a search where a constraint compared what is written with what is stored,
// and said so, or a table of the session's own did in any way. A count that fails ends the
// session before the error is told.
func (r *Run) failed(state string) {
	if state == "" || r.infers == nil {
		return
	}
	if noRoom(state) && r.rules.Withheld(r.st) {
		r.short()
	}
	told := r.infers.errs
	if strings.HasPrefix(state, "23") {
		told = r.session.owes(slices.Concat(told, r.infers.fails))
	}
	if len(told) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.session.ctx), 10*time.Second)
	defer cancel()
	used, err := r.session.line.Inference.Add(ctx, told)
	if err != nil {
		r.session.silence(r.session.line.uncounted(ctx, err))
	}
	r.infers.used = append(r.infers.used, used...)
}

// owe keeps what a statement of a transaction may fail on: a constraint that is deferred
// says so at COMMIT.
func (s *Session) owe(st *hoop.Statement, fails []infer.Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !st.InTx {
		s.owed = nil
	}
	s.owed = joined(s.owed, fails)
}

// owes adds to claims what the constraints of the transaction may have failed on.
func (s *Session) owes(claims []infer.Claim) []infer.Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return joined(claims, s.owed)
}

// joined adds claims to others, one for each limit.
func joined(claims, more []infer.Claim) []infer.Claim {
	for _, c := range more {
		if !slices.ContainsFunc(claims, func(o infer.Claim) bool { return o.Key == c.Key }) {
			claims = append(claims, c)
		}
	}
	return claims
}
