package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// Formats are what a recording can be exported to.
var Formats = []string{"cast", "json", "csv", "txt", "html", "gif"}

// The size of the terminal that cast and gif show.
const (
	screenColumns = 120
	screenLines   = 36
)

// Export writes the recording of r to w in one of Formats:
//
//	cast  asciicast v2, for any player of it
//	json  a record per line, as the API gives them
//	csv   the rows of every answer: statement, seconds, cells, under their columns' names
//	txt   what replay shows
//	html  the same, a page without scripts
//	gif   a film of it, pauses cut short
//
// All but gif and json hold no more than a record. A recording that stops without its
// end mark is written as far as it goes, and recording.ErrUnfinished returned.
func Export(ctx context.Context, w io.Writer, r io.Reader, format string) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var x exporter
	switch format {
	case "cast":
		x = &castExport{out: out}
	case "json":
		x = jsonExport{out}
	case "csv":
		x = newCSVExport(out)
	case "txt":
		x = &textExport{view: NewRenderer(out, Style{})}
	case "html":
		x = newHTMLExport(out)
	case "gif":
		x = newFilm(out)
	default:
		return fmt.Errorf("unknown format %q; there are %s", format, strings.Join(Formats, ", "))
	}
	in := NewReader(r)
	for {
		rec, err := in.Next()
		if err != nil {
			end := err
			if errors.Is(err, io.EOF) {
				end = nil
			} else if !errors.Is(err, recording.ErrUnfinished) {
				return err
			}
			return errors.Join(x.close(), out.Flush(), end)
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := x.record(rec); err != nil {
			return err
		}
	}
}

type exporter interface {
	record(rec *recording.Record) error
	close() error
}

type textExport struct{ view *Renderer }

func (x *textExport) record(rec *recording.Record) error { return x.view.Render(rec) }
func (x *textExport) close() error                       { return x.view.Flush() }

type jsonExport struct{ out io.Writer }

func (x jsonExport) record(rec *recording.Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	_, err = x.out.Write(append(iostreams.JSON(b), '\n'))
	return err
}

func (jsonExport) close() error { return nil }

// castExport writes asciicast v2: a header, then an event per record (asciinema's
// doc/asciicast-v2.md).
type castExport struct {
	out    io.Writer
	buf    bytes.Buffer
	view   *Renderer
	headed bool
	at     time.Duration
}

func (x *castExport) record(rec *recording.Record) error {
	if !x.headed {
		if err := x.head(rec); err != nil {
			return err
		}
	}
	x.at = max(x.at, rec.At) // an event is never before the one above it
	if err := x.view.Render(rec); err != nil {
		return err
	}
	return x.flush()
}

func (x *castExport) head(rec *recording.Record) error {
	x.headed = true
	sgr := func(code string) func(string) string {
		return func(s string) string { return "\x1b[" + code + "m" + s + "\x1b[0m" }
	}
	x.view = NewRenderer(&x.buf, Style{Bold: sgr("1"), Dim: sgr("2"), Red: sgr("31"), Yellow: sgr("33")})
	h := struct {
		Version   int    `json:"version"`
		Width     int    `json:"width"`
		Height    int    `json:"height"`
		Timestamp int64  `json:"timestamp,omitempty"`
		Title     string `json:"title,omitempty"`
	}{Version: 2, Width: screenColumns, Height: screenLines}
	if s := rec.Session; s != nil {
		h.Title = iostreams.OneLine("session " + s.ID + ": " + s.Identity.Subject + " on " + s.Target)
		if !s.StartedAt.IsZero() {
			h.Timestamp = s.StartedAt.Unix()
		}
	}
	return x.line(h)
}

func (x *castExport) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = x.out.Write(append(b, '\n'))
	return err
}

func (x *castExport) flush() error {
	if x.buf.Len() == 0 {
		return nil
	}
	text := strings.ReplaceAll(x.buf.String(), "\n", "\r\n")
	x.buf.Reset()
	return x.line([]any{json.Number(strconv.FormatFloat(x.at.Seconds(), 'f', 6, 64)), "o", text})
}

func (x *castExport) close() error {
	if x.view == nil {
		return nil
	}
	if err := x.view.Flush(); err != nil {
		return err
	}
	return x.flush()
}

// csvExport writes the rows of answers.
type csvExport struct {
	csv  *csv.Writer
	view *Renderer
	now  *recording.Record
	st   int64
}

func newCSVExport(out io.Writer) *csvExport {
	x := &csvExport{csv: csv.NewWriter(out), view: NewRenderer(io.Discard, Style{})}
	x.view.table = x.row
	return x
}

// row takes the names of a result's columns, where titles is set, or a row.
func (x *csvExport) row(cells []string, titles bool) {
	head := []string{strconv.FormatInt(x.st, 10), strconv.FormatFloat(x.now.At.Seconds(), 'f', 6, 64)}
	if titles {
		head = []string{"statement", "seconds"}
	}
	for _, c := range cells {
		head = append(head, tame(c))
	}
	_ = x.csv.Write(head) // its error stays, and is asked for below
}

// tame keeps a spreadsheet from taking a cell for a formula.
func tame(c string) string {
	if c == "" || !strings.ContainsRune("=+-@\t\r", rune(c[0])) {
		return c
	}
	if _, err := strconv.ParseFloat(c, 64); err == nil {
		return c
	}
	return "'" + c
}

func (x *csvExport) record(rec *recording.Record) error {
	x.now = rec
	if rec.Counter > 0 {
		x.st = rec.Counter
	}
	if err := x.view.Render(rec); err != nil {
		return err
	}
	return x.csv.Error()
}

func (x *csvExport) close() error {
	err := x.view.Flush()
	x.csv.Flush()
	return errors.Join(err, x.csv.Error())
}

// Marks of style between the renderer and what shows it: control characters, which
// never come from a recording (iostreams.Printable).
const (
	markBold   = "\x01"
	markDim    = "\x02"
	markRed    = "\x03"
	markYellow = "\x04"
	markEnd    = "\x05"
)

func marked() Style {
	mark := func(m string) func(string) string { return func(s string) string { return m + s + markEnd } }
	return Style{Bold: mark(markBold), Dim: mark(markDim), Red: mark(markRed), Yellow: mark(markYellow)}
}

// htmlExport writes a page.
type htmlExport struct {
	out  io.Writer
	buf  bytes.Buffer
	view *Renderer
	head bool
}

func newHTMLExport(out io.Writer) *htmlExport {
	x := &htmlExport{out: out}
	x.view = NewRenderer(&x.buf, marked())
	return x
}

const htmlHead = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Recording</title>
<style>body { background: #fff; color: #1a1a1a } pre { font: 13px/1.4 monospace; white-space: pre-wrap; overflow-wrap: anywhere }
.d { color: #777 } .r { color: #b00 } .y { color: #850 }</style></head><body><pre>
`

var htmlMarks = strings.NewReplacer(markBold, "<b>", markDim, `<b class="d">`, markRed, `<b class="r">`, markYellow, `<b class="y">`, markEnd, "</b>")

func (x *htmlExport) flush() error {
	if !x.head {
		x.head = true
		if _, err := io.WriteString(x.out, htmlHead); err != nil {
			return err
		}
	}
	_, err := htmlMarks.WriteString(x.out, html.EscapeString(x.buf.String()))
	x.buf.Reset()
	return err
}

func (x *htmlExport) record(rec *recording.Record) error {
	if err := x.view.Render(rec); err != nil {
		return err
	}
	return x.flush()
}

func (x *htmlExport) close() error {
	if err := errors.Join(x.view.Flush(), x.flush()); err != nil {
		return err
	}
	_, err := io.WriteString(x.out, "</pre></body></html>\n")
	return err
}

// KnownFormat reports whether format is one of Formats.
func KnownFormat(format string) bool { return slices.Contains(Formats, format) }
