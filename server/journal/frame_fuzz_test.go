package journal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// FuzzFrames: a segment's header and frames, as far as they are taken for intact, are
// what makes them again, byte for byte.
func FuzzFrames(f *testing.F) {
	table := crc32.MakeTable(crc32.Castagnoli)
	const salt, base = 0x5a17, 1000
	c := frameCodec{salt: salt, table: table}
	b := c.appendHeader(nil, header{base: base, salt: salt, id: 7, after: 6})
	at := func() Pos { return base + Pos(len(b)-headerBytes) }
	b = c.appendMark(b, at())
	b = c.append(b, at(), KindEvent, []byte("an event"))
	b = c.append(b, at(), KindRecording, []byte("two "), []byte("parts"))
	b = c.append(b, at(), 200)
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Add(b[:headerBytes])
	f.Add(append(bytes.Clone(b), bytes.Repeat([]byte{0}, 64)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := frameCodec{table: table}.parseHeader(b)
		if !ok {
			return
		}
		c := frameCodec{salt: h.salt, table: table}
		again := c.appendHeader(nil, h)
		pos, rest := h.base, b[headerBytes:]
		for {
			kind, payload, tail, ok := c.next(rest, pos)
			if !ok {
				break
			}
			again = c.append(again, pos, kind, payload)
			pos += Pos(len(rest) - len(tail))
			rest = tail
		}
		if want := b[:len(b)-len(rest)]; !bytes.Equal(again, want) {
			t.Errorf("got %x, want %x", again, want)
		}
		if n, err := c.scan(b[headerBytes:], h.base, func(Kind, Pos, []byte) error { return nil }); err != nil || n != int64(len(again)-headerBytes) {
			t.Errorf("scanned %d bytes, %v, want %d", n, err, len(again)-headerBytes)
		}
		if len(again) > headerBytes+frameBytes && binary.LittleEndian.Uint32(again[headerBytes:]) > MaxRecord {
			t.Error("a frame that is too long was taken")
		}
	})
}
