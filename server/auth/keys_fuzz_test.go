package auth

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// FuzzSealed: of a sealed value no other bytes are opened, nor these for another purpose.
func FuzzSealed(f *testing.F) {
	k := newKeys(bytes.Repeat([]byte{1}, 32))
	good, err := hex.DecodeString("27d3940aa9100a02f6a4685635f083451a66b6b772a20aba406ec9cb3faa90030744553c135c0313d4c132") // the same in every process
	if err != nil {
		f.Fatal(err)
	}
	if plain, err := k.open(good, "upstream"); err != nil || string(plain) != "a refresh token" {
		f.Fatal(plain, err)
	}
	f.Add(good, "upstream")
	f.Add(good, "flow")
	f.Add(good[:len(good)-1], "upstream")
	f.Add(newKeys(bytes.Repeat([]byte{2}, 32)).seal([]byte("a refresh token"), "upstream"), "upstream")
	f.Fuzz(func(t *testing.T, sealed []byte, purpose string) {
		if plain, err := k.open(sealed, purpose); err == nil && len(sealed) > 0 && (!bytes.Equal(sealed, good) || purpose != "upstream") {
			t.Errorf("%x was opened for %q: %q", sealed, purpose, plain)
		}
	})
}
