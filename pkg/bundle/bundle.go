// Package bundle is the audit bundle: one zip archive with everything that somebody
// who trusts nobody needs to judge what happened in a stretch of time. spec.md beside
// this file is the specification.
//
// Writer writes the archive, in one possible way: the same content gives the same
// bytes, and every bit of the archive is either evidence, or implied by it. Verify
// checks all of it, without a gateway and without a network.
package bundle

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
)

// Format is the version of the archive.
const Format = 2

// Names of files beside those of an evidence folder (pkg/auditlog).
const (
	ManifestFile = "bundle.json"
	CosignedFile = "cosigned"
	ReportJSON   = "report.json"
	ReportHTML   = "report.html"
	PoliciesDir  = "policies"
)

// PolicyFile is the text of a policy revision.
func PolicyFile(revision string) string { return PoliciesDir + "/" + revision + ".json" }

// Manifest says what a bundle holds: bundle.json, in one possible way.
type Manifest struct {
	Format     int       `json:"format"`
	Origin     string    `json:"origin"`
	Size       int64     `json:"size"` // of the log
	Root       string    `json:"root"` // base64
	First      int64     `json:"first"`
	End        int64     `json:"end"` // of the events, without
	From       time.Time `json:"from,omitzero"`
	To         time.Time `json:"to,omitzero"`
	Since      int64     `json:"since,omitempty"`    // size of an older checkpoint that this proves to be contained
	Cosigned   int64     `json:"cosigned,omitempty"` // size of the checkpoint that witnesses cosigned
	Recordings bool      `json:"recordings"`
	Report     int       `json:"report"` // report.Format
}

// Encode is the manifest as it stands in the archive.
func (m *Manifest) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", ManifestFile, err)
	}
	return append(b, '\n'), nil
}

// DecodeManifest reads what Encode wrote, and nothing else.
func DecodeManifest(b []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, err
	}
	if m.Format != Format {
		return nil, fmt.Errorf("a bundle of format %d; this version reads format %d", m.Format, Format)
	}
	again, err := m.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, errors.New("not written as it should be")
	}
	if m.First < 0 || m.End <= m.First || m.End > m.Size || m.Since < 0 || m.Since > m.Size || m.Cosigned < 0 || m.Cosigned > m.Size {
		return nil, fmt.Errorf("events %d to %d of %d", m.First, m.End, m.Size)
	}
	return m, nil
}

// Span is which events the bundle holds.
func (m *Manifest) Span() auditlog.Span { return auditlog.Span{First: m.First, End: m.End} }

// Hashes are the level-0 tiles that stand in a bundle without their entries, by number
// and width: where the older checkpoint and the cosigned one end, those of the events
// outside, by index, and the one at the right edge.
func (m *Manifest) Hashes(outside []int64) (numbers []int64, widths []int) {
	full, width := auditlog.Widths(m.Size, 0)
	first, end, last := m.Span().Tiles(m.Size)
	add := func(n int64) {
		if n < full && (n < first || n >= end) {
			numbers = append(numbers, n)
		}
	}
	for _, size := range []int64{m.Since, m.Cosigned} {
		if size%auditlog.TileWidth != 0 {
			add(size / auditlog.TileWidth)
		}
	}
	for _, index := range outside {
		add(index / auditlog.TileWidth)
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	widths = slices.Repeat([]int{auditlog.TileWidth}, len(numbers))
	if width > 0 && !last {
		numbers, widths = append(numbers, full), append(widths, width)
	}
	return numbers, widths
}

// header is how a file stands in the archive: stored, of no particular time.
func header(name string, size int64, crc uint32) *zip.FileHeader {
	const (
		version20 = 20   // "version needed to extract", APPNOTE.TXT 4.4.3
		firstDay  = 0x21 // 1980-01-01, APPNOTE.TXT 4.4.6
	)
	h := &zip.FileHeader{
		Name: name, Method: zip.Store, CRC32: crc, ReaderVersion: version20, CreatorVersion: version20,
		UncompressedSize64: uint64(size), CompressedSize64: uint64(size),
	}
	h.ModifiedDate = firstDay //lint:ignore SA1019 CreateRaw writes this field, and looks at no other time
	return h
}

// Writer writes a bundle's archive as a stream.
type Writer struct{ zip *zip.Writer }

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{zip.NewWriter(w)} }

// File adds a file.
func (w *Writer) File(name string, b []byte) error {
	return w.Stream(name, int64(len(b)), crc32.ChecksumIEEE(b), bytes.NewReader(b))
}

// Stream adds a file of a known size and CRC-32 (IEEE), whose content comes from r.
func (w *Writer) Stream(name string, size int64, crc uint32, r io.Reader) error {
	if name == "" || strings.HasSuffix(name, "/") {
		return fmt.Errorf("write bundle: %q is no file", name)
	}
	dst, err := w.zip.CreateRaw(header(name, size, crc))
	if err != nil {
		return fmt.Errorf("write bundle: %s: %w", name, err)
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(dst, sum), r)
	switch {
	case err != nil:
		return fmt.Errorf("write bundle: %s: %w", name, err)
	case n != size || sum.Sum32() != crc:
		return fmt.Errorf("write bundle: %s changed while it was read", name)
	}
	return nil
}

// Close ends the archive. It does not close what is below.
func (w *Writer) Close() error {
	if err := w.zip.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}
