package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Streams are the long answers under way: recordings, the log, bundles. They end with what
// lets somebody read them, as sessions do, even where the reader has stopped reading. The
// zero value has none; its methods may be called concurrently, and do not block.
type Streams struct {
	mu   sync.Mutex
	open map[*stream]struct{}
}

// Cut breaks off what a subject reads, or those who act for it.
func (s *Streams) Cut(subject, why string) {
	s.cut(func(id hoop.Identity) error {
		if id.Subject == subject || slices.Contains(id.Chain, subject) {
			return ended(why)
		}
		return nil
	})
}

// CutSignIn breaks off what agents read that stand on a sign-in.
func (s *Streams) CutSignIn(signIn, why string) {
	s.cut(func(id hoop.Identity) error {
		if id.Delegation != nil && id.Delegation.SignIn == signIn {
			return ended(why)
		}
		return nil
	})
}

func ended(why string) error {
	return hoop.Errorf(hoop.CodeRevoked, "the answer was broken off: %s", why)
}

// Recheck breaks off what nobody may read any more, now that the rules have changed.
func (s *Streams) Recheck() { s.cut(nil) }

// cut breaks off those for whose readers why gives an error; nil asks each stream's own rule.
func (s *Streams) cut(why func(hoop.Identity) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.open {
		ask := why
		if ask == nil {
			ask = o.may
		}
		if err := ask(o.reader); err != nil {
			o.cancel(err)
			// A reader that has stopped reading keeps a write waiting. Pages of our own have no
			// deadlines, and write what is there at once.
			_ = o.control.SetWriteDeadline(time.Now())
		}
	}
}

// stream is the body of an answer that may break off.
type stream struct {
	ctx     context.Context // ends with the right to read it; its cause says why
	cancel  context.CancelCauseFunc
	all     *Streams
	to      io.Writer
	control *http.ResponseController
	reader  hoop.Identity
	may     func(hoop.Identity) error
	err     error // why the reader could not be written to
}

// stream begins a long answer to id, as long as may lets it have that. Its end must be
// called.
func (h *handler) stream(w http.ResponseWriter, r *http.Request, id hoop.Identity, may func(hoop.Identity) error) (*stream, error) {
	s := &stream{all: h.Streams, to: w, control: http.NewResponseController(w), reader: id, may: may}
	s.ctx, s.cancel = context.WithCancelCause(r.Context())
	s.all.mu.Lock()
	if s.all.open == nil {
		s.all.open = map[*stream]struct{}{}
	}
	s.all.open[s] = struct{}{}
	s.all.mu.Unlock()
	// Only now is the end of a sign-in sure to reach us: had it come before?
	id, err := h.identify(r)
	s.all.mu.Lock()
	s.reader = id
	s.all.mu.Unlock()
	if err == nil {
		err = may(id)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (s *stream) end() {
	s.all.mu.Lock()
	delete(s.all.open, s)
	s.all.mu.Unlock()
	s.cancel(nil)
}

func (s *stream) Write(b []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	n, err := s.to.Write(b)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

// left reports whether err says no more than that the reader is gone, or may not read on.
func (s *stream) left(err error) bool {
	return s.err != nil && errors.Is(err, s.err) || s.ctx.Err() != nil && errors.Is(err, context.Cause(s.ctx))
}

// abortOn breaks the connection where a stream failed, so that nobody takes a part for
// the whole. A reader that leaves, as `hoopctl sessions replay ID | head` does, is no
// fault of the gateway's.
func (h *handler) abortOn(r *http.Request, out *stream, err error) {
	if err == nil {
		return
	}
	level, what := slog.LevelError, "answer broken off"
	if out.left(err) {
		level, what = slog.LevelInfo, "a reader left before the end of the answer"
		// net/http ends the request's context where a write fails, so later than ours.
		if cause := context.Cause(out.ctx); cause != nil && !errors.Is(cause, context.Cause(r.Context())) {
			what, err = "a reader may not have the rest of the answer", cause
		}
	}
	h.Log.LogAttrs(r.Context(), level, what, slog.String("path", r.URL.Path), slog.String("subject", out.reader.Subject), slog.Any("error", err))
	panic(http.ErrAbortHandler)
}
