package hoop

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// This file writes the nouns that are written for every statement as encoding/json
// does, without its reflection: a statement is in the audit log and in its recording
// before it runs, so this is on every query's path. Bytes that are not UTF-8 become
// U+FFFD itself, where encoding/json writes its escape.

// AppendJSON appends e's JSON. A time that JSON cannot have is an error.
func (e *Event) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `{"time":`...)
	dst, err := appendTime(dst, e.Time)
	if err != nil {
		return nil, err
	}
	dst = numberField(dst, `,"mono_ns":`, e.Mono)
	dst = JSONString(append(dst, `,"type":`...), string(e.Type))
	dst = textField(dst, `,"subject":`, e.Subject)
	dst = listField(dst, `,"chain":`, e.Chain)
	dst = textField(dst, `,"target":`, e.Target)
	dst = textField(dst, `,"grant":`, e.Grant)
	dst = numberField(dst, `,"request":`, e.Request)
	dst = textField(dst, `,"session":`, e.Session)
	dst = numberField(dst, `,"counter":`, e.Counter)
	dst = textField(dst, `,"policy":`, e.Policy)
	dst = textField(dst, `,"text":`, e.Text)
	dst = listField(dst, `,"effects":`, e.Effects)
	dst = listField(dst, `,"tables":`, e.Tables)
	dst = textField(dst, `,"action":`, string(e.Action))
	dst = textField(dst, `,"rule":`, e.Rule)
	dst = textField(dst, `,"reason":`, e.Reason)
	dst = textField(dst, `,"cause":`, string(e.Cause))
	if e.Result != nil {
		dst = e.Result.AppendJSON(append(dst, `,"result":`...))
	}
	if r := e.Record; r != nil {
		dst = JSONString(append(dst, `,"recording":{"sha256":`...), r.SHA256)
		dst = strconv.AppendInt(append(dst, `,"size":`...), r.Size, 10)
		dst = append(strconv.AppendInt(append(dst, `,"events":`...), r.Events, 10), '}')
	}
	for i, d := range e.Details {
		if i == 0 {
			dst = append(dst, `,"details":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = JSONString(append(dst, `{"name":`...), d.Name)
		dst = append(JSONString(append(dst, `,"value":`...), d.Value), '}')
		if i == len(e.Details)-1 {
			dst = append(dst, ']')
		}
	}
	dst = numberField(dst, `,"duration_us":`, e.Duration)
	return append(dst, '}'), nil
}

// AppendJSON appends r's JSON.
func (r *Result) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"statement":`...), r.Statement, 10)
	dst = textField(dst, `,"tag":`, r.Tag)
	dst = textField(dst, `,"sqlstate":`, r.SQLState)
	dst = strconv.AppendInt(append(dst, `,"rows":`...), r.Rows, 10)
	dst = numberField(dst, `,"changed":`, r.Changed)
	dst = strconv.AppendInt(append(dst, `,"bytes":`...), r.Bytes, 10)
	dst = strconv.AppendInt(append(dst, `,"masked":`...), r.Masked, 10)
	dst = textField(dst, `,"digest":`, r.Digest)
	return append(dst, '}')
}

// AppendJSON appends u's JSON.
func (u *Use) AppendJSON(dst []byte) []byte {
	dst = JSONString(append(dst, `{"effect":`...), string(u.Effect))
	dst = listField(dst, `,"tables":`, u.Tables)
	for i, c := range u.Columns {
		if i == 0 {
			dst = append(dst, `,"columns":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = JSONString(append(dst, `{"schema":`...), c.Schema)
		dst = JSONString(append(dst, `,"table":`...), c.Table)
		dst = append(JSONString(append(dst, `,"column":`...), c.Column), '}')
		if i == len(u.Columns)-1 {
			dst = append(dst, ']')
		}
	}
	dst = listField(dst, `,"into":`, u.Into)
	if u.Keeps {
		dst = append(dst, `,"keeps":true`...)
	}
	dst = textField(dst, `,"why":`, u.Why)
	return append(dst, '}')
}

// AppendJSON appends d's JSON.
func (d *Decision) AppendJSON(dst []byte) []byte {
	dst = JSONString(append(dst, `{"action":`...), string(d.Action))
	dst = textField(dst, `,"effect":`, string(d.Effect))
	dst = textField(dst, `,"rule":`, d.Rule)
	dst = JSONString(append(dst, `,"reason":`...), d.Reason)
	if a := d.Approval; a != nil {
		dst = append(dst, `,"approval":{"groups":`...)
		if a.Groups == nil {
			dst = append(dst, `null`...)
		} else {
			dst = appendList(dst, a.Groups)
		}
		dst = strconv.AppendInt(append(dst, `,"count":`...), int64(a.Count), 10)
		dst = append(JSONString(append(dst, `,"timeout":`...), a.Timeout.Text()), '}')
	}
	for i := range d.Also {
		if i == 0 {
			dst = append(dst, `,"also":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = d.Also[i].AppendJSON(dst)
		if i == len(d.Also)-1 {
			dst = append(dst, ']')
		}
	}
	dst = JSONString(append(dst, `,"policy":`...), d.Policy)
	if o := d.Observed; o != nil {
		dst = JSONString(append(dst, `,"observed":{"action":`...), string(o.Action))
		dst = textField(dst, `,"effect":`, string(o.Effect))
		dst = append(JSONString(append(dst, `,"rule":`...), o.Rule), '}')
	}
	if d.CosignedWithin != 0 {
		dst = JSONString(append(dst, `,"cosigned_within":`...), d.CosignedWithin.String())
	}
	return append(dst, '}')
}

func appendTime(dst []byte, t time.Time) ([]byte, error) {
	if y := t.Year(); y < 0 || y >= 10000 || t.Location() != time.UTC {
		b, err := json.Marshal(t)
		return append(dst, b...), err
	}
	return append(t.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"'), nil
}

func textField(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return JSONString(append(dst, name...), s)
}

func numberField(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, name...), n, 10)
}

func listField[T ~string](dst []byte, name string, list []T) []byte {
	if len(list) == 0 {
		return dst
	}
	return appendList(append(dst, name...), list)
}

func appendList[T ~string](dst []byte, list []T) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = JSONString(dst, string(s))
	}
	return append(dst, ']')
}

// JSONBytes appends b as encoding/json writes a []byte that is not nil: in base64.
func JSONBytes(dst, b []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"')
}

// JSONString appends s as a string of JSON, escaped as encoding/json does for HTML.
func JSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				dst = append(append(dst, s[from:i]...), "\ufffd"...)
			case r == '\u2028' || r == '\u2029':
				dst = append(append(dst, s[from:i]...), '\\', 'u', '2', '0', '2', hex[r&15])
			default:
				i += n
				continue
			}
			i += n
			from = i
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}
