package target

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/xdg-go/scram"
)

// What a target and its gateway say of SCRAM (PostgreSQL manual, "SASL Authentication").
const (
	mechanism     = "SCRAM-SHA-256"
	mechanismPlus = "SCRAM-SHA-256-PLUS"

	authSASL         = 10
	authSASLContinue = 11
	authSASLFinal    = 12

	maxIterations = 10_000_000 // a target must not keep the gateway busy; as pgconn's
	maxSignIn     = 64 << 10   // bytes of one message before a target has accepted
)

// credentials remember what SCRAM derives from the passwords of targets (RFC 5802 §3:
// ClientKey and ServerKey), in memory only: deriving it, 4096 rounds or more, was a
// fifth of what a connection costs the gateway. They hold no more than the passwords
// do, with which they are compared at each use. Safe for concurrent use.
type credentials struct {
	mu sync.Mutex
	by map[string]*credential // by target and user
}

// credential is one password, and what was derived from it for the last challenge.
type credential struct {
	password string
	client   *scram.Client // keeps what it derives
	factors  string        // salt and iterations that it has met
}

// derives reports whether a password can be used as it is: SASLprep changes nothing in
// printable ASCII (RFC 4013 §2). pgconn signs in with others.
func derives(password string) bool {
	return password != "" && !strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r > '~' })
}

// begin gives the client for a conversation.
func (c *credentials) begin(owner, password string) (*scram.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.by[owner]; k != nil && k.password == password {
		return k.client, nil
	}
	return c.renew(owner, password, "")
}

// renew begins anew with nothing derived. mu is held.
func (c *credentials) renew(owner, password, factors string) (*scram.Client, error) {
	client, err := scram.SHA256.NewClientUnprepped("", password, "") // the user stands in the startup message
	if err != nil {
		return nil, err
	}
	// The administrator of the target has chosen, as for pgconn and libpq.
	client.WithMinIterations(1)
	if c.by == nil {
		c.by = map[string]*credential{}
	}
	c.by[owner] = &credential{password, client, factors}
	return client, nil
}

// met notes what a target asked a password to be derived with. Of one that asks for
// something else each time nothing is kept for long.
func (c *credentials) met(owner, factors string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.by[owner]
	switch {
	case k == nil || k.factors == factors:
		return nil
	case k.factors == "":
		k.factors = factors
		return nil
	}
	_, err := c.renew(owner, k.password, "")
	return err
}

// signIn stands between pgconn and a target until that has accepted the password, and
// answers in pgconn's place where the target asks for SCRAM. All else passes.
type signIn struct {
	r        io.Reader
	w        io.Writer
	keep     *credentials
	owner    string
	password string

	passing []byte // read, and for pgconn
	over    bool   // what is read now is for pgconn
}

// frontend is a pgconn.BuildFrontendFunc; it is called for each address that is tried.
func (s signIn) frontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	s.r, s.w = r, w
	return pgproto3.NewFrontend(&s, w)
}

// Read implements io.Reader for pgconn.
func (s *signIn) Read(b []byte) (int, error) {
	for len(s.passing) == 0 && !s.over {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	if len(s.passing) > 0 {
		n := copy(b, s.passing)
		s.passing = s.passing[n:]
		return n, nil
	}
	return s.r.Read(b)
}

// next reads one message, and answers it or lets it pass.
func (s *signIn) next() error {
	m, err := s.message()
	if err != nil {
		return err
	}
	if code, body := authentication(m); code == authSASL {
		offered := strings.Split(string(body), "\x00")
		if slices.Contains(offered, mechanism) {
			return s.scram(offered)
		}
	}
	s.passing = m
	s.over = m[0] != 'v' // NegotiateProtocolVersion comes before
	return nil
}

// message reads one whole message.
func (s *signIn) message() ([]byte, error) {
	m := make([]byte, 5, 128)
	if _, err := io.ReadFull(s.r, m); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(m[1:])
	if n < 4 || n > maxSignIn {
		return nil, fmt.Errorf("a message of type %q and %d bytes while signing in", m[0], n)
	}
	m = append(m, make([]byte, n-4)...)
	_, err := io.ReadFull(s.r, m[5:])
	return m, err
}

// authentication takes an Authentication message apart; 0 for others.
func authentication(m []byte) (code uint32, body []byte) {
	if m[0] != 'R' || len(m) < 9 {
		return 0, nil
	}
	return binary.BigEndian.Uint32(m[5:]), m[9:]
}

// iterations is where a challenge says how often to hash (RFC 5802 §5.1); before it
// stands the salt.
var iterations = regexp.MustCompile(`,(s=[^,]*,i=([0-9]{1,9}))(?:,|$)`)

// scram proves to the target that we know the password, and has it prove that it does.
func (s *signIn) scram(offered []string) error {
	client, err := s.keep.begin(s.owner, s.password)
	if err != nil {
		return err
	}
	conv, chosen := s.conversation(client, offered)
	first, err := conv.Step("")
	if err != nil {
		return fmt.Errorf("SCRAM: %w", err)
	}
	if err := s.send(&pgproto3.SASLInitialResponse{AuthMechanism: chosen, Data: []byte(first)}); err != nil {
		return err
	}
	challenge, ok, err := s.expect(authSASLContinue)
	if err != nil || !ok {
		return err
	}
	found := iterations.FindStringSubmatch(challenge)
	if found == nil {
		return errors.New("SCRAM: the target's challenge has no salt or no iterations")
	}
	if n, err := strconv.Atoi(found[2]); err != nil || n > maxIterations {
		return fmt.Errorf("SCRAM: the target asks for %s iterations, the limit is %d", found[2], maxIterations)
	}
	proof, err := conv.Step(challenge)
	if err != nil {
		return fmt.Errorf("SCRAM: %w", err)
	}
	if err := s.keep.met(s.owner, found[1]); err != nil {
		return err
	}
	if err := s.send(&pgproto3.SASLResponse{Data: []byte(proof)}); err != nil {
		return err
	}
	final, ok, err := s.expect(authSASLFinal)
	if err != nil || !ok {
		return err
	}
	if _, err := conv.Step(final); err != nil || !conv.Valid() {
		return errors.Join(errors.New("SCRAM: the target does not know the password itself"), err)
	}
	return nil // AuthenticationOk is next, and pgconn's
}

// conversation binds itself to the TLS connection where that can be (RFC 5929
// tls-server-end-point).
func (s *signIn) conversation(client *scram.Client, offered []string) (*scram.ClientConversation, string) {
	secured, ok := s.w.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return client.NewConversation(), mechanism
	}
	if !slices.Contains(offered, mechanismPlus) {
		// The target learns that we could: somebody between us may have left PLUS out.
		return client.NewConversationAdvertisingChannelBinding(), mechanism
	}
	state := secured.ConnectionState()
	binding, err := scram.NewTLSServerEndpointBinding(&state)
	if err != nil { // the certificate's signature has no hash of its own, such as Ed25519
		return client.NewConversation(), mechanism
	}
	return client.NewConversationWithChannelBinding(binding), mechanismPlus
}

func (s *signIn) send(m pgproto3.FrontendMessage) error {
	b, err := m.Encode(nil)
	if err != nil {
		return err
	}
	_, err = s.w.Write(b)
	return err
}

// expect reads the next step. Where the target says something else, an error, ok is
// false and pgconn gets that.
func (s *signIn) expect(code uint32) (text string, ok bool, err error) {
	m, err := s.message()
	if err != nil {
		return "", false, err
	}
	got, body := authentication(m)
	switch {
	case got == code:
		return string(body), true, nil
	case m[0] == 'R':
		return "", false, fmt.Errorf("SCRAM: authentication request %d where %d is due", got, code)
	}
	s.passing, s.over = m, true
	return "", false, nil
}
