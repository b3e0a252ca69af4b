package witness

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"

	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// cosignatureKey gives the verifier key of cosignatures, of the signing key
// "PRIVATE+KEY+name+hash+base64(1B algorithm, 32B seed)" (C2SP signed-note; type 4 of
// tlog-cosignature).
func cosignatureKey(skey string) (string, error) {
	bad := errors.New("the signing key is not an Ed25519 key")
	fields := strings.SplitN(strings.TrimPrefix(skey, "PRIVATE+KEY+"), "+", 3)
	if len(fields) != 3 {
		return "", bad
	}
	b, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(b) != 1+ed25519.SeedSize {
		return "", bad
	}
	public, ok := ed25519.NewKeyFromSeed(b[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", bad
	}
	plain, err := note.NewEd25519VerifierKey(fields[0], public)
	if err != nil {
		return "", err
	}
	return f_note.VKeyToCosignatureV1(plain)
}
