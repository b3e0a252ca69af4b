package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/mask"
)

// decoys watches for values that no honest query touches. They are in no event.
type decoys struct {
	list []hoop.Decoy
	hits map[int]bool // of list, in rows since the last Touched; rows belong to one goroutine
	told map[int]bool // of list, for this statement
}

// oid of types whose binary form is not their text.
const (
	oidInt8, oidInt2, oidInt4, oidUUID = 20, 21, 23, 2950
)

// minDecoyPart is how long a decoy must be to be looked for within other texts.
const minDecoyPart = 6

// compared gives the decoys that the statement compares a column with, or takes along in
// COPY.
func (d *decoys) compared(st *hoop.Statement) (hit []int) {
	for i, decoy := range d.list {
		table := hoop.TableName(decoy.Column.Schema, decoy.Column.Table)
		if st.Verb == "COPY" && slices.Contains(st.Reads, table) || d.looked(decoy, st) {
			hit = append(hit, i)
		}
	}
	return hit
}

func (d *decoys) looked(decoy hoop.Decoy, st *hoop.Statement) bool {
	for _, look := range st.Looks {
		if !slices.Contains(look.Columns, decoy.Column) {
			continue
		}
		for _, op := range look.Operands {
			if op.Param > 0 && op.Param <= len(st.Params) && st.Params[op.Param-1].Binary && !op.Array {
				if slices.ContainsFunc(decoy.Values, func(v string) bool { return binaryEquals(st.Params[op.Param-1].Value, v) }) {
					return true
				}
			}
			for _, v := range operands(st, []hoop.Operand{op}) {
				if slices.ContainsFunc(decoy.Values, func(want string) bool { return string(v) == want || op.Array && binaryEquals(v, want) }) {
					return true
				}
			}
		}
	}
	return false
}

// binaryEquals compares a value in some binary format with its text.
func binaryEquals(v []byte, text string) bool {
	switch len(v) {
	case 2:
		if strconv.Itoa(int(int16(binary.BigEndian.Uint16(v)))) == text {
			return true
		}
	case 4:
		if strconv.Itoa(int(int32(binary.BigEndian.Uint32(v)))) == text {
			return true
		}
	case 8:
		if strconv.FormatInt(int64(binary.BigEndian.Uint64(v)), 10) == text {
			return true
		}
	case 16:
		if hex.EncodeToString(v) == strings.ReplaceAll(strings.ToLower(text), "-", "") {
			return true
		}
	}
	return string(v) == text
}

// watch has the plan look at the columns that may show decoys.
func (d *decoys) watch(p *mask.Plan, st *hoop.Statement, cols []hoop.Column) {
	for i, decoy := range d.list {
		reads := slices.Contains(st.Reads, hoop.TableName(decoy.Column.Schema, decoy.Column.Table))
		for n, col := range cols {
			origin := slices.Contains(col.Origins, decoy.Column)
			switch {
			case col.Proven && origin:
				p.Watch(n, func(v []byte) { d.seen(i, equals(col, v, decoy.Values)) })
			case !col.Proven && (origin || len(col.Origins) == 0 && reads):
				p.Watch(n, func(v []byte) { d.seen(i, contains(v, decoy.Values)) })
			}
		}
	}
}

func (d *decoys) seen(i int, hit bool) {
	if hit {
		d.hits[i] = true
	}
}

func equals(col hoop.Column, v []byte, values []string) bool {
	if col.Binary {
		switch col.Type.OID {
		case oidInt2, oidInt4, oidInt8, oidUUID:
			return slices.ContainsFunc(values, func(want string) bool { return binaryEquals(v, want) })
		}
	}
	v = bytes.TrimRight(v, " ") // of char(n)
	return slices.ContainsFunc(values, func(want string) bool { return string(v) == want })
}

func contains(v []byte, values []string) bool {
	return slices.ContainsFunc(values, func(want string) bool {
		return string(v) == want || len(want) >= minDecoyPart && bytes.Contains(v, []byte(want))
	})
}

// touched raises an alert for each decoy, once for a statement. The error ends the
// session where one is so ruled; the alerts are on record then.
func (s *Session) touched(ctx context.Context, r *Run, hit []int, how string) error {
	var pos journal.Pos
	end := false
	for _, i := range hit {
		if r.decoys.told[i] {
			continue
		}
		r.decoys.told[i] = true
		d := r.decoys.list[i]
		action := "alert"
		if d.End {
			action, end = "end", true
		}
		var err error
		if pos, err = s.log(&hoop.Event{
			Type: hoop.EventAlert, Text: r.st.Shape, Tables: []string{hoop.TableName(d.Column.Schema, d.Column.Table)},
			Reason:  "a decoy value was touched",
			Details: []hoop.Detail{{Name: "column", Value: d.Column.String()}, {Name: "how", Value: how}, {Name: "action", Value: action}},
		}); err != nil {
			return unrecorded(err)
		}
	}
	if !end {
		return nil
	}
	if err := s.line.Journal.Wait(ctx, pos); err != nil {
		return unrecorded(err)
	}
	why := hoop.Errorf(hoop.CodeDenied, "the session was ended by a rule of target %s", s.target.Name).
		WithHint("talk to an administrator").Because(hoop.CauseDecoy)
	s.end(why)
	return why
}

// Touched tells of decoys in the rows since it was called last. An error says that the
// last row must not reach the client, and that the session ends.
func (r *Run) Touched() error {
	if len(r.decoys.hits) == 0 {
		return nil
	}
	var hit []int
	for i := range r.decoys.hits {
		hit = append(hit, i)
	}
	slices.Sort(hit)
	clear(r.decoys.hits)
	return r.session.touched(r.session.ctx, r, hit, "delivered")
}

// Watches reports whether rows are looked at even where nothing is masked.
func (r *Run) Watches() bool { return len(r.decoys.list) > 0 }
