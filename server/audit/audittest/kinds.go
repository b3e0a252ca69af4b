// Package audittest knows, for tests, the kinds of files in a gateway's data folder:
// those that are evidence, whose every change must be noticed and named, and those that
// are not, and why.
package audittest

import (
	"math/rand/v2"
	"path"
	"slices"
)

// Kind is a kind of file.
type Kind struct {
	Name    string
	Pattern string   // of its path below the folder, as in path.Match
	Named   []string // one of these words, or the file's name, is in an error about it
	Not     string   // no evidence: why
}

// DataFolder are the kinds in a gateway's data folder. The first that matches counts.
var DataFolder = []Kind{
	{Name: "journal segment", Pattern: "journal/*.wal", Named: []string{".wal", "journal"}},
	{Name: "checkpoint", Pattern: "audit/checkpoint", Named: []string{"checkpoint"}},
	{Name: "partial entries", Pattern: "audit/tile/entries/*.p/*", Named: []string{"tile/"}},
	{Name: "entries", Pattern: "audit/tile/entries/*", Named: []string{"tile/entries/"}},
	{Name: "partial tile", Pattern: "audit/tile/*/*.p/*", Named: []string{"tile/"}},
	{Name: "tile", Pattern: "audit/tile/*/*", Named: []string{"tile/"}},
	{Name: "recording", Pattern: "recordings/*.hrec", Named: []string{"recording"}},
	{Name: "signing key", Pattern: "keys/audit.key"},
	{Name: "kept checkpoint", Pattern: "keys/audit.checkpoint"},
	{Name: "recording key", Pattern: "keys/recording.key"},
	{Name: "policy text", Pattern: "policies/*.json", Named: []string{"policies/"}},
	{Name: "witness memory", Pattern: "witness/*.checkpoint", Named: []string{"witness"}},
	{Name: "witness key", Pattern: "keys/witness.key"},

	{Name: "derived", Pattern: "audit/sessions.json", Not: "made anew from the log"},
	{Name: "store", Pattern: "hoop.db*", Named: []string{"store"}, Not: "what people browse and decide on: that it happened is in the log"},
	{Name: "store's age", Pattern: "store-age", Named: []string{"store"}, Not: "it tells a store that was put back from a copy, which no event depends on"},
	{Name: "lock", Pattern: "gateway.lock", Not: "empty"},
	{Name: "certificates", Pattern: "ca*.pem", Named: []string{"private CA"}, Not: "TLS ends with the connection"},
	{Name: "secrets", Pattern: "keys/*.key", Named: []string{"private CA"}, Not: "they sign in, seal or mask; nothing in the log is proved with them"},
	{Name: "position of a sink", Pattern: "sink-*.position", Not: "how far copies went: it can send some again, the log has all"},
	{Name: "what was told", Pattern: "notify/*", Not: "how far notices went: it can tell some again"},
}

// Of gives the kind of a path below a folder of kinds.
func Of(kinds []Kind, name string) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Has(name) })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// Has reports whether a path below the folder is of the kind, as far as its pattern goes.
func (k Kind) Has(name string) bool {
	ok, err := path.Match(k.Pattern, name)
	return ok && err == nil
}

// Some chooses of n things all, if they are few, else first, middle and last, and others
// by the seed.
func Some(n int, seed uint64) map[int]bool {
	const few, others = 6, 3
	chosen := make(map[int]bool)
	if n <= few {
		for i := range n {
			chosen[i] = true
		}
		return chosen
	}
	chosen[0], chosen[n/2], chosen[n-1] = true, true, true
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	for range others {
		chosen[r.IntN(n)] = true
	}
	return chosen
}
