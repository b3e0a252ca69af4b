package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/record"
	"github.com/hoopctl/hoopctl/server/store"
)

// endLost ends in the store, for people who browse it, the sessions that this gateway
// had when it stopped without ending them; the log has its own recovery events by now.
// Those of other gateways on the same store are theirs.
func (g *Gateway) endLost(ctx context.Context, db *store.Store, rec *record.Recorder) error {
	open, err := db.OpenSessions(ctx)
	if err != nil {
		return fmt.Errorf("find the sessions of before: %w", err)
	}
	for _, s := range open {
		if s.Gateway != g.audit.VerifierKey() {
			continue
		}
		s.Why, s.Cause = "the gateway stopped before the session ended; this is what was found of it", hoop.CauseCrash
		lasted, err := recount(ctx, rec, &s)
		if err != nil {
			g.log.Warn("a lost session's recording cannot be read to its end", "session", s.ID, "error", err)
		}
		s.EndedAt = s.StartedAt.Add(lasted)
		if err := db.SaveSession(ctx, s); err != nil {
			return fmt.Errorf("end session %s: %w", s.ID, err)
		}
	}
	return nil
}

// recount counts what the recording of s has, and says when its last record was made.
func recount(ctx context.Context, rec *record.Recorder, s *hoop.SessionInfo) (lasted time.Duration, err error) {
	r, err := rec.Reader(ctx, s.ID)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	s.Statements, s.Rows, s.Changed, s.Bytes, s.Masked = 0, 0, 0, 0, 0
	for {
		record, err := r.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, recording.ErrUnfinished):
			return lasted, nil
		case err != nil:
			return lasted, err
		}
		lasted = record.At
		switch record.Kind {
		case recording.KindStatement:
			s.Statements++
		case recording.KindOutput:
			s.Bytes += int64(len(record.Wire)) + record.Dropped
		case recording.KindResult:
			s.Rows += record.Result.Rows
			s.Changed += record.Result.Changed
			s.Masked += record.Result.Masked
		case recording.KindEnd: // it did end: only the store was not told
			s.Why, s.Cause = record.Text, ""
		}
	}
}
