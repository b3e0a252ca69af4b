package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"time"
)

// Open opens or creates the journal in dir, drops a torn end (nobody was told that it
// is durable), and refuses with a *CorruptError where anything else is damaged. Attach
// the consumers with Consume next; close it with Close.
func Open(dir string, opt Options) (*Journal, error) {
	opt = opt.withDefaults()
	j := &Journal{
		dir:     dir,
		opt:     opt,
		born:    time.Now(),
		codec:   frameCodec{table: crc32.MakeTable(crc32.Castagnoli)},
		wake:    make(chan struct{}, 1),
		queue:   make(chan *batch, 1),
		broken:  make(chan struct{}),
		written: make(chan struct{}),
		drained: make(chan struct{}),
		byKind:  make(map[Kind]Consumer),
		seen:    make(map[Kind]bool),
	}
	j.room.L = &j.mu
	if err := MakeDir(opt.FS, dir); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := j.load(); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := j.startSegment(j.durable); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j.current = &batch{base: j.durable}
	j.timer = time.NewTimer(time.Hour)
	j.timer.Stop()
	go j.write()
	go j.apply()
	return j, nil
}

// load reads what an earlier run left.
func (j *Journal) load() error {
	names, err := j.opt.FS.ReadDir(j.dir)
	if err != nil {
		return err
	}
	var numbers []int
	for _, name := range names {
		if n, ok := segmentNumber(name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if err := j.loadSegment(n, i == len(numbers)-1); err != nil {
			return err
		}
	}
	if j.fresh = len(j.segments) == 0; j.fresh {
		j.codec.salt = random()
	}
	j.applied = j.durable
	return nil
}

// loadSegment checks one segment and adds it; a torn end is cut off the last one.
func (j *Journal) loadSegment(number int, last bool) error {
	name := segmentName(j.dir, number)
	j.number = max(j.number, number)
	b, err := ReadFile(j.opt.FS, name)
	if err != nil {
		return err
	}
	if last && len(b) <= headerBytes {
		// Its header was never followed by a frame: nothing to keep, and the header
		// itself may be torn.
		return j.dropEmpty(name, b)
	}
	h, ok := j.codec.parseHeader(b)
	switch {
	case !ok:
		return &CorruptError{File: name, What: "the header does not match its checksum"}
	case j.stray(h):
		return &CorruptError{File: name, What: fmt.Sprintf(
			"it begins at position %d and does not follow the segment before it, which ends at %d: one of them, or one between, is missing or foreign", h.base, j.durable)}
	}
	base := h.base
	j.codec.salt = h.salt
	body := b[headerBytes:]
	size, _ := j.codec.scan(body, base, func(kind Kind, _ Pos, _ []byte) error {
		j.seen[kind] = true
		return nil
	})
	if size < int64(len(body)) {
		at := base + Pos(size)
		if !last || j.codec.marked(body[size:], at) {
			return &CorruptError{File: name, Offset: headerBytes + size, What: "a record that was durable does not match its checksum"}
		}
		j.opt.Log.Warn("journal: dropped the torn end of the last segment; nobody was told that it is durable",
			"file", name, "offset", headerBytes+size, "bytes", int64(len(body))-size)
	}
	if last {
		if err := j.settle(name, b[:headerBytes+size], len(b)); err != nil {
			return err
		}
	}
	j.segments = append(j.segments, segment{number: number, base: base, size: size, id: h.id})
	j.durable = base + Pos(size)
	return nil
}

// stray reports whether a segment does not follow the last one that was loaded.
func (j *Journal) stray(h header) bool {
	n := len(j.segments)
	return n > 0 && !h.follows(j.segments[n-1], j.codec.salt)
}

// dropEmpty removes a last segment that holds no frame. Where it is the only one, its
// header, when intact, still says where positions go on.
func (j *Journal) dropEmpty(name string, b []byte) error {
	if h, ok := j.codec.parseHeader(b); ok {
		if j.stray(h) {
			return &CorruptError{File: name, What: "it does not follow the segment before it"}
		}
		j.durable, j.codec.salt = h.base, h.salt
		j.segments = append(j.segments, segment{number: j.number, base: h.base, id: h.id})
		return j.settle(name, b, len(b))
	}
	if len(bytes.Trim(b, "\x00")) > 0 {
		j.opt.Log.Warn("journal: dropped a segment whose header is torn; it held no record", "file", name)
	}
	// Durable before the next segment's name: behind that one, this would be damage.
	if err := j.opt.FS.Remove(name); err != nil {
		return err
	}
	return j.opt.FS.SyncDir(j.dir)
}

// settle makes the last segment durable as it was read, without a torn end: an earlier
// run that was killed may not have come to its fsync, and after one that failed, pages
// that never reached the disk pass for clean until they are written again.
func (j *Journal) settle(name string, b []byte, length int) error {
	f, err := j.opt.FS.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil && len(b) < length {
		err = f.Truncate(int64(len(b)))
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func random() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}

// startSegment begins the file that positions from base on are written to. Its name
// and header are durable before any frame goes in.
func (j *Journal) startSegment(base Pos) error {
	number := j.number + 1
	name := segmentName(j.dir, number)
	f, err := j.opt.FS.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	h := header{base: base, salt: j.codec.salt, id: random()}
	j.mu.Lock()
	if n := len(j.segments); n > 0 {
		h.after = j.segments[n-1].id
	}
	j.mu.Unlock()
	if _, err := f.WriteAt(j.codec.appendHeader(nil, h), 0); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	if err := j.opt.FS.SyncDir(j.dir); err != nil {
		_ = f.Close()
		return err
	}
	if j.file != nil {
		if err := j.file.Close(); err != nil {
			_ = f.Close()
			return err
		}
	}
	j.file, j.number = f, number
	j.mu.Lock()
	j.segments = append(j.segments, segment{number: number, base: base, id: h.id})
	j.mu.Unlock()
	return nil
}
