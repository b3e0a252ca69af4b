// Package auditlog is the format of the gateway's audit log and its offline verifier.
// spec.md beside this file is the specification.
//
// The log is a Merkle tree of events with RFC 6962 hashing, kept as files in the C2SP
// tlog-tiles layout, and vouched for by checkpoints, C2SP signed notes. The gateway
// writes it (server/audit); Verify needs only the files and the public key.
package auditlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// MaxEvent is the most bytes that one event's canonical form may have: C2SP
// tlog-tiles, "Log Entries", gives lengths 16 bits.
const MaxEvent = 1<<16 - 1

// Encode gives an event's canonical bytes, those that the log hashes: the JSON that
// encoding/json writes for hoop.Event, the time in UTC, and U+FFFD for bytes that are
// not UTF-8. An event that is longer than MaxEvent is an error; see Fit.
func Encode(e *hoop.Event) ([]byte, error) { return AppendEvent(nil, e) }

// AppendEvent appends an event's canonical bytes; see Encode.
func AppendEvent(dst []byte, e *hoop.Event) ([]byte, error) {
	if e.Time.Location() != time.UTC {
		c := *e
		c.Time = e.Time.UTC()
		e = &c
	}
	start := len(dst)
	dst, err := e.AppendJSON(dst)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	if n := len(dst) - start; n > MaxEvent {
		return nil, hoop.Errorf(hoop.CodeTooLarge, "an event of %d bytes is more than the audit log takes (%d)", n, MaxEvent)
	}
	return dst, nil
}

// What Fit leaves of an event that is too long, in bytes: of its text, which escaping may
// make six times as long, and of its list of tables as it is written.
const (
	keptText   = 4 << 10
	keptTables = 32 << 10
)

// TablesDetail is the detail that says how many tables there are where an event lists
// fewer.
const TablesDetail = "tables_count"

// Fit returns e, or, where its canonical form would be longer than MaxEvent, a copy
// that fits: its text is cut, and so are its lists of tables, and details say so
// (text_bytes, tables_count). The recording has both whole.
func Fit(e *hoop.Event) *hoop.Event {
	size := len(e.Text)
	for _, t := range e.Tables {
		size += len(t) + 4
	}
	if size < MaxEvent/12 {
		return e // escaping makes at most six of one byte; the rest is short
	}
	c := *e
	c.Details = append([]hoop.Detail(nil), e.Details...)
	if len(c.Text) > keptText {
		c.Details = append(c.Details, hoop.Detail{Name: "text_bytes", Value: fmt.Sprint(len(c.Text))})
		c.Text = strings.ToValidUTF8(c.Text[:keptText], "")
	}
	if n := fitting(c.Tables); n < len(c.Tables) {
		c.Details = append(c.Details, hoop.Detail{Name: TablesDetail, Value: fmt.Sprint(len(c.Tables))})
		c.Tables = c.Tables[:n:n]
	}
	return &c
}

// fitting is how many of tables fit into keptTables.
func fitting(tables []string) int {
	var name []byte
	size := 0
	for i, t := range tables {
		name = hoop.JSONString(name[:0], t)
		if size += len(name) + 1; size > keptTables {
			return i
		}
	}
	return len(tables)
}

var errCanonical = errors.New("the event is not in canonical form")

// Decode reads an event's canonical bytes and refuses every other form: unknown or
// repeated fields, another order, spaces, another spelling of a value.
func Decode(b []byte) (*hoop.Event, error) {
	e := new(hoop.Event)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("%w: %w", errCanonical, err)
	}
	again, err := Encode(e)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, errCanonical
	}
	return e, nil
}
