package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// Limits of what is taken from a caller.
const (
	maxBody = 64 << 10 // bytes
	maxWait = time.Minute
	maxList = 1000
)

// httpError is an error with a status that no code has.
type httpError struct {
	error
	status int
}

func (e httpError) Unwrap() error { return e.error }

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // fails when the caller is gone: nobody to tell
	return nil
}

// listOf is a list as lists are answered: never null.
func listOf[T any](items []T) api.List[T] {
	if items == nil {
		items = []T{}
	}
	return api.List[T]{Items: items}
}

// problem answers with an error (RFC 9457). What is the gateway's own fault goes to
// the log.
func (h *handler) problem(w http.ResponseWriter, r *http.Request, err error) {
	e := hoop.AsError(err)
	p := api.Problem{Status: api.Status(e.Code), Code: e.Code, Title: e.Message, Hint: e.Hint}
	var special httpError
	if errors.As(err, &special) {
		p.Status = special.status
	}
	if p.Status >= http.StatusInternalServerError {
		h.Log.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="hoop"`)
	}
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and a number: cannot happen
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n'))
}

func (h *handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.problem(w, r, hoop.Errorf(hoop.CodeNotFound, "there is nothing at this path").
		WithHint("hoopctl and the gateway may be of different versions: hoopctl version"))
}

func (h *handler) methodNotAllowed(allowed string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed)
		h.problem(w, r, httpError{hoop.Errorf(hoop.CodeInvalid, "this path takes %s", allowed), http.StatusMethodNotAllowed})
	}
}

// await takes a request's body whole, as far as any path takes one; what failed then fails
// again when it is read.
func await(w http.ResponseWriter, r *http.Request) {
	rest := http.MaxBytesReader(w, r.Body, api.MaxExplained)
	b, _ := io.ReadAll(rest)
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(b), rest), r.Body}
}

// body reads a JSON body into v. It must say that it is JSON: a page of another site
// cannot make a browser send that unasked (Fetch, "CORS-safelisted request-header").
// An empty body leaves v as it is.
func body(w http.ResponseWriter, r *http.Request, v any) error {
	return bodyUpTo(w, r, v, maxBody)
}

// bodyUpTo does so for one of at most limit bytes.
func bodyUpTo(w http.ResponseWriter, r *http.Request, v any, limit int64) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return httpError{hoop.Errorf(hoop.CodeInvalid, "the body must be application/json"), http.StatusUnsupportedMediaType}
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		switch _, err = d.Token(); {
		case errors.Is(err, io.EOF):
			return nil
		case err == nil:
			err = errors.New("there is more after the first value")
		}
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return hoop.Errorf(hoop.CodeTooLarge, "the body is larger than %d bytes", large.Limit)
	}
	return hoop.Errorf(hoop.CodeInvalid, "the body is not what this path takes: %s", err)
}

// number is the request's number in the path.
func number(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, hoop.Errorf(hoop.CodeNotFound, "there is no request %q", r.PathValue("id")).WithHint("hoopctl requests lists those you may see")
	}
	return id, nil
}

// query reads parameters of a URL; the first mistake stays.
type query struct {
	values url.Values
	err    error
}

func (q *query) fail(name, want string) {
	if q.err == nil {
		q.err = hoop.Errorf(hoop.CodeInvalid, "parameter %s: want %s", name, want)
	}
}

func (q *query) flag(name string) bool {
	switch q.values.Get(name) {
	case "", "0", "false":
		return false
	case "1", "true":
		return true
	}
	q.fail(name, "0 or 1")
	return false
}

func (q *query) limit() int {
	s := q.values.Get("limit")
	if s == "" {
		return 100
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxList {
		q.fail("limit", fmt.Sprintf("a number from 1 to %d", maxList))
	}
	return n
}

func (q *query) wait() time.Duration {
	s := q.values.Get("wait")
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		q.fail("wait", "a time, as in 30s")
	}
	return min(d, maxWait)
}

func (q *query) state() hoop.RequestState {
	switch s := hoop.RequestState(q.values.Get("state")); s {
	case "", hoop.Pending, hoop.Approved, hoop.Denied, hoop.Expired, hoop.Cancelled:
		return s
	}
	q.fail("state", "pending, approved, denied, expired or cancelled")
	return ""
}

func (q *query) time(name string) time.Time {
	s := q.values.Get(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		q.fail(name, "a time as in RFC 3339")
	}
	return t.UTC()
}

func (q *query) number(name string) int64 {
	s := q.values.Get(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		q.fail(name, "a number from 0")
	}
	return n
}

func (q *query) position(name string) (p recording.Position) {
	s := q.values.Get(name)
	if s == "" {
		return p
	}
	if err := p.UnmarshalText([]byte(s)); err != nil {
		q.fail(name, "a position of the recording's index")
	}
	return p
}
