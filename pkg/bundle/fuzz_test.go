package bundle_test

import (
	"bytes"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/bundle"
)

// What is read as a manifest is written as the same bytes.
func FuzzManifest(f *testing.F) {
	m := bundle.Manifest{Format: bundle.Format, Origin: "x/audit", Size: 3, Root: "r", End: 3, Recordings: true}
	b, err := m.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := bundle.DecodeManifest(b)
		if err != nil {
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q became %q, %v", b, again, err)
		}
	})
}

// No archive, however made, is a bundle unless it is one; and none is read without end.
func FuzzVerify(f *testing.F) {
	var b bytes.Buffer
	w := bundle.NewWriter(&b)
	for _, name := range []string{"README.txt", "bundle.json", "key.pub", "checkpoint"} {
		if err := w.File(name, []byte("{}\n")); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{}); err == nil {
			t.Error("taken for a bundle")
		}
	})
}
