package auditlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// The names of the evidence folder's files.
const (
	CheckpointFile = "checkpoint"
	KeyFile        = "key.pub"
	ReadmeFile     = "README.txt"
	RecordingsDir  = "recordings"
	OutsideFile    = "outside" // of a bundle: see Options.Outside

	// TileWidth is the hashes of a full tile (C2SP tlog-tiles, "Merkle Tree").
	TileWidth = 256
	// tileHeight is the tree levels that one tile spans.
	tileHeight = 8
)

// RecordingFile is the name of a session's recording in an evidence folder.
func RecordingFile(session string) string { return RecordingsDir + "/" + session + ".hrec" }

// TilePath is the file of tile n at a level of tiles; width is its hashes, TileWidth
// for a full one (C2SP tlog-tiles, "Merkle Tree").
func TilePath(level int, n int64, width int) string {
	return "tile/" + strconv.Itoa(level) + "/" + tilePath(n, width)
}

// EntriesPath is the file of the entries below level-0 tile n.
func EntriesPath(n int64, width int) string { return "tile/entries/" + tilePath(n, width) }

// tilePath writes n in groups of three digits, all but the last with an x.
func tilePath(n int64, width int) string {
	p := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		p = fmt.Sprintf("x%03d/%s", n%1000, p)
	}
	if width < TileWidth {
		p += ".p/" + strconv.Itoa(width)
	}
	return p
}

// Widths tells for a tree of size entries how many full tiles a level has, and how
// many hashes are in the partial tile behind them (0: there is none).
func Widths(size int64, level int) (full int64, partial int) {
	n := size >> (tileHeight * level)
	return n / TileWidth, int(n % TileWidth)
}

// Levels is how many levels of tiles a tree of size entries has.
func Levels(size int64) int {
	n := 0
	for size > 0 {
		n++
		size >>= tileHeight
	}
	return n
}

// AppendEntry adds an entry to a bundle: 2B length, big-endian, then the bytes (C2SP
// tlog-tiles, "Log Entries"). The entry is at most MaxEvent bytes.
func AppendEntry(dst, entry []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(entry)))
	return append(dst, entry...)
}

var errBundle = errors.New("the bundle of entries is cut short")

// NextEntry takes the first entry off a bundle.
func NextEntry(bundle []byte) (entry, rest []byte, err error) {
	if len(bundle) < 2 {
		return nil, nil, errBundle
	}
	n := int(binary.BigEndian.Uint16(bundle))
	if len(bundle) < 2+n {
		return nil, nil, errBundle
	}
	return bundle[2 : 2+n : 2+n], bundle[2+n:], nil
}

// Edge is the right edge of a tree: what is needed to add entries and to know the
// root. Per level of tiles it holds the hashes of the tile that is filling, so its
// memory is 8 KiB per level. The zero value is the empty tree. It is not safe for
// concurrent use.
type Edge struct {
	size  int64
	tiles [][]tlog.Hash // by level; each shorter than TileWidth
}

// Size is the number of entries.
func (e *Edge) Size() int64 { return e.size }

// Add appends an entry's leaf hash. Each tile that it fills is given to full, lowest
// level first; hashes is valid until full returns.
func (e *Edge) Add(leaf tlog.Hash, full func(level int, n int64, hashes []tlog.Hash) error) error {
	e.size++
	return e.add(0, leaf, full)
}

// AddTile appends a full tile of entries that are not at hand, by the hash over it: a
// hash of a level-1 tile. The tree's size must be a multiple of TileWidth.
func (e *Edge) AddTile(hash tlog.Hash, full func(level int, n int64, hashes []tlog.Hash) error) error {
	if e.size%TileWidth != 0 {
		return fmt.Errorf("a whole tile cannot follow %d entries", e.size)
	}
	if len(e.tiles) == 0 {
		e.tiles = append(e.tiles, make([]tlog.Hash, 0, TileWidth))
	}
	e.size += TileWidth
	return e.add(1, hash, full)
}

func (e *Edge) add(level int, hash tlog.Hash, full func(level int, n int64, hashes []tlog.Hash) error) error {
	for ; ; level++ {
		if level == len(e.tiles) {
			e.tiles = append(e.tiles, make([]tlog.Hash, 0, TileWidth))
		}
		tile := append(e.tiles[level], hash)
		if len(tile) < TileWidth {
			e.tiles[level] = tile
			return nil
		}
		e.tiles[level] = tile[:0]
		if full != nil {
			if err := full(level, e.size>>(tileHeight*(level+1))-1, tile); err != nil {
				return err
			}
		}
		hash = subtree(tile)
	}
}

// Partial is the filling tile of a level: a copy, nil where there is none.
func (e *Edge) Partial(level int) []tlog.Hash {
	if level >= len(e.tiles) {
		return nil
	}
	return append([]tlog.Hash(nil), e.tiles[level]...)
}

// Clone gives a copy that goes its own way.
func (e *Edge) Clone() *Edge {
	c := &Edge{size: e.size, tiles: make([][]tlog.Hash, len(e.tiles))}
	for i, t := range e.tiles {
		c.tiles[i] = append(make([]tlog.Hash, 0, TileWidth), t...)
	}
	return c
}

// LoadEdge rebuilds the edge of a tree of size entries from its partial tiles, which
// read gives as their bytes.
func LoadEdge(size int64, read func(level int, n int64, width int) ([]byte, error)) (*Edge, error) {
	e := &Edge{size: size}
	for level := range Levels(size) {
		n, width := Widths(size, level)
		tile := make([]tlog.Hash, 0, TileWidth)
		if width > 0 {
			b, err := read(level, n, width)
			if err != nil {
				return nil, err
			}
			if len(b) != width*tlog.HashSize {
				return nil, fmt.Errorf("%s: %d bytes, want %d", TilePath(level, n, width), len(b), width*tlog.HashSize)
			}
			for ; len(b) > 0; b = b[tlog.HashSize:] {
				tile = append(tile, tlog.Hash(b[:tlog.HashSize]))
			}
		}
		e.tiles = append(e.tiles, tile)
	}
	return e, nil
}

// Root is the tree's hash (RFC 6962 §2.1).
func (e *Edge) Root() tlog.Hash {
	if e.size == 0 {
		root, _ := tlog.TreeHash(0, nil) // cannot fail: nothing is read
		return root
	}
	// From the right: the last complete subtree is the smallest. Those of one tile are
	// told by the bits of its width, those of higher levels are left of it.
	var root tlog.Hash
	have := false
	for _, tile := range e.tiles {
		for end, width := len(tile), 1; end > 0; width <<= 1 {
			if end&width == 0 {
				continue
			}
			h := subtree(tile[end-width : end])
			if have {
				h = tlog.NodeHash(h, root)
			}
			root, have = h, true
			end -= width
		}
	}
	return root
}

// subtree is the hash over a power of two of hashes.
func subtree(hashes []tlog.Hash) tlog.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(subtree(hashes[:half]), subtree(hashes[half:]))
}

// TileBytes is the content of a tile's file.
func TileBytes(hashes []tlog.Hash) []byte {
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	return b
}
