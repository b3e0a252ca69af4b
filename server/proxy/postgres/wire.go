package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// begin appends the header of a message of unknown length; end fills the length in.
func begin(dst []byte, kind byte) (out []byte, at int) {
	return append(dst, kind, 0, 0, 0, 0), len(dst)
}

func end(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1))
	return dst
}

func appendString(dst []byte, s string) []byte { return append(append(dst, s...), 0) }

var errMalformed = errors.New("malformed message")

// fields reads the parts of a message body; err sticks.
type fields struct {
	b   []byte
	err error
}

func (f *fields) fail() {
	f.b, f.err = nil, errMalformed
}

// cstring is a NUL-terminated string; the bytes are the message's own.
func (f *fields) cstring() []byte {
	i := bytes.IndexByte(f.b, 0)
	if i < 0 {
		f.fail()
		return nil
	}
	s := f.b[:i]
	f.b = f.b[i+1:]
	return s
}

// nameBytes is how much PostgreSQL keeps of the name of a statement or portal in a message: its
// hash tables have keys of NAMEDATALEN bytes, and longer names that begin alike are one.
const nameBytes = 63

// name is the name of a statement or portal, as the target knows it.
func (f *fields) name() string {
	s := f.cstring()
	return string(s[:min(len(s), nameBytes)])
}

func (f *fields) byte() byte {
	if len(f.b) < 1 {
		f.fail()
		return 0
	}
	v := f.b[0]
	f.b = f.b[1:]
	return v
}

func (f *fields) uint16() uint16 {
	if len(f.b) < 2 {
		f.fail()
		return 0
	}
	v := binary.BigEndian.Uint16(f.b)
	f.b = f.b[2:]
	return v
}

func (f *fields) uint32() uint32 {
	if len(f.b) < 4 {
		f.fail()
		return 0
	}
	v := binary.BigEndian.Uint32(f.b)
	f.b = f.b[4:]
	return v
}

// value is a length and as many bytes, nil for a length of -1 (NULL). A length that
// goes beyond the message, or another negative one, is malformed.
func (f *fields) value() []byte {
	n := int32(f.uint32())
	if f.err != nil || n == -1 {
		return nil
	}
	if n < 0 || int(n) > len(f.b) {
		f.fail()
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

// done reports the first fault; bytes left over are one.
func (f *fields) done() error {
	if f.err == nil && len(f.b) != 0 {
		f.err = errMalformed
	}
	return f.err
}
