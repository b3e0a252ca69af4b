package journal_test

import (
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/server/journal"
)

// slowFS is the real file system with an fsync that takes longer.
type slowFS struct {
	journal.OS
	extra time.Duration
}

type slowFile struct {
	journal.File
	extra time.Duration
}

func (s slowFS) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	f, err := s.OS.OpenFile(name, flag, perm)
	return slowFile{f, s.extra}, err
}

func (f slowFile) Sync() error {
	err := f.File.Sync()
	time.Sleep(f.extra)
	return err
}

// discard is a consumer that keeps nothing.
type discard struct{}

func (discard) Apply(journal.Kind, journal.Pos, []byte) error { return nil }
func (discard) Sync() error                                   { return nil }

func benchmarked(b *testing.B, fsys journal.FS) *journal.Journal {
	j, err := journal.Open(b.TempDir(), journal.Options{Log: quiet, FS: fsys})
	if err != nil {
		b.Fatal(err)
	}
	if err := j.Consume(discard{}, journal.KindEvent); err != nil {
		b.Fatal(err)
	}
	return j
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{300, 64 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			j := benchmarked(b, journal.OS{})
			record := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := j.Append(journal.KindEvent, record); err != nil {
					b.Fatal(err)
				}
			}
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkAppendWait(b *testing.B) {
	for _, disk := range []struct {
		name string
		fs   journal.FS
	}{{"disk", journal.OS{}}, {"disk+1ms", slowFS{extra: time.Millisecond}}} {
		for _, waiters := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/%d", disk.name, waiters), func(b *testing.B) {
				j := benchmarked(b, disk.fs)
				record := make([]byte, 300)
				b.ReportAllocs()
				var wg sync.WaitGroup
				for w := range waiters {
					wg.Go(func() {
						for i := w; i < b.N; i += waiters {
							pos, err := j.Append(journal.KindEvent, record)
							if err != nil {
								b.Error(err)
								return
							}
							if err := j.Wait(b.Context(), pos); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
				if err := j.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
