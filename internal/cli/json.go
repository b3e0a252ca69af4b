package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hoopctl/hoopctl/internal/iostreams"
)

// jsonFlag is --json[=FIELDS]. As a flag value without FIELDS it means every field.
type jsonFlag struct {
	set    bool
	fields []string
	known  []string
}

// addJSON adds --json to a command that shows values of type T.
func addJSON[T any](cmd *cobra.Command, j *jsonFlag) {
	j.known = fieldsOf(reflect.TypeFor[T]())
	fl := cmd.Flags().VarPF(j, "json", "", "answer in JSON: every field, or FIELDS separated by commas:\n"+wrap(strings.Join(j.known, ","), 56))
	fl.NoOptDefVal = "*"
}

// wrap breaks a list at commas after at most n columns.
func wrap(s string, n int) string {
	var b strings.Builder
	col := 0
	for _, w := range strings.SplitAfter(s, ",") {
		if col > 0 && col+len(w) > n {
			b.WriteByte('\n')
			col = 0
		}
		b.WriteString(w)
		col += len(w)
	}
	return b.String()
}

// String implements pflag.Value.
func (j *jsonFlag) String() string { return strings.Join(j.fields, ",") }

// Type implements pflag.Value; help shows it.
func (j *jsonFlag) Type() string { return "FIELDS" }

// Set implements pflag.Value.
func (j *jsonFlag) Set(v string) error {
	j.set, j.fields = true, nil
	if v == "*" {
		return nil
	}
	for f := range strings.SplitSeq(v, ",") {
		if !slices.Contains(j.known, f) {
			return fmt.Errorf("unknown field %q; there are %s", f, strings.Join(j.known, ", "))
		}
		j.fields = append(j.fields, f)
	}
	return nil
}

// fieldsOf lists the JSON names of a struct's fields, in order.
func fieldsOf(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			names = append(names, fieldsOf(f.Type)...)
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// compactJSON encodes v, or the chosen fields of v or of its items, on one line.
func compactJSON(j jsonFlag, v any) ([]byte, error) {
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Slice && rv.IsNil() {
		v = []struct{}{}
	}
	b, err := json.Marshal(v)
	if err == nil && len(j.fields) > 0 {
		b, err = choose(b, j.fields)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return iostreams.JSON(b), nil
}

// writeJSON writes v as compactJSON has it; at a terminal it is indented.
func (f *Factory) writeJSON(j jsonFlag, v any) error {
	b, err := compactJSON(j, v)
	if err != nil {
		return err
	}
	if f.IO.OutTTY {
		var buf bytes.Buffer
		if err := json.Indent(&buf, b, "", "  "); err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		b = buf.Bytes()
	}
	_, err = fmt.Fprintf(f.IO.Out, "%s\n", b)
	return err
}

// choose keeps fields of an object, or of each object of a list, in that order. A
// field that an object leaves out is null.
func choose(b []byte, fields []string) ([]byte, error) {
	if b[0] != '[' {
		return chooseOne(b, fields)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(b, &items); err != nil {
		return nil, err
	}
	for i, it := range items {
		one, err := chooseOne(it, fields)
		if err != nil {
			return nil, err
		}
		items[i] = one
	}
	return json.Marshal(items)
}

func chooseOne(b []byte, fields []string) ([]byte, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for i, name := range fields {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		out.WriteByte(sep)
		v := m[name]
		if v == nil {
			v = json.RawMessage("null")
		}
		fmt.Fprintf(&out, "%q:%s", name, v)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}
