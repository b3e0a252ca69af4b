package sqlscan

import (
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// FuzzPlaces checks that what is shown of a text once its places are taken out has no
// literal left, as PostgreSQL's own scanner reads it, and that its secrets have places too.
func FuzzPlaces(f *testing.F) {
	for _, sql := range statements(f) {
		f.Add(sql)
	}
	f.Add("SELECT E'\\'', $a$ ' $a$, U&'x' UESCAPE '!', 1.e5, x'f' /* ' */ -- '")
	f.Add("SELECT dblink_connect(dblink_connect('password=x')), dblink(dblink('password=' || 'y', 'z'), $$password 'x'$$)")
	f.Fuzz(func(t *testing.T, sql string) {
		apart := func(secrets []hoop.Secret) {
			end := 0
			for _, s := range secrets {
				if s.Start < end || s.End < s.Start || s.End > len(sql) {
					t.Fatalf("%q: secrets %v", sql, secrets)
				}
				end = s.End
			}
			hoop.PlacesBeside([]hoop.Place{{End: len(sql)}}, secrets)
		}
		apart(Unread(sql))
		apart(Literals(sql))
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			return
		}
		secrets, _, _ := Secrets(p, &catalog.Snapshot{})
		apart(secrets)
		found, ok := places(sql, p.Shape)
		if !ok {
			return
		}
		end := 0
		for _, pl := range found {
			if pl.Start < end || pl.End <= pl.Start || pl.End > len(sql) {
				t.Fatalf("%q: places %v", sql, found)
			}
			end = pl.End
		}
		Write(p, snap, 3)
		Plannable(p, nil, nil, snap)
	})
}
