package auth

import (
	"encoding/base64"
	"errors"
	"mime"
	"net/http"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// getSAML sends the browser to a SAML identity provider.
func (s *Server) getSAML(w http.ResponseWriter, r *http.Request) {
	u, ok := s.samlUpstream(r.PathValue("provider"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	s.depart(w, r, samlCookie, u.begin)
}

// getSAMLMetadata describes the gateway to a SAML identity provider.
func (s *Server) getSAMLMetadata(w http.ResponseWriter, r *http.Request) {
	u, ok := s.samlUpstream(r.PathValue("provider"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	b, err := u.spMetadata()
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	_, _ = w.Write(b)
}

// maxACS bounds the form with a response, in base64 and URL encoding.
const maxACS = 2 * maxSAML

// postACS takes a SAML identity provider's answer (SAML Bindings 2.0 §3.5). It comes from
// another site by design, so what ties it to this browser is the sealed flow in the
// cookie and the request's ID in the answer, which only the identity provider can have
// signed. RelayState is not read: it is anybody's.
func (s *Server) postACS(w http.ResponseWriter, r *http.Request) {
	u, ok := s.samlUpstream(r.PathValue("provider"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	f, err := s.unsealFlow(r, samlCookie)
	setCookie(w, samlCookie, "", -1) // used once
	if err == nil && (f.State == "" || f.Provider != u.o.Name) {
		err = errFlow
	}
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, maxACS)
	if err != nil || ct != "application/x-www-form-urlencoded" || r.ParseForm() != nil || len(r.PostForm["SAMLResponse"]) != 1 {
		s.sorry(w, r, errMethod)
		return
	}
	ip := remoteIP(r)
	d, code, err := s.find(r.Context(), ip, f.UserCode)
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	provider := hoop.Detail{Name: "provider", Value: u.o.Name}
	idp, err := u.metadata(r.Context())
	if err != nil {
		s.attemptFailed(r.Context(), ip, "identity provider out of reach", provider)
		s.sorry(w, r, errProviderDown.because(err))
		return
	}
	response, err := base64.StdEncoding.DecodeString(r.PostForm.Get("SAMLResponse"))
	if err != nil {
		err = errors.New("SAML response: not base64")
	}
	var a samlAnswer
	if err == nil {
		a, err = u.finish(idp, f, response)
	}
	if err == nil {
		err = f.asked(a.authAt)
	}
	if err != nil {
		s.attemptFailed(r.Context(), ip, "identity provider's answer refused", provider)
		s.sorry(w, r, errProviderRefused.because(err))
		return
	}
	end := s.now().Add(samlSignInLife)
	if !a.end.IsZero() {
		end = earliest(end, a.end)
	}
	// The request is good for one answer, whatever the assertion is called.
	s.signedIn(w, r, d, code, signIn{browser: f.Browser, identity: a.identity, authAt: a.authAt, end: end, once: hash(f.State), asked: f.Begun, vouched: a.issued})
}
