package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Tokens start with a word of their own, so that scanners for leaked secrets find them,
// and so that nothing else is looked up.
const (
	accessPrefix  = "hoopa_"
	refreshPrefix = "hoopr_"
	tokenLen      = len(accessPrefix) + 43 // 32 bytes in base64url
)

// keys are what Options.Secret becomes: one key for each use.
type keys struct {
	csrf, refresh, account []byte
	box                    cipher.AEAD
	name                   string // tells them from those of another gateway, and nothing of them
}

func newKeys(secret []byte) keys {
	derive := func(use string) []byte {
		k, err := hkdf.Key(sha256.New, secret, nil, "hoop sign-in "+use, 32)
		if err != nil {
			panic(err) // 32 bytes are never too many
		}
		return k
	}
	block, err := aes.NewCipher(derive("seal"))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	box, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the right block size
	}
	return keys{csrf: derive("csrf"), refresh: derive("refresh"), account: derive("account"), box: box, name: encode(derive("name")[:12])}
}

// seal encrypts for open with the same purpose. Nothing gives nil.
func (k keys) seal(plain []byte, purpose string) []byte {
	if len(plain) == 0 {
		return nil
	}
	return k.box.Seal(nil, nil, plain, []byte(purpose))
}

// open undoes seal.
func (k keys) open(sealed []byte, purpose string) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	plain, err := k.box.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, errors.New("open sealed value: wrong key, or changed")
	}
	return plain, nil
}

// refreshToken is the refresh token of a generation of a family.
func (k keys) refreshToken(family string, generation int64) string {
	return refreshPrefix + k.mac(k.refresh, family, strconv.FormatInt(generation, 10))
}

// csrfToken is what the forms of a browser carry.
func (k keys) csrfToken(browser string) string { return k.mac(k.csrf, browser) }

// fingerprint tells one secret of a service account from the next, and one issuer's
// tokens from another's.
func (k keys) fingerprint(name string, a ServiceAccount) []byte {
	if f := a.Federation; f != (Federation{}) {
		return []byte(k.mac(k.account, name, f.Issuer, f.Audience, f.Subject))
	}
	return []byte(k.mac(k.account, name, string(a.SecretHash[:])))
}

// mac is HMAC-SHA256 of the parts, each with its length before it.
func (k keys) mac(key []byte, parts ...string) string {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return encode(h.Sum(nil))
}

// random is 256 random bits.
func random() string {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return encode(b[:])
}

// newID is 128 random bits in hex.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// hash is how tokens and codes are stored.
func hash(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// userCodeLetters has no vowels, so that no words appear, and no digits
// (RFC 8628 §6.1). Eight of them are 2.6e10 codes.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLen     = 8
)

// newUserCode is a random user code as it is shown: XXXX-XXXX.
func newUserCode() string {
	code := make([]byte, 0, userCodeLen+1)
	var b [1]byte
	for len(code) < userCodeLen+1 {
		if len(code) == userCodeLen/2 {
			code = append(code, '-')
		}
		rand.Read(b[:])
		if int(b[0]) < 256/len(userCodeLetters)*len(userCodeLetters) { // no letter likelier than others
			code = append(code, userCodeLetters[int(b[0])%len(userCodeLetters)])
		}
	}
	return string(code)
}

// parseUserCode reads a user code as people type it: any case, with or without the
// hyphen, blanks around and between (RFC 8628 §6.1). It returns the code as shown.
func parseUserCode(s string) (string, bool) {
	if len(s) > 64 {
		return "", false
	}
	code := make([]byte, 0, userCodeLen+1)
	for _, c := range []byte(strings.ToUpper(s)) {
		switch {
		case c == '-' || c == ' ' || c == '\t' || c == '.' || c == '_':
			continue
		case !strings.ContainsRune(userCodeLetters, rune(c)) || len(code) == userCodeLen+1:
			return "", false
		}
		if len(code) == userCodeLen/2 {
			code = append(code, '-')
		}
		code = append(code, c)
	}
	return string(code), len(code) == userCodeLen+1
}
