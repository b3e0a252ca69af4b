package postgres

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const mechanism = "SCRAM-SHA-256"

// Authentication requests (manual, "Message Formats").
const (
	authSASL         = 10
	authSASLContinue = 11
	authSASLFinal    = 12
)

const maxPassword = 8 << 10 // of a SASL message, far more than SCRAM needs

// errBadPassword is what the log has of a client that did not know them: the user it
// gave could be the password.
var errBadPassword = hoop.Errorf(hoop.CodeBadPassword, "a client did not know the user and password of the local port")

// authenticate has the client prove that it knows the password (RFC 5802, RFC 7677;
// manual, "SASL Authentication"). libpq leaves the user name of the SCRAM exchange
// empty, so the one of the startup packet counts. A wrong user and a wrong password
// look the same.
func (s *starter) authenticate(st *startup, user, verifier string) error {
	creds, err := parseVerifier(verifier)
	if err != nil {
		return err
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return creds, nil })
	if err != nil {
		return err
	}
	wrong := hoop.Errorf(hoop.CodeBadPassword, "password authentication failed for user %q", st.user).
		WithHint("use the user and password that hoopctl connect printed; they change with every connect").Wrap(errBadPassword)

	hello := st.negotiate(nil)
	hello, at := begin(hello, 'R')
	hello = binary.BigEndian.AppendUint32(hello, authSASL)
	hello = end(append(appendString(hello, mechanism), 0), at)
	if _, err := s.nc.Write(hello); err != nil {
		return err
	}
	first, err := s.saslInitial()
	if err != nil {
		return err
	}
	conv := server.NewConversation()
	challenge, err := conv.Step(first)
	if err != nil {
		return wrong
	}
	if _, err := s.nc.Write(saslMessage(authSASLContinue, challenge)); err != nil {
		return err
	}
	proof, err := s.password()
	if err != nil {
		return err
	}
	final, err := conv.Step(string(proof))
	userOK := subtle.ConstantTimeCompare([]byte(st.user), []byte(user)) == 1
	if err != nil || !conv.Valid() || !userOK {
		return wrong
	}
	_, err = s.nc.Write(saslMessage(authSASLFinal, final))
	return err
}

// negotiate appends NegotiateProtocolVersion where the client asked for more than we
// speak: 4B version + 4B count + names.
func (st *startup) negotiate(dst []byte) []byte {
	if st.offered <= version32 && len(st.unknown) == 0 {
		return dst
	}
	dst, at := begin(dst, 'v')
	dst = binary.BigEndian.AppendUint32(dst, st.version)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(st.unknown)))
	for _, name := range st.unknown {
		dst = appendString(dst, name)
	}
	return end(dst, at)
}

func saslMessage(code uint32, text string) []byte {
	m, at := begin(nil, 'R')
	m = binary.BigEndian.AppendUint32(m, code)
	return end(append(m, text...), at)
}

// saslInitial reads SASLInitialResponse: mechanism + 4B length + data.
func (s *starter) saslInitial() (string, error) {
	body, err := s.password()
	if err != nil {
		return "", err
	}
	return parseInitial(body)
}

func parseInitial(body []byte) (string, error) {
	f := fields{b: body}
	name := string(f.cstring())
	data := f.value()
	if f.done() != nil || data == nil {
		return "", protocolError("malformed SASLInitialResponse")
	}
	if name != mechanism {
		return "", protocolError("client selected SASL mechanism %q", name)
	}
	return string(data), nil
}

// password reads the body of a message of type 'p', valid until the next.
func (s *starter) password() ([]byte, error) {
	if err := s.in.need(headerSize); err != nil {
		return nil, err
	}
	kind, size, _, err := s.in.header()
	if err != nil {
		return nil, protocolError("malformed message")
	}
	if kind != 'p' || size > maxPassword {
		return nil, protocolError("expected a SASL response, got message type %q of %d bytes", kind, size)
	}
	if err := s.in.need(size); err != nil {
		return nil, err
	}
	body := append([]byte(nil), s.in.bytes(size)[headerSize:]...)
	s.in.discard(size)
	return body, nil
}

var errVerifier = errors.New("the verifier of the local port is malformed")

// maxIterations bounds what a client is asked to compute.
const maxIterations = 1_000_000

// parseVerifier reads SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey (RFC 5803 as
// PostgreSQL stores it). Any number of iterations will do: whoever opened the port made
// its password at random, and more of them protect only one that can be guessed.
func parseVerifier(v string) (scram.StoredCredentials, error) {
	var creds scram.StoredCredentials
	bad := hoop.Errorf(hoop.CodeInvalid, "the local port's verifier is malformed").
		WithHint("hoopctl and the gateway may be of different versions: update hoopctl").Wrap(errVerifier)
	parts := strings.Split(v, "$")
	if len(parts) != 3 || parts[0] != mechanism {
		return creds, bad
	}
	iters, salt, ok1 := strings.Cut(parts[1], ":")
	stored, server, ok2 := strings.Cut(parts[2], ":")
	n, err := strconv.Atoi(iters)
	if !ok1 || !ok2 || err != nil || n < 1 || n > maxIterations {
		return creds, bad
	}
	var errs [3]error
	var raw [3][]byte
	for i, text := range []string{salt, stored, server} {
		raw[i], errs[i] = base64.StdEncoding.DecodeString(text)
	}
	if errors.Join(errs[:]...) != nil || len(raw[0]) < 8 || len(raw[1]) != 32 || len(raw[2]) != 32 {
		return creds, bad
	}
	creds.KeyFactors = scram.KeyFactors{Salt: string(raw[0]), Iters: n}
	creds.StoredKey, creds.ServerKey = raw[1], raw[2]
	return creds, nil
}
