package audit

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/witness"
)

// view reads the log as it was at a checkpoint, and at any smaller size.
type view struct {
	log *Log
	now snapshot
}

// tile gives the first width hashes of a tile.
func (v *view) tile(level int, n int64, width int) ([]byte, error) {
	return v.file(width*tlog.HashSize, level, n, func(width int) string { return auditlog.TilePath(level, n, width) })
}

// file reads what is, or was at a smaller size a begin of, a file of level and n; want
// is its length in bytes, -1 for all of it.
func (v *view) file(want, level int, n int64, path func(width int) string) ([]byte, error) {
	full, width := auditlog.Widths(v.now.edge.Size(), level)
	var data []byte
	if n < full {
		name := path(auditlog.TileWidth)
		var err error
		if data, err = journal.ReadFile(v.log.opt.FS, filepath.Join(v.log.opt.Dir, name)); err != nil {
			return nil, err
		}
	} else {
		data = v.now.partials()[path(width)]
	}
	if want >= 0 {
		if len(data) < want {
			return nil, fmt.Errorf("%s is cut short", path(auditlog.TileWidth))
		}
		data = data[:want]
	}
	return data, nil
}

// entries gives the first width entries of bundle n.
func (v *view) entries(n int64, width int) ([]byte, error) {
	data, err := v.file(-1, 0, n, func(width int) string { return auditlog.EntriesPath(n, width) })
	if err != nil {
		return nil, err
	}
	rest := data
	for range width {
		if _, rest, err = auditlog.NextEntry(rest); err != nil {
			return nil, fmt.Errorf("%s: %w", auditlog.EntriesPath(n, width), err)
		}
	}
	return data[:len(data)-len(rest)], nil
}

// Height implements tlog.TileReader.
func (v *view) Height() int { return 8 }

// ReadTiles implements tlog.TileReader.
func (v *view) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, 0, len(tiles))
	for _, t := range tiles {
		b, err := v.tile(t.L, t.N, t.W)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// SaveTiles implements tlog.TileReader: they are ours already.
func (v *view) SaveTiles([]tlog.Tile, [][]byte) {}

// Prove implements witness.Evidence.
func (l *Log) Prove(ctx context.Context, old int64) ([]byte, auditlog.Checkpoint, tlog.TreeProof, error) {
	fail := func(err error) ([]byte, auditlog.Checkpoint, tlog.TreeProof, error) {
		return nil, auditlog.Checkpoint{}, nil, fmt.Errorf("prove checkpoint: %w", err)
	}
	if err := l.settle(ctx); err != nil {
		return fail(err)
	}
	signed, s, err := l.freeze()
	if err != nil {
		return fail(err)
	}
	c := auditlog.Checkpoint{Origin: l.opt.Origin, Size: s.edge.Size(), Root: s.edge.Root()}
	switch {
	case old > c.Size:
		return fail(fmt.Errorf("a log of %d events cannot contain one of %d: it was rolled back", c.Size, old))
	case old == 0 || old == c.Size:
		return signed, c, nil, nil
	}
	proof, err := tlog.ProveTree(c.Size, old, tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: c.Root}, &view{l, s}))
	if err != nil {
		return fail(err)
	}
	return signed, c, proof, nil
}

// Cosigned implements witness.Evidence: the event says which checkpoint was cosigned, by
// whom, and has the signature itself.
func (l *Log) Cosigned(ctx context.Context, c witness.Cosignature) error {
	return l.Write(ctx, &hoop.Event{
		Type: hoop.EventCheckpoint, Subject: c.Witness,
		Details: []hoop.Detail{
			{Name: bundle.DetailWitness, Value: c.Witness},
			{Name: bundle.DetailSize, Value: strconv.FormatInt(c.Checkpoint.Size, 10)},
			{Name: bundle.DetailRoot, Value: c.Checkpoint.Root.String()},
			{Name: bundle.DetailSignature, Value: c.Signature},
			{Name: "cosigned_at", Value: c.At.UTC().Format(time.RFC3339)},
		},
	})
}
