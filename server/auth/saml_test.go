package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	"github.com/crewjam/saml/samlidp"
	"golang.org/x/crypto/bcrypt"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

const samlHost = "https://saml.test"

// samlKey is the same in each process, so that what one fuzz worker signed another can
// verify. It signs nothing but tests.
//
//go:embed testdata/saml.key
var samlKey []byte

// samlServer is the library's own identity provider, whose assertions the test changes
// before they are signed.
type samlServer struct {
	*samlidp.Server
	change func(*saml.Assertion)
}

func (s *samlServer) MakeAssertion(req *saml.IdpAuthnRequest, session *saml.Session) error {
	if err := (saml.DefaultAssertionMaker{}).MakeAssertion(req, session); err != nil {
		return err
	}
	req.Assertion.Subject.NameID.Format = string(saml.PersistentNameIDFormat)
	if s.change != nil {
		s.change(req.Assertion)
	}
	return nil
}

func testCert(t testing.TB, key *rsa.PrivateKey, until time.Time) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "saml.test"},
		NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func testKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(samlKey)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PrivateKey)
}

// newSAMLServer is an identity provider at host with one user, jane.
func newSAMLServer(t testing.TB, host string, key *rsa.PrivateKey, spMetadata ...[]byte) *samlServer {
	t.Helper()
	u, err := url.Parse(host)
	if err != nil {
		t.Fatal(err)
	}
	store := &samlidp.MemoryStore{}
	hashed, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	user := samlidp.User{Name: "jane", HashedPassword: hashed, Email: "jane-id", CommonName: "Jane Roe", Groups: []string{"agents", "*", "staff"}}
	if err := store.Put("/users/jane", &user); err != nil {
		t.Fatal(err)
	}
	for i, b := range spMetadata {
		service := samlidp.Service{Name: string(rune('a' + i))}
		if err := xml.Unmarshal(b, &service.Metadata); err != nil {
			t.Fatal(err)
		}
		if err := store.Put("/services/"+service.Name, &service); err != nil {
			t.Fatal(err)
		}
	}
	s := &samlServer{}
	if s.Server, err = samlidp.New(samlidp.Options{
		URL: *u, Key: key, Certificate: testCert(t, key, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)), Store: store,
		Logger: log.New(io.Discard, "", 0),
	}); err != nil {
		t.Fatal(err)
	}
	s.IDP.AssertionMaker, s.IDP.SignatureMethod = s, signatureMethods[0]
	return s
}

const groupsOID = "urn:oid:1.3.6.1.4.1.5923.1.1.1.1"

// withSAML makes a world with the identity providers clinic and other, which know the
// gateway by its metadata.
func withSAML(t testing.TB) (*samlServer, func(*world, *Options)) {
	t.Helper()
	var sps [][]byte
	for _, name := range []string{"clinic", "other"} {
		u, err := newSAML(SAML{Name: name, MetadataURL: samlHost + "/metadata"}, issuer, time.Now, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := u.spMetadata()
		if err != nil {
			t.Fatal(err)
		}
		sps = append(sps, b)
	}
	idp := newSAMLServer(t, samlHost, testKey(t), sps...)
	return idp, func(w *world, o *Options) {
		w.wire.hosts["saml.test"] = idp
		w.wire.hosts["other.test"] = newSAMLServer(t, "https://other.test", testKey(t), sps...) // the same key, even
		o.DevUsers = nil
		for name, host := range map[string]string{"clinic": samlHost, "other": "https://other.test"} {
			o.SAML = append(o.SAML, SAML{Name: name, MetadataURL: host + "/metadata", GroupsAttribute: groupsOID, Client: w.http})
		}
		slices.SortFunc(o.SAML, func(a, b SAML) int { return strings.Compare(a.Name, b.Name) })
	}
}

const acsPath = "/signin/saml/clinic/acs"

// atIDP has a new browser sign in for a device as jane, up to the identity provider's
// page with its response, which it returns.
func (w *world) atIDP(userCode string) (*authtest.Browser, []byte) {
	w.t.Helper()
	b := w.browser()
	if err := enter(w.t, b, userCode); err != nil {
		w.t.Fatal(err)
	}
	return b, w.response(b, b.Links()[0])
}

// response follows a link to an identity provider and signs in there.
func (w *world) response(b *authtest.Browser, link string) []byte {
	w.t.Helper()
	if err := b.Open(w.t.Context(), link); err != nil {
		w.t.Fatal(err)
	}
	at := b.URL.Scheme + "://" + b.URL.Host
	form, ok := b.Form(at + "/login")
	if !ok {
		w.t.Fatalf("no form to sign in: %s %s", b.URL, b.Text)
	}
	form.Set("user", "jane")
	form.Set("password", "secret")
	if err := b.Post(w.t.Context(), at+"/sso", form); err != nil {
		w.t.Fatal(err)
	}
	for _, p := range []string{"clinic", "other"} {
		if form, ok = b.Form(issuer + "/signin/saml/" + p + "/acs"); ok {
			raw, err := base64.StdEncoding.DecodeString(form.Get("SAMLResponse"))
			if err != nil {
				w.t.Fatal(err)
			}
			return raw
		}
	}
	w.t.Fatalf("no response: %s", b.Text)
	return nil
}

// deliver posts a response to the gateway, as the identity provider's page would.
func (w *world) deliver(b *authtest.Browser, response []byte) error {
	w.t.Helper()
	return b.Post(w.t.Context(), issuer+acsPath, url.Values{
		"SAMLResponse": {base64.StdEncoding.EncodeToString(response)}, "RelayState": {"https://evil.test/"},
	})
}

// samlSignIn signs jane in, from the device's request to its tokens.
func (w *world) samlSignIn() answer {
	w.t.Helper()
	a := w.poll(w.samlApproved())
	if a.Status != http.StatusOK {
		w.t.Fatalf("got %+v", a)
	}
	return a
}

// samlApproved is the code of a device that Jane signed in for.
func (w *world) samlApproved() string {
	w.t.Helper()
	da := w.begin()
	b, response := w.atIDP(da.UserCode)
	if err := w.deliver(b, response); err != nil {
		w.t.Fatal(err)
	}
	if err := b.Submit(w.t.Context(), "/device/confirm", url.Values{"action": {"approve"}}); err != nil {
		w.t.Fatal(err)
	}
	return da.DeviceCode
}

// running starts what runs without clients; the function it returns stops that.
func (w *world) running() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

func TestSAML_SignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp, with := withSAML(t)
		w := newWorld(t, with)
		if err := CheckSAML(t.Context(), w.o.SAML[0], issuer); err != nil {
			t.Fatal(err)
		}
		a := w.samlSignIn()
		id, err := w.Identify(t.Context(), a.Access)
		if err != nil {
			t.Fatal(err)
		}
		if id.Subject != "clinic:jane-id" || id.Name != "Jane Roe" || id.Kind != hoop.Human || id.Provider != "clinic" ||
			!slices.Equal(id.Groups, []string{"agents", "staff"}) {
			t.Errorf("got %+v", id)
		}
		if got := w.log.last(); got != "sign-in clinic:jane-id" {
			t.Errorf("event: %s", got)
		}
		if strings.Contains(w.logs.String(), "evil.test") {
			t.Error("RelayState was read")
		}
		// The other provider's jane is somebody else.
		b := w.browser()
		da := w.begin()
		if err := enter(t, b, da.UserCode); err != nil {
			t.Fatal(err)
		}
		w.response(b, b.Links()[1])
		if err := b.Submit(t.Context(), issuer+"/signin/saml/other/acs", nil); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.Text, "other:jane-id") {
			t.Errorf("page: %s", b.Text)
		}
		// Nobody can be asked about the groups of a sign-in, but the next one tells them.
		advance(time.Second)
		late := w.samlApproved() // a device that fetches its tokens when all is told
		advance(time.Second)
		idp.change = func(as *saml.Assertion) { as.AttributeStatements = nil }
		w.samlSignIn()
		if id, err := w.Identify(t.Context(), a.Access); err != nil || len(id.Groups) != 0 || len(w.changed) != 1 || w.changed[0].Subject != "clinic:jane-id" {
			t.Errorf("the former sign-in: %+v, %v; changed: %+v", id, err, w.changed)
		}
		if id, err := w.Identify(t.Context(), w.poll(late).Access); err != nil || len(id.Groups) != 0 {
			t.Errorf("a device that was signed in before: %+v, %v", id, err)
		}
		// A name that is an address is theirs.
		idp.change = func(as *saml.Assertion) {
			as.AttributeStatements = nil
			as.Subject.NameID.Format, as.Subject.NameID.Value = string(saml.EmailAddressNameIDFormat), "Jane@clinic.example"
		}
		if id, err := w.Identify(t.Context(), w.samlSignIn().Access); err != nil || id.Subject != "clinic:Jane@clinic.example" || id.Email != "Jane@clinic.example" {
			t.Errorf("got %+v, %v", id, err)
		}
	})
}

// The newest answer about groups counts, also where the clock was ahead when another came.
func TestSAML_GroupsAfterTheClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp, with := withSAML(t)
		var ahead atomic.Int64
		ahead.Store(int64(2 * time.Minute))
		w := newWorld(t, with, func(_ *world, o *Options) {
			o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		})
		before := w.samlSignIn().Access
		ahead.Store(0)
		advance(time.Second)
		idp.change = func(as *saml.Assertion) { as.AttributeStatements = nil }
		for what, token := range map[string]string{"the new sign-in": w.samlSignIn().Access, "that of before": before} {
			if id, err := w.Identify(t.Context(), token); err != nil || len(id.Groups) != 0 {
				t.Errorf("%s: %+v, %v", what, id, err)
			}
		}
		if id, err := w.Current(t.Context(), "clinic:jane-id"); err != nil || len(id.Groups) != 0 {
			t.Errorf("who decides: %+v, %v", id, err)
		}
	})
}

// An answer that somebody held back is no newer than those that were made after it.
func TestSAML_AnswerHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp, with := withSAML(t)
		w := newWorld(t, with)
		da := w.begin()
		b, held := w.atIDP(da.UserCode)
		advance(time.Minute)
		idp.change = func(as *saml.Assertion) { as.AttributeStatements = nil }
		newer := w.samlSignIn().Access
		advance(10 * time.Second)
		if err := w.deliver(b, held); err != nil {
			t.Fatal(err)
		}
		if err := b.Submit(t.Context(), "/device/confirm", url.Values{"action": {"approve"}}); err != nil {
			t.Fatal(err)
		}
		for what, token := range map[string]string{"the newer sign-in": newer, "that by the answer that was held back": w.poll(da.DeviceCode).Access} {
			if id, err := w.Identify(t.Context(), token); err != nil || len(id.Groups) != 0 {
				t.Errorf("%s: %+v, %v", what, id, err)
			}
		}
	})
}

// A SAML sign-in is refreshed here, but nobody can be asked about it: it ends with the
// session at the provider, or after eight hours, and with it the live sessions.
func TestSAML_SignInEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration // SessionNotOnOrAfter; 0: none
		want  time.Duration
	}{
		{"at SessionNotOnOrAfter", 17 * time.Minute, 17 * time.Minute},
		{"after eight hours", 0, 8 * time.Hour},
		{"after eight hours whatever the provider allows", 24 * time.Hour, 8 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				idp, with := withSAML(t)
				w := newWorld(t, with)
				defer w.running()()
				start := time.Now()
				idp.change = func(a *saml.Assertion) {
					a.AuthnStatements[0].SessionNotOnOrAfter = nil
					if tt.after > 0 {
						end := start.Add(tt.after)
						a.AuthnStatements = append(a.AuthnStatements, a.AuthnStatements[0]) // the earliest counts
						a.AuthnStatements[1].SessionNotOnOrAfter = &end
					}
				}
				a := w.samlSignIn()
				refresh, access := a.Refresh, a.Access
				for time.Since(start) < tt.want-4*time.Minute {
					advance(4 * time.Minute)
					if a = w.refreshWith(refresh); a.Status != http.StatusOK {
						t.Fatalf("after %s: %+v", time.Since(start), a)
					}
					refresh, access = a.Refresh, a.Access
				}
				left := tt.want - time.Since(start)
				if got := time.Duration(a.ExpiresIn) * time.Second; got > left {
					t.Errorf("an access token says it lasts %s, and the sign-in has %s", got, left)
				}
				advance(left - time.Second)
				if w.who(access) != "clinic:jane-id" || len(w.cut()) != 0 {
					t.Errorf("a second before the end: %s, cut %q", w.who(access), w.cut())
				}
				advance(2 * time.Second)
				synctest.Wait()
				if got := w.who(access); got != string(hoop.CodeUnauthenticated) {
					t.Errorf("the access token outlived the sign-in: %s", got)
				}
				if a := w.refreshWith(refresh); a.Error != "invalid_grant" || !strings.Contains(a.Description, "sign in again") {
					t.Errorf("refreshed after the end: %+v", a)
				}
				if got := w.cut(); !slices.Equal(got, []string{"clinic:jane-id"}) {
					t.Errorf("cut: %q", got)
				}
				if got := w.log.last(); got != "sign-out clinic:jane-id: expired" {
					t.Errorf("event: %s", got)
				}
			})
		})
	}
}

// Whoever signed in again before the end keeps their sessions.
func TestSAML_SignedInAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, with := withSAML(t)
		w := newWorld(t, with)
		defer w.running()()
		w.samlSignIn()
		advance(7 * time.Hour)
		again := w.samlSignIn()
		advance(61 * time.Minute)
		synctest.Wait()
		if len(w.cut()) != 0 {
			t.Errorf("cut: %q", w.cut())
		}
		if a := w.refreshWith(again.Refresh); a.Status != http.StatusOK {
			t.Errorf("got %+v", a)
		}
	})
}

// xmlDoc is a response that a test takes apart.
type xmlDoc struct {
	*etree.Document
	t *testing.T
}

func (d xmlDoc) find(path string) *etree.Element {
	d.t.Helper()
	el := d.FindElement(path)
	if el == nil {
		d.t.Fatalf("no %s", path)
	}
	return el
}

func (d xmlDoc) remove(path string) *etree.Element {
	d.t.Helper()
	el := d.find(path)
	el.Parent().RemoveChild(el)
	return el
}

// evil is the signed assertion with another subject.
func (d xmlDoc) evil(id string) *etree.Element {
	el := d.find("/Response/Assertion").Copy()
	el.FindElement("./Subject/NameID").SetText("admin-id")
	if id != "" {
		el.CreateAttr("ID", id)
	}
	return el
}

// TestSAML_Attacks: each is refused, recorded, and leaves nobody signed in. Those that
// take a response apart first drop the response's own signature, which covers
// everything.
func TestSAML_Attacks(t *testing.T) {
	change := func(f func(*saml.Assertion)) func(*samlServer) { return func(s *samlServer) { s.change = f } }
	apart := func(f func(xmlDoc)) func(*testing.T, []byte) []byte {
		return func(t *testing.T, b []byte) []byte {
			d := xmlDoc{etree.NewDocument(), t}
			if err := d.ReadFromBytes(b); err != nil {
				t.Fatal(err)
			}
			d.remove("/Response/Signature")
			f(d)
			out, err := d.WriteToBytes()
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	replace := func(old, new string) func(*testing.T, []byte) []byte {
		return apart(func(d xmlDoc) {
			s, err := d.WriteToString()
			if err != nil || !strings.Contains(s, old) {
				d.t.Fatalf("no %q in the response: %v", old, err)
			}
			*d.Document = *etree.NewDocument()
			if err := d.ReadFromString(strings.Replace(s, old, new, 1)); err != nil {
				d.t.Fatal(err)
			}
		})
	}
	text := func(f func(string) string) func(*testing.T, []byte) []byte {
		return func(_ *testing.T, b []byte) []byte { return []byte(f(string(b))) }
	}
	for _, tt := range []struct {
		name   string
		idp    func(*samlServer)
		tamper func(*testing.T, []byte) []byte
		want   string // in the gateway's log; "" where the response is good
	}{
		{"none", nil, nil, ""},
		{"none, with only the assertion signed", nil, apart(func(xmlDoc) {}), ""},
		{"unsigned", nil, apart(func(d xmlDoc) { d.remove("/Response/Assertion/Signature") }), "the assertion is not signed"},
		{"only the response signed", nil, func(t *testing.T, b []byte) []byte {
			d := xmlDoc{etree.NewDocument(), t}
			if err := d.ReadFromBytes(b); err != nil {
				t.Fatal(err)
			}
			d.remove("/Response/Assertion/Signature")
			out, _ := d.WriteToBytes()
			return out
		}, "the assertion is not signed"},
		{"another subject", nil, replace("jane-id", "admin-id"), "Signature could not be verified"},
		{"another subject under the response's signature", nil, text(func(s string) string { return strings.ReplaceAll(s, "jane-id", "admin-id") }), "Signature could not be verified"},
		{"response altered and its signature left", nil, text(func(s string) string { return strings.Replace(s, "<samlp:Status>", "<samlp:Status x=\"1\">", 1) }), "signature of Response"},
		{"another group", nil, replace(">staff<", ">dba<"), "Signature could not be verified"},
		{"a longer session", nil, replace("SessionIndex=", "SessionNotOnOrAfter=\"2100-01-01T00:00:00Z\" SessionIndex="), "could not be verified"},
		{"a comment in the NameID", nil, replace("jane-id", "jane<!---->-id"), "a comment"},
		{"a comment elsewhere", nil, replace("<samlp:Status>", "<!-- --><samlp:Status>"), "a comment"},
		{"a processing instruction in the NameID", nil, replace("jane-id", "jane<?x y?>-id"), "a processing instruction"},
		{"a document type", nil, text(func(s string) string { return `<!DOCTYPE r [<!ENTITY e "admin">]>` + s }), "a comment or a document type"},
		{"evil assertion before the signed one", nil, apart(func(d xmlDoc) {
			a := d.find("/Response/Assertion")
			a.Parent().InsertChildAt(a.Index(), d.evil("evil"))
		}), "out of its place"},
		{"evil assertion after the signed one, unsigned", nil, apart(func(d xmlDoc) {
			e := d.evil("evil")
			e.RemoveChild(e.SelectElement("Signature"))
			d.Root().AddChild(e)
		}), "an assertion out of its place"},
		{"signed assertion inside the evil one's signature", nil, apart(func(d xmlDoc) {
			e := d.evil("evil")
			orig := d.remove("/Response/Assertion")
			e.SelectElement("Signature").CreateElement("ds:Object").AddChild(orig)
			d.Root().AddChild(e)
		}), "out of its place"},
		{"signed assertion inside the evil one", nil, apart(func(d xmlDoc) {
			e := d.evil("evil")
			e.AddChild(d.remove("/Response/Assertion"))
			d.Root().AddChild(e)
		}), "out of its place"},
		{"signed assertion in extensions", nil, apart(func(d xmlDoc) {
			e := d.evil("")
			orig := d.remove("/Response/Assertion")
			d.Root().CreateElement("samlp:Extensions").AddChild(orig)
			d.Root().AddChild(e)
		}), "out of its place"},
		{"signed response inside an evil one", nil, func(t *testing.T, b []byte) []byte {
			d := xmlDoc{etree.NewDocument(), t}
			if err := d.ReadFromBytes(b); err != nil {
				t.Fatal(err)
			}
			orig := d.Root().Copy()
			d.Root().CreateAttr("ID", "evil")
			d.Root().SelectElement("Signature").CreateElement("ds:Object").AddChild(orig)
			d.remove("/Response/Assertion")
			d.Root().AddChild(d.evilOf(orig))
			out, _ := d.WriteToBytes()
			return out
		}, "out of its place|within the response|there twice"},
		{"the same ID twice", nil, apart(func(d xmlDoc) {
			d.Root().CreateAttr("ID", d.find("/Response/Assertion").SelectAttrValue("ID", ""))
		}), "there twice"},
		{"a second Subject", nil, apart(func(d xmlDoc) {
			a := d.find("/Response/Assertion")
			a.AddChild(d.evil("").SelectElement("Subject"))
		}), "not one Subject"},
		{"a second NameID", nil, apart(func(d xmlDoc) {
			d.find("/Response/Assertion/Subject").CreateElement("saml:NameID").SetText("admin-id")
		}), "not one NameID"},
		{"an assertion of another namespace", nil, apart(func(d xmlDoc) {
			e := d.evil("evil")
			e.RemoveChild(e.SelectElement("Signature"))
			e.Space = ""
			e.CreateAttr("xmlns", "urn:evil")
			d.Root().AddChild(e)
		}), "an assertion out of its place"},
		{"SHA-1", func(s *samlServer) { s.IDP.SignatureMethod = "http://www.w3.org/2000/09/xmldsig#rsa-sha1" }, nil, "is not accepted"},
		{"another key", func(s *samlServer) {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			// Metadata was read before; the signature names its own certificate.
			s.IDP.Key, s.IDP.Certificate = key, testCert(t, key, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
		}, nil, "verification error"},
		{"wrong audience", change(func(a *saml.Assertion) { a.Conditions.AudienceRestrictions[0].Audience.Value = "https://evil.test" }), nil, "another audience"},
		{"no audience", change(func(a *saml.Assertion) { a.Conditions.AudienceRestrictions = nil }), nil, "no audience"},
		{"one of two audience restrictions", change(func(a *saml.Assertion) {
			a.Conditions.AudienceRestrictions = append(a.Conditions.AudienceRestrictions, saml.AudienceRestriction{Audience: saml.Audience{Value: "x"}})
		}), nil, "another audience"},
		{"wrong recipient", change(func(a *saml.Assertion) {
			a.Subject.SubjectConfirmations[0].SubjectConfirmationData.Recipient = issuer + "/signin/saml/other/acs"
		}), nil, "Recipient is not"},
		{"wrong destination", nil, apart(func(d xmlDoc) { d.Root().CreateAttr("Destination", issuer+"/signin/saml/other/acs") }), "Destination"},
		{"expired", change(func(a *saml.Assertion) { a.Conditions.NotOnOrAfter = time.Now().Add(-4 * time.Minute) }), nil, "expired"},
		{"not yet valid", change(func(a *saml.Assertion) { a.Conditions.NotBefore = time.Now().Add(4 * time.Minute) }), nil, "not yet valid"},
		{"confirmation expired", change(func(a *saml.Assertion) {
			a.Subject.SubjectConfirmations[0].SubjectConfirmationData.NotOnOrAfter = time.Now().Add(-4 * time.Minute)
		}), nil, "expired"},
		{"session over", change(func(a *saml.Assertion) { now := time.Now(); a.AuthnStatements[0].SessionNotOnOrAfter = &now }), nil, "has ended"},
		{"issued long ago", change(func(a *saml.Assertion) { a.IssueInstant = time.Now().Add(-2 * time.Minute) }), nil, "expired"},
		{"issued in the future", change(func(a *saml.Assertion) { a.IssueInstant = time.Now().Add(time.Hour) }), nil, "from the future"},
		{"no confirmation", change(func(a *saml.Assertion) { a.Subject.SubjectConfirmations = nil }), nil, "confirms no sign-in"},
		{"confirmed by no bearer", change(func(a *saml.Assertion) {
			a.Subject.SubjectConfirmations[0].Method = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"
		}), nil, "no bearer"},
		{"no sign-in", change(func(a *saml.Assertion) { a.AuthnStatements = nil }), nil, "confirms no sign-in"},
		{"no conditions", change(func(a *saml.Assertion) { a.Conditions = nil }), nil, "not one Conditions|nil"},
		{"another issuer", change(func(a *saml.Assertion) { a.Issuer.Value = "https://other.test/metadata" }), nil, "issuer is not"},
		{"for another request", change(func(a *saml.Assertion) {
			a.Subject.SubjectConfirmations[0].SubjectConfirmationData.InResponseTo = "id-other"
		}), nil, "request IDs"},
		{"response for another request", nil, apart(func(d xmlDoc) { d.Root().CreateAttr("InResponseTo", "id-other") }), "InResponseTo"},
		{"unsolicited", change(func(a *saml.Assertion) {
			a.Subject.SubjectConfirmations[0].SubjectConfirmationData.InResponseTo = ""
		}), apart(func(d xmlDoc) { d.Root().RemoveAttr("InResponseTo") }), "InResponseTo"},
		{"transient NameID", change(func(a *saml.Assertion) { a.Subject.NameID.Format = string(saml.TransientNameIDFormat) }), nil, "transient"},
		{"NameID of an odd format", change(func(a *saml.Assertion) { a.Subject.NameID.Format = "urn:x" }), nil, "format"},
		{"NameID of another provider", change(func(a *saml.Assertion) { a.Subject.NameID.NameQualifier = "https://evil.test" }), nil, "another identity provider's"},
		{"empty NameID", change(func(a *saml.Assertion) { a.Subject.NameID.Value = "" }), nil, "NameID is empty"},
		{"invisible NameID", change(func(a *saml.Assertion) { a.Subject.NameID.Value = "jane\u200b-id" }), nil, "nobody can read"},
		{"failed", nil, text(func(string) string {
			return `<p:Response xmlns:p="` + samlProtocolNS + `"><p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/></p:Status></p:Response>`
		}), "status urn:oasis:names:tc:SAML:2.0:status:Responder"},
		{"encrypted", nil, text(func(string) string {
			return `<p:Response xmlns:p="` + samlProtocolNS + `"><EncryptedAssertion xmlns="` + samlAssertionNS + `"/></p:Response>`
		}), "encrypted"},
		{"no XML", nil, text(func(string) string { return "hello" }), "SAML response"},
		{"nested deeply", nil, text(func(string) string {
			return `<p:Response xmlns:p="` + samlProtocolNS + `">` + strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40) + `</p:Response>`
		}), "nested too deeply"},
		{"large", nil, text(func(string) string {
			return `<p:Response xmlns:p="` + samlProtocolNS + `">` + strings.Repeat(" ", maxSAML) + `</p:Response>`
		}), "too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				idp, with := withSAML(t)
				w := newWorld(t, with)
				u, _ := w.samlUpstream("clinic")
				if _, err := u.metadata(t.Context()); err != nil {
					t.Fatal(err)
				}
				if tt.idp != nil {
					tt.idp(idp)
				}
				da := w.begin()
				b, response := w.atIDP(da.UserCode)
				if tt.tamper != nil {
					response = tt.tamper(t, response)
				}
				err := w.deliver(b, response)
				if tt.want == "" {
					if err != nil || !strings.Contains(b.Text, "Jane Roe") {
						t.Fatalf("refused: %v %s\n%s", err, b.Text, w.logs)
					}
					return
				}
				mustFail(t, err, "The identity provider did not sign you in.")
				if !slices.ContainsFunc(strings.Split(tt.want, "|"), func(s string) bool { return strings.Contains(w.logs.String(), s) }) {
					t.Errorf("log without %q:\n%s", tt.want, w.logs)
				}
				if got := w.log.last(); got != "sign-in-failed: identity provider's answer refused" {
					t.Errorf("event: %s", got)
				}
				mustFail(t, b.Open(t.Context(), issuer+"/device/confirm?user_code="+da.UserCode), "has not signed in")
			})
		})
	}
}

func (d xmlDoc) evilOf(response *etree.Element) *etree.Element {
	el := response.SelectElement("Assertion").Copy()
	el.FindElement("./Subject/NameID").SetText("admin-id")
	return el
}

// A response is good for the browser and the visit it was asked for in, once.
func TestSAML_ResponseIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, with := withSAML(t)
		w := newWorld(t, with)
		const notBegun = "This sign-in was not begun in this browser"
		here, _ := url.Parse(issuer)
		cookie := func(b *authtest.Browser) *http.Cookie {
			for _, c := range b.Client.Jar.Cookies(here) {
				if c.Name == samlCookie {
					return &http.Cookie{Name: c.Name, Value: c.Value, Path: "/", Secure: true}
				}
			}
			t.Fatal("no cookie")
			return nil
		}
		da := w.begin()
		b, response := w.atIDP(da.UserCode)
		stolen := cookie(b)

		// In a browser that began nothing: as an attacker's page would post it.
		mustFail(t, w.deliver(w.browser(), response), notBegun)
		// In one that began another visit.
		other, _ := w.atIDP(da.UserCode)
		mustFail(t, w.deliver(other, response), "did not sign you in")
		// At the other provider's address, with this one's flow.
		mustFail(t, b.Post(t.Context(), issuer+"/signin/saml/other/acs", url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString(response)}}), notBegun)

		b.Client.Jar.SetCookies(here, []*http.Cookie{stolen}) // that was one try
		if err := w.deliver(b, response); err != nil {
			t.Fatal(err)
		}
		mustFail(t, w.deliver(b, response), notBegun) // its cookie is gone
		// With the cookie put back: replayed.
		b.Client.Jar.SetCookies(here, []*http.Cookie{stolen})
		mustFail(t, w.deliver(b, response), "did not sign you in")
		if got := w.log.last(); got != "sign-in-failed: identity provider's answer used twice" {
			t.Errorf("event: %s", got)
		}
		// With the cookie in a browser of the attacker's: it is somebody else's flow, and
		// the confirmation stays with the browser that began it.
		da = w.begin()
		b, response = w.atIDP(da.UserCode)
		thief := w.browser()
		thief.Client.Jar.SetCookies(here, []*http.Cookie{cookie(b)})
		mustFail(t, w.deliver(thief, response), "has not signed in")

		// Another provider's response, though it has the same key.
		da = w.begin()
		b = w.browser()
		if err := enter(t, b, da.UserCode); err != nil {
			t.Fatal(err)
		}
		links := b.Links()
		theirs := w.response(b, links[1])
		if err := b.Open(t.Context(), issuer+links[0]); err != nil { // the flow is now clinic's
			t.Fatal(err)
		}
		mustFail(t, w.deliver(b, theirs), "did not sign you in")

		// Too late.
		da = w.begin()
		b, response = w.atIDP(da.UserCode)
		advance(11 * time.Minute)
		if err := w.deliver(b, response); err == nil {
			t.Error("taken after the code expired")
		}
		for _, form := range []url.Values{{}, {"SAMLResponse": {"a", "b"}}} {
			b, _ := w.atIDP(w.begin().UserCode)
			mustFail(t, b.Post(t.Context(), issuer+acsPath, form), "not one of ours")
		}
		b, _ = w.atIDP(w.begin().UserCode)
		mustFail(t, b.Post(t.Context(), issuer+acsPath, url.Values{"SAMLResponse": {"%%%"}}), "did not sign you in")
	})
}

func TestSAML_Metadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp, with := withSAML(t)
		w := newWorld(t, with)
		u, _ := w.samlUpstream("clinic")
		if b, err := u.spMetadata(); err != nil || strings.Contains(string(b), "validUntil") || !strings.Contains(string(b), issuer+acsPath) {
			t.Errorf("our own: %s, %v", b, err)
		}
		raw, err := u.fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		good := string(raw)
		many := `<EntitiesDescriptor xmlns="` + samlMetadataNS + `">` + good + strings.ReplaceAll(good, "saml.test", "two.test") + `</EntitiesDescriptor>`
		old := testCert(t, testKey(t), time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC))
		for _, tt := range []struct{ name, doc, entity, want string }{
			{"good", good, "", ""},
			{"good, by its name", good, samlHost + "/metadata", ""},
			{"of another", good, "https://x.test", "entity_id"},
			{"one of several", many, "https://two.test/metadata", ""},
			{"several", many, "", "2 identity providers"},
			{"a service provider", strings.ReplaceAll(good, "IDPSSODescriptor", "SPSSODescriptor"), "", "does not describe an identity provider"},
			{"expired", strings.ReplaceAll(good, `validUntil="2000-`, `validUntil="1999-`), "", "valid until"},
			{"no key", strings.ReplaceAll(good, `use="signing"`, `use="encryption"`), "", "no signing certificate"},
			{"expired certificate", strings.ReplaceAll(good, base64.StdEncoding.EncodeToString(idp.IDP.Certificate.Raw), base64.StdEncoding.EncodeToString(old.Raw)), "", "to 1999-01-01 only"},
			{"no redirect", strings.ReplaceAll(good, saml.HTTPRedirectBinding, "urn:x"), "", "HTTP-Redirect"},
			{"http", strings.ReplaceAll(good, `Location="https:`, `Location="http:`), "", "no https URL"},
			{"a page", "<html></html>", "", "not SAML 2.0 metadata"},
			{"nothing", "", "", "not "},
		} {
			_, err := parseIDP([]byte(tt.doc), tt.entity, time.Now())
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%s: %v", tt.name, err)
			case tt.want != "" && (err == nil || !slices.ContainsFunc(strings.Split(tt.want, "|"), func(s string) bool { return strings.Contains(err.Error(), s) })):
				t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
			}
		}

		// Read again after an hour; the former serves while it cannot be, for a day.
		file := filepath.Join(t.TempDir(), "idp.xml")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := newSAML(SAML{Name: "clinic", MetadataFile: file}, issuer, time.Now, w.o.Logger)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			after time.Duration
			doc   string
			want  string
		}{
			{0, good, samlHost + "/metadata"},
			{59 * time.Minute, strings.ReplaceAll(good, "saml.test", "two.test"), samlHost + "/metadata"},
			{2 * time.Minute, strings.ReplaceAll(good, "saml.test", "two.test"), "https://two.test/metadata"},
			{23 * time.Hour, "broken", "https://two.test/metadata"},
			{2 * time.Hour, "broken", ""},
			{0, good, samlHost + "/metadata"},
		} {
			advance(step.after)
			if err := os.WriteFile(file, []byte(step.doc), 0o600); err != nil {
				t.Fatal(err)
			}
			got := ""
			if idp, err := f.metadata(t.Context()); err == nil {
				got = idp.entity.EntityID
			}
			if got != step.want {
				t.Errorf("after %s: %q, want %q", step.after, got, step.want)
			}
		}

		w.wire.down["saml.test"] = true
		if err := CheckSAML(t.Context(), w.o.SAML[0], issuer); !errors.Is(err, errUnreachable) {
			t.Errorf("the check of a provider that is down: %v", err)
		}
		for _, o := range []SAML{
			{Name: "a"}, {Name: "a", MetadataURL: "http://saml.test/metadata"}, {Name: "a", MetadataURL: samlHost, MetadataFile: file},
		} {
			if err := CheckSAML(t.Context(), o, issuer); err == nil {
				t.Errorf("accepted: %+v", o)
			}
		}
	})
}

// FuzzSAML_Response: whatever a response is made into, it is refused, or it vouches for
// whom the identity provider vouched for.
func FuzzSAML_Response(f *testing.F) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	former := saml.TimeNow
	saml.TimeNow = func() time.Time { return at }
	f.Cleanup(func() { saml.TimeNow = former })
	u, err := newSAML(SAML{Name: "clinic", MetadataURL: samlHost + "/metadata", Now: func() time.Time { return at }}, issuer, time.Now, nil)
	if err != nil {
		f.Fatal(err)
	}
	sp, err := u.spMetadata()
	if err != nil {
		f.Fatal(err)
	}
	server := newSAMLServer(f, samlHost, testKey(f), sp)
	b, err := xml.Marshal(server.IDP.Metadata())
	if err != nil {
		f.Fatal(err)
	}
	idp, err := parseIDP(b, "", at)
	if err != nil {
		f.Fatal(err)
	}
	flow := flow{Provider: "clinic", State: "id-request"}
	good := fuzzResponse(f, server, sp, flow.State, at)
	if a, err := u.finish(idp, flow, good); err != nil || a.identity.Subject != "clinic:jane-id" {
		f.Fatalf("the seed is refused: %v", err)
	}
	f.Add(good)
	f.Add([]byte(`<p:Response xmlns:p="` + samlProtocolNS + `"/>`))
	f.Fuzz(func(t *testing.T, response []byte) {
		a, err := u.finish(idp, flow, response)
		if err == nil && (a.identity.Subject != "clinic:jane-id" || !slices.Equal(a.identity.Groups, []string{"agents"})) {
			t.Errorf("vouches for %+v", a.identity)
		}
	})
}

func fuzzResponse(f *testing.F, server *samlServer, spMetadata []byte, id string, at time.Time) []byte {
	var md saml.EntityDescriptor
	if err := xml.Unmarshal(spMetadata, &md); err != nil {
		f.Fatal(err)
	}
	d := &md.SPSSODescriptors[0]
	req := &saml.IdpAuthnRequest{
		IDP: &server.IDP, HTTPRequest: &http.Request{RemoteAddr: "192.0.2.1:1"}, Now: at, ServiceProviderMetadata: &md,
		SPSSODescriptor: d, ACSEndpoint: &d.AssertionConsumerServices[0],
	}
	req.Request.ID = id
	req.Request.Issuer = &saml.Issuer{Value: md.EntityID}
	session := &saml.Session{
		NameID: "jane-id", CreateTime: at, ExpireTime: at.Add(time.Hour), Index: "1",
		CustomAttributes: []saml.Attribute{{Name: "groups", Values: []saml.AttributeValue{{Type: "xs:string", Value: "agents"}}}},
	}
	if err := server.MakeAssertion(req, session); err != nil {
		f.Fatal(err)
	}
	form, err := req.PostBinding()
	if err != nil {
		f.Fatal(err)
	}
	b, err := base64.StdEncoding.DecodeString(form.SAMLResponse)
	if err != nil {
		f.Fatal(err)
	}
	return b
}
