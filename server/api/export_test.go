package api

import (
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/server/grant"
)

// Paths are all that New routes, with the methods that each takes.
func Paths() map[string]string {
	methods := map[string][]string{}
	for _, r := range (&handler{Options: Options{Grants: &grant.Service{}}}).routes() {
		methods[r.path] = append(methods[r.path], r.method)
	}
	paths := map[string]string{}
	for path, m := range methods {
		slices.Sort(m)
		paths[path] = strings.Join(m, ", ")
	}
	return paths
}
