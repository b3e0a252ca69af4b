package replay

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/hoopctl/hoopctl/pkg/recording"
)

const (
	maxFrames = 200             // of a film: what comes after is left out, and it says so
	maxPause  = 2 * time.Second // between two frames
	lastPause = 3 * time.Second
	fontSize  = 11
)

// Colours of a film, by the index of a pixel.
const (
	colorPaper = iota
	colorInk
	colorDim
	colorRed
	colorYellow
)

var filmColors = color.Palette{
	color.RGBA{0x11, 0x14, 0x18, 0xff},
	color.RGBA{0xe6, 0xe6, 0xe6, 0xff},
	color.RGBA{0x8a, 0x8f, 0x98, 0xff},
	color.RGBA{0xff, 0x6b, 0x6b, 0xff},
	color.RGBA{0xe5, 0xc0, 0x7b, 0xff},
}

// film draws the last lines of a replay after every record, a frame each.
type film struct {
	out    io.Writer
	buf    bytes.Buffer
	view   *Renderer
	face   font.Face
	lines  []*image.Paletted // drawn, the last ones
	gif    gif.GIF
	at     time.Duration // of the last frame
	cut    bool
	w, h   int
	ascent int
}

func newFilm(out io.Writer) *film {
	f := &film{out: out}
	f.view = NewRenderer(&f.buf, marked())
	return f
}

func (f *film) open() error {
	parsed, err := opentype.Parse(gomono.TTF)
	if err != nil {
		return fmt.Errorf("the film's font: %w", err)
	}
	if f.face, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: fontSize, DPI: 72, Hinting: font.HintingFull}); err != nil {
		return fmt.Errorf("the film's font: %w", err)
	}
	m := f.face.Metrics()
	wide, _ := f.face.GlyphAdvance('m')
	f.w, f.h, f.ascent = wide.Ceil(), m.Height.Ceil(), m.Ascent.Ceil()
	return nil
}

func (f *film) record(rec *recording.Record) error {
	if f.face == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.cut {
		return nil
	}
	if err := f.view.Render(rec); err != nil {
		return err
	}
	f.frame(rec.At)
	if len(f.gif.Image) == maxFrames {
		f.cut = true
		f.buf.WriteString("── the film ends here; export another format for the rest\n")
		f.frame(rec.At)
	}
	return nil
}

// frame draws what was rendered since the last one.
func (f *film) frame(at time.Duration) {
	if f.buf.Len() == 0 {
		return
	}
	text := strings.Split(strings.TrimSuffix(f.buf.String(), "\n"), "\n")
	f.buf.Reset()
	for _, l := range text[max(0, len(text)-screenLines):] {
		f.lines = append(f.lines, f.draw(l))
	}
	if n := len(f.lines); n > screenLines {
		f.lines = append([]*image.Paletted(nil), f.lines[n-screenLines:]...)
	}
	if n := len(f.gif.Delay); n > 0 {
		f.gif.Delay[n-1] = max(int(min(at-f.at, maxPause)/(10*time.Millisecond)), 2)
	}
	f.at = at
	img := image.NewPaletted(image.Rect(0, 0, f.w*screenColumns, f.h*screenLines), filmColors)
	for i, l := range f.lines {
		copy(img.Pix[i*f.h*img.Stride:], l.Pix) // both are as wide as the screen
	}
	f.gif.Image = append(f.gif.Image, img)
	f.gif.Delay = append(f.gif.Delay, int(lastPause/(10*time.Millisecond)))
}

// draw draws one line; every glyph has its cell.
func (f *film) draw(line string) *image.Paletted {
	img := image.NewPaletted(image.Rect(0, 0, f.w*screenColumns, f.h), filmColors)
	ink, column := colorInk, 0
	for _, r := range line {
		switch string(r) {
		case markBold, markEnd:
			ink = colorInk
			continue
		case markDim:
			ink = colorDim
			continue
		case markRed:
			ink = colorRed
			continue
		case markYellow:
			ink = colorYellow
			continue
		}
		wide := runewidth.RuneWidth(r)
		if column+wide > screenColumns {
			break
		}
		if string(r) == null {
			r = 'Ø' // Go Mono has no U+2205, and this looks the same
		}
		d := font.Drawer{Dst: img, Src: image.NewUniform(filmColors[ink]), Face: f.face, Dot: fixed.P(column*f.w, f.ascent)}
		d.DrawString(string(r))
		column += wide
	}
	return img
}

func (f *film) close() error {
	if err := f.view.Flush(); err != nil {
		return err
	}
	if !f.cut && f.face != nil {
		f.frame(f.at + maxPause)
	}
	if len(f.gif.Image) == 0 {
		return fmt.Errorf("there is nothing to show")
	}
	return gif.EncodeAll(f.out, &f.gif)
}
