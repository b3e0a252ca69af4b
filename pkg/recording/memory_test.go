package recording

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"filippo.io/age"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// A gigabyte of output is written and read back in the memory that some windows take,
// however large the recording.
func TestRecording_MemoryIsBounded(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCompressor(1)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEncoder(hoop.SessionInfo{ID: "s"}, c, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	const windows, window = 1024, 1 << 20
	rows := bytes.Repeat([]byte("D\x00\x00\x00\x14\x00\x01\x00\x00\x00\x0a0123456789"), window/21)
	r, w := io.Pipe()
	go func() {
		buf := e.AppendHeader(nil)
		for i := range windows {
			if _, err := w.Write(buf); err != nil {
				return
			}
			var err error
			if buf, err = e.Append(buf[:0], &Record{Kind: KindOutput, Counter: int64(i), Wire: rows}); err != nil {
				_ = w.CloseWithError(err)
				return
			}
		}
		_, _ = w.Write(buf)
		_, _ = w.Write(e.AppendEnd(nil))
		_ = w.Close()
	}()
	rd, err := NewReader(r, id)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	n, most := 0, uint64(0)
	for ; ; n++ {
		rec, err := rd.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(rec.Wire) != len(rows) {
			t.Fatalf("%d bytes", len(rec.Wire))
		}
		if n%64 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
	}
	if n != windows || most > 48<<20 {
		t.Errorf("%d windows; %d MiB of heap", n, most>>20)
	}
	t.Logf("%d MiB of heap at most", most>>20)
}
