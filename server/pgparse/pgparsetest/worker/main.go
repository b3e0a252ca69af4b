// Command worker is a parser worker and nothing else, for tests.
package main

import "github.com/hoopctl/hoopctl/server/pgparse"

func main() { pgparse.RunWorker() }
