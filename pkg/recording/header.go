package recording

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// A file begins with
//
//	8B magic | 4B length, big-endian | header JSON | 32B MAC
//
// The MAC is HMAC-SHA256 over all before it.
const (
	magic     = "HOOPREC2"
	maxHeader = 1 << 20
	macBytes  = sha256.Size
	keyBytes  = 32
)

// header is the JSON of a file's header. It is readable without a key, so it holds
// nothing of what was said in the session.
type header struct {
	Session hoop.SessionInfo `json:"session"`
	Key     []byte           `json:"key"` // an age file for the recipients; holds the data key
}

// keys are derived from a file's data key (HKDF-SHA256, RFC 5869).
type keys struct {
	mac  []byte
	aead cipher.AEAD
}

func deriveKeys(data []byte) (*keys, error) {
	mac, err := hkdf.Key(sha256.New, data, nil, "hoop recording 2 header", keyBytes)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, data, nil, "hoop recording 2 frames", keyBytes)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &keys{mac: mac, aead: aead}, nil
}

// newHeader makes a data key and the header that carries it.
func newHeader(session hoop.SessionInfo, recipients []age.Recipient) ([]byte, *keys, error) {
	if len(recipients) == 0 {
		return nil, nil, errors.New("recording header: no recipient could read it")
	}
	data := make([]byte, keyBytes)
	if _, err := rand.Read(data); err != nil {
		return nil, nil, fmt.Errorf("recording header: %w", err)
	}
	wrapped, err := wrap(data, recipients)
	if err != nil {
		return nil, nil, fmt.Errorf("recording header: %w", err)
	}
	body, err := json.Marshal(&header{Session: session, Key: wrapped})
	if err != nil {
		return nil, nil, fmt.Errorf("recording header: %w", err)
	}
	if len(body) > maxHeader {
		return nil, nil, fmt.Errorf("recording header: %d bytes of session information are too many", len(body))
	}
	k, err := deriveKeys(data)
	if err != nil {
		return nil, nil, fmt.Errorf("recording header: %w", err)
	}
	b := append([]byte(nil), magic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, body...)
	return append(b, k.sum(b)...), k, nil
}

func (k *keys) sum(b []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write(b)
	return h.Sum(nil)
}

func wrap(data []byte, recipients []age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// readHeader reads a header as it stands in the file; raw is all of its bytes.
func readHeader(r io.Reader) (h *header, raw []byte, err error) {
	raw = make([]byte, len(magic)+4)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, nil, headerError(err)
	}
	n := binary.BigEndian.Uint32(raw[len(magic):])
	if string(raw[:len(magic)]) != magic || n > maxHeader {
		return nil, nil, fmt.Errorf("recording header: %w", ErrFormat)
	}
	raw = append(raw, make([]byte, int(n)+macBytes)...)
	if _, err := io.ReadFull(r, raw[len(magic)+4:]); err != nil {
		return nil, nil, headerError(err)
	}
	h = new(header)
	if err := json.Unmarshal(raw[len(magic)+4:len(raw)-macBytes], h); err != nil {
		return nil, nil, fmt.Errorf("recording header: %w: %w", ErrFormat, err)
	}
	return h, raw, nil
}

func headerError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrUnfinished
	}
	return fmt.Errorf("recording header: %w", err)
}

// open unwraps the data key and checks the header's MAC.
func (h *header) open(raw []byte, ids []age.Identity) (*keys, error) {
	r, err := age.Decrypt(bytes.NewReader(h.Key), ids...)
	if err != nil {
		var none *age.NoIdentityMatchError
		if errors.As(err, &none) {
			return nil, fmt.Errorf("recording header: %w", ErrNoIdentity)
		}
		return nil, fmt.Errorf("recording header: %w: %w", ErrFormat, err)
	}
	data := make([]byte, keyBytes)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("recording header: %w: %w", ErrFormat, err)
	}
	k, err := deriveKeys(data)
	if err != nil {
		return nil, fmt.Errorf("recording header: %w", err)
	}
	if !hmac.Equal(k.sum(raw[:len(raw)-macBytes]), raw[len(raw)-macBytes:]) {
		return nil, fmt.Errorf("recording header: %w: its MAC does not match", ErrFormat)
	}
	return k, nil
}

// Peek reads a recording's header, and who had the session: what is readable without a
// key. Nothing of it is checked but its form.
func Peek(r io.Reader) (hoop.SessionInfo, error) {
	h, _, err := readHeader(r)
	if err != nil {
		return hoop.SessionInfo{}, err
	}
	return h.Session, nil
}
