package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// recording streams a recording in clear, or a part of it. That it was read, and whether
// literals were shown, is on record before the first byte leaves.
func (h *handler) recording(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	q := query{values: r.URL.Query()}
	limit, from := q.number("bytes"), q.position("from")
	if q.err != nil {
		return q.err
	}
	s, err := h.visible(r.Context(), id, r.PathValue("id"))
	if err != nil {
		return err
	}
	rec, err := h.Recording(r.Context(), s.ID)
	if err != nil {
		return err
	}
	defer rec.Close()
	shown := func(id hoop.Identity) bool { return own(id, &s) || h.Literals(id) }
	t := &telling{rec: rec, limit: limit, literals: shown(id), key: h.examines(id), facts: h.examines(id) && !own(id, &s)}
	if err := h.read(r, id, &s, t.literals, limit > 0); err != nil {
		return err
	}
	if err := t.begin(from); err != nil {
		return err
	}
	out, err := h.stream(w, r, id, func(id hoop.Identity) error {
		if t.literals && !shown(id) {
			return hoop.Errorf(hoop.CodeDenied, "the rules show literals of session %s to you no longer", s.ID)
		}
		return h.sees(id, &s)
	})
	if err != nil {
		return err
	}
	defer out.end()
	w.Header().Set("Content-Type", "application/x-ndjson")
	if limit > 0 {
		w.Header().Set("Trailer", api.HeaderNext)
	}
	w.WriteHeader(http.StatusOK)
	next, err := t.tell(out)
	h.abortOn(r, out, err)
	if next != nil {
		w.Header().Set(api.HeaderNext, next.String())
	}
	return nil
}

// index answers where the statements of a recording are: numbers and times, which the
// list of sessions has as well.
func (h *handler) index(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	s, err := h.visible(r.Context(), id, r.PathValue("id"))
	if err != nil {
		return err
	}
	rec, err := h.Recording(r.Context(), s.ID)
	if err != nil {
		return err
	}
	defer rec.Close()
	x, err := rec.Index()
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, x)
}

// read puts on record that id reads a recording: once where it comes as a whole, once
// an hour where it comes in parts.
func (h *handler) read(r *http.Request, id hoop.Identity, s *hoop.SessionInfo, literals, part bool) error {
	shown := "hidden"
	if literals {
		shown = "shown"
	}
	reader := hoop.ReaderOther
	if own(id, s) {
		reader = hoop.ReaderOwner
	}
	k := reading{id.Subject, s.ID, literals}
	if part && h.readings.recent(k, h.Now()) {
		return nil
	}
	err := h.record(r.Context(), id, &hoop.Event{
		Type: hoop.EventRead, Target: s.Target, Grant: s.Grant, Session: s.ID,
		Details: []hoop.Detail{{Name: "session_subject", Value: s.Identity.Subject}, {Name: hoop.ReaderDetail, Value: reader}, {Name: "literals", Value: shown}},
	})
	if err == nil {
		h.readings.add(k, h.Now())
	}
	return err
}

// reading is who reads what.
type reading struct {
	subject, session string
	literals         bool
}

// readingTime is how long an event says that somebody reads a recording.
const readingTime = time.Hour

// readings are those on record by now. It is safe for concurrent use.
type readings struct {
	mu   sync.Mutex
	last map[reading]time.Time
}

func (s *readings) recent(k reading, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.last[k]
	return ok && now.Sub(t) < readingTime
}

func (s *readings) add(k reading, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = make(map[reading]time.Time)
	}
	for k, t := range s.last {
		if now.Sub(t) >= readingTime {
			delete(s.last, k)
		}
	}
	s.last[k] = now
}

// telling gives a recording out, a record per line.
type telling struct {
	rec      Recording
	limit    int64 // bytes of the recording; 0: all of it
	literals bool  // show them
	key      bool  // show the key of digests, if literals are shown
	facts    bool  // show what approvers were told about the data
	from     recording.Position
	first    *recording.Record
	err      error // instead of first
}

// begin goes to where it shall begin and takes the first record. A place at which no
// frame stands is hoop.CodeInvalid.
func (t *telling) begin(from recording.Position) error {
	if !from.IsZero() {
		if err := t.rec.Seek(from); err != nil {
			return nowhere(from, err)
		}
	}
	t.from, _ = t.rec.Position()
	t.first, t.err = t.rec.Next()
	if errors.Is(t.err, recording.ErrFormat) && !from.IsZero() {
		return nowhere(from, t.err)
	}
	return nil
}

func nowhere(from recording.Position, err error) error {
	return &hoop.Error{Code: hoop.CodeInvalid, Message: "no part of the recording begins at " + from.String(), Hint: "take positions from its index", Err: err}
}

// tell writes records until the limit; next is where the one begins that it did not
// write, nil where there is none by now.
func (t *telling) tell(w io.Writer) (next *recording.Position, err error) {
	enc := json.NewEncoder(w)
	for rec, err := t.first, t.err; ; rec, err = t.rec.Next() {
		if errors.Is(err, io.EOF) || errors.Is(err, recording.ErrUnfinished) {
			return nil, nil // no record of kind "end" tells the reader so
		}
		if err != nil {
			return nil, err
		}
		if !t.literals {
			rec = rec.Hide()
		}
		if !t.key {
			rec.DigestKey = nil
		}
		if !t.facts && rec.Request != nil {
			rec.Request.Facts = nil
		}
		if err := enc.Encode(rec); err != nil {
			return nil, err
		}
		if at, whole := t.rec.Position(); whole && t.limit > 0 && at.Offset-t.from.Offset >= t.limit {
			return &at, nil
		}
	}
}
