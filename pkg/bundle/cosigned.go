package bundle

import (
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// The details of a checkpoint event: the witness, what it cosigned, and the signature in
// base64 as it stands in the note.
const (
	DetailWitness   = "witness"
	DetailSize      = "size"
	DetailRoot      = "root"
	DetailSignature = "cosignature"
)

// Cosigned is the newest checkpoint that events tell of.
type Cosigned struct {
	Size    int64
	Root    tlog.Hash
	Lines   string  // its cosignatures, as in a signed note, in the order of the events
	Indexes []int64 // of these events
}

// Take looks at the next checkpoint event.
func (c *Cosigned) Take(index int64, e *hoop.Event) error {
	size, err := strconv.ParseInt(e.Detail(DetailSize), 10, 64)
	if err != nil {
		return fmt.Errorf("a checkpoint event's size: %w", err)
	}
	root, err := tlog.ParseHash(e.Detail(DetailRoot))
	if err != nil {
		return fmt.Errorf("a checkpoint event's root: %w", err)
	}
	if size < c.Size {
		return nil
	}
	if size > c.Size {
		*c = Cosigned{Size: size, Root: root}
	}
	c.Lines += auditlog.CosignatureLine(e.Detail(DetailWitness), e.Detail(DetailSignature))
	c.Indexes = append(c.Indexes, index)
	return nil
}
