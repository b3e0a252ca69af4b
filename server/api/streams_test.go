package api_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// Whoever may not have an answer any more gets no more of it, even where they have stopped
// reading; others read on. A part is told from the whole.
func TestStreams_EndWithTheRightToThem(t *testing.T) {
	endless := func(_ context.Context, w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return err
			}
		}
	}
	for _, tt := range []struct {
		name, who string
		cut       func(g *gateway)
		goes      bool // on
	}{
		{"their sign-in ends", "ann", func(g *gateway) { g.streams.Cut("ann", "its sign-in has ended") }, false},
		{"that of others ends", "ann", func(g *gateway) { g.streams.Cut("paul", "its sign-in has ended") }, true},
		{"who they act for signs out", "agent", func(g *gateway) { g.streams.Cut("alice", "its sign-in has ended") }, false},
		{"the sign-in ends that they stand on", "agent", func(g *gateway) { g.streams.CutSignIn("s-alice", "its sign-in has ended") }, false},
		{"another sign-in ends", "agent", func(g *gateway) { g.streams.CutSignIn("s-other", "its sign-in has ended") }, true},
		{"rules change", "ann", func(g *gateway) { g.retired.Store(true); g.streams.Recheck() }, false},
		{"rules change, but not about them", "alice", func(g *gateway) { g.retired.Store(true); g.streams.Recheck() }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t)
			g.export = endless
			g.session("s1", tt.who, true)
			g.tape = &tape{before: func() {
				g.tape.records = []recording.Record{{Kind: recording.KindOutput, Wire: make([]byte, 64<<10)}} // without an end
			}}
			read := g.as(tt.who).Export
			if tt.who != "ann" { // not for all
				read = func(ctx context.Context) (io.ReadCloser, error) { return g.as(tt.who).Recording(ctx, "s1") }
			}
			body, err := read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			tt.cut(g)
			if tt.goes {
				if _, err := io.CopyN(io.Discard, body, 20<<20); err != nil {
					t.Error(err)
				}
				return
			}
			select { // before anybody reads on
			case r := <-g.logged:
				if r.Message != "a reader may not have the rest of the answer" {
					t.Errorf("logged %q", r.Message)
				}
			case <-time.After(2 * time.Minute):
				t.Fatal("it goes on")
			}
			if _, err := io.Copy(io.Discard, body); err == nil {
				t.Error("it ends as if it were whole")
			}
		})
	}
}

// The sign-in or the role ends after it has been looked at, and before there is an answer
// to cut.
func TestStreams_EndedBeforeTheyBegan(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(g *gateway) error
		want      hoop.Code
	}{
		"sign-in": {func(*gateway) error { return hoop.Errorf(hoop.CodeUnauthenticated, "the sign-in has ended") }, hoop.CodeUnauthenticated},
		"role":    {func(g *gateway) error { g.retired.Store(true); return nil }, hoop.CodeDenied},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			asked := 0
			g.identified = func(string) error {
				if asked++; asked > 1 {
					return tt.meanwhile(g)
				}
				return nil
			}
			g.export = func(context.Context, io.Writer) error { return errors.New("it is given out") }
			if _, err := g.as("ann").Export(t.Context()); hoop.AsError(err).Code != tt.want {
				t.Error(err)
			}
		})
	}
}
