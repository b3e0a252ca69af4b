package claims

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/pkg/siem"
)

// Evidence is what is known of a gateway's evidence between its crashes.
type Evidence struct {
	// Next is the index of the first event that was not looked at.
	Next int64
	// Checkpoint is the newest that was seen, and must stay contained.
	Checkpoint []byte
}

// Found is what a check found.
type Found struct {
	Sessions, Recovered int // since the last check
	Rows                int // in the target, of this round
	Events              int64
}

var (
	keys  = regexp.MustCompile(`k\d+c\d+n\d+x`)
	cells = regexp.MustCompile(`k\d+c\d+n\d+x\.[a-z0-9]+`)
)

// Check demands, of a gateway that was started again and that nobody uses, that its
// evidence proves what c was told and what the target holds of c's round: every answer is
// in a recording and has its result in the log, every row that was written or changed has
// the event of its statement, which was allowed; every session ended, or has a recovery
// event with the count found; and the log verifies, and contains what it had before. The
// auditor must see literals.
func (c *Claims) Check(ctx context.Context, auditor *api.Client, target string, e *Evidence) (Found, error) {
	var f Found
	events, err := since(ctx, auditor, e.Next)
	if err != nil {
		return f, fmt.Errorf("read the events: %w", err)
	}
	sessions := make(map[string][]*hoop.Event)
	for _, x := range events {
		if x.Event.Session != "" && x.Event.Counter > 0 {
			sessions[x.Event.Session] = append(sessions[x.Event.Session], x.Event)
		}
	}
	told := &told{statements: make(map[string][]*hoop.Event), results: make(map[*hoop.Event]*hoop.Result), cells: make(map[string]bool)}
	for _, id := range slices.Sorted(maps.Keys(sessions)) {
		recovered, err := ended(sessions[id])
		if err == nil {
			err = shown(ctx, auditor, id, recovered)
		}
		if err == nil {
			err = told.read(ctx, auditor, id, sessions[id])
		}
		if err != nil {
			return f, fmt.Errorf("session %s: %w", id, err)
		}
		f.Sessions++
		if recovered {
			f.Recovered++
		}
	}
	if err := c.answered(told); err != nil {
		return f, err
	}
	if f.Rows, err = c.intended(ctx, told, target); err != nil {
		return f, err
	}
	if f.Events, err = e.verify(ctx, auditor); err != nil {
		return f, err
	}
	e.Next += int64(len(events))
	return f, nil
}

// ended demands that a session's events are all there, and that the last commits to
// their number.
func ended(events []*hoop.Event) (recovered bool, err error) {
	last := events[len(events)-1]
	for i, e := range events {
		ends := e.Type == hoop.EventSessionEnd || e.Type == hoop.EventRecovery
		if e.Counter != int64(i+1) || ends != (e == last) {
			return false, fmt.Errorf("event %d of %d is a %s with counter %d", i+1, len(events), e.Type, e.Counter)
		}
	}
	if last.Record == nil || last.Record.Events != int64(len(events)) {
		return false, fmt.Errorf("it has %d events, and its end commits to %+v", len(events), last.Record)
	}
	recovered = last.Type == hoop.EventRecovery
	if recovered != (last.Cause == hoop.CauseCrash) {
		return false, fmt.Errorf("its last event is a %s, and the cause %q", last.Type, last.Cause)
	}
	return recovered, nil
}

// shown demands that people who browse sessions find one that a crash ended as such. One
// whose recording has its end, and whose event did not become durable, is not noted so;
// nor is one that the gateway itself ended since nothing could be recorded any more.
func shown(ctx context.Context, auditor *api.Client, id string, recovered bool) error {
	s, err := auditor.Session(ctx, id)
	switch {
	case hoop.AsError(err).Code == hoop.CodeNotFound && err != nil && recovered:
		return nil // it was killed before it was listed
	case err != nil:
		return err
	case s.EndedAt.IsZero():
		return errors.New("it is listed as running")
	case s.Cause == hoop.CauseCrash && !recovered, recovered && s.Cause != hoop.CauseCrash && s.Cause != hoop.CauseUnrecorded && s.Cause != "":
		return fmt.Errorf("it is listed with the cause %q; that a crash ended it is %v", s.Cause, recovered)
	}
	return nil
}

// told is what the evidence says.
type told struct {
	statements map[string][]*hoop.Event // by a key that the statement carries
	results    map[*hoop.Event]*hoop.Result
	cells      map[string]bool
}

// read adds what a session's recording says, as far as the log says so too.
func (t *told) read(ctx context.Context, auditor *api.Client, id string, events []*hoop.Event) error {
	statements := make(map[int64]*hoop.Event)
	for _, e := range events {
		switch e.Type {
		case hoop.EventStatement:
			statements[e.Counter] = e
		case hoop.EventResult:
			t.results[statements[e.Result.Statement]] = e.Result
		}
	}
	r, err := auditor.Recording(ctx, id)
	if hoop.AsError(err).Code == hoop.CodeNotFound && err != nil {
		if len(statements) > 0 {
			return errors.New("statements are in the log, and there is no recording")
		}
		return nil // it was killed while it began
	}
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	output := make(map[int64]*bytes.Buffer)
	for dec := json.NewDecoder(r); ; {
		var rec recording.Record
		if err := dec.Decode(&rec); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read the recording: %w", err)
		}
		if err := t.record(&rec, statements, output); err != nil {
			return err
		}
	}
	for _, b := range output {
		for _, cell := range cells.FindAll(b.Bytes(), -1) {
			t.cells[string(cell)] = true
		}
	}
	return nil
}

func (t *told) record(rec *recording.Record, statements map[int64]*hoop.Event, output map[int64]*bytes.Buffer) error {
	carried := rec.Wire
	switch st := rec.Statement; rec.Kind {
	case recording.KindOutput:
		if output[rec.Counter] == nil {
			output[rec.Counter] = new(bytes.Buffer)
		}
		output[rec.Counter].Write(rec.Wire)
		return nil
	case recording.KindStatement:
		if rec.Hidden {
			return errors.New("the auditor does not see literals")
		}
		carried = []byte(st.Text)
		for _, p := range st.Params {
			carried = append(append(carried, 0), p.Value...)
		}
		if e := statements[rec.Counter]; e != nil && e.Text != st.Shape {
			return fmt.Errorf("statement %d is %q in the log and %q in the recording", rec.Counter, e.Text, st.Shape)
		}
	case recording.KindInput:
	default:
		return nil
	}
	e := statements[rec.Counter]
	if e == nil {
		return nil // on record, and killed before the log had it: it must not have run
	}
	for _, key := range keys.FindAll(carried, -1) {
		t.statements[string(key)] = append(t.statements[string(key)], e)
	}
	return nil
}

// answered demands that what clients were told is on record.
func (c *Claims) answered(t *told) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for cell := range c.cells {
		if !t.cells[cell] {
			return fmt.Errorf("a client was shown %q, and no recording has it", cell)
		}
	}
	for key, tag := range c.done {
		if !slices.ContainsFunc(t.statements[key], func(e *hoop.Event) bool {
			r := t.results[e]
			return r != nil && r.Tag == tag && r.SQLState == ""
		}) {
			return fmt.Errorf("a client was told %q of the statement with %s, and no result on record says so", tag, key)
		}
	}
	return nil
}

// intended demands that every row of the round has the statements that wrote it.
func (c *Claims) intended(ctx context.Context, t *told, target string) (n int, err error) {
	conn, err := pgx.Connect(ctx, target)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, "SELECT key FROM written UNION SELECT changed FROM written WHERE changed IS NOT NULL")
	if err != nil {
		return 0, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	prefix := fmt.Sprintf("k%dc", c.round)
	for _, key := range all {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		n++
		if !slices.ContainsFunc(t.statements[key], func(e *hoop.Event) bool { return e.Action == hoop.Allow }) {
			return n, fmt.Errorf("the target has %s, and no statement on record wrote it", key)
		}
	}
	return n, nil
}

// verify exports the log with all that belongs to it, and verifies that.
func (e *Evidence) verify(ctx context.Context, auditor *api.Client) (events int64, err error) {
	key, err := auditor.LogKey(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask for the log's key: %w", err)
	}
	folder, err := exported(ctx, auditor)
	if err != nil {
		return 0, fmt.Errorf("export the log: %w", err)
	}
	r, err := auditlog.Verify(folder, auditlog.Options{Key: key.Verifier, OldCheckpoint: e.Checkpoint})
	if err != nil {
		return 0, fmt.Errorf("verify: %w", err)
	}
	if r.Open > 0 {
		return 0, fmt.Errorf("%d sessions have not ended", r.Open)
	}
	e.Checkpoint = folder[auditlog.CheckpointFile].Data
	return r.Size, nil
}

func exported(ctx context.Context, auditor *api.Client) (folder fstest.MapFS, err error) {
	b, err := auditor.Export(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	folder = make(fstest.MapFS)
	for r := tar.NewReader(b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return folder, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		folder[h.Name] = &fstest.MapFile{Data: data}
	}
}

// since gives the events from an index on, as far as the log has come.
func since(ctx context.Context, auditor *api.Client, from int64) (events []siem.Entry, err error) {
	b, err := auditor.Events(ctx, from, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for dec := json.NewDecoder(b); ; {
		var e siem.Entry
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
}
