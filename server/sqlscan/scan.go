package sqlscan

import (
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// Analyze says what p can do in a database that contains cat. It never fails: what it
// does not understand has effect unknown. It may be called concurrently.
func Analyze(p *pgparse.Parsed, cat *catalog.Snapshot) *Analysis {
	return &Analysis{
		Opaque: true, Temp: true, DDL: true, Multi: len(p.Tree.GetStmts()),
		Uses: []hoop.Use{{Effect: hoop.EffectUnknown, Tables: []string{"*"}, Why: "not understood"}},
	}
}
