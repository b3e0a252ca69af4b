// Command cmd writes walk_gen.go into the current folder.
package main

import (
	"log"
	"os"

	"github.com/hoopctl/hoopctl/server/sqlscan/internal/walkgen"
)

func main() {
	src, err := walkgen.Generate()
	if err == nil {
		err = os.WriteFile("walk_gen.go", src, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
