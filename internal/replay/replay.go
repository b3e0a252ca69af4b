// Package replay turns a recording into what a terminal shows: statements with their
// decisions and approvals, and the answers as the client saw them, decoded from the
// protocol's bytes.
//
// It reads the API's form of a recording (one recording.Record in JSON per line) as a
// stream and holds no more than one record and one window of rows. Everything that
// comes from the recording is escaped (iostreams.Printable): data cannot move the
// cursor, and every line of it stands behind a mark of ours, so that it cannot pass
// for another part of the replay.
package replay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hoopctl/hoopctl/pkg/recording"
)

// maxLine bounds a record in JSON, in bytes: the largest frame of a recording, its
// bytes in base64.
const maxLine = recording.MaxFrame/3*4 + 1<<20

// Reader takes a recording apart. It is not safe for concurrent use.
type Reader struct {
	sc  *bufio.Scanner
	end bool
	n   int
}

// NewReader reads the API's form of a recording.
func NewReader(r io.Reader) *Reader {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &Reader{sc: sc}
}

// Next gives the next record; io.EOF after the last, recording.ErrUnfinished where the
// recording stops without its end mark.
func (r *Reader) Next() (*recording.Record, error) {
	for r.sc.Scan() {
		if len(r.sc.Bytes()) == 0 {
			continue
		}
		r.n++
		rec := new(recording.Record)
		if err := json.Unmarshal(r.sc.Bytes(), rec); err != nil {
			return nil, fmt.Errorf("record %d of the recording: %w", r.n, err)
		}
		r.end = rec.Kind == recording.KindEnd
		return rec, nil
	}
	if err := r.sc.Err(); err != nil {
		return nil, fmt.Errorf("read the recording after record %d: %w", r.n, err)
	}
	if !r.end {
		return nil, recording.ErrUnfinished
	}
	return nil, io.EOF
}

// Player shows a recording in the time it took, or faster.
type Player struct {
	Out   io.Writer
	Style Style
	Speed float64 // 2 is twice as fast; 0 does not wait at all
}

// Play shows the recording of r until its end or that of ctx.
func (p *Player) Play(ctx context.Context, r io.Reader) error {
	in, view := NewReader(r), NewRenderer(p.Out, p.Style)
	start := time.Now()
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return view.Flush()
		}
		if err != nil {
			return errors.Join(view.Flush(), err)
		}
		if err := p.wait(ctx, start, rec.At); err != nil {
			return err
		}
		if err := view.Render(rec); err != nil {
			return err
		}
	}
}

// wait returns when at has come, in the time of the replay that began at start.
func (p *Player) wait(ctx context.Context, start time.Time, at time.Duration) error {
	if p.Speed <= 0 {
		return ctx.Err()
	}
	left := time.Duration(float64(at)/p.Speed) - time.Since(start)
	if left <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
