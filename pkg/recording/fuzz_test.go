package recording_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/recording"
)

// FuzzRecord: what is taken for a record encodes back to the same bytes.
func FuzzRecord(f *testing.F) {
	for _, r := range sample() {
		b, err := recording.AppendRecord(nil, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, rest, err := recording.ParseRecord(b)
		if err != nil {
			return
		}
		again, err := recording.AppendRecord(nil, r)
		if err != nil || !bytes.Equal(again, b[:len(b)-len(rest)]) {
			t.Errorf("%q encodes back to %q, %v", b, again, err)
		}
	})
}

// FuzzFile: headers and frames of any content are refused, without a panic, and
// Inspect agrees with the Reader on what is finished.
func FuzzFile(f *testing.F) {
	id, good := golden(f)
	f.Add(good)
	f.Add(good[:len(good)-30])
	f.Add(good[:len(good)-16])
	f.Add(good[:20])
	f.Add([]byte("HOOPREC2\x00\x00\x00\x02{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, inspectErr := recording.Inspect(bytes.NewReader(b))
		_, err := readAll(b, id)
		if err == nil && (inspectErr != nil || !s.Finished) {
			t.Errorf("read to its end, and inspected as %+v, %v", s, inspectErr)
		}
		if err == nil && !bytes.Equal(b, good) {
			t.Errorf("a file was taken that was never written")
		}
		if errors.Is(err, recording.ErrUnfinished) && s.Finished {
			t.Errorf("unfinished, and inspected as finished")
		}
	})
}
