package auditlog

import (
	"errors"
	"fmt"
	"io"
	"math"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// outside is where Options.Outside is: the event that comes next.
type outside struct {
	index    int64 // never, where there is none
	raw      []byte
	expiries int // taken so far
}

const never = math.MaxInt64

// nextOutside reads the next event that is here without its bundle. Each must have a
// place in the log where the tile is read by its hashes.
func (v *verifier) nextOutside() error {
	former := v.outside.index
	v.outside.index = never
	if v.opt.Outside == nil {
		return nil
	}
	index, raw, err := v.opt.Outside()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	if index <= former || index >= v.now.Size || v.opt.Span.Holds(index, v.now.Size) {
		return &Fault{File: OutsideFile, Index: index, What: "it does not stand in the order of the log, is not in the log, or has its place in a bundle of entries here"}
	}
	v.outside.index, v.outside.raw = index, raw
	return nil
}

// takeOutside checks the next event against its leaf, and goes on to the one behind it.
func (v *verifier) takeOutside(leaf tlog.Hash, tile string) error {
	index := v.outside.index
	fault := func(err error, format string, args ...any) error {
		return &Fault{File: OutsideFile, Index: index, What: fmt.Sprintf(format, args...), Err: err}
	}
	if tlog.RecordHash(v.outside.raw) != leaf {
		return fault(nil, "the event is not the one whose hash is in %s", tile)
	}
	e, err := Decode(v.outside.raw)
	if err != nil {
		return fault(err, "the event cannot be read")
	}
	switch e.Type {
	case hoop.EventExpired:
		if at, ok := v.sessions.expired[e.Session]; ok {
			return fault(nil, "that this recording is gone says event %d, which is here", at.index)
		}
		if what := v.sessions.expire(index, e); what != "" {
			return fault(nil, "%s", what)
		}
		v.outside.expiries++
	case hoop.EventCheckpoint:
		if err := v.other(index, e); err != nil {
			return err
		}
	default:
		return fault(nil, "nothing here rests on an event of type %s", e.Type)
	}
	return v.nextOutside()
}
