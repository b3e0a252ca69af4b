package decoy

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/store/storetest"
)

// database is what columns are called, by where they are.
type database map[hoop.ColumnID]hoop.ColumnRef

func (d database) Place(c hoop.ColumnRef) (hoop.ColumnID, bool) {
	for id, name := range d {
		if name == c {
			return id, true
		}
	}
	return hoop.ColumnID{}, false
}

func (d database) Named(id hoop.ColumnID) (hoop.ColumnRef, bool) {
	c, ok := d[id]
	return c, ok
}

// Whatever becomes of a column's names, the decoy stays where it was, and each change is told
// once, to whoever asks first: by another gateway, or after a restart, as well.
func TestKeeper_Follow(t *testing.T) {
	column := func(table, name string) hoop.ColumnRef {
		return hoop.ColumnRef{Schema: "clinic", Table: table, Column: name}
	}
	first, second := hoop.ColumnID{Table: 20001, Attr: 1}, hoop.ColumnID{Table: 20002, Attr: 3}
	declared := column("patients", "id")
	store := &storetest.Counts{Now: time.Now}
	for _, step := range []struct {
		name string
		in   database
		at   []hoop.ColumnID
		told []Change
	}{
		{"not there yet", database{}, nil, nil},
		{"there", database{first: declared}, []hoop.ColumnID{first}, nil},
		{"another column", database{first: declared, second: column("visits", "id")}, []hoop.ColumnID{first}, nil},
		{"another table's name", database{first: column("p2", "id")}, []hoop.ColumnID{first}, []Change{{How: "renamed", Now: column("p2", "id")}}},
		{"its own name again", database{first: declared}, []hoop.ColumnID{first}, nil},
		{"another column's name", database{first: column("patients", "x")}, []hoop.ColumnID{first}, []Change{{How: "renamed", Now: column("patients", "x")}}},
		{"another one of the name", database{first: column("patients", "x"), second: declared}, []hoop.ColumnID{first, second}, []Change{{How: "replaced"}}},
		{"the first is gone", database{second: declared}, []hoop.ColumnID{second}, nil},
		{"all are gone", database{}, nil, []Change{{How: "dropped"}}},
	} {
		for round, want := range [][]Change{step.told, nil} {
			at, told, err := New(store).Follow(t.Context(), Key{"pg", "clinic", declared}, step.in)
			if err != nil || !cmp.Equal(at, step.at) || !cmp.Equal(told, want) {
				t.Errorf("%s, asked %d times: at %v, told %v, %v; want at %v, told %v", step.name, round+1, at, told, err, step.at, want)
			}
		}
	}
	for _, key := range []Key{{"pg", "other", declared}, {"other", "clinic", declared}, {"pg", "clinic", column("patients", "ssn")}} {
		if at, told, err := New(store).Follow(t.Context(), key, database{first: column("p3", "id")}); len(at)+len(told) > 0 || err != nil {
			t.Errorf("%v: at %v, told %v, %v", key, at, told, err)
		}
	}
	no := errors.New("no store")
	store.Fail(no)
	if _, _, err := New(store).Follow(t.Context(), Key{"pg", "clinic", declared}, database{first: declared}); !errors.Is(err, no) {
		t.Errorf("without a store: %v", err)
	}
}
