package target

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"testing/iotest"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A target that asks for SCRAM and proves nothing is never taken for signed in, and all
// that is not SCRAM reaches pgconn as it came.
func FuzzSignIn(f *testing.F) {
	add := func(all ...pgproto3.BackendMessage) {
		var in []byte
		for _, m := range all {
			var err error
			if in, err = m.Encode(in); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(in)
	}
	asks := &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}}
	challenge := &pgproto3.AuthenticationSASLContinue{Data: []byte("r=not the client's,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")}
	failure := &pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"}
	ok := &pgproto3.AuthenticationOk{}
	add(ok, &pgproto3.ParameterStatus{Name: "server_version", Value: "15.1"}, &pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte{1, 2, 3, 4}}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
	add(&pgproto3.AuthenticationMD5Password{Salt: [4]byte{1, 2, 3, 4}}, ok)
	add(&pgproto3.AuthenticationCleartextPassword{}, failure)
	add(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: 0, UnrecognizedOptions: []string{"_pq_.x"}}, asks, challenge, &pgproto3.AuthenticationSASLFinal{Data: []byte("v=AAAA")}, ok)
	add(asks, ok)
	add(asks, failure)
	add(asks, challenge, failure)
	add(asks, &pgproto3.AuthenticationSASLContinue{Data: []byte("r=x,s=,i=999999999")})
	add(asks, &pgproto3.AuthenticationSASLContinue{Data: []byte("e=other-error")}, ok)
	add(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{"OAUTHBEARER"}}, ok)
	f.Add([]byte("R\x00\x00\x00\x03"))
	f.Add([]byte("R\xff\xff\xff\xff"))
	f.Add([]byte("R\x00\x00\x00\x04"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := &signIn{r: iotest.OneByteReader(bytes.NewReader(in)), w: io.Discard, keep: &credentials{}, owner: "pg\x00u", password: "pw"}
		out, err := io.ReadAll(s)
		rest := in
		for len(rest) >= 5 && rest[0] == 'v' { // NegotiateProtocolVersion passes
			n := 1 + int(binary.BigEndian.Uint32(rest[1:]))
			if n < 5 || n > len(rest) || n > 1+maxSignIn {
				break
			}
			rest = rest[n:]
		}
		before := len(in) - len(rest)
		asked := len(rest) >= 9 && rest[0] == 'R' && binary.BigEndian.Uint32(rest[5:]) == authSASL && bytes.Contains(rest, []byte(mechanism))
		switch {
		case !asked && !bytes.HasPrefix(in, out):
			t.Errorf("%q became %q, %v", in, out, err)
		case asked && len(out) > before && out[before] == 'R' && binary.BigEndian.Uint32(out[before+5:]) == 0:
			t.Errorf("signed in by %q", in)
		}
	})
}
