package sink

import (
	"bytes"
	"testing"
)

// FuzzPosition: what is taken for a position is what makes it again.
func FuzzPosition(f *testing.F) {
	f.Add([]byte("12\n"))
	f.Add([]byte("+1\n"))
	f.Add([]byte("007\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parsePosition(b)
		if err != nil {
			return
		}
		if n < 0 || !bytes.Equal(encodePosition(n), b) {
			t.Errorf("%q was taken for %d", b, n)
		}
	})
}
