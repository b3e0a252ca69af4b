package resource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Decode fills v, a pointer to a struct with json tags, from one YAML document, as
// strictly as resources are read: unknown fields are errors, each fault has its
// file:line, and files of secrets are relative to the folder of path. The error joins
// one error per fault.
func Decode(path string, b []byte, v any) error {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var n yaml.Node
	err := dec.Decode(&n)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			return fmt.Errorf("%s:%s: %s", path, m[1], m[2])
		}
		return fmt.Errorf("%s:1: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	d := &decoder{file: path}
	d.fields(n.Content[0], reflect.ValueOf(v).Elem())
	if err := dec.Decode(&n); !errors.Is(err, io.EOF) {
		d.errorf(&n, "want one document")
	}
	return errors.Join(d.errs...)
}
