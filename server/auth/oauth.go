package auth

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The paths of the OAuth endpoints.
const (
	pathDiscovery = "/.well-known/openid-configuration"
	pathMetadata  = "/.well-known/oauth-authorization-server"
	pathKeys      = "/oauth/keys"
	pathDevice    = "/oauth/device_authorization"
	pathToken     = "/oauth/token"
	pathRevoke    = "/oauth/revoke"
)

// maxBody bounds a form, in bytes.
const maxBody = 16 << 10

// temporarilyUnavailable is a word of RFC 6749 §4.1.2.1. None is registered for the token
// endpoint; clients show it as it is.
const temporarilyUnavailable = "temporarily_unavailable"

// oauth is the server's face to op, which parses the requests, reads the client's
// credentials and writes the answers.
type oauth struct {
	op.UnimplementedServer
	*Server
}

var _ op.Server = oauth{}

// oauthHandler serves the OAuth endpoints. Cross-origin scripts are told nothing: a
// browser's script is no client of ours.
func (s *Server) oauthHandler() http.Handler {
	h := op.RegisterServer(oauth{Server: s}, op.Endpoints{
		DeviceAuthorization: op.NewEndpoint(pathDevice),
		Token:               op.NewEndpoint(pathToken),
		Revocation:          op.NewEndpoint(pathRevoke),
		JwksURI:             op.NewEndpoint(pathKeys),
	}, op.WithServerCORSOptions(nil))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store") // RFC 6749 §5.1
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodPost {
			if why := checkForm(w, r); why != "" {
				newProblem(http.StatusBadRequest, string(oidc.InvalidRequest), why).write(w)
				return
			}
		}
		r = r.WithContext(context.WithValue(r.Context(), ipKey{}, remoteIP(r)))
		h.ServeHTTP(&statusWriter{ResponseWriter: w}, r)
	})
}

// checkForm parses the form and refuses what RFC 6749 §3.2 does not allow: parameters
// in the URL, given twice, or in another encoding.
func checkForm(w http.ResponseWriter, r *http.Request) (why string) {
	if r.URL.RawQuery != "" {
		return "parameters belong in the body, not in the URL"
	}
	if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/x-www-form-urlencoded" {
		return "the body must be application/x-www-form-urlencoded"
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return "the form cannot be read"
	}
	for _, v := range r.PostForm {
		if len(v) > 1 {
			return "a parameter is given twice"
		}
	}
	return ""
}

// ipKey is where a request's address travels past op to the endpoints.
type ipKey struct{}

func ipOf(ctx context.Context) string {
	ip, _ := ctx.Value(ipKey{}).(string)
	return ip
}

// problem is an error answer (RFC 6749 §5.2). Its text is for the client.
type problem struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
	status      int
	retryAfter  time.Duration
}

func (p *problem) Error() string { return p.Code + ": " + p.Description }

func newProblem(status int, code, description string) *problem {
	return &problem{Code: code, Description: description, status: status}
}

func invalidGrant(description string) *problem {
	return newProblem(http.StatusBadRequest, string(oidc.InvalidGrant), description)
}

func invalidClient(description string) *problem {
	return newProblem(http.StatusUnauthorized, string(oidc.InvalidClient), description)
}

func unavailable(description string) *problem {
	p := newProblem(http.StatusServiceUnavailable, temporarilyUnavailable, description)
	p.retryAfter = 5 * time.Second
	return p
}

func (p *problem) header() http.Header {
	h := http.Header{}
	if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="hoop"`)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", seconds(p.retryAfter))
	}
	return h
}

func (p *problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(p)
}

// seconds is d in whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// statusHeader carries the status of an error answer from an endpoint to statusWriter;
// it never leaves. Given the error itself, op would log each one, polls that find
// nothing new included, to the process's default logger.
const statusHeader = "Hoop-Status"

// answer is what an endpoint answers: data, or the problem in err. Whatever else is in
// err is our fault: logged, and not told.
func (s *Server) answer(ctx context.Context, data any, err error) (*op.Response, error) {
	if err == nil {
		return op.NewResponse(data), nil
	}
	var p *problem
	known := errors.As(err, &p)
	if error(p) != err { // there is more to it than the client may hear
		s.o.Logger.ErrorContext(ctx, "sign-in endpoint failed", "error", err)
	}
	if !known {
		p = newProblem(http.StatusInternalServerError, string(oidc.ServerError), "the gateway met a fault of its own; see its log")
	}
	resp := op.NewResponse(p)
	resp.Header = p.header()
	resp.Header.Set(statusHeader, strconv.Itoa(p.status))
	return resp, nil
}

type statusWriter struct{ http.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	if s := w.Header().Get(statusHeader); s != "" {
		w.Header().Del(statusHeader)
		if n, err := strconv.Atoi(s); err == nil {
			status = n
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// VerifyClient says who calls. A public client that sends credentials is refused, so
// that clients which try Basic first (golang.org/x/oauth2 does, unless told) learn to
// name themselves in the body before their poll is counted.
func (o oauth) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	cc := r.Data
	if cc.ClientID == ClientID && cc.ClientAssertion == "" {
		if cc.ClientSecret == "" && r.Header.Get("Authorization") == "" {
			return client{id: ClientID}, nil
		}
		return nil, invalidClient("hoopctl is a public client: send client_id in the body, and no secret").forOP()
	}
	if cc.ClientSecret == "" || cc.ClientAssertion != "" {
		return nil, invalidClient("this client is unknown, or must show its secret").forOP()
	}
	account, err := o.verifyAccount(ctx, cc.ClientID, cc.ClientSecret)
	if err != nil {
		return nil, err.forOP()
	}
	return client{id: cc.ClientID, account: &account}, nil
}

// forOP is p as op wants it where an endpoint cannot answer by itself.
func (p *problem) forOP() error {
	e := &oidc.Error{Description: p.Description}
	e.ErrorType = oidc.InvalidClient
	return op.NewStatusError(e, p.status)
}

// DeviceAuthorization is RFC 8628 §3.1.
func (o oauth) DeviceAuthorization(ctx context.Context, r *op.ClientRequest[oidc.DeviceAuthorizationRequest]) (*op.Response, error) {
	if !op.ValidateGrantType(r.Client, oidc.GrantTypeDeviceCode) {
		return o.answer(ctx, nil, newProblem(http.StatusBadRequest, string(oidc.UnauthorizedClient), "only hoopctl signs people in"))
	}
	data, err := o.authorizeDevice(ctx, r.Client.GetID(), r.Data.Scopes, r.PostForm.Get("device_name"))
	return o.answer(ctx, data, err)
}

// DeviceToken is RFC 8628 §3.4.
func (o oauth) DeviceToken(ctx context.Context, r *op.ClientRequest[oidc.DeviceAccessTokenRequest]) (*op.Response, error) {
	data, err := o.redeem(ctx, r.Client.GetID(), r.Data.DeviceCode)
	return o.answer(ctx, data, err)
}

// RefreshToken is RFC 6749 §6.
func (o oauth) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	data, err := o.refresh(ctx, r.Client.GetID(), r.Data.RefreshToken)
	return o.answer(ctx, data, err)
}

// ClientCredentialsExchange is RFC 6749 §4.4.
func (o oauth) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	c, ok := r.Client.(client)
	if !ok || c.account == nil {
		return o.answer(ctx, nil, invalidClient("only service accounts sign in by a secret"))
	}
	data, err := o.signInAccount(ctx, c.id, *c.account)
	return o.answer(ctx, data, err)
}

// Revocation is RFC 7009 §2.
func (o oauth) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	return o.answer(ctx, struct{}{}, o.revoke(ctx, r.Client.GetID(), r.Data.Token))
}
