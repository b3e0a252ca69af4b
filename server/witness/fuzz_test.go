package witness

import (
	"bytes"
	"testing"
)

// FuzzRequest: what is taken for an add-checkpoint request is what makes it again.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("old 3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\ngw.example/audit\n5\nAAAA\n"))
	f.Add([]byte("old 0\n\nx"))
	f.Add([]byte("old 00\n\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		req, err := parseRequest(b)
		if err != nil {
			return
		}
		if again := req.encode(); !bytes.Equal(again, b) {
			t.Errorf("%q is encoded as %q", b, again)
		}
	})
}
