package resource

import (
	"encoding"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"go.yaml.in/yaml/v3"
)

// decoder fills the types of this package from YAML nodes by their json tags, so that
// every error has its own line, unknown fields are errors at any depth, and a secret
// in the wrong place is not quoted back: yaml's own decoder does neither below a
// custom UnmarshalYAML.
type decoder struct {
	file string
	errs []error
}

// nodeDecoder is a type with a form of its own.
type nodeDecoder interface {
	decode(d *decoder, n *yaml.Node)
}

func (d *decoder) errorf(n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, fmt.Errorf("%s:%d: %s", d.file, n.Line, fmt.Sprintf(format, args...)))
}

// path makes a relative path relative to the resources file.
func (d *decoder) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(d.file), p)
}

func (d *decoder) value(n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if c, ok := v.Addr().Interface().(nodeDecoder); ok {
		c.decode(d, n)
		return
	}
	if c, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if s, ok := d.text(n); ok {
			if err := c.UnmarshalText([]byte(s)); err != nil {
				d.errorf(n, "%s", err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*hoop.ApprovalRule]() && n.Kind == yaml.ScalarNode && n.Value == "none" {
			return
		}
		p := reflect.New(v.Type().Elem())
		d.value(n, p.Elem())
		v.Set(p)
	case reflect.Struct:
		d.fields(n, v)
	case reflect.Slice:
		d.list(n, v)
	case reflect.String:
		if s, ok := d.text(n); ok {
			v.SetString(s)
		}
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if err != nil || n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
			d.errorf(n, "want a number")
			return
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Value != "true" && n.Value != "false" {
			d.errorf(n, "want true or false")
			return
		}
		v.SetBool(n.Value == "true")
	default:
		d.errorf(n, "cannot hold a %s", v.Type()) // a fault of this package; its tests decode every field
	}
}

func (d *decoder) text(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		d.errorf(n, "want a text (put quotes around numbers, true, false and null)")
		return "", false
	}
	return n.Value, true
}

func (d *decoder) list(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.errorf(n, "want a list: [a, b]")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		d.value(c, out.Index(i))
	}
	v.Set(out)
}

func (d *decoder) fields(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.errorf(n, "want fields: %s", strings.Join(fieldNames(v.Type()), ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f, ok := fieldByName(v.Type(), key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || !ok:
			d.errorf(key, "unknown field %q; known are %s", key.Value, strings.Join(fieldNames(v.Type()), ", "))
		case seen[key.Value]:
			d.errorf(key, "field %q appears twice", key.Value)
		default:
			seen[key.Value] = true
			d.value(value, v.FieldByIndex(f.Index))
		}
	}
}

// fieldByName finds the field with a json name; embedded ones are not part of a spec.
func fieldByName(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if !f.Anonymous && name != "" && fieldName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		if name := fieldName(f); name != "" && !f.Anonymous {
			names = append(names, name)
		}
	}
	return names
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
