package pgparse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServe_EndsWhenTheGatewayCloses(t *testing.T) {
	var requests, replies bytes.Buffer
	for _, sql := range []string{"SELECT 'x'", "SELEC"} {
		if err := writeFrame(&requests, []byte(sql)); err != nil {
			t.Fatal(err)
		}
	}
	if err := serve(&requests, &replies); !errors.Is(err, io.EOF) {
		t.Errorf("serve: %v, want EOF", err)
	}
	want := []byte{replyReady, replyTree, replySyntax}
	for _, kind := range want {
		body, err := readFrame(&replies, maxReply)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseReply(body)
		if err != nil || r.kind != kind {
			t.Errorf("reply %c, %v; want %c", r.kind, err, kind)
		}
	}
}

func TestReadFrame_Bounded(t *testing.T) {
	if _, err := readFrame(strings.NewReader("\xff\xff\xff\xff"), 100); !errors.Is(err, errFrame) {
		t.Errorf("4 GiB frame: %v", err)
	}
	if _, err := readFrame(strings.NewReader("\x00\x00\x00\x05ab"), 100); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut frame: %v", err)
	}
	if _, err := readFrame(strings.NewReader(""), 100); !errors.Is(err, io.EOF) {
		t.Errorf("no frame: %v", err)
	}
}

// A worker is not trusted: whatever it sends is an error or a reply that encodes back
// to the same bytes.
func FuzzParseReply(f *testing.F) {
	for _, r := range []reply{
		{kind: replyReady},
		{kind: replyRefused, message: "no"},
		{kind: replySyntax, position: 7, message: "near"},
		{kind: replyTree, shape: "SELECT $1", tree: []byte{8, 1}},
	} {
		var b bytes.Buffer
		if err := r.write(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte{0, 0, 0, 5, 'T', 255, 255, 255, 255})
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, wire []byte) {
		in := bytes.NewReader(wire)
		body, err := readFrame(in, 1<<20)
		if err != nil {
			return
		}
		r, err := parseReply(body)
		if err != nil {
			return
		}
		var back bytes.Buffer
		if err := r.write(&back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wire[:4+len(body)], back.Bytes()); diff != "" {
			t.Error(diff)
		}
		_, _ = decode("", r) // no panic
	})
}

// What a peer announces is not believed: a frame is given whole, or it is an error.
func FuzzReadFrame(f *testing.F) {
	for _, body := range []string{"", "SELECT 1", strings.Repeat("x", 100), strings.Repeat("x", 101)} {
		var b bytes.Buffer
		if err := writeFrame(&b, []byte(body), []byte("more")); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()-1])
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 100
		r := bytes.NewReader(in)
		body, err := readFrame(r, limit)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeFrame(&again, body); err != nil || len(body) > limit || !bytes.HasPrefix(in, again.Bytes()) || r.Len() != len(in)-again.Len() {
			t.Errorf("%q gave %q, and %d bytes are left, %v", in, body, r.Len(), err)
		}
	})
}
