package auditlog

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a signature vouches for: at Size entries the tree of the log
// named Origin had this Root (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

// Sign gives the checkpoint as a signed note.
func (c Checkpoint) Sign(s note.Signer) ([]byte, error) {
	b, err := note.Sign(&note.Note{Text: c.Text()}, s)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return b, nil
}

// MaxCheckpoint is the most bytes that a checkpoint may have.
const MaxCheckpoint = 64 << 10

var errCheckpoint = errors.New("not a checkpoint")

// OpenCheckpoint reads a signed note, checks the signature of v, and that origin is
// v's name. Signatures of others (witnesses) are not looked at.
func OpenCheckpoint(b []byte, v note.Verifier) (Checkpoint, error) {
	if len(b) > MaxCheckpoint {
		return Checkpoint{}, errCheckpoint
	}
	n, err := note.Open(b, note.VerifierList(v))
	if err != nil {
		var foreign *note.UnverifiedNoteError
		if errors.As(err, &foreign) {
			return Checkpoint{}, fmt.Errorf("the checkpoint is not signed with the key %s", v.Name())
		}
		return Checkpoint{}, err
	}
	sigs := slices.Concat(n.Sigs, n.UnverifiedSigs)
	if bytes.Count(b[len(n.Text)+1:], []byte("\n")) != len(sigs) {
		return Checkpoint{}, errors.New("a signature stands there twice") // which note.Open drops
	}
	for _, sig := range sigs {
		// note.Open takes what the unused bits of the last character say.
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return Checkpoint{}, fmt.Errorf("signature of %s: %w", sig.Name, err)
		}
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != v.Name() {
		return Checkpoint{}, fmt.Errorf("the checkpoint is of the log %q, the key of %q", c.Origin, v.Name())
	}
	return c, nil
}

func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] == "" || lines[3] != "" { // no extension lines
		return Checkpoint{}, errCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, errCheckpoint
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return Checkpoint{}, errCheckpoint
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// NewVerifier reads a public key as KeyFile and api.LogKey give it:
// "name+hash+key" (C2SP signed-note).
func NewVerifier(key []byte) (note.Verifier, error) {
	text := string(bytes.TrimSpace(key))
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("the log's public key: %w", err)
	}
	// note.NewVerifier takes the hash in capitals, and what unused bits of the last
	// character say.
	fields := strings.SplitN(text, "+", 3)
	if _, err := base64.StdEncoding.Strict().DecodeString(fields[2]); err != nil || fields[1] != fmt.Sprintf("%08x", v.KeyHash()) {
		return nil, errors.New("the log's public key: not written as it should be")
	}
	return v, nil
}

// Text is what signatures are of.
func (c Checkpoint) Text() string { return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root) }

// NewCosignatureVerifier reads a witness's public key, "name+hash+key" of the type
// cosignature/v1 with Ed25519 (C2SP tlog-cosignature).
func NewCosignatureVerifier(key string) (note.Verifier, error) {
	key = strings.TrimSpace(key)
	v, err := f_note.NewVerifierForCosignatureV1(key)
	if err != nil {
		return nil, fmt.Errorf("a witness's public key: %w", err)
	}
	// The library makes a witness's key of any Ed25519 key; a log's own is none.
	const cosignatureV1 = 4
	fields := strings.SplitN(key, "+", 3)
	b, err := base64.StdEncoding.Strict().DecodeString(fields[2])
	if err != nil || len(b) == 0 || b[0] != cosignatureV1 {
		return nil, errors.New("a witness's public key: it is not of the type cosignature/v1")
	}
	return v, nil
}

// CheckCosignature checks the line "— name base64" that a witness gave for a checkpoint,
// and returns its base64 and when it was made, by the witness's clock.
func CheckCosignature(c Checkpoint, line []byte, v note.Verifier) (sig string, at time.Time, err error) {
	n, err := note.Open([]byte(c.Text()+"\n"+string(line)), note.VerifierList(v))
	if err != nil {
		return "", time.Time{}, err
	}
	if len(n.Sigs) != 1 {
		return "", time.Time{}, errCheckpoint
	}
	// note.Open takes what the unused bits of the last character say.
	if _, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64); err != nil {
		return "", time.Time{}, fmt.Errorf("signature of %s: %w", n.Sigs[0].Name, err)
	}
	if at, err = f_note.CoSigV1Timestamp(n.Sigs[0]); err != nil {
		return "", time.Time{}, err
	}
	return n.Sigs[0].Base64, at.UTC(), nil
}

// CosignatureLine is how a cosignature stands in a signed note.
func CosignatureLine(witness, sig string) string { return "— " + witness + " " + sig + "\n" }
