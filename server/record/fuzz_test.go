package record

import (
	"bytes"
	"testing"
)

// FuzzPayload: what is taken for a journal record of a recording is what makes it again.
func FuzzPayload(f *testing.F) {
	f.Add(append(appendPrefix(nil, "s1", 99), "bytes"...))
	f.Add([]byte{})
	f.Add([]byte{200, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, at, data, err := parsePayload(b)
		if err != nil {
			return
		}
		if again := append(appendPrefix(nil, id, at), data...); !bytes.Equal(again, b) {
			t.Errorf("got %x, want %x", again, b)
		}
	})
}
