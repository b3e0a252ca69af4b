package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

// inproc is a transport to a handler in this process. Answers are streamed: the handler
// runs until the body is read or closed.
type inproc struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t inproc) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	pr, pw := io.Pipe()
	w := &answerer{head: http.Header{}, body: pw, begun: make(chan struct{})}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	go func() {
		defer func() {
			err := io.EOF
			if p := recover(); p != nil { // http.ErrAbortHandler, when an answer breaks off
				err = io.ErrUnexpectedEOF
			}
			w.WriteHeader(http.StatusOK)
			_ = pw.CloseWithError(err)
			cancel()
		}()
		t.handler.ServeHTTP(w, r.WithContext(ctx))
	}()
	<-w.begun
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: body{pr, cancel}, ContentLength: -1, Request: r,
	}, nil
}

// answerer is the handler's side.
type answerer struct {
	head   http.Header
	body   *io.PipeWriter
	once   sync.Once
	begun  chan struct{} // closed when status and sent are set
	status int
	sent   http.Header
}

func (w *answerer) Header() http.Header { return w.head }

func (w *answerer) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.head.Clone()
		close(w.begun)
	})
}

func (w *answerer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// body is the reader's side; closing it ends the handler.
type body struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b body) Close() error {
	b.cancel()
	return b.CloseWithError(errors.New("nobody reads on"))
}
