package postgres

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// copyFormat is how COPY TO STDOUT writes a row; each row is one CopyData message
// (manual, "COPY", "File Formats").
type copyFormat byte

const (
	copyNone   copyFormat = iota // not COPY TO STDOUT
	copyText                     // fields between tabs or another sign, backslash sequences
	copyCSV                      // fields between commas or another sign, some in quotes
	copyBinary                   // of columns whose types are known
	copyOther                    // binary otherwise, or with an option that is not followed
)

// copying is one COPY TO STDOUT.
type copying struct {
	format                   copyFormat
	delimiter, quote, escape byte          // of copyText and copyCSV
	columns                  []hoop.Column // of copyBinary
}

// copiesOf gives those of the commands of a text; nil where none is COPY TO.
func copiesOf(p *pgparse.Parsed, snap *catalog.Snapshot) []copying {
	var all []copying
	for i, raw := range p.Tree.GetStmts() {
		c := raw.GetStmt().GetCopyStmt()
		if c == nil || c.GetIsFrom() {
			continue
		}
		if all == nil {
			all = make([]copying, len(p.Tree.GetStmts()))
		}
		all[i] = copyingOf(c)
		if all[i].format == copyBinary {
			if all[i].columns = copied(c, snap); all[i].columns == nil {
				all[i].format = copyOther
			}
		}
	}
	return all
}

func copyingOf(c *pg_query.CopyStmt) copying {
	out := copying{format: copyText}
	for _, o := range c.GetOptions() {
		d := o.GetDefElem()
		text := d.GetArg().GetString_().GetSval()
		var sign *byte
		switch d.GetDefname() {
		case "format":
			switch strings.ToLower(text) {
			case "text":
			case "csv":
				out.format = copyCSV
			case "binary":
				out.format = copyBinary
			default:
				return copying{format: copyOther}
			}
		case "delimiter":
			sign = &out.delimiter
		case "quote":
			sign = &out.quote
		case "escape":
			sign = &out.escape
		case "encoding": // the target's session has UTF8 anyway
			if !isUTF8(text) {
				return copying{format: copyOther}
			}
		case "header", "force_quote", "null": // what is NULL shows nothing
		default:
			return copying{format: copyOther}
		}
		if sign != nil {
			if len(text) != 1 { // PostgreSQL takes one byte
				return copying{format: copyOther}
			}
			*sign = text[0]
		}
	}
	out.delimiter = cmp.Or(out.delimiter, map[copyFormat]byte{copyText: '\t', copyCSV: ','}[out.format])
	out.quote = cmp.Or(out.quote, '"')
	out.escape = cmp.Or(out.escape, out.quote)
	return out
}

// scanRow appends a row of COPY data whose fields went through text. A field that
// stays the same is copied as it is.
func (c *copying) scanRow(dst, row []byte, text func(dst, s []byte) []byte) (out []byte, changed int64, err error) {
	line := bytes.TrimSuffix(row, []byte{'\n'})
	eol := row[len(line):]
	for more := true; more; {
		var field, value []byte
		switch c.format {
		case copyText:
			field, line, more = c.cutText(line)
			value = unescape(field)
		case copyCSV:
			field, value, line, more, err = c.cutCSV(line)
		default:
			err = errMalformed
		}
		if err != nil {
			return dst, 0, err
		}
		masked := text(nil, value)
		switch {
		case bytes.Equal(masked, value) || c.format == copyText && string(field) == `\N`:
			dst = append(dst, field...)
		case c.format == copyText:
			dst = c.escaped(dst, masked)
			changed++
		default:
			dst = c.quoted(dst, masked)
			changed++
		}
		if more {
			dst = append(dst, c.delimiter)
		}
	}
	return append(dst, eol...), changed, nil
}

// cutText takes the first field off a line, as it is written. A delimiter in a value stands
// behind a backslash.
func (c *copying) cutText(line []byte) (field, rest []byte, more bool) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case c.delimiter:
			return line[:i], line[i+1:], true
		case '\\':
			i++
		}
	}
	return line, nil, false
}

// letters are the backslash sequences that COPY TO writes (CopyAttributeOutText in
// commands/copyto.c).
var letters = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\'}

func unescape(field []byte) []byte {
	if bytes.IndexByte(field, '\\') < 0 {
		return field
	}
	out := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == '\\' && i+1 < len(field) {
			i++
			if c = field[i]; letters[c] != 0 {
				c = letters[c]
			}
		}
		out = append(out, c)
	}
	return out
}

func (c *copying) escaped(dst, value []byte) []byte {
	for _, b := range value {
		switch b {
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\v':
			dst = append(dst, `\v`...)
		case '\\':
			dst = append(dst, `\\`...)
		case c.delimiter:
			dst = append(dst, '\\', b)
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

func (c *copying) quoted(dst, value []byte) []byte {
	dst = append(dst, c.quote)
	for _, b := range value {
		if b == c.quote || b == c.escape {
			dst = append(dst, c.escape)
		}
		dst = append(dst, b)
	}
	return append(dst, c.quote)
}

// cutCSV takes the first field off a line: as it is written, and what it stands for.
func (c *copying) cutCSV(line []byte) (field, value, rest []byte, more bool, err error) {
	if len(line) == 0 || line[0] != c.quote {
		field, rest, more = bytes.Cut(line, []byte{c.delimiter})
		return field, field, rest, more, nil
	}
	for i := 1; i < len(line); i++ {
		switch {
		case line[i] == c.escape && i+1 < len(line) && (line[i+1] == c.quote || line[i+1] == c.escape):
			i++
			value = append(value, line[i])
			continue
		case line[i] != c.quote:
			value = append(value, line[i])
			continue
		}
		switch field = line[:i+1]; {
		case i+1 == len(line):
			return field, value, nil, false, nil
		case line[i+1] == c.delimiter:
			return field, value, line[i+2:], true, nil
		}
		break
	}
	return nil, nil, nil, false, errMalformed
}

// copies gives the format of the COPY TO that e is at.
func (e *expected) copies() copying {
	all := e.run.meaning.copies
	if e.tags >= len(all) {
		return copying{}
	}
	return all[e.tags]
}

// copyBegins: CopyOutResponse. Data of COPY TO follow.
func (a *answerer) copyBegins(e *expected, m []byte) error {
	if e.run == nil {
		return a.fault("COPY TO that was not asked for")
	}
	if err := a.renewedWhole(e.run); err != nil {
		return err
	}
	if e.run.withheld {
		if err := a.copiesStill(e, m); err != nil {
			return err
		}
	}
	a.relayed(len(m))
	e.run.answered.out = true
	if c := e.copies(); c.format == copyBinary && e.run.run.Rules().Values() {
		e.run.planned, e.run.plan, e.run.columns, e.run.headed = true, e.run.run.Plan(c.columns), c.columns, false
	}
	return nil
}

// copyRow masks a row of COPY TO where values are looked for in texts.
func (a *answerer) copyRow(e *expected, m []byte) error {
	rules := e.run.run.Rules()
	if !rules.Values() {
		if failed, err := a.convert(e, m); failed || err != nil {
			a.drop(len(m))
			return err
		}
		e.run.gave(len(m) - headerSize)
		a.relayed(len(m))
		return nil
	}
	out, at := begin(a.row[:0], 'd')
	var changed int64
	var err error
	if c := e.copies(); c.format == copyBinary {
		out, changed, err = e.run.binaryRow(out, m[headerSize:])
	} else {
		out, changed, err = c.scanRow(out, m[headerSize:], rules.Text)
	}
	if err != nil {
		return a.fault("COPY data: %v", err)
	}
	e.run.res.Masked += changed
	a.drop(len(m))
	out = end(out, at)
	if failed, err := a.convert(e, out); failed || err != nil {
		return err
	}
	e.run.gave(len(out) - headerSize)
	a.win = append(a.win, out...)
	if a.row = out; cap(a.row) > bufferSize {
		a.row = nil
	}
	return nil
}

// scannable refuses COPY TO in a form whose fields the gateway does not find, where it
// must look into them.
func (m *meaning) scannable() error {
	if slices.ContainsFunc(m.copies, func(c copying) bool { return c.format == copyOther }) {
		return hoop.Errorf(hoop.CodeDenied, "COPY TO in this format could deliver values that are masked for you").
			WithHint("use FORMAT text or csv in UTF8, or SELECT; FORMAT binary copies ordinary tables only")
	}
	return nil
}
