package mask

import (
	"encoding/binary"
	"strings"
	"testing"
)

func (k key) String() string {
	both := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, k.lo), k.hi)
	return strings.TrimRight(string(both), "\x00")
}

// Bytes that are looked at eight at a time are what they are one by one.
func TestLetters_AreLetters(t *testing.T) {
	for c := range 256 {
		for n := range 8 {
			for _, beside := range []uint64{0, 0xff, 'a', 'Z', 0x80, '@', '{'} {
				x := beside*each&^(0xff<<(8*n)) | uint64(c)<<(8*n)
				if got := letters(x)>>(8*n)&0x80 != 0; got != isAlpha(byte(c)) {
					t.Fatalf("%#x at %d beside %#x: a letter is %v", c, n, beside, got)
				}
			}
		}
	}
}

func TestLoad_EndsWithTheText(t *testing.T) {
	s := []byte("abcdefghijklmnopqrst")
	for n := range len(s) + 1 {
		for i := range n + 2 {
			var want [8]byte
			copy(want[:], s[min(i, n):n])
			if got := load(s[:n], i); got != binary.LittleEndian.Uint64(want[:]) {
				t.Errorf("from %d of %q: %x, want %x", i, s[:n], got, want)
			}
		}
	}
}

// A word is told from all others, whatever its case.
func TestDictionary_KnowsItsWords(t *testing.T) {
	for _, s := range words.slots {
		if s.flags == 0 {
			continue
		}
		w := s.key.String()
		for _, as := range []string{w, strings.ToUpper(w), strings.ToUpper(w[:1]) + w[1:]} {
			if got := words.get([]byte(as)); got != s.flags {
				t.Errorf("%q: %b, want %b", as, got, s.flags)
			}
		}
		for _, other := range []string{w + "q" + w, w + "\xff", "zq" + w, w + strings.Repeat("q", 16), strings.Repeat("q", 16) + w, w[:len(w)-1] + "\xff"} {
			if got := words.get([]byte(other)); got != 0 {
				t.Errorf("%q is known as %b", other, got)
			}
		}
	}
	if words.get(nil) != 0 || words.get([]byte("X\rRAY")) != 0 || words.get([]byte("x-RAY")) == 0 {
		t.Error("what is no letter has no case")
	}
}
