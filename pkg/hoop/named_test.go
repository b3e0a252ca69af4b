package hoop_test

import (
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestNamed(t *testing.T) {
	for _, tt := range []struct{ name, subject, want string }{
		{"", "corp:dana", "corp:dana"},
		{"dana", "dana", "dana"},
		{"Dana Ó. O'Hara-Núñez", "corp:dana", "Dana Ó. O'Hara-Núñez (corp:dana)"},
		{"Hara, Dana", "corp:dana", `"Hara, Dana" (corp:dana)`},
		{"Alex (corp:alex), for", "agent:1f", `"Alex (corp:alex), for" (agent:1f)`},
		{`Alex" (corp:alex)`, "agent:1f", `"Alex\" (corp:alex)" (agent:1f)`},
	} {
		if got := hoop.Named(tt.name, tt.subject); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
