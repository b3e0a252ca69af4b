// Hoopctl reaches databases through a hoop gateway.
package main

import (
	"os"

	"github.com/hoopctl/hoopctl/internal/cli"
)

//go:generate sh -c "go run . completion bash > ../../completions/hoopctl.bash"
//go:generate sh -c "go run . completion zsh > ../../completions/hoopctl.zsh"
//go:generate sh -c "go run . completion fish > ../../completions/hoopctl.fish"
//go:generate sh -c "go run . completion powershell > ../../completions/hoopctl.ps1"

// version is set by the release (-ldflags "-X main.version=1.2.3").
var version = "dev"

func main() {
	os.Exit(cli.Main(version, os.Args[1:]))
}
