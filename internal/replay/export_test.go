package replay

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"image/gif"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/recording"
)

func exported(t *testing.T, format string, recs ...recording.Record) string {
	t.Helper()
	var out bytes.Buffer
	if err := Export(t.Context(), &out, ndjson(t, recs...), format); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestExport_Cast(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(exported(t, "cast", session(t)...), "\n"), "\n")
	var head struct{ Version, Width, Height, Timestamp int }
	if err := json.Unmarshal([]byte(lines[0]), &head); err != nil || head.Version != 2 || head.Width == 0 || head.Timestamp != 1795435200 {
		t.Fatalf("header: %s, %v", lines[0], err)
	}
	last, text := 0.0, ""
	for _, l := range lines[1:] {
		var ev []any
		if err := json.Unmarshal([]byte(l), &ev); err != nil || len(ev) != 3 || ev[1] != "o" || ev[0].(float64) < last {
			t.Fatalf("event %s: %v", l, err)
		}
		last = ev[0].(float64)
		text += ev[2].(string)
	}
	if last != 10 || !strings.Contains(text, "Bartholomew") || !strings.Contains(text, "\r\n") {
		t.Errorf("ends at %v: %q", last, text)
	}
}

func TestExport_CSV(t *testing.T) {
	recs := append(session(t)[:4:4],
		recording.Record{Kind: recording.KindStatement, Counter: 5, Statement: &recording.Statement{Text: "x"}},
		recording.Record{Kind: recording.KindOutput, Counter: 5, Wire: wire(t, described(0, "a,b", pgtype.TextOID), row("=cmd|' /C calc'!A0"), row("-5"), row("two\nlines"), &pgproto3.CommandComplete{})},
		session(t)[9])
	r := csv.NewReader(strings.NewReader(exported(t, "csv", recs...)))
	r.FieldsPerRecord = -1
	got, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"statement", "seconds", "id", "name", "ssn"},
		{"1", "1.210000", "8", "Ann", "***"},
		{"1", "1.210000", "10", "Bartholomew", "∅"},
		{"statement", "seconds", "a,b"},
		{"5", "0.000000", "'=cmd|' /C calc'!A0"},
		{"5", "0.000000", "-5"},
	}
	for i := range want {
		if i >= len(got) || strings.Join(got[i], "|") != strings.Join(want[i], "|") {
			t.Errorf("line %d: got %q, want %q", i, got, want[i])
			break
		}
	}
}

func TestExport_TextAndPage(t *testing.T) {
	if got := exported(t, "txt", session(t)...); got != sessionText {
		t.Errorf("got %s", got)
	}
	recs := session(t)
	recs[1].Statement.Text = "SELECT '<script>alert(1)</script>' \x01\x03"
	page := exported(t, "html", recs...)
	for _, bad := range []string{"<script", "\x01", "\x03", "\x05"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;") || !strings.HasSuffix(page, "</html>\n") || strings.Count(page, "<b>")+strings.Count(page, "<b ") != strings.Count(page, "</b>") {
		t.Errorf("got %s", page)
	}
}

func TestExport_JSON(t *testing.T) {
	d := json.NewDecoder(strings.NewReader(exported(t, "json", session(t)...)))
	n := 0
	for {
		var rec recording.Record
		if err := d.Decode(&rec); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(session(t)) {
		t.Errorf("%d records", n)
	}
}

func TestExport_Film(t *testing.T) {
	var many []recording.Record
	many = append(many, session(t)[:9]...)
	for range maxFrames + 50 {
		many = append(many, recording.Record{Kind: recording.KindNotice, Text: "漢字 ════ again"})
	}
	many = append(many, session(t)[9])
	for name, recs := range map[string][]recording.Record{"whole": session(t), "cut": many} {
		g, err := gif.DecodeAll(strings.NewReader(exported(t, "gif", recs...)))
		if err != nil {
			t.Fatal(name, err)
		}
		if len(g.Image) < 5 || len(g.Image) > maxFrames+1 {
			t.Errorf("%s: %d frames", name, len(g.Image))
		}
		for i, d := range g.Delay {
			if d < 2 || d > 300 {
				t.Errorf("%s: frame %d stays for %d/100 s", name, i, d)
			}
		}
		inked := 0
		for _, p := range g.Image[len(g.Image)-1].Pix {
			if p != colorPaper {
				inked++
			}
		}
		if inked < 500 {
			t.Errorf("%s: the last frame shows nothing", name)
		}
		if name == "cut" && len(g.Image) != maxFrames+1 {
			t.Errorf("cut: %d frames", len(g.Image))
		}
	}
}

// Every sign that the replay itself draws has a glyph in the film.
func TestFilm_HasOurSigns(t *testing.T) {
	f := newFilm(io.Discard)
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	missing := f.draw("\U0010fffd").Pix // a private character: no font has it
	for _, sign := range []string{null, "─", "│", "┼", "═", "…"} {
		if bytes.Equal(f.draw(sign).Pix, missing) || bytes.Equal(f.draw(sign).Pix, f.draw(" ").Pix) {
			t.Errorf("%s is not drawn", sign)
		}
	}
}

// What stops without an end is written as far as it goes, and said.
func TestExport_Unfinished(t *testing.T) {
	for _, format := range Formats {
		var out bytes.Buffer
		if err := Export(t.Context(), &out, ndjson(t, session(t)[:4]...), format); !errors.Is(err, recording.ErrUnfinished) || out.Len() == 0 {
			t.Errorf("%s: got %v and %d bytes", format, err, out.Len())
		}
	}
	if err := Export(t.Context(), io.Discard, ndjson(t), "exe"); err == nil {
		t.Error("an unknown format")
	}
}
