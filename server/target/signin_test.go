package target

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/xdg-go/scram"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// spy is a connection whose writes are kept.
type spy struct {
	*tls.Conn
	sent *bytes.Buffer
}

func (s *spy) Write(b []byte) (int, error) {
	s.sent.Write(b)
	return s.Conn.Write(b)
}

// derived is what a dialer has derived for the role plain.
func derived(d *Dialer) *credential { return d.keep.by["pg\x00plain"] }

// What was derived from a password serves as long as the target has that password, and
// no longer.
func TestDial_DerivesAPasswordOnce(t *testing.T) {
	defer signInBy(t, "host all plain 127.0.0.1/32 scram-sha-256")()
	password := "plain-pw"
	d, target := declared(func(r *resource.Target) { r.Credential.Username = "plain" })
	lookup := d.lookup
	d.lookup = func(name string) (*resource.Target, bool) {
		r, ok := lookup(name)
		r.Credential.Password = resource.SecretValue(password)
		return r, ok
	}
	works := func() bool {
		c, err := d.Dial(t.Context(), target, "postgres", nil)
		if err == nil {
			err = c.Conn.Close()
		} else if e := hoop.AsError(err); e.Code != hoop.CodeTargetAuth {
			t.Fatalf("refused, and not for the password: %v", err)
		}
		return err == nil
	}
	if !works() {
		t.Fatal("the right password is refused")
	}
	first := derived(d)
	if !works() || derived(d) != first || first.factors == "" {
		t.Errorf("the second connection derives the password again: %+v", derived(d))
	}
	admin(t, "ALTER ROLE plain PASSWORD 'plain-pw'") // another salt
	for range 3 {
		if !works() {
			t.Error("refused after the target took another salt")
		}
	}
	if derived(d) == first {
		t.Error("what belongs to the old salt is kept")
	}
	admin(t, "ALTER ROLE plain PASSWORD 'another'")
	if works() {
		t.Error("the old password still works")
	}
	password = "another"
	if !works() {
		t.Error("the new password is refused")
	}
	password = "plain-pw"
	if works() {
		t.Error("what was derived from one password serves for another")
	}
	admin(t, "ALTER ROLE plain PASSWORD 'pässword'") // pgconn's to prepare
	if password = "pässword"; !works() {
		t.Error("a password beyond ASCII is refused")
	}
}

// targetThat is a server that asks for SCRAM and goes on by say.
func targetThat(t *testing.T, say func(in *pgproto3.Backend, first string) error) (*Dialer, hoop.Target) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := pgproto3.NewBackend(c, c)
			if _, err := b.ReceiveStartupMessage(); err != nil {
				c.Close() // pgconn cancels what it gave up
				continue
			}
			b.Send(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256"}})
			err = errors.Join(b.Flush(), b.SetAuthType(pgproto3.AuthTypeSASL))
			m, rerr := b.Receive()
			first, ok := m.(*pgproto3.SASLInitialResponse)
			if err = errors.Join(err, rerr); err == nil && ok {
				err = say(b, string(first.Data))
			}
			if err != nil || !ok {
				t.Errorf("%T, %v", m, err)
			}
			c.Close()
		}
	}()
	return declared(func(r *resource.Target) { r.Address = l.Addr().String() })
}

// A server that took the verifier of a stolen backup, or none at all, is not the target.
func TestDial_TheTargetMustProveItself(t *testing.T) {
	say := func(final string) func(b *pgproto3.Backend, first string) error {
		return func(b *pgproto3.Backend, first string) error {
			client, err := scram.SHA256.NewClientUnprepped("", server.Password, "")
			if err != nil {
				return err
			}
			creds, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096})
			if err != nil {
				return err
			}
			creds.ServerKey = bytes.Clone(creds.ServerKey)
			creds.ServerKey[0] ^= 1
			s, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return creds, nil })
			if err != nil {
				return err
			}
			conv := s.NewConversation()
			challenge, err := conv.Step(first)
			if err != nil {
				return err
			}
			b.Send(&pgproto3.AuthenticationSASLContinue{Data: []byte(challenge)})
			if err := b.Flush(); err != nil {
				return err
			}
			if err := b.SetAuthType(pgproto3.AuthTypeSASLContinue); err != nil {
				return err
			}
			m, err := b.Receive()
			if err != nil {
				return err
			}
			proof, ok := m.(*pgproto3.SASLResponse)
			if !ok {
				return errors.New("no proof came")
			}
			signature, err := conv.Step(string(proof.Data))
			if err != nil {
				return err
			}
			switch final {
			case "wrong":
				b.Send(&pgproto3.AuthenticationSASLFinal{Data: []byte(signature)})
			case "empty":
				b.Send(&pgproto3.AuthenticationSASLFinal{})
			}
			b.Send(&pgproto3.AuthenticationOk{})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			return b.Flush()
		}
	}
	for _, final := range []string{"wrong", "empty", "none"} {
		d, target := targetThat(t, say(final))
		if _, err := d.Dial(t.Context(), target, "postgres", nil); err == nil {
			t.Errorf("%s: a server that does not know the password is the target", final)
		} else if e := hoop.AsError(err); e.Code != hoop.CodeUnavailable || e.Hint == "" || strings.Contains(err.Error(), server.Password) {
			t.Errorf("%s: %v", final, err)
		}
	}
}

func TestDial_RefusesChallenges(t *testing.T) {
	for name, challenge := range map[string]string{
		"too many iterations": "r=%s,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=10000001",
		"no salt":             "r=%s,i=4096",
		"no iterations":       "r=%s,s=MDEyMzQ1Njc4OWFiY2RlZg==",
		"another nonce":       "r=abc,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096",
		"nothing":             "",
	} {
		proofs := make(chan pgproto3.FrontendMessage, 1)
		d, target := targetThat(t, func(b *pgproto3.Backend, first string) error {
			_, nonce, _ := strings.Cut(first, "r=")
			b.Send(&pgproto3.AuthenticationSASLContinue{Data: []byte(strings.Replace(challenge, "%s", nonce+"x", 1))})
			if err := b.Flush(); err != nil {
				return err
			}
			m, _ := b.Receive() // it hangs up
			proofs <- m
			return nil
		})
		if _, err := d.Dial(t.Context(), target, "postgres", nil); hoop.AsError(err).Code != hoop.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		if m := <-proofs; m != nil {
			t.Errorf("%s: answered by %T", name, m)
		}
	}
}

// A message that claims to be long is not waited for.
func TestSignIn_BoundsMessages(t *testing.T) {
	long := binary.BigEndian.AppendUint32([]byte{'R'}, maxSignIn+1)
	f := signIn{keep: &credentials{}}.frontend(bytes.NewReader(long), io.Discard)
	if _, err := f.Receive(); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
