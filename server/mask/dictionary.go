package mask

import (
	"encoding/binary"
	mathbits "math/bits"
)

// dictionary maps words to flags, whatever their case (ASCII). It is filled before it
// is used; then it may be used concurrently.
type dictionary struct {
	slots []slot
	shift int // of hashes, to slots
}

type slot struct {
	key   key
	flags uint64 // 0 is an empty slot
}

// newDictionary makes room for 1<<bits words, at least twice as many as will be added.
func newDictionary(bits int) *dictionary { return &dictionary{make([]slot, 1<<bits), 64 - bits} }

func (d *dictionary) add(word string, flags uint64) {
	if len(word) > maxKey {
		panic("a word of more than 16 bytes: " + word)
	}
	k := keyFor([]byte(word))
	s := d.slot(k)
	s.key, s.flags = k, s.flags|flags
}

func (d *dictionary) get(word []byte) uint64 {
	if len(word) > maxKey {
		return 0
	}
	return d.slot(keyFor(word)).flags
}

// slot is that of the word, or the empty one where it would be.
func (d *dictionary) slot(k key) *slot {
	for i := k.hash() >> d.shift; ; i++ {
		s := &d.slots[i&uint64(len(d.slots)-1)]
		if s.key == k || s.flags == 0 {
			return s
		}
	}
}

// key is a word in lower case, of at most 16 bytes, with zeros behind it. What has no zeros in
// it itself is told from all others.
type key struct{ lo, hi uint64 }

const maxKey = 16

func keyFor(word []byte) key {
	k := key{lo: load(word, 0)}
	if len(word) > 8 {
		k.hi = load(word, 8)
	}
	k.lo |= letters(k.lo) >> 2
	k.hi |= letters(k.hi) >> 2
	return k
}

func (k key) hash() uint64 {
	return (k.lo ^ mathbits.RotateLeft64(k.hi*0xc2b2ae3d27d4eb4f, 32)) * 0x9e3779b97f4a7c15
}

// The bytes of a text are looked at eight at a time: the first is the lowest in a number. What is
// found out about each is in its highest bit.

const (
	each  = 0x0101010101010101 // times a byte: that byte, eight times
	highs = 0x80 * each
)

// load gives the eight bytes of s from i on, zeros behind its end.
func load(s []byte, i int) (x uint64) {
	switch n := len(s); {
	case i+8 <= n:
		return binary.LittleEndian.Uint64(s[i:])
	case n >= 8:
		return binary.LittleEndian.Uint64(s[n-8:]) >> (8 * (i + 8 - n))
	}
	for n, c := range s[min(i, len(s)):] {
		x |= uint64(c) << (8 * n)
	}
	return x
}

// letters says which bytes are letters of ASCII.
func letters(x uint64) uint64 { return between(x|0x20*each, 'a', 'z') &^ x }

// between says which bytes are from one to another, if they are below 0x80; of others it may say
// anything.
func between(x uint64, from, to byte) uint64 {
	x &^= highs
	return (x + uint64(0x80-from)*each) &^ (x + uint64(0x7f-to)*each) & highs
}
