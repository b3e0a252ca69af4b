package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// long is a recording of n statements, each with an answer of some bytes, and its key.
func long(tb testing.TB, n, answer int) ([]byte, Index, *age.X25519Identity) {
	tb.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	e, err := NewEncoder(hoop.SessionInfo{ID: "s"}, nil, id.Recipient())
	if err != nil {
		tb.Fatal(err)
	}
	b := e.AppendHeader(nil)
	at := time.Duration(0)
	add := func(r Record) {
		at += time.Millisecond
		r.At = at
		if b, err = e.Append(b, &r); err != nil {
			tb.Fatal(err)
		}
	}
	add(Record{Kind: KindStart})
	for i := range n {
		add(Record{Kind: KindStatement, Counter: int64(i + 1), Statement: &Statement{Text: fmt.Sprint(i + 1)}})
		add(Record{Kind: KindOutput, Counter: int64(i + 1), Wire: make([]byte, answer)})
	}
	return e.AppendEnd(b), e.Index(), id
}

func TestIndex_FindsEveryStatement(t *testing.T) {
	b, want, id := long(t, 300, 3000)
	r, err := NewReader(bytes.NewReader(b), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x, err := r.Index(int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want.Finished = true
	if diff := cmp.Diff(want, x); diff != "" {
		t.Errorf("the encoder's and the file's: %s", diff)
	}
	if again, err := r.ReadIndex(); err != nil || !cmp.Equal(x, again) {
		t.Errorf("read from the beginning: %+v, %v", again, err)
	}
	if len(x.Marks) < 10 || x.Statements != 300 || x.Length != 601*time.Millisecond {
		t.Fatalf("%d marks, %d statements, %s", len(x.Marks), x.Statements, x.Length)
	}
	for n := range int64(300) {
		m := x.Before(func(m Mark) bool { return m.Statements <= n })
		if err := r.Seek(m.Position); err != nil {
			t.Fatal(err)
		}
		at := m.Statements
		for {
			rec, err := r.Next()
			if err != nil {
				t.Fatalf("statement %d: %v", n+1, err)
			}
			if rec.Kind != KindStatement {
				continue
			}
			if at++; at == n+1 {
				if rec.Statement.Text != fmt.Sprint(at) {
					t.Fatalf("statement %d is %q", at, rec.Statement.Text)
				}
				break
			}
		}
		if pos, _ := r.Position(); pos.Offset-m.Position.Offset > firstSpacing+5000 {
			t.Fatalf("statement %d is %d bytes behind its mark", n+1, pos.Offset-m.Position.Offset)
		}
	}
}

// A file that was cut, anywhere near its end, has no index, and that of what is there is
// made by reading it.
func TestIndex_OfAnUnfinishedFile(t *testing.T) {
	b, _, id := long(t, 5, 10)
	for cut := 1; cut < 300; cut++ {
		r, err := NewReader(bytes.NewReader(b[:len(b)-cut]), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Index(int64(len(b) - cut)); !errors.Is(err, ErrUnfinished) {
			t.Fatalf("%d bytes cut: %v", cut, err)
		}
		if x, err := r.ReadIndex(); err != nil || x.Finished || x.Statements == 0 {
			t.Fatalf("%d bytes cut: %+v, %v", cut, x, err)
		}
		if rec, err := r.Next(); err != nil || rec.Kind != KindStart {
			t.Fatalf("it is not at its beginning: %+v, %v", rec, err)
		}
		r.Close()
	}
}

// An index that leads elsewhere is not taken: neither by who reads it, nor by who reads
// the whole.
func TestIndex_IsProtected(t *testing.T) {
	b, _, id := long(t, 3, 10)
	for i := len(b) - footerBytes; i < len(b); i++ {
		c := bytes.Clone(b)
		c[i] ^= 1
		r, err := NewReader(bytes.NewReader(c), id)
		if err != nil {
			t.Fatal(err)
		}
		if x, err := r.Index(int64(len(c))); err == nil {
			t.Errorf("byte %d: %+v", i, x)
		}
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, ErrFormat) {
			t.Errorf("byte %d: %v", i, err)
		}
		r.Close()
	}
	// A writer with the key that lies.
	lie := func(change func(x *indexer)) []byte {
		e, err := NewEncoder(hoop.SessionInfo{ID: "s"}, nil, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		b, err := e.Append(e.AppendHeader(nil), &Record{Kind: KindStatement, Statement: &Statement{}})
		if err != nil {
			t.Fatal(err)
		}
		change(&e.index)
		return e.AppendEnd(b)
	}
	for name, change := range map[string]func(*indexer){
		"statements": func(x *indexer) { x.Statements = 7 },
		"length":     func(x *indexer) { x.Length = 1 },
		"no marks":   func(x *indexer) { x.Marks = nil },
		"offset":     func(x *indexer) { x.Marks[0].Position.Offset-- },
	} {
		r, err := NewReader(bytes.NewReader(lie(change)), id)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		r.Close()
	}
}

func TestReader_SeekToNoFrame(t *testing.T) {
	b, x, id := long(t, 50, 3000)
	r, err := NewReader(bytes.NewReader(b), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	good := x.Marks[1].Position
	for _, p := range []Position{
		{good.Frame, good.Offset + 1}, {good.Frame + 1, good.Offset}, {0, good.Offset}, {good.Frame, 0}, {1, 3}, {5, int64(len(b)) + 9},
	} {
		err := r.Seek(p)
		if err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnfinished) {
			t.Errorf("%v: %v", p, err)
		}
	}
	if err := r.Seek(good); err != nil {
		t.Fatal(err)
	}
	if rec, err := r.Next(); err != nil || rec.Kind != KindStatement {
		t.Errorf("after all that: %+v, %v", rec, err)
	}
	rest := opened(t, io.MultiReader(bytes.NewReader(b)), id)
	if err := rest.Seek(good); err == nil {
		t.Error("a stream was sought in")
	}
}

// opened is a Reader of in.
func opened(t *testing.T, in io.Reader, id age.Identity) *Reader {
	t.Helper()
	r, err := NewReader(in, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// However long a recording grows, its index stays small, and every statement is less
// than twice the spacing behind a mark.
func TestIndexer_StaysSmall(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		var x indexer
		var places []int64
		offset := int64(500)
		for i := range 1 + random.IntN(20000) {
			x.record(Position{uint64(i), offset}, &Record{Kind: KindStatement, At: time.Duration(i)}, true)
			places = append(places, offset)
			offset += 100 + random.Int64N(1<<random.IntN(20))
		}
		if len(x.Marks) > maxMarks {
			t.Fatalf("seed %d: %d marks", seed, len(x.Marks))
		}
		for n, at := range places {
			m := x.Before(func(m Mark) bool { return m.Statements <= int64(n) })
			if at-m.Position.Offset >= 2*max(x.spacing, firstSpacing) {
				t.Fatalf("seed %d: statement %d at %d: the mark before is at %d, spacing %d", seed, n, at, m.Position.Offset, x.spacing)
			}
		}
		again, err := parseIndex(x.append(nil))
		if err != nil || !cmp.Equal(again, x.copy()) {
			t.Fatalf("seed %d: read back as %+v, %v", seed, again, err)
		}
	}
}

// FuzzIndex: what is taken for an index encodes to the same bytes.
func FuzzIndex(f *testing.F) {
	var x indexer
	for i := range 4 {
		x.record(Position{uint64(i), int64(i) << 20}, &Record{Kind: KindStatement, At: time.Second}, true)
	}
	f.Add(x.append(nil))
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{0, 0, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := parseIndex(b)
		if err == nil && !bytes.Equal(x.append(nil), b) {
			t.Errorf("%x is written as %x", b, x.append(nil))
		}
	})
}

// readIndex reads a recording whole for its index.
func readIndex(tb testing.TB, b []byte, id age.Identity) {
	r, err := NewReader(bytes.NewReader(b), id)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	if _, err := r.ReadIndex(); err != nil {
		tb.Fatal(err)
	}
}

// Whoever makes an index looks into no record: the player of a long session that a crash
// ended waits for it.
func TestReadIndex_LooksIntoNoRecord(t *testing.T) {
	const n = 2000
	b, _, id := long(t, n, 10)
	if allocs := testing.AllocsPerRun(3, func() { readIndex(t, b, id) }) / (2 * n); allocs > 5 {
		t.Errorf("%.1f allocations for each record", allocs)
	}
}

func BenchmarkReadIndex(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		file, _, id := long(b, n, 100)
		b.Run(fmt.Sprint(n, " statements"), func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				readIndex(b, file, id)
			}
		})
	}
}
