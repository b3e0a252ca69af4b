package sqlscan

import "testing"

// FuzzPlaces checks that what is shown of a text once its places are taken out has no
// literal left, as PostgreSQL's own scanner reads it.
func FuzzPlaces(f *testing.F) {
	for _, sql := range statements(f) {
		f.Add(sql)
	}
	f.Add("SELECT E'\\'', $a$ ' $a$, U&'x' UESCAPE '!', 1.e5, x'f' /* ' */ -- '")
	f.Fuzz(func(t *testing.T, sql string) {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			return
		}
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
