package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// verifierKey gives the public half of a signing key: "PRIVATE+KEY+name+hash+base64",
// where base64 is 1B algorithm (1 is Ed25519) and the 32B seed (x/mod, sumdb/note).
func verifierKey(skey string) (string, error) {
	fields := strings.SplitN(strings.TrimPrefix(skey, "PRIVATE+KEY+"), "+", 3)
	bad := errors.New("the signing key is not an Ed25519 key")
	if len(fields) != 3 {
		return "", bad
	}
	b, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(b) != 1+ed25519.SeedSize || b[0] != 1 {
		return "", bad
	}
	public, ok := ed25519.NewKeyFromSeed(b[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", bad
	}
	return note.NewEd25519VerifierKey(fields[0], public)
}
