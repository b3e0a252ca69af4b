package lineage

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// Whatever parses has a lineage or none; nothing panics or takes long.
func FuzzOutputs(f *testing.F) {
	for _, path := range []string{"testdata/statements.txt", "../sqlscan/testdata/statements.txt"} {
		for _, sql := range statements(f, path) {
			f.Add(sql)
		}
	}
	for seed := range uint64(50) {
		sql, _ := newGenerator(seed).statement()
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		p, err := pool.Parse(context.Background(), sql)
		var syntax *pgparse.SyntaxError
		var refused *hoop.Error
		switch {
		case errors.As(err, &syntax), errors.As(err, &refused):
			return
		case err != nil:
			t.Fatal(err)
		}
		start := time.Now()
		for i := range p.Tree.GetStmts() {
			for _, o := range Outputs(p, i, snap) {
				if !o.Known && o.Origins != nil {
					t.Errorf("%q: origins of an output that is not known", sql)
				}
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q takes %s", sql, took)
		}
	})
}

var sink []Output

func BenchmarkOutputs(b *testing.B) {
	for name, sql := range map[string]string{
		"plain": "select id, state, upper(ssn) from clinic.patients where id = 1",
		"join":  "select e.kind || p.state, count(*) from clinic.events e join clinic.patients p on p.id = e.patient_id group by 1",
		"recursive": `with recursive t(id, path) as (select id, kind from clinic.events union all
			select e.id, t.path || p.ssn from t join clinic.events e on e.patient_id = t.id join clinic.patients p on p.id = e.id)
			select id, path, (select max(state) from clinic.patients where id = t.id) from t`,
	} {
		p := parse(b, sql)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = Outputs(p, 0, snap)
			}
		})
	}
}
