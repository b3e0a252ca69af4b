package session

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// maxParams is how many bytes of bound values stand in one record with their statement.
// Values that do not fit beside those before them are long: they follow in pieces of
// that size.
const maxParams = 1 << 20

// long tells which values are.
func long(params []hoop.Param) (out []bool) {
	room := maxParams
	for i, p := range params {
		if len(p.Value) <= room {
			room -= len(p.Value)
			continue
		}
		if out == nil {
			out = make([]bool, len(params))
		}
		out[i] = true
	}
	return out
}

// recorded is the parameters as the recording keeps them with their statement.
func recorded(params []hoop.Param) []recording.Param {
	out := make([]recording.Param, 0, len(params))
	apart := long(params)
	for i, p := range params {
		own := recording.Param{Type: p.Type, Binary: p.Binary, Null: p.Value == nil, Value: p.Value}
		if apart != nil && apart[i] {
			own.Value, own.Size = nil, int64(len(p.Value))
		}
		out = append(out, own)
	}
	return out
}

// recordLong records the values that do not stand with their statement. s.mu is held.
func (s *Session) recordLong(r *Run) error {
	var piece []byte
	write := func() error {
		_, err := s.rec.Append(recording.Record{Kind: recording.KindInput, At: s.since(), Counter: r.number, Wire: piece})
		piece = piece[:0]
		return err
	}
	for i, apart := range long(r.st.Params) {
		if !apart {
			continue
		}
		for rest := r.st.Params[i].Value; len(rest) > 0; {
			n := min(len(rest), maxParams-len(piece))
			piece, rest = append(piece, rest[:n]...), rest[n:]
			if len(piece) == maxParams {
				if err := write(); err != nil {
					return err
				}
			}
		}
	}
	if len(piece) == 0 {
		return nil
	}
	return write()
}

// digested has the SHA-256 of long values in their place, and their lengths.
func digested(params []hoop.Param) (out []hoop.Param, lengths map[int]int) {
	apart := long(params)
	if apart == nil {
		return params, nil
	}
	out, lengths = slices.Clone(params), map[int]int{}
	for i := range out {
		if apart[i] {
			lengths[i] = len(out[i].Value)
			sum := sha256.Sum256(out[i].Value)
			out[i].Value = sum[:]
		}
	}
	return out, lengths
}

// shownParam is how much of a long value people see who approve.
const shownParam = 4 << 10

// Printable renders bound parameters for people who approve: text as it is, binary
// as \x hex; of long values the beginning, as long as that is not too much.
func Printable(params []hoop.Param) []string {
	var out []string
	apart, room := long(params), maxParams
	for i, p := range params {
		size := len(p.Value)
		if apart != nil && apart[i] {
			p.Value = p.Value[:min(size, shownParam, room)]
			room -= len(p.Value)
			for cut := 0; cut < utf8.UTFMax && !p.Binary && !utf8.Valid(p.Value); cut++ { // within a character
				p.Value = p.Value[:len(p.Value)-1]
			}
		}
		switch {
		case p.Value == nil:
			out = append(out, "NULL")
		case !p.Binary && utf8.Valid(p.Value):
			out = append(out, string(p.Value))
		default:
			out = append(out, fmt.Sprintf(`\x%x`, p.Value))
		}
		if len(p.Value) < size {
			out[i] += fmt.Sprintf("… (the first %d of %d bytes; the recording has them)", len(p.Value), size)
		}
	}
	return out
}
