package iostreams

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "SELECT 1;\n\tFROM t", "SELECT 1;\n\tFROM t"},
		{"umlauts and wide characters stay", "Müller 漢字 😀", "Müller 漢字 😀"},
		{"colour", "a\x1b[31mb", `a\x1b[31mb`},
		{"clipboard by OSC 52", "\x1b]52;c;cm0=\x07", `\x1b]52;c;cm0=\x07`},
		{"C1 control sequence introducer", "a\u009b2Jb", `a\x9b2Jb`},
		{"C1 as a raw byte", "a\x9b2Jb", `a\x9b2Jb`},
		{"carriage return hides a line", "DROP TABLE t\rSELECT 1    ", `DROP TABLE t\rSELECT 1    `},
		{"backspace", "DROP\b\b\b\bREAD", `DROP\x08\x08\x08\x08READ`},
		{"delete", "a\x7fb", `a\x7fb`},
		{"right-to-left override", "a\u202eb", `a\u202eb`},
		{"isolates", "a\u2066b\u2069", `a\u2066b\u2069`},
		{"zero width", "DR\u200bOP\ufeff", `DR\u200bOP\ufeff`},
		{"tag characters", "a\U000e0041", `a\U000e0041`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"Hangul filler", "a\u3164b", `a\u3164b`},
		{"variation selector", "a\ufe0fb", `a\ufe0fb`},
		{"leading combining mark", "\u0301a", `\u0301a`},
		{"no UTF-8", "a\xffb", `a\xffb`},
		{"NUL", "a\x00b", `a\x00b`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Printable(tc.in); got != tc.want {
				t.Errorf("Printable(%q): got %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	if got, want := OneLine("a\tb\nc\r"), `a\tb\nc\r`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSON_DecodesToTheSame(t *testing.T) {
	want := "a\u009b2J\u202e\U000e0041\x7f ü"
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	safe := JSON(b)
	if text := string(safe); text != Printable(text) {
		t.Errorf("not safe to show: %q", text)
	}
	var got string
	if err := json.Unmarshal(safe, &got); err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[2J\u202e\n\xff")
	f.Add("\u009b\u0301")
	f.Fuzz(func(t *testing.T, s string) {
		got := OneLine(s)
		if !utf8.ValidString(got) {
			t.Fatalf("OneLine(%q): no UTF-8: %q", s, got)
		}
		for _, r := range got {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				t.Fatalf("OneLine(%q) lets %U through", s, r)
			}
		}
		if again := OneLine(got); again != got {
			t.Fatalf("OneLine is not stable: %q, then %q", got, again)
		}
	})
}

func TestColor(t *testing.T) {
	s, _, _, _ := Test()
	if got := s.Red("x"); got != "x" {
		t.Errorf("a pipe got colour: %q", got)
	}
	s.color = true
	if got, want := s.Red("x"), "\x1b[31mx\x1b[0m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
