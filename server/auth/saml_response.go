package auth

import (
	"bytes"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	xrv "github.com/mattermost/xml-roundtrip-validator"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// XML namespaces (SAML Core 2.0 §1.2, SAML Metadata 2.0 §1.1, XML Signature §1.3).
const (
	samlAssertionNS = "urn:oasis:names:tc:SAML:2.0:assertion"
	samlProtocolNS  = "urn:oasis:names:tc:SAML:2.0:protocol"
	samlMetadataNS  = "urn:oasis:names:tc:SAML:2.0:metadata"
	xmldsigNS       = "http://www.w3.org/2000/09/xmldsig#"
	samlBearer      = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
)

// Bounds on what a stranger may have us read.
const (
	maxSAML      = 256 << 10 // bytes of XML
	maxSAMLNodes = 5000
	maxSAMLDepth = 32
	maxNameID    = 256 // characters (SAML Core 2.0 §8.3.7)
)

// samlAnswer is what a response vouches for.
type samlAnswer struct {
	identity  hoop.Identity
	end       time.Time // SessionNotOnOrAfter; zero where it sets none
	authAt    time.Time // the latest AuthnInstant
	issued    time.Time // IssueInstant
	assertion string    // its ID
}

// finish judges the response to a flow's request. The order matters: first the shape,
// which leaves one assertion and one place for its signature; then the signature, whose
// verification returns the bytes that were signed; then the library's checks of the
// response; and last our own, on what was read from the signed bytes and nothing else.
func (u *samlUpstream) finish(idp *samlIDP, f flow, response []byte) (samlAnswer, error) {
	refuse := func(err error) (samlAnswer, error) {
		return samlAnswer{}, fmt.Errorf("%w: SAML response: %w", errRefused, err)
	}
	el, err := soleAssertion(response)
	if err != nil {
		return refuse(err)
	}
	signed, err := signatures{idp.certs, u.now}.verify(el)
	if err != nil {
		return refuse(err)
	}
	sp, err := u.sp(idp)
	if err != nil {
		return refuse(err)
	}
	if _, err := sp.ParseXMLResponse(response, []string{f.State}, sp.AcsURL); err != nil {
		var private *saml.InvalidResponseError
		if errors.As(err, &private) {
			err = private.PrivateErr
		}
		return refuse(err)
	}
	doc := etree.NewDocument()
	doc.SetRoot(signed)
	b, err := doc.WriteToBytes()
	if err != nil {
		return refuse(err)
	}
	var a saml.Assertion
	if err := xml.Unmarshal(b, &a); err != nil {
		return refuse(err)
	}
	answer, err := u.judge(idp, f, signed, &a)
	if err != nil {
		return refuse(err)
	}
	return answer, nil
}

// soleAssertion parses a response and finds its assertion. Whatever could make two
// readers see two things is refused: more than one assertion at any depth, a signature
// anywhere but in its place, an ID twice, comments, processing instructions, document
// types.
func soleAssertion(response []byte) (*etree.Element, error) {
	if len(response) > maxSAML {
		return nil, errors.New("too large")
	}
	if err := xrv.Validate(bytes.NewReader(response)); err != nil {
		return nil, fmt.Errorf("not XML: %w", err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(response); err != nil {
		return nil, fmt.Errorf("not XML: %w", err)
	}
	root := doc.Root()
	if root == nil || root.Tag != "Response" || root.NamespaceURI() != samlProtocolNS {
		return nil, errors.New("not a SAML 2.0 response")
	}
	w := shape{ids: map[string]bool{}, root: root}
	if err := w.walk(&doc.Element, 0); err != nil {
		return nil, err
	}
	if w.assertion == nil {
		// A status other than Success comes without an assertion; say which.
		if code := root.FindElement("./Status/StatusCode"); code != nil {
			if v := code.SelectAttrValue("Value", ""); v != saml.StatusSuccess {
				return nil, fmt.Errorf("status %s", clean(v, 120))
			}
		}
		return nil, errors.New("no assertion")
	}
	if w.assertion.SelectElement("Signature") == nil {
		return nil, errors.New("the assertion is not signed: have the identity provider sign assertions, not only responses")
	}
	for _, tag := range []string{"Issuer", "Subject", "Conditions"} {
		if len(w.assertion.SelectElements(tag)) != 1 {
			return nil, fmt.Errorf("the assertion has not one %s", tag)
		}
	}
	subject := w.assertion.SelectElement("Subject")
	if len(subject.SelectElements("NameID")) != 1 {
		return nil, errors.New("the subject has not one NameID")
	}
	confirmations := subject.SelectElements("SubjectConfirmation")
	for _, c := range confirmations {
		if len(c.SelectElements("SubjectConfirmationData")) != 1 {
			return nil, errors.New("a subject confirmation has not one SubjectConfirmationData")
		}
	}
	if len(confirmations) == 0 || len(w.assertion.SelectElements("AuthnStatement")) == 0 {
		return nil, errors.New("the assertion confirms no sign-in (no SubjectConfirmation or no AuthnStatement)")
	}
	return w.assertion, nil
}

// shape looks at each node of a response.
type shape struct {
	ids       map[string]bool
	root      *etree.Element
	assertion *etree.Element
	nodes     int
}

func (w *shape) walk(el *etree.Element, depth int) error {
	if depth > maxSAMLDepth {
		return errors.New("nested too deeply")
	}
	for _, t := range el.Child {
		if w.nodes++; w.nodes > maxSAMLNodes {
			return errors.New("too many elements")
		}
		switch t := t.(type) {
		case *etree.Element:
			if err := w.element(t, depth); err != nil {
				return err
			}
			if err := w.walk(t, depth+1); err != nil {
				return err
			}
		case *etree.CharData:
			if depth == 0 && !t.IsWhitespace() {
				return errors.New("text outside the response")
			}
		case *etree.ProcInst:
			if depth != 0 || t.Target != "xml" {
				return errors.New("a processing instruction")
			}
		default: // comments split text for some readers; document types define entities
			return errors.New("a comment or a document type")
		}
	}
	return nil
}

func (w *shape) element(el *etree.Element, depth int) error {
	for _, a := range el.Attr {
		if !strings.EqualFold(a.Key, "ID") || a.Space == "xmlns" {
			continue
		}
		if a.Value == "" || w.ids[a.Value] {
			return errors.New("an ID is empty or there twice")
		}
		w.ids[a.Value] = true
	}
	parent := el.Parent()
	switch el.Tag { // whatever its namespace
	case "Response":
		if el != w.root {
			return errors.New("a response within the response")
		}
	case "EncryptedAssertion", "EncryptedID", "EncryptedAttribute", "EncryptedData":
		return errors.New("it is encrypted, which this version cannot read: have the identity provider send assertions in the clear, over TLS")
	case "Assertion":
		if w.assertion != nil || depth != 1 || parent != w.root || el.NamespaceURI() != samlAssertionNS {
			return errors.New("an assertion out of its place")
		}
		w.assertion = el
	case "Signature":
		inPlace := el.NamespaceURI() == xmldsigNS && (parent == w.root || w.assertion != nil && parent == w.assertion)
		if !inPlace || len(parent.SelectElements("Signature")) != 1 {
			return errors.New("a signature out of its place")
		}
	}
	return nil
}

// signatures verifies XML signatures with the keys of the metadata, whatever key a
// signature itself names.
type signatures struct {
	certs []*x509.Certificate
	now   func() time.Time
}

// VerifySignature implements saml.SignatureVerifier, for the response's own signature.
func (s signatures) VerifySignature(_ *dsig.ValidationContext, el *etree.Element) error {
	_, err := s.verify(el)
	return err
}

// Algorithms that are good enough. XML Signature leaves the choice to the signer, that
// is, to the stranger. ECDSA is not among them: the library expects its signatures in
// another encoding than XML Signature 1.1 §6.4.3 has.
var (
	signatureMethods = []string{dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod}
	digestMethods    = []string{
		"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512",
	}
	transforms = []string{string(dsig.EnvelopedSignatureAltorithmId), string(dsig.CanonicalXML10ExclusiveAlgorithmId)}
)

// verify returns what the signature in el signs: el as the signer saw it, without the
// signature.
func (s signatures) verify(el *etree.Element) (*etree.Element, error) {
	el, err := detach(el)
	if err != nil {
		return nil, err
	}
	sig := el.SelectElement("Signature")
	if err := strong(sig, el.SelectAttrValue("ID", "")); err != nil {
		return nil, fmt.Errorf("signature of %s: %w", el.Tag, err)
	}
	for _, k := range sig.SelectElements("KeyInfo") {
		sig.RemoveChild(k)
	}
	for _, c := range s.certs {
		ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
		ctx.IdAttribute, ctx.Clock = "ID", dsig.NewFakeClockAt(s.now())
		var signed *etree.Element
		if signed, err = ctx.Validate(el); err == nil {
			return signed, nil
		}
	}
	return nil, fmt.Errorf("signature of %s: %w", el.Tag, err)
}

// detach is a copy of el that declares the namespaces it uses.
func detach(el *etree.Element) (*etree.Element, error) {
	ctx, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		return nil, err
	}
	if ctx, err = ctx.SubContext(el); err != nil {
		return nil, err
	}
	return etreeutils.NSDetatch(ctx, el)
}

// strong wants one reference, to the element with that ID, by algorithms that hold and
// the transforms of SAML Core 2.0 §5.4.4.
func strong(sig *etree.Element, id string) error {
	if sig == nil {
		return errors.New("there is none")
	}
	info := sig.SelectElement("SignedInfo")
	if info == nil || id == "" {
		return errors.New("incomplete")
	}
	algorithm := func(el *etree.Element, tag string) string {
		if found := el.SelectElements(tag); len(found) == 1 {
			return found[0].SelectAttrValue("Algorithm", "")
		}
		return ""
	}
	refs := info.SelectElements("Reference")
	if len(sig.SelectElements("Object")) > 0 || len(refs) != 1 || refs[0].SelectAttrValue("URI", "") != "#"+id {
		return errors.New("it does not refer to the element it stands in, and to that alone")
	}
	if m := algorithm(info, "SignatureMethod"); !slices.Contains(signatureMethods, m) {
		return fmt.Errorf("the method %q is not accepted: want RSA with SHA-256 or stronger", clean(m, 80))
	}
	if m := algorithm(refs[0], "DigestMethod"); !slices.Contains(digestMethods, m) {
		return fmt.Errorf("the digest %q is not accepted: want SHA-256 or stronger", clean(m, 80))
	}
	steps := refs[0].FindElements("./Transforms/Transform")
	if len(steps) == 0 {
		return errors.New("no transforms")
	}
	for _, t := range steps {
		if a := t.SelectAttrValue("Algorithm", ""); !slices.Contains(transforms, a) {
			return fmt.Errorf("the transform %q is not accepted", clean(a, 80))
		}
	}
	return nil
}

// judge judges the signed assertion and reads it (SAML Profiles 2.0 §4.1.4.3).
func (u *samlUpstream) judge(idp *samlIDP, f flow, signed *etree.Element, a *saml.Assertion) (samlAnswer, error) {
	now := u.now()
	acs := u.base + "/acs"
	none := samlAnswer{}
	switch {
	case signed.Tag != "Assertion" || signed.NamespaceURI() != samlAssertionNS:
		return none, errors.New("what is signed is no assertion")
	case a.ID == "" || a.Version != "2.0":
		return none, errors.New("the assertion has no ID, or is not of version 2.0")
	case a.Issuer.Value != idp.entity.EntityID:
		return none, errors.New("the assertion comes from another issuer")
	case a.Subject == nil || a.Subject.NameID == nil || a.Conditions == nil:
		return none, errors.New("the assertion is incomplete")
	case a.IssueInstant.After(now.Add(saml.MaxClockSkew)):
		return none, errors.New("the assertion is from the future")
	}
	if err := audience(signed, u.base+"/metadata"); err != nil {
		return none, err
	}
	if !slices.ContainsFunc(a.Subject.SubjectConfirmations, func(c saml.SubjectConfirmation) bool {
		d := c.SubjectConfirmationData
		return c.Method == samlBearer && d != nil && d.Recipient == acs && d.InResponseTo == f.State &&
			now.Before(d.NotOnOrAfter.Add(saml.MaxClockSkew))
	}) {
		return none, errors.New("the assertion is not confirmed for this sign-in (no bearer confirmation)")
	}
	var end, authAt time.Time
	for _, s := range a.AuthnStatements {
		if s.AuthnInstant.After(authAt) {
			authAt = s.AuthnInstant.UTC()
		}
		if t := s.SessionNotOnOrAfter; t != nil && (end.IsZero() || t.Before(end)) {
			end = t.UTC()
		}
	}
	if !end.IsZero() && !now.Before(end) {
		return none, errors.New("the session at the identity provider has ended (SessionNotOnOrAfter)")
	}
	subject, err := nameID(a.Subject.NameID, idp.entity.EntityID)
	if err != nil {
		return none, err
	}
	groups, err := u.groups(a)
	if err != nil {
		return none, err
	}
	name := attribute(a, nameAttributes)
	if name == "" {
		name = subject
	}
	mail := attribute(a, mailAttributes)
	if mail == "" && a.Subject.NameID.Format == string(saml.EmailAddressNameIDFormat) {
		mail = clean(subject, maxNameID)
	}
	return samlAnswer{
		identity: hoop.Identity{
			Subject: u.o.Name + ":" + subject, Name: name, Email: mail, Kind: hoop.Human,
			Provider: u.o.Name, Groups: groups,
		},
		end: end, authAt: notAfter(authAt, now), issued: a.IssueInstant.UTC(), assertion: a.ID,
	}, nil
}

// audience wants an audience restriction, and this gateway in each (SAML Core 2.0
// §2.5.1.4).
func audience(signed *etree.Element, entityID string) error {
	restrictions := signed.FindElements("./Conditions/AudienceRestriction")
	for _, r := range restrictions {
		if !slices.ContainsFunc(r.SelectElements("Audience"), func(e *etree.Element) bool { return strings.TrimSpace(e.Text()) == entityID }) {
			return fmt.Errorf("the assertion is for another audience than %s", entityID)
		}
	}
	if len(restrictions) == 0 {
		return errors.New("the assertion is for no audience in particular")
	}
	return nil
}

// nameID is the subject: text that stays the same at each sign-in. A transient one does
// not; of other formats nobody promises that.
func nameID(n *saml.NameID, entityID string) (string, error) {
	switch saml.NameIDFormat(n.Format) {
	case saml.PersistentNameIDFormat:
		// Unique within its qualifier only (SAML Core 2.0 §8.3.7).
		if n.NameQualifier != "" && n.NameQualifier != entityID {
			return "", errors.New("the NameID is another identity provider's")
		}
	case "", saml.UnspecifiedNameIDFormat, saml.EmailAddressNameIDFormat:
	case saml.TransientNameIDFormat:
		return "", errors.New("the NameID is transient, so nobody would be the same twice: have the identity provider send a persistent one")
	default:
		return "", fmt.Errorf("the NameID's format %q is not accepted: want persistent, unspecified or emailAddress", clean(n.Format, 80))
	}
	if n.Value == "" || clean(n.Value, maxNameID) != n.Value {
		return "", errors.New("the NameID is empty, too long, or has blanks around it or characters that nobody can read")
	}
	return n.Value, nil
}

// groups reads the groups attribute: none where there is no such attribute.
func (u *samlUpstream) groups(a *saml.Assertion) ([]string, error) {
	groups := []string{}
	for _, v := range values(a, u.o.GroupsAttribute) {
		// "*" names everybody in rules; nobody is called that.
		if v != "" && v != "*" {
			groups = append(groups, v)
		}
		if len(groups) > maxGroups {
			return nil, fmt.Errorf("the attribute %q lists more than %d groups", u.o.GroupsAttribute, maxGroups)
		}
	}
	return groups, nil
}

func values(a *saml.Assertion, name string) []string {
	var out []string
	for _, s := range a.AttributeStatements {
		for _, at := range s.Attributes {
			if at.Name != name {
				continue
			}
			for _, v := range at.Values {
				out = append(out, strings.TrimSpace(v.Value))
			}
		}
	}
	return out
}

// What providers call the name and the mail address of a person. Both are shown to
// people and decide nothing.
var (
	nameAttributes = []string{
		"displayName", "urn:oid:2.16.840.1.113730.3.1.241", "http://schemas.microsoft.com/identity/claims/displayname",
		"cn", "urn:oid:2.5.4.3", "name", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
	}
	mailAttributes = []string{
		"mail", "urn:oid:0.9.2342.19200300.100.1.3", "email", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
	}
)

func attribute(a *saml.Assertion, names []string) string {
	for _, n := range names {
		if v := values(a, n); len(v) > 0 && v[0] != "" {
			return clean(v[0], maxDeviceName)
		}
	}
	return ""
}
