package postgres

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/hoopctl/hoopctl/server/mask"
)

// longValue is the longest value of a long row that is masked as a whole.
const longValue = 1 << 20

// longRow is a row that must be masked and is too long to be held. A message says its
// length first, so what comes out of it is gathered until the length is known: up to the
// last column whose values change theirs. From there on it is passed on as it comes.
type longRow struct {
	limit  int               // bytes of out while size is not known
	out    []byte            // what the client gets: 1B D + 4B length + 2B n + values
	size   int               // of the client's message, its type included; 0: not known yet
	masked int64             // values that were changed
	rest   []*mask.Transform // of the columns still to come
	left   int               // bytes of the target's message still to come
	value  int               // bytes of the value at hand still to come
	stream *mask.Stream      // what these go through; nil: they stay as they are
	begun  bool              // n was read
	sent   bool              // the beginning of out was
}

// newLongRow is for a message of size bytes, from behind its header on.
func newLongRow(size, limit int, columns []*mask.Transform) *longRow {
	l := &longRow{limit: limit, left: size - headerSize, rest: columns}
	l.out, _ = begin(nil, 'D')
	return l
}

// take consumes what it can of in, which is what was read of the message; nothing where
// more must be read first. Once size is known, the caller takes what is in out.
func (l *longRow) take(in []byte) (n int, done bool, err error) {
	for l.size == 0 || len(l.out) < windowSize {
		used := 0
		switch rest := in[n:]; {
		case l.value > 0:
			used = min(l.value, len(rest))
			l.piece(rest[:used])
		case !l.begun:
			if len(rest) < 2 {
				return n, false, nil
			}
			if int(binary.BigEndian.Uint16(rest)) != len(l.rest) {
				return n, false, errMalformed
			}
			l.out, l.begun = append(l.out, rest[:2]...), true
			used = 2
		default:
			if l.size == 0 && !slices.ContainsFunc(l.rest, resizes) {
				l.size = len(l.out) + l.left
				binary.BigEndian.PutUint32(l.out[1:], uint32(l.size-1))
			}
			if len(l.rest) == 0 {
				if l.left != 0 {
					err = errMalformed
				}
				return n, true, err
			}
			if used, err = l.column(rest); err != nil {
				return n, false, err
			}
		}
		if used == 0 {
			return n, false, nil
		}
		n += used
		l.left -= used
	}
	return n, false, nil
}

// resizes reports whether masking changes the length of a column's long values, or what
// is NULL.
func resizes(t *mask.Transform) bool {
	if t == nil {
		return false
	}
	n, null := t.Stream(longValue).Len(longValue)
	more, _ := t.Stream(longValue + 1).Len(longValue + 1) // char(n) may have the length of one
	_, stays, _ := t.Append(nil, nil)
	return null || n != longValue || more != longValue+1 || !stays
}

// column begins the next column, whose length is at the beginning of in, or does all of
// it; used is 0 where more must be read first.
func (l *longRow) column(in []byte) (used int, err error) {
	if len(in) < 4 {
		return 0, nil
	}
	t, size := l.rest[0], int(int32(binary.BigEndian.Uint32(in)))
	if size < -1 || 4+max(size, 0) > l.left {
		return 0, errMalformed
	}
	used = 4
	switch {
	case t == nil:
		l.length(max(size, 0), size < 0)
		l.value = max(size, 0)
	case size < 0:
		l.whole(t, nil)
	case l.size == 0 && size <= longValue:
		if used += size; len(in) < used {
			return 0, nil
		}
		l.whole(t, in[4:used:used])
	default:
		l.stream = t.Stream(int64(size))
		n, null := l.stream.Len(int64(size))
		l.length(int(n), null)
		if l.value = size; size == 0 {
			l.piece(nil)
		}
	}
	if l.size == 0 && len(l.out)+l.kept() > l.limit {
		return 0, tooLong(len(l.out)+l.left, l.limit)
	}
	l.rest = l.rest[1:]
	return used, nil
}

// kept is how many bytes of the value at hand come out.
func (l *longRow) kept() int {
	if l.stream == nil {
		return l.value
	}
	n, _ := l.stream.Len(int64(l.value))
	return int(n)
}

func (l *longRow) length(n int, null bool) {
	if null {
		l.out = append(l.out, 0xff, 0xff, 0xff, 0xff)
		return
	}
	l.out = binary.BigEndian.AppendUint32(l.out, uint32(n))
}

// piece takes the next bytes of the value at hand.
func (l *longRow) piece(b []byte) {
	l.value -= len(b)
	if l.stream == nil {
		l.out = append(l.out, b...)
		return
	}
	l.out = l.stream.Append(l.out, b)
	if l.value > 0 {
		return
	}
	var changed bool
	if l.out, changed = l.stream.End(l.out); changed {
		l.masked++
	}
	l.stream = nil
}

// whole adds a value that is masked as a whole.
func (l *longRow) whole(t *mask.Transform, value []byte) {
	at := len(l.out)
	out, null, changed := t.Append(append(l.out, 0, 0, 0, 0), value)
	if changed {
		l.masked++
	}
	if null {
		l.out = append(out[:at], 0xff, 0xff, 0xff, 0xff)
		return
	}
	binary.BigEndian.PutUint32(out[at:], uint32(len(out)-at-4))
	l.out = out
}

// longColumns goes on with the long row; over is false where more must be read first.
func (a *answerer) longColumns() (over bool, err error) {
	for l := a.long; ; {
		n, done, err := l.take(a.in.bytes(a.in.buffered()))
		a.drop(n)
		switch {
		case errors.Is(err, errMalformed):
			return false, a.fault("DataRow: %v", err)
		case err != nil:
			return false, err
		case l.size > 0:
			if err := a.sendLong(done); err != nil || done {
				return true, err
			}
		}
		if n == 0 {
			return false, nil
		}
	}
}

// sendLong passes on what has come out of the long row.
func (a *answerer) sendLong(done bool) error {
	l := a.long
	if !l.sent {
		if err := a.run.run.Touched(); err != nil {
			return err
		}
		a.run.gave(l.size)
		if err := a.flush(); err != nil {
			return err
		}
		l.sent = true
	}
	if done {
		a.run.res.Masked += l.masked
		a.long = nil
	}
	err := a.write(l.out)
	l.out = l.out[:0]
	return err
}
