package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	wire "github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/api"
)

func TestSessions_OwnOrAllForThoseWhoExamine(t *testing.T) {
	g := newGateway(t)
	for id, who := range map[string]string{"s-alice": "alice", "s-eve": "eve", "s-agent": "agent"} {
		g.session(id, who, false)
	}
	for who, want := range map[string][]string{
		"alice": {"s-alice"},
		"eve":   {"s-eve"},
		"agent": {"s-agent"},
		"other": {}, // the same agent, for somebody else
		"bob":   {},
		"ann":   {"s-agent", "s-alice", "s-eve"},
		"root":  {"s-agent", "s-alice", "s-eve"},
	} {
		list, err := g.as(who).Sessions(t.Context(), 50)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, s := range list {
			got = append(got, s.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s lists %v; want %v", who, got, want)
		}
		for _, id := range []string{"s-alice", "s-eve", "s-agent", "s-none"} {
			may := slices.Contains(want, id) || who == "alice" && id == "s-agent" // acts for her
			s, err := g.as(who).Session(t.Context(), id)
			if may && (err != nil || s.ID != id) {
				t.Errorf("%s cannot see %s: %v", who, id, err)
			}
			if !may {
				wantCode(t, err, hoop.CodeNotFound)
			}
			rec, err := g.as(who).Recording(t.Context(), id)
			if may && err != nil {
				t.Errorf("%s cannot read %s: %v", who, id, err)
			}
			if !may {
				wantCode(t, err, hoop.CodeNotFound)
			}
			if err == nil {
				rec.Close()
			}
		}
	}
}

func TestRecording_ReadIsOnRecordBeforeTheFirstByte(t *testing.T) {
	g := newGateway(t)
	g.session("s1", "alice", true)
	g.tape = &tape{end: io.EOF, records: []recording.Record{
		{Kind: recording.KindStart, DigestKey: []byte("k3y"), Session: &hoop.SessionInfo{ID: "s1"}},
		{Kind: recording.KindOutput, Wire: []byte{0, 1, 255}},
		{Kind: recording.KindEnd},
	}, before: func() {
		if len(g.log.Of(hoop.EventRead)) != 1 {
			t.Error("read before it was on record")
		}
	}}
	body, err := g.as("paul").Recording(t.Context(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var kinds []recording.Kind
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		var r recording.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, r.Kind)
		if r.Kind == recording.KindStart && string(r.DigestKey) != "k3y" {
			t.Error("an auditor who sees literals gets no key to check digests with")
		}
	}
	if err := lines.Err(); err != nil || !slices.Equal(kinds, []recording.Kind{recording.KindStart, recording.KindOutput, recording.KindEnd}) {
		t.Errorf("%v, %v", kinds, err)
	}
	e := g.log.Events()[0]
	if e.Subject != "paul" || e.Session != "s1" || e.Target != "open" || e.Time.IsZero() {
		t.Errorf("event %+v", e)
	}
}

// Whoever examines is told what approvers were told about the data, with literals or
// without, and not where the session was their own; the key to the digests in the log is
// for those who see literals.
func TestRecording_OwnerGetsLess(t *testing.T) {
	g := newGateway(t)
	for _, tt := range []struct {
		who, session string
		key, facts   bool
	}{
		{"alice", "alice", false, false}, {"ann", "alice", false, true}, {"paul", "alice", true, true}, {"ann", "ann", true, false},
	} {
		id := tt.who + "-" + tt.session
		g.session(id, tt.session, true)
		g.tape = &tape{end: io.EOF, records: []recording.Record{
			{Kind: recording.KindStart, DigestKey: []byte("k3y")},
			{Kind: recording.KindApproval, Request: &hoop.Request{ID: 17, Facts: &hoop.Facts{Transaction: "none is open"}}},
		}}
		body, err := g.as(tt.who).Recording(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Error(err)
		}
		if key, facts := strings.Contains(string(b), "digest_key"), strings.Contains(string(b), "none is open"); key != tt.key || facts != tt.facts {
			t.Errorf("%s reads %s: key %v, facts %v: %s", tt.who, tt.session, key, facts, b)
		}
	}
}

func TestRecording_NotRecordedNotRead(t *testing.T) {
	g := newGateway(t)
	g.session("s1", "alice", true)
	g.session("unrecorded", "alice", true)
	g.log.Fail(errors.New("disk full"))
	g.tape = &tape{end: io.EOF, before: func() { t.Error("read though the log cannot write") }}
	_, err := g.as("ann").Recording(t.Context(), "s1")
	wantCode(t, err, hoop.CodeUnrecorded)
	_, err = g.as("ann").Recording(t.Context(), "unrecorded")
	wantCode(t, err, hoop.CodeNotFound)
}

func TestRecording_ADamagedOneIsBrokenOff(t *testing.T) {
	g := newGateway(t)
	g.session("s1", "alice", true)
	for what, tt := range map[string]struct {
		end  error
		good bool
	}{
		"to its end":      {io.EOF, true},
		"while it runs":   {recording.ErrUnfinished, true},
		"a damaged frame": {recording.ErrFormat, false},
	} {
		g.tape = &tape{end: tt.end, records: []recording.Record{{Kind: recording.KindStart}, {Kind: recording.KindOutput, Wire: make([]byte, 1<<20)}}}
		body, err := g.as("ann").Recording(t.Context(), "s1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, body)
		body.Close()
		if (err == nil) != tt.good {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestExport_ForThoseWhoExamine(t *testing.T) {
	g := newGateway(t)
	g.export = func(_ context.Context, w io.Writer) error {
		if len(g.log.Of(hoop.EventExport)) == 0 {
			t.Error("exported before it was on record")
		}
		_, err := io.WriteString(w, "tar")
		return err
	}
	for _, who := range []string{"alice", "bob", "agent"} {
		_, err := g.as(who).Export(t.Context())
		wantCode(t, err, hoop.CodeDenied)
	}
	if n := len(g.log.Of(hoop.EventExport)); n != 0 {
		t.Errorf("%d events of refused exports", n)
	}
	for _, who := range []string{"ann", "root"} {
		body, err := g.as(who).Export(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(body)
		body.Close()
		if err != nil || string(b) != "tar" {
			t.Errorf("%q, %v", b, err)
		}
	}
	if n := len(g.log.Of(hoop.EventExport)); n != 2 {
		t.Errorf("%d events", n)
	}
	if key, err := g.as("alice").LogKey(t.Context()); err != nil || key.Verifier != "hoop+key" {
		t.Errorf("%+v, %v", key, err)
	}
	g.export = func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, errors.New("disk"))
	}
	if body, err := g.as("ann").Export(t.Context()); err == nil {
		if _, err = io.ReadAll(body); err == nil {
			t.Error("half an export passes for a whole one")
		}
		body.Close()
	}
	g.log.Fail(errors.New("disk full"))
	_, err := g.as("ann").Export(t.Context())
	wantCode(t, err, hoop.CodeUnrecorded)
}

type fakeBundle struct {
	w func(io.Writer) error
}

func (fakeBundle) Manifest() bundle.Manifest                    { return bundle.Manifest{Size: 7} }
func (b fakeBundle) Write(_ context.Context, w io.Writer) error { return b.w(w) }

func TestBundle_ForThoseWhoExamine(t *testing.T) {
	g := newGateway(t)
	var asked api.BundleRequest
	g.bundle = func(ask api.BundleRequest) (api.Bundle, error) {
		if len(g.log.Of(hoop.EventExport)) == 0 {
			t.Error("exported before it was on record")
		}
		asked = ask
		return fakeBundle{func(w io.Writer) error {
			_, err := io.WriteString(w, "zip")
			return err
		}}, nil
	}
	for _, who := range []string{"alice", "bob", "agent"} {
		_, err := g.as(who).Bundle(t.Context(), wire.BundleAsk{})
		wantCode(t, err, hoop.CodeDenied)
	}
	want := api.BundleRequest{From: time.Unix(5, 0).UTC(), To: time.Unix(9, 1).UTC(), Recordings: true, Size: 7, Since: 3}
	body, err := g.as("ann").Bundle(t.Context(), wire.BundleAsk(want))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if b, err := io.ReadAll(body); err != nil || string(b) != "zip" || asked != want {
		t.Errorf("%q, %v, asked %+v", b, err, asked)
	}
	g.bundle = func(api.BundleRequest) (api.Bundle, error) {
		return nil, hoop.Errorf(hoop.CodeInvalid, "there is no event in that time")
	}
	_, err = g.as("ann").Bundle(t.Context(), wire.BundleAsk{})
	wantCode(t, err, hoop.CodeInvalid)
	g.bundle = func(api.BundleRequest) (api.Bundle, error) {
		return fakeBundle{func(io.Writer) error { return errors.New("disk") }}, nil
	}
	if body, err := g.as("ann").Bundle(t.Context(), wire.BundleAsk{}); err == nil {
		if _, err = io.ReadAll(body); err == nil {
			t.Error("half a bundle passes for a whole one")
		}
		body.Close()
	}
	for _, q := range []string{"from=yesterday", "size=-1", "recordings=maybe", "since=x"} {
		if got := g.raw("GET", wire.PathBundle+"?"+q, "", "Authorization", "Bearer token-ann"); got.problem.Code != hoop.CodeInvalid {
			t.Errorf("%s: %d %s", q, got.status, got.body)
		}
	}
	g.log.Fail(errors.New("disk full"))
	_, err = g.as("ann").Bundle(t.Context(), wire.BundleAsk{})
	wantCode(t, err, hoop.CodeUnrecorded)
}

// unfit are reasons that nobody can read, or that do something else to who does.
var unfit = []string{" ", "\u3164\u2800", "a\x1b[2J", "a\u202eb", strings.Repeat("x", 1001)}

func TestHold_ForThoseWhoExamine(t *testing.T) {
	g := newGateway(t)
	g.session("s1", "alice", false)
	for who, want := range map[string]hoop.Code{"alice": hoop.CodeDenied, "agent": hoop.CodeDenied} {
		_, err := g.as(who).Hold(t.Context(), "s1", wire.Hold{On: true, Reason: "r"})
		wantCode(t, err, want)
	}
	_, err := g.as("ann").Hold(t.Context(), "s1", wire.Hold{On: true})
	wantCode(t, err, hoop.CodeInvalid)
	for _, bad := range unfit {
		_, err = g.as("ann").Hold(t.Context(), "s1", wire.Hold{On: true, Reason: bad})
		wantCode(t, err, hoop.CodeInvalid)
	}
	_, err = g.as("ann").Hold(t.Context(), "s2", wire.Hold{On: true, Reason: "r"})
	wantCode(t, err, hoop.CodeNotFound)
	if set, err := g.as("ann").Hold(t.Context(), "s1", wire.Hold{On: true, Reason: " case 7 of 536-22-1234"}); err != nil || set.Waiting {
		t.Fatalf("%+v, %v", set, err)
	}
	if len(g.held) != 1 || g.held[0] != "ann s1 case 7 of [us-ssn] true\n" {
		t.Errorf("got %q", g.held)
	}
	g.storeAway = true
	if set, err := g.as("ann").Hold(t.Context(), "s1", wire.Hold{Reason: "closed"}); err != nil || !set.Waiting || set.On {
		t.Errorf("with the object store away: %+v, %v", set, err)
	}
}

func TestDisable_ForAdministrators(t *testing.T) {
	g := newGateway(t)
	d := wire.Disable{Subject: "alice", Reason: "left"}
	for _, who := range []string{"alice", "bob", "agent", "ann"} {
		_, err := g.as(who).Disable(t.Context(), d)
		wantCode(t, err, hoop.CodeDenied)
	}
	_, err := g.as("root").Disable(t.Context(), wire.Disable{Reason: "left"})
	wantCode(t, err, hoop.CodeInvalid)
	_, err = g.as("root").Disable(t.Context(), wire.Disable{Subject: "nobody"})
	wantCode(t, err, hoop.CodeNotFound)
	if len(g.held) > 0 {
		t.Fatalf("disabled all the same: %q", g.held)
	}
	if done, err := g.as("root").Disable(t.Context(), d); err != nil || done.SignIns != 1 || len(g.held) != 1 || g.held[0] != "root alice left\n" {
		t.Errorf("got %+v, %q, %v", done, g.held, err)
	}
}

func TestProtections_SeenByThoseWhoExamineLiftedByAdministrators(t *testing.T) {
	g := newGateway(t)
	lift := wire.Lift{Target: "pg", Table: "public.copies", Reason: "dropped"}
	for who, want := range map[string]hoop.Code{"alice": hoop.CodeDenied, "bob": hoop.CodeDenied, "agent": hoop.CodeDenied} {
		_, err := g.as(who).Protections(t.Context())
		wantCode(t, err, want)
		wantCode(t, g.as(who).Lift(t.Context(), lift), want)
	}
	wantCode(t, g.as("ann").Lift(t.Context(), lift), hoop.CodeDenied)
	for _, who := range []string{"ann", "root"} {
		if got, err := g.as(who).Protections(t.Context()); err != nil || len(got) != 1 || got[0].Table != "public.copies" {
			t.Errorf("%s sees %v, %v", who, got, err)
		}
	}
	for _, bad := range unfit {
		wantCode(t, g.as("root").Lift(t.Context(), wire.Lift{Target: "pg", Table: "public.copies", Reason: bad}), hoop.CodeInvalid)
	}
	wantCode(t, g.as("root").Lift(t.Context(), wire.Lift{Target: "pg", Reason: "r"}), hoop.CodeInvalid)
	if len(g.held) > 0 {
		t.Fatalf("lifted all the same: %q", g.held)
	}
	if err := g.as("root").Lift(t.Context(), lift); err != nil || len(g.held) != 1 || g.held[0] != "root pg public.copies dropped\n" {
		t.Errorf("got %q, %v", g.held, err)
	}
}

func TestEvents_ForThoseWhoExamine(t *testing.T) {
	g := newGateway(t)
	for _, who := range []string{"alice", "agent"} {
		_, err := g.as(who).Events(t.Context(), 0, 0)
		wantCode(t, err, hoop.CodeDenied)
	}
	body, err := g.as("ann").Events(t.Context(), 1, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil || strings.Count(string(b), "\n") != 2 || !strings.HasPrefix(string(b), `{"index":1,`) {
		t.Errorf("got %q, %v", b, err)
	}
	if body, err := g.as("ann").Events(t.Context(), 0, 0); err != nil {
		t.Error(err)
	} else {
		body.Close()
	}
	if n := len(g.log.Of(hoop.EventExport)); n != 1 {
		t.Errorf("it is on record %d times", n)
	}
}

// Whoever reads the beginning and leaves, as with `| head`, is no error in the gateway's
// log; what goes wrong besides is one, for a reader that left too.
func TestStreams_AReaderThatLeavesIsNoError(t *testing.T) {
	for _, tt := range []struct {
		name  string
		whole func(ctx context.Context, w io.Writer) error
		want  slog.Level
	}{
		{"it is written to", nil, slog.LevelInfo},
		{"it is waited for", func(ctx context.Context, _ io.Writer) error {
			<-ctx.Done()
			return fmt.Errorf("read the log: %w", context.Cause(ctx))
		}, slog.LevelInfo},
		{"the disk fails meanwhile", func(ctx context.Context, _ io.Writer) error {
			<-ctx.Done()
			return errors.New("disk")
		}, slog.LevelError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t)
			g.session("s1", "alice", true)
			read := func() (io.ReadCloser, error) { return g.as("ann").Recording(t.Context(), "s1") }
			g.tape = &tape{before: func() {
				g.tape.records = []recording.Record{{Kind: recording.KindOutput, Wire: make([]byte, 64<<10)}} // without an end
			}}
			if tt.whole != nil {
				read = func() (io.ReadCloser, error) { return g.as("ann").Export(t.Context()) }
				g.export = func(ctx context.Context, w io.Writer) error {
					if _, err := w.Write(make([]byte, 64<<10)); err != nil {
						return err
					}
					return tt.whole(ctx, w)
				}
			}
			body, err := read()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
				t.Error(err)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
			if r := <-g.logged; r.Level != tt.want {
				t.Errorf("logged %s %q, want %s", r.Level, r.Message, tt.want)
			}
		})
	}
}
