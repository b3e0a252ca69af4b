package resource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile is the most bytes of a resources file; far above any real one.
const maxFile = 16 << 20

// Load reads the files and returns what they declare together. The error joins one
// error per fault, each as "file:line: what".
func Load(paths ...string) (*Set, error) {
	l := newLoader()
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read resources: %w", err)
		}
		l.file(path, b)
	}
	return l.finish()
}

// Parse reads one file's bytes; name is the file's name in errors and the base of
// relative paths.
func Parse(name string, b []byte) (*Set, error) {
	l := newLoader()
	l.file(name, b)
	return l.finish()
}

// loader collects documents and faults.
type loader struct {
	set  *Set
	seen map[string]string // kind and name -> where
	late []func()          // checks that want the whole set
	lost bool              // some document could not be read as far as its kind and name
	errs []error
}

func newLoader() *loader { return &loader{set: &Set{}, seen: map[string]string{}} }

func (l *loader) finish() (*Set, error) {
	for _, check := range l.late {
		check()
	}
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	return l.set, nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)`)

func (l *loader) file(path string, b []byte) {
	if len(b) > maxFile {
		l.errs = append(l.errs, fmt.Errorf("%s:1: the file has more than %d bytes", path, maxFile))
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
				err = fmt.Errorf("%s:%s: %s", path, m[1], m[2])
			} else {
				err = fmt.Errorf("%s:1: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
			}
			l.errs = append(l.errs, err)
			l.lost = true
			return // where the next document starts is not known any more
		}
		d := &decoder{file: path}
		l.document(d, n.Content[0])
		l.errs = append(l.errs, d.errs...)
	}
}

// header is the outside of every document.
type header struct {
	Kind string  `json:"kind"`
	Name string  `json:"name"`
	Spec rawNode `json:"spec"`
}

// rawNode keeps a node for later.
type rawNode struct{ *yaml.Node }

func (r *rawNode) decode(_ *decoder, n *yaml.Node) { r.Node = n }

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func (l *loader) document(d *decoder, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // an empty document, as a leading --- makes
	}
	var h header
	d.fields(n, reflect.ValueOf(&h).Elem())
	if len(d.errs) > 0 {
		l.lost = true
		return
	}
	switch {
	case h.Kind == "":
		d.errorf(n, "kind is missing; known are %s", kindNames)
		l.lost = true
		return
	case !validName.MatchString(h.Name):
		d.errorf(n, "name %q: want 1 to 63 letters, digits, dots, dashes and underscores", h.Name)
		l.lost = true
		return
	case h.Spec.Node == nil:
		d.errorf(n, "spec is missing")
		l.seen[h.Kind+" "+h.Name] = d.file
		return
	}
	source := fmt.Sprintf("%s:%d", d.file, n.Line)
	key := h.Kind + " " + h.Name
	if where, ok := l.seen[key]; ok {
		d.errorf(n, "%s is declared already, at %s", key, where)
		return
	}
	l.seen[key] = source
	meta := Meta{Name: h.Name, Source: source}
	switch s := l.set; h.Kind {
	case "Target":
		add(l, d, h.Spec.Node, &s.Targets, Target{Meta: meta, TLS: TLSVerifyFull, Record: "strict"})
	case "AccessRule":
		add(l, d, h.Spec.Node, &s.AccessRules, AccessRule{Meta: meta, Reason: ReasonOptional})
	case "StatementRule":
		add(l, d, h.Spec.Node, &s.StatementRules, StatementRule{Meta: meta, Mode: ModeEnforce})
	case "MaskRule":
		add(l, d, h.Spec.Node, &s.MaskRules, MaskRule{Meta: meta})
	case "ServiceAccount":
		add(l, d, h.Spec.Node, &s.ServiceAccounts, ServiceAccount{Meta: meta})
	case "GroupRole":
		add(l, d, h.Spec.Node, &s.GroupRoles, GroupRole{Meta: meta})
	default:
		l.lost = true
		d.errorf(n, "unknown kind %q; known are %s", h.Kind, kindNames)
	}
}

const kindNames = "Target, AccessRule, StatementRule, MaskRule, ServiceAccount, GroupRole"

// add decodes one spec into v, checks it and appends it to the set.
func add[T any, P interface {
	*T
	check(c *checker)
}](l *loader, d *decoder, spec *yaml.Node, to *[]T, v T) {
	d.value(spec, reflect.ValueOf(&v).Elem())
	if len(d.errs) > 0 {
		return
	}
	P(&v).check(&checker{decoder: d, loader: l, spec: spec})
	if len(d.errs) == 0 {
		*to = append(*to, v)
	}
}
