// Command hoop-gateway is the server: it holds the credentials, makes every decision
// and keeps the evidence.
package main

import (
	"os"

	"github.com/hoopctl/hoopctl/server/command"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

var version = "dev"

func main() {
	pgparse.RunWorker() // does not return in a parser worker
	os.Exit(command.Main(version, os.Args[1:], command.IO{Out: os.Stdout, Err: os.Stderr}))
}
