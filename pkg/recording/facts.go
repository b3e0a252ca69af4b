package recording

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// FactsDigest is what the event of a decision about a held statement has of the facts that
// whoever decided was told: HMAC-SHA256 under the session's digest key, in hex. Whoever has
// the recording, and so the key, can compare it with the facts there.
func FactsDigest(key []byte, f *hoop.Facts) string {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err) // plain values: cannot happen
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte("facts\n"))
	m.Write(b)
	return hex.EncodeToString(m.Sum(nil))
}
