package mask

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"strings"
	"testing"
)

// The samples of NIST's "FF1samples.pdf" (csrc.nist.gov, Cryptographic Standards and
// Guidelines, Examples with Intermediate Values).
func TestFF1_NISTSamples(t *testing.T) {
	const (
		key128 = "2B7E151628AED2A6ABF7158809CF4F3C"
		key192 = key128 + "EF4359D8D580AA4F"
		key256 = key192 + "7F036D6F04FC6A94"
		tweak1 = "39383736353433323130"
		tweak2 = "3737373770717273373737"
		text10 = "0123456789"
		text36 = "0123456789abcdefghi"
	)
	for _, c := range []struct {
		key, tweak  string
		radix       int
		plain, want string
	}{
		{key128, "", 10, text10, "2433477484"},
		{key128, tweak1, 10, text10, "6124200773"},
		{key128, tweak2, 36, text36, "a9tv40mll9kdu509eum"},
		{key192, "", 10, text10, "2830668132"},
		{key192, tweak1, 10, text10, "2496655549"},
		{key192, tweak2, 36, text36, "xbj3kv35jrawxv32ysr"},
		{key256, "", 10, text10, "6657667009"},
		{key256, tweak1, 10, text10, "1001623463"},
		{key256, tweak2, 36, text36, "xs8a0azh2avyalyzuwd"},
	} {
		key, err := hex.DecodeString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		tweak, err := hex.DecodeString(c.tweak)
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
		var x []uint16
		for _, r := range []byte(c.plain) {
			x = append(x, uint16(bytes.IndexByte([]byte(alphabet), r)))
		}
		var got []byte
		for _, n := range (&ff1{block}).encrypt(c.radix, tweak, x) {
			got = append(got, alphabet[n])
		}
		if string(got) != c.want {
			t.Errorf("AES-%d, tweak %s: got %s, want %s", len(key)*8, c.tweak, got, c.want)
		}
	}
}

func TestTokenize_KeepsFormat(t *testing.T) {
	f := newFF1(testKey)
	seen := map[string]string{}
	for _, in := range []string{"123-45-6789", "123-45-6780", "MRN-12345678", "Springfield", "AB123456", "4111 1111 1111 1111"} {
		out, ok := f.tokenize(nil, []byte(in))
		if !ok || len(out) != len(in) || string(out) == in {
			t.Errorf("%q: %q %v", in, out, ok)
			continue
		}
		for i := range in {
			if isDigit(in[i]) != isDigit(out[i]) || isAlpha(in[i]) != isAlpha(out[i]) || isUpper(in[i]) != isUpper(out[i]) {
				t.Errorf("%q became %q", in, out)
				break
			}
		}
		if was, ok := seen[string(out)]; ok {
			t.Errorf("%q and %q both become %q", was, in, out)
		}
		seen[string(out)] = in
		if again, _ := f.tokenize(nil, []byte(in)); !bytes.Equal(again, out) {
			t.Errorf("%q is not stable", in)
		}
	}
	for _, in := range []string{"", "12345", "abcd", "Müller-Lüdenscheidt", "12 ab", strings.Repeat("7", maxNumerals+1), strings.Repeat("x1", maxNumerals+1)} {
		if out, ok := f.tokenize(nil, []byte(in)); ok {
			t.Errorf("%q became %q: its domain is too small or too large, or not ASCII", in, out)
		}
	}
}

// The short way for integers is Algorithm 7 with 32 binary digits.
func TestFF1_Integers(t *testing.T) {
	f := newFF1(testKey)
	seen := map[uint32]bool{}
	for _, x := range []uint32{0, 1, 2, 7777, 1 << 15, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		var bits []uint16
		for i := 31; i >= 0; i-- {
			bits = append(bits, uint16(x>>i&1))
		}
		want := uint32(0)
		for _, b := range f.encrypt(2, nil, bits) {
			want = want<<1 | uint32(b)
		}
		var block, sum [32]byte
		got := f.encrypt32(x, block[:16], sum[:])
		if got != want || seen[got] {
			t.Errorf("%d becomes %d, want %d and no other twice", x, got, want)
		}
		seen[got] = true
	}
}
