package policy

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/heap"
	"github.com/hoopctl/hoopctl/server/resource"
)

// realistic is 100 rules and 30 masks, as libraries were measured with.
func realistic(b *testing.B, site string) *Engine {
	set := load(b, "")
	for i := range 50 {
		t := set.Targets[0]
		t.Name = fmt.Sprintf("db-%d", i)
		set.Targets = append(set.Targets, t)
	}
	effects := [][]hoop.Effect{{"read"}, {"write", "unbounded-write"}, {"ddl", "destroy"}, {"*"}}
	for i := range 100 {
		set.StatementRules = append(set.StatementRules, resource.StatementRule{
			Meta: resource.Meta{Name: fmt.Sprintf("rule-%d", i)}, Targets: []string{fmt.Sprintf("db-%d", i%50), "db-1"}, Groups: []string{fmt.Sprintf("group-%d", i%20)},
			Effects: effects[i%4], Tables: []string{fmt.Sprintf("clinic.t%d", i), "vault.*"}, Decision: hoop.Approve,
			Approval: &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 1, Timeout: defaultTimeout},
		})
	}
	for i := range 30 {
		set.MaskRules = append(set.MaskRules, resource.MaskRule{
			Meta: resource.Meta{Name: fmt.Sprintf("mask-%d", i)}, Targets: []string{"*"}, Columns: []string{fmt.Sprintf("clinic.t%d.c", i)}, With: resource.Redact,
		})
	}
	var module *Module
	if site != "" {
		module = &Module{"site.rego", site}
	}
	e, err := New(b.Context(), set, module)
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// question is a statement that reads two tables and writes one, as one of many people
// of three groups.
func question(i int) (hoop.Identity, []hoop.Use) {
	return hoop.Identity{Subject: fmt.Sprintf("corp:%d", i), Kind: hoop.Human, Provider: "corp", Groups: []string{"group-1", "group-5", "group-9"}},
		[]hoop.Use{
			{Effect: hoop.EffectRead, Tables: []string{"clinic.t1", "clinic.t200"}, Why: "SELECT"},
			{Effect: hoop.EffectWrite, Tables: []string{"clinic.t2"}, Why: "UPDATE"},
		}
}

// BenchmarkDecide reports beside the mean the 99th percentile, by the wall clock and, where
// the system tells, in time of the processor, which other programs do not stretch.
func BenchmarkDecide(b *testing.B) {
	defer heap.Reserve()() // as hoop-gateway does
	for _, c := range []struct {
		name, site string
		fresh      bool
	}{
		{"uncached", "", true},
		{"uncached with a site's module", benchSite, true},
		{"cached", "", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := realistic(b, c.site)
			runtime.LockOSThread() // whose processor time it is
			defer runtime.UnlockOSThread()
			const people = 1000
			var wall, cpu []time.Duration
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				id, uses := question(i % people)
				if c.fresh {
					e.cache.Remove((&input{id, "db-1", uses}).key())
				}
				start, used := time.Now(), processorTime()
				if _, err := e.Decide(b.Context(), id, "db-1", uses); err != nil {
					b.Fatal(err)
				}
				if d := processorTime() - used; c.fresh || i >= people {
					cpu, wall = append(cpu, d), append(wall, time.Since(start))
				}
			}
			report(b, "wall", wall)
			report(b, "cpu", cpu)
		})
	}
}

const benchSite = `package hoop.site

deny contains "agents may not touch billing" if {
	"agents" in input.identity.groups
	some use in input.uses
	some table in use.tables
	table.schema == "billing"
}
`

func report(b *testing.B, clock string, d []time.Duration) {
	if len(d) == 0 || slices.Max(d) == 0 {
		return
	}
	slices.Sort(d)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(d[(len(d)-1)*p/100].Nanoseconds())/1000, fmt.Sprintf("p%d-%s-µs", p, clock))
	}
}
