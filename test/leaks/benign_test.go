package leaks

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestBenign(t *testing.T) {
	search := newSearcher(canaries.all)
	l := start(t)
	all := scripts(t, "benign")
	for _, s := range all {
		t.Run(s.group+"/"+s.title, func(t *testing.T) {
			modes := []mode{simple, text, undescr, piecewise}
			switch {
			case s.only == "simple":
				modes = modes[:1]
			case !s.pure():
				modes = []mode{simple, undescr}
			}
			came := map[string]*[][]byte{benignDirect: {}, benignRuled: {}}
			t.Cleanup(func() { // both have come by then
				if t.Failed() {
					return
				}
				want := *came[benignDirect]
				for i, got := range *came[benignRuled] {
					if diff := compare(want[i], got, s.masked); diff != "" {
						t.Errorf("BROKEN, %s: %s\n%s", modes[i].name, strings.Join(s.lines, "\n"), diff)
					}
					if found := search.in(views(got)); len(found) > 0 {
						t.Errorf("LEAK, %s: %s", modes[i].name, strings.Join(found, "; "))
					}
				}
			})
			for database, got := range came {
				t.Run(database, func(t *testing.T) {
					if s.apart() {
						t.Parallel() // they mostly wait
					}
					*got = shown(t, l, database, modes, s)
				})
			}
		})
	}
	if len(all) < 100 {
		t.Errorf("%d cases, want at least 100", len(all))
	}
}

// compare tells how two conversations differ other than in masked columns (from 1),
// "" where they do not.
func compare(want, got []byte, masked []int) string {
	a, b := spoken(want), spoken(got)
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Sprintf("message %d is one more: %q", i, short(b[i]))
		case i >= len(b):
			return fmt.Sprintf("message %d is missing: %q", i, short(a[i]))
		case bytes.Equal(a[i], b[i]):
			continue
		case a[i][0] == 'D' && b[i][0] == 'D' && len(masked) > 0:
			if !sameBut(a[i], b[i], masked) {
				return fmt.Sprintf("row %d:\n want %q\n got  %q", i, short(a[i]), short(b[i]))
			}
		default:
			return fmt.Sprintf("message %d:\n want %q\n got  %q", i, short(a[i]), short(b[i]))
		}
	}
	return ""
}

func short(m []byte) []byte { return m[:min(len(m), 400)] }

// spoken is the messages without what two databases cannot have in
// common: the OIDs of objects made since.
func spoken(got []byte) [][]byte {
	var out [][]byte
	for m := range messages(got) {
		if m[0] == 'T' {
			m = withoutNewOIDs(m)
		}
		out = append(out, m)
	}
	return out
}

// newOIDs is where the OIDs begin that the databases do not share; set by makeClinic.
var newOIDs uint32

// withoutNewOIDs: 2B n + n of name + 4B table + 2B attribute + 4B type + 8B.
func withoutNewOIDs(m []byte) []byte {
	m = bytes.Clone(m)
	for b := m[7:]; len(b) > 0; {
		b = b[bytes.IndexByte(b, 0)+1:]
		for _, at := range []int{0, 6} {
			if binary.BigEndian.Uint32(b[at:]) >= newOIDs {
				binary.BigEndian.PutUint32(b[at:], 0)
			}
		}
		b = b[18:]
	}
	return m
}

// sameBut compares two rows in all columns but the masked ones. A masked value is
// there, or NULL.
func sameBut(a, b []byte, masked []int) bool {
	want, got := cells(a), cells(b)
	if len(want) != 1 || len(got) != 1 || len(want[0]) != len(got[0]) {
		return false
	}
	for i := range want[0] {
		if slices.Contains(masked, i+1) {
			continue
		}
		if (want[0][i] == nil) != (got[0][i] == nil) || !bytes.Equal(want[0][i], got[0][i]) {
			return false
		}
	}
	return true
}
