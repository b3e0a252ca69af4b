package bundle

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
)

// What is read as events outside of a bundle's entries is written as the same bytes.
func FuzzOutside(f *testing.F) {
	f.Add(AppendOutside(AppendOutside(nil, 7, []byte(`{"a":"b c"}`)), 300, []byte("{}")))
	f.Add([]byte("7 {}"))
	f.Add([]byte("+7 {}\n"))
	f.Add([]byte("007 {}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		o := newOutside(bytes.NewReader(b))
		for {
			index, event, err := o.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				var fault *auditlog.Fault
				if !errors.As(err, &fault) || fault.File != auditlog.OutsideFile {
					t.Errorf("got %v", err)
				}
				return
			}
			again = AppendOutside(again, index, event)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%q became %q", b, again)
		}
	})
}
