package mask

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"unicode/utf8"
)

// ff1 is format-preserving encryption, FF1 of NIST SP 800-38G §5.1 with ten rounds of
// AES, without a tweak, so that
// equal values stay equal.
type ff1 struct{ block cipher.Block }

// newFF1 derives the AES-256 key from the set's key.
func newFF1(key []byte) *ff1 {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("hoop mask tokenize FF1")) // never fails: hash.Hash
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		panic(err) // 32 bytes are a key of AES-256
	}
	return &ff1{block}
}

// The shortest texts FF1 is safe on, radix^length being at least a million (NIST SP
// 800-38G Revision 1, second public draft, §5.1).
const (
	minDigits  = 6 // 10^6
	minLetters = 5 // 26^5
)

// maxNumerals is how many digits, or letters, are replaced: the work grows with the
// square of their number. A text that has more is no identifier.
const maxNumerals = 1000

// tokenize replaces digits by digits and ASCII letters by letters of the same case;
// other characters stay. Too few digits become 0, too few letters x: their domain is
// small enough to try out. It refuses what has neither or too many, and letters beyond
// ASCII.
func (f *ff1) tokenize(dst, v []byte) (out []byte, ok bool) {
	var numerals, letters []uint16
	for _, c := range v {
		switch {
		case c >= utf8.RuneSelf:
			return dst, false
		case isDigit(c):
			numerals = append(numerals, uint16(c-'0'))
		case isAlpha(c):
			letters = append(letters, uint16(c|0x20-'a'))
		}
		if max(len(numerals), len(letters)) > maxNumerals {
			return dst, false
		}
	}
	if len(numerals) < minDigits && len(letters) < minLetters {
		return dst, false
	}
	if len(numerals) >= minDigits {
		numerals = f.encrypt(10, nil, numerals)
	} else {
		clear(numerals)
	}
	if len(letters) >= minLetters {
		letters = f.encrypt(26, nil, letters)
	} else {
		for i := range letters {
			letters[i] = 'x' - 'a'
		}
	}
	for _, c := range v {
		switch {
		case isDigit(c):
			c, numerals = '0'+byte(numerals[0]), numerals[1:]
		case isAlpha(c):
			c, letters = c&0x20|'A'+byte(letters[0]), letters[1:]
		}
		dst = append(dst, c)
	}
	return dst, true
}

// encrypt is Algorithm 7, FF1.Encrypt. The names are the standard's.
func (f *ff1) encrypt(radix int, T []byte, X []uint16) []uint16 {
	n, t := len(X), len(T)
	u := n / 2
	v := n - u
	A, B := num(radix, X[:u]), num(radix, X[u:])
	modU := new(big.Int).Exp(big.NewInt(int64(radix)), big.NewInt(int64(u)), nil)
	modV := new(big.Int).Exp(big.NewInt(int64(radix)), big.NewInt(int64(v)), nil)
	b := (new(big.Int).Sub(modV, big.NewInt(1)).BitLen() + 7) / 8
	d := 4*((b+3)/4) + 4

	P := [16]byte{1, 2, 1, byte(radix >> 16), byte(radix >> 8), byte(radix), 10, byte(u)}
	binary.BigEndian.PutUint32(P[8:], uint32(n))
	binary.BigEndian.PutUint32(P[12:], uint32(t))
	pad := ((-t-b-1)%16 + 16) % 16
	Q := make([]byte, t+pad+1+b)
	copy(Q, T)
	for i := range 10 {
		Q[t+pad] = byte(i)
		B.FillBytes(Q[t+pad+1:])
		y := new(big.Int).SetBytes(f.expand(f.prf(P, Q), d))
		m := modU
		if i%2 == 1 {
			m = modV
		}
		C := y.Add(y, A)
		C.Mod(C, m)
		A, B = B, C
	}
	return append(str(radix, u, A), str(radix, v, B)...)
}

// encrypt32 is Algorithm 7 for the 32 binary digits of x: radix 2, n 32, no tweak. block
// and sum are memory of 16 bytes and more that it may write to.
func (f *ff1) encrypt32(x uint32, block, sum []byte) uint32 {
	// P is 1 2 1 + 3B radix + 10 + 1B u + 4B n + 4B t; b is 2 and d is 8.
	P := [16]byte{1, 2, 1, 0, 0, 2, 10, 16, 0, 0, 0, 32}
	block, sum = block[:16], sum[:16]
	A, B := x>>16, x&0xffff
	for i := range 10 {
		copy(block, P[:])
		f.block.Encrypt(sum, block)
		clear(block)
		block[13], block[14], block[15] = byte(i), byte(B>>8), byte(B)
		for k := range block {
			block[k] ^= sum[k]
		}
		f.block.Encrypt(sum, block)
		A, B = B, (A+uint32(binary.BigEndian.Uint64(sum)))&0xffff
	}
	return A<<16 | B
}

// prf is Algorithm 6: CBC-MAC of P and Q.
func (f *ff1) prf(P [16]byte, Q []byte) (R [16]byte) {
	f.block.Encrypt(R[:], P[:])
	for ; len(Q) > 0; Q = Q[16:] {
		for i := range R {
			R[i] ^= Q[i]
		}
		f.block.Encrypt(R[:], R[:])
	}
	return R
}

// expand is step 6.iii: the first d bytes of R and the encryptions of R xor 1, 2, ….
func (f *ff1) expand(R [16]byte, d int) []byte {
	S := append([]byte(nil), R[:]...)
	for j := uint64(1); len(S) < d; j++ {
		x := R
		binary.BigEndian.PutUint64(x[8:], binary.BigEndian.Uint64(x[8:])^j)
		f.block.Encrypt(x[:], x[:])
		S = append(S, x[:]...)
	}
	return S[:d]
}

// num is Algorithm 1, NUM_radix.
func num(radix int, X []uint16) *big.Int {
	x, r := new(big.Int), big.NewInt(int64(radix))
	for _, c := range X {
		x.Mul(x, r).Add(x, big.NewInt(int64(c)))
	}
	return x
}

// str is Algorithm 3, STR_m_radix.
func str(radix, m int, x *big.Int) []uint16 {
	X, r, c := make([]uint16, m), big.NewInt(int64(radix)), new(big.Int)
	x = new(big.Int).Set(x)
	for i := m - 1; i >= 0; i-- {
		x.DivMod(x, r, c)
		X[i] = uint16(c.Uint64())
	}
	return X
}
