package replay

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/mattn/go-runewidth"

	"github.com/hoopctl/hoopctl/internal/iostreams"
)

const (
	maxHeld   = 200  // rows held back to align their columns
	maxColumn = 48   // columns of a terminal that a cell is padded to; longer cells stick out
	maxCell   = 4096 // bytes of a cell that are shown
)

// rows is a result on its way to the screen: rows are held back, so that columns are
// as wide as they need be, until there are maxHeld or the record ends.
type rows struct {
	fields []column
	width  []int
	held   [][]string
	titled bool
	began  bool // the columns' names were not given to a table yet
}

// column is what is needed of a field description, whose bytes do not last.
type column struct {
	name   string
	typ    uint32
	binary bool
}

func (t *rows) begin(fields []pgproto3.FieldDescription) {
	t.fields, t.held, t.titled = nil, nil, false
	t.width = make([]int, len(fields))
	t.began = true
	for i, f := range fields {
		c := column{name: iostreams.OneLine(string(f.Name)), typ: f.DataTypeOID, binary: f.Format == pgproto3.BinaryFormat}
		t.fields = append(t.fields, c)
		t.width[i] = min(runewidth.StringWidth(c.name), maxColumn)
	}
}

// row takes one row. Where no description came before (Execute without Describe), its
// cells are shown as text.
func (p *postgres) row(values [][]byte) {
	t := &p.rows
	if len(values) != len(t.fields) {
		p.flush()
		t.begin(make([]pgproto3.FieldDescription, len(values)))
	}
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = cellText(p.r.types, t.fields[i], v)
		if !t.titled {
			t.width[i] = max(t.width[i], min(runewidth.StringWidth(cells[i]), maxColumn))
		}
	}
	if give := p.r.table; give != nil {
		if t.began {
			t.began = false
			names := make([]string, len(t.fields))
			for i, f := range t.fields {
				names[i] = f.name
			}
			give(names, true)
		}
		give(cells, false)
		return
	}
	t.held = append(t.held, cells)
	if len(t.held) >= maxHeld {
		p.flush()
	}
}

// flush shows the rows held back, under the columns' names where these are not shown
// yet. Widths stay from then on.
func (p *postgres) flush() {
	t := &p.rows
	if len(t.held) == 0 {
		return
	}
	if !t.titled {
		t.titled = true
		names, rules := make([]string, len(t.fields)), make([]string, len(t.fields))
		for i, f := range t.fields {
			names[i], rules[i] = f.name, strings.Repeat("─", t.width[i])
		}
		p.r.print("%s", paint(p.r.style.Dim, t.line(names, " │ ")))
		p.r.print("%s", paint(p.r.style.Dim, t.line(rules, "─┼─")))
	}
	for _, cells := range t.held {
		p.r.print("%s", t.line(cells, " │ "))
	}
	t.held = t.held[:0]
}

func (t *rows) line(cells []string, sep string) string {
	var b strings.Builder
	b.WriteString("  ")
	for i, c := range cells {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(c)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(0, t.width[i]-runewidth.StringWidth(c))))
		}
	}
	return b.String()
}
