package resource

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

const scrubbed = "[secret]"

// Secret is a password or key: in the environment, in a file, or in the document
// itself. It prints, logs and marshals as "[secret]".
type Secret struct {
	env, file, value string
}

// SecretValue is a secret at hand.
func SecretValue(s string) Secret { return Secret{value: s} }

// SecretEnv is a secret in an environment variable.
func SecretEnv(name string) Secret { return Secret{env: name} }

// SecretFile is a secret in a file; a final line break is not part of it.
func SecretFile(path string) Secret { return Secret{file: path} }

// IsZero reports whether no secret was given.
func (s Secret) IsZero() bool { return s == Secret{} }

// Resolve reads the secret. Errors name where it should be, never what it is. An
// empty secret is an error.
func (s Secret) Resolve() (string, error) {
	switch {
	case s.env != "":
		v, ok := os.LookupEnv(s.env)
		if !ok || v == "" {
			return "", fmt.Errorf("secret: environment variable %s is not set", s.env)
		}
		return v, nil
	case s.file != "":
		b, err := os.ReadFile(s.file)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		v := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
		if v == "" {
			return "", fmt.Errorf("secret: file %s is empty", s.file)
		}
		return v, nil
	case s.value != "":
		return s.value, nil
	}
	return "", errors.New("secret: none was given")
}

// Format scrubs every verb of fmt, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(scrubbed)) }

// String scrubs.
func (s Secret) String() string { return scrubbed }

// LogValue scrubs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(scrubbed) }

// MarshalJSON scrubs.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + scrubbed + `"`), nil }

// MarshalYAML scrubs.
func (s Secret) MarshalYAML() (any, error) { return scrubbed, nil }

// Format scrubs every verb of fmt.
func (Hidden) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(scrubbed)) }

// LogValue scrubs.
func (Hidden) LogValue() slog.Value { return slog.StringValue(scrubbed) }

// MarshalJSON scrubs.
func (Hidden) MarshalJSON() ([]byte, error) { return []byte(`"` + scrubbed + `"`), nil }

// decode reads {env: …}, {file: …} or {value: …}. Its errors never quote the document:
// a secret in the wrong place is still one.
func (s *Secret) decode(d *decoder, n *yaml.Node) {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		d.errorf(n, "want exactly one of {env: NAME}, {file: PATH} or {value: …}")
		return
	}
	key, value := n.Content[0], n.Content[1]
	if value.Kind != yaml.ScalarNode || value.Value == "" {
		d.errorf(value, "want a text that is not empty")
		return
	}
	switch key.Value {
	case "env":
		s.env = value.Value
	case "file":
		s.file = d.path(value.Value)
	case "value":
		s.value = value.Value
	default:
		d.errorf(key, "want exactly one of {env: NAME}, {file: PATH} or {value: …}")
	}
}
