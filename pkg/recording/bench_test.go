package recording_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

func BenchmarkAppend(b *testing.B) {
	id := identity(b)
	row := []byte("D\x00\x00\x00\x1c\x00\x03\x00\x00\x00\x04\x00\x00\x00\x07 alice@example.org ")
	for _, size := range []int{200, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("output %d", size), func(b *testing.B) {
			e, err := recording.NewEncoder(hoop.SessionInfo{ID: "s"}, compressor(b), id.Recipient())
			if err != nil {
				b.Fatal(err)
			}
			e.AppendHeader(nil)
			var wire []byte
			for i := 0; len(wire) < size; i++ {
				wire = append(append(wire, row...), fmt.Sprint(i*7919)...)
			}
			r := &recording.Record{Kind: recording.KindOutput, Counter: 2, Wire: wire[:size]}
			var dst []byte
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if dst, err = e.Append(dst[:0], r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("statement", func(b *testing.B) {
		e, err := recording.NewEncoder(hoop.SessionInfo{ID: "s"}, compressor(b), id.Recipient())
		if err != nil {
			b.Fatal(err)
		}
		e.AppendHeader(nil)
		var dst []byte
		r := sample()[1]
		b.ReportAllocs()
		for b.Loop() {
			if dst, err = e.Append(dst[:0], r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	id := identity(b)
	records := make([]*recording.Record, 200)
	for i := range records {
		records[i] = &recording.Record{Kind: recording.KindOutput, Wire: bytes.Repeat([]byte(fmt.Sprint("row ", i)), 5000)}
	}
	file := record(b, records, id.Recipient())
	b.SetBytes(int64(len(records) * 5000 * 7))
	for b.Loop() {
		if _, err := readAll(file, id); err != nil {
			b.Fatal(err)
		}
	}
}
