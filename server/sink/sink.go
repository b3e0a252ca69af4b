// Package sink sends copies of the audit log's events to systems that watch: syslog
// (RFC 5424 over TLS, RFC 5425) and OTLP/HTTP.
//
// A sink never blocks the line and never replaces the log. It reads events from the log
// by their index and remembers how far it came, so the log is its queue: what a system
// that is away misses, it gets when it is back, and nothing is dropped. An event may
// come twice after a crash or a broken connection; its index tells.
package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/siem"
	"github.com/hoopctl/hoopctl/server/journal"
)

const (
	batch       = 256 // events sent at once
	sendTimeout = 30 * time.Second
	maxWait     = time.Minute // between two tries
)

// Sender sends events to one system. The error means that all may have to be sent again.
type Sender interface {
	Send(ctx context.Context, entries []siem.Entry) error
}

// Options of a sink. All are needed.
type Options struct {
	Name     string
	Position string // file of the index of the next event
	Sender   Sender
	// Events gives the log from an index on, as far as it has come.
	Events func(ctx context.Context, from int64) iter.Seq2[siem.Entry, error]
	Every  time.Duration // between two looks at the log
	Log    *slog.Logger
}

// Run sends until ctx ends.
func Run(ctx context.Context, o Options) {
	next, err := position(o.Position)
	if err != nil {
		o.Log.ErrorContext(ctx, "sink: where it came to cannot be read; it begins at the first event", "sink", o.Name, "error", err)
	}
	wait, failing := o.Every, false
	for {
		sent, err := once(ctx, o, next)
		if sent > next {
			next = sent
			if werr := journal.WriteFile(journal.OS{}, o.Position, encodePosition(next)); werr != nil && err == nil {
				err = werr
			}
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !failing {
				o.Log.ErrorContext(ctx, "sink: events wait in the log", "sink", o.Name, "next", next, "error", err)
			}
			failing, wait = true, min(2*wait, maxWait)
		default:
			if failing {
				o.Log.InfoContext(ctx, "sink: it has caught up", "sink", o.Name, "next", next)
			}
			failing, wait = false, o.Every
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// once sends everything from next on and gives the index after what was sent.
func once(ctx context.Context, o Options, next int64) (int64, error) {
	var out []siem.Entry
	flush := func() error {
		if len(out) == 0 {
			return nil
		}
		sctx, cancel := context.WithTimeout(ctx, sendTimeout)
		defer cancel()
		if err := o.Sender.Send(sctx, out); err != nil {
			return err
		}
		next, out = out[len(out)-1].Index+1, out[:0]
		return nil
	}
	for e, err := range o.Events(ctx, next) {
		if err != nil {
			return next, err
		}
		if out = append(out, e); len(out) == batch {
			if err := flush(); err != nil {
				return next, err
			}
		}
	}
	return next, flush()
}

func position(file string) (int64, error) {
	b, err := journal.ReadFile(journal.OS{}, file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := parsePosition(b)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
}

var errPosition = errors.New("not a position")

// encodePosition is the index of the next event, decimal, and a line end.
func encodePosition(next int64) []byte { return append(strconv.AppendInt(nil, next, 10), '\n') }

// parsePosition reads what encodePosition wrote, and nothing else.
func parsePosition(b []byte) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSuffix(string(b), "\n"), 10, 64)
	if err != nil || n < 0 || !bytes.Equal(encodePosition(n), b) {
		return 0, errPosition
	}
	return n, nil
}

// Syslog sends to a syslog server over TLS: octet counting (RFC 5425 §4.3), facility
// "log audit" (13), severity warning for what people should look at, else informational.
type Syslog struct {
	Address string // host:port
	TLS     *tls.Config
	Format  string // of the message: one of siem.Formats
	Host    string // this gateway's name

	conn net.Conn
}

// Send implements Sender. A server that reads slowly ends the try, not the gateway.
func (s *Syslog) Send(ctx context.Context, entries []siem.Entry) error {
	if s.conn == nil {
		d := tls.Dialer{Config: s.TLS}
		conn, err := d.DialContext(ctx, "tcp", s.Address)
		if err != nil {
			return err
		}
		s.conn = conn
	}
	var b bytes.Buffer
	for _, e := range entries {
		text, err := siem.Encode(s.Format, e)
		if err != nil {
			return err
		}
		m := Message(s.Host, e, text)
		fmt.Fprintf(&b, "%d %s", len(m), m)
	}
	deadline, _ := ctx.Deadline()
	err := s.conn.SetWriteDeadline(deadline)
	if err == nil {
		conn := s.conn
		stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
		_, err = conn.Write(b.Bytes())
		stop()
	}
	if err != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
	return err
}

// Message is an event as RFC 5424 has it.
func Message(host string, e siem.Entry, text []byte) []byte {
	const audit, warning, informational = 13 * 8, 4, 6
	pri := audit + informational
	if siem.Alarming(e.Event) {
		pri = audit + warning
	}
	id := strings.Map(func(r rune) rune { // MSGID: printable ASCII, at most 32
		if r > ' ' && r < 0x7f {
			return r
		}
		return '-'
	}, string(e.Event.Type))
	head := fmt.Sprintf("<%d>1 %s %s hoop-gateway - %s [hoop index=\"%d\"] ", pri, e.Event.Time.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), host, id[:min(len(id), 32)], e.Index)
	return append([]byte(head), text...)
}

// OTLP sends log records to an OpenTelemetry collector: OTLP/HTTP with the JSON encoding
// (opentelemetry-proto, "OTLP/HTTP Request").
type OTLP struct {
	URL  string // with /v1/logs
	HTTP *http.Client
	// Authorization is the header's value; empty: none.
	Authorization string
	Host          string
}

type otlpValue struct {
	String string `json:"stringValue,omitempty"`
	Int    string `json:"intValue,omitempty"` // a 64-bit integer is a string in protobuf's JSON
}

type otlpAttribute struct {
	Key   string    `json:"key"`
	Value otlpValue `json:"value"`
}

type otlpRecord struct {
	Time       string          `json:"timeUnixNano"`
	Severity   int             `json:"severityNumber"`
	Level      string          `json:"severityText"`
	Body       otlpValue       `json:"body"`
	Attributes []otlpAttribute `json:"attributes"`
}

// Send implements Sender.
func (o *OTLP) Send(ctx context.Context, entries []siem.Entry) error {
	b, err := o.encode(entries)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if o.Authorization != "" {
		req.Header.Set("Authorization", o.Authorization)
	}
	resp, err := o.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the collector answered %s", resp.Status)
	}
	var partial struct {
		PartialSuccess struct {
			Rejected json.Number `json:"rejectedLogRecords"`
			Message  string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &partial) == nil && partial.PartialSuccess.Rejected != "" && partial.PartialSuccess.Rejected != "0" {
		return fmt.Errorf("the collector rejected %s records: %.200q", partial.PartialSuccess.Rejected, partial.PartialSuccess.Message)
	}
	return nil
}

func (o *OTLP) encode(entries []siem.Entry) ([]byte, error) {
	records := make([]otlpRecord, 0, len(entries))
	for _, e := range entries {
		text, err := json.Marshal(e.Event)
		if err != nil {
			return nil, err
		}
		r := otlpRecord{
			Time: strconv.FormatInt(e.Event.Time.UnixNano(), 10), Severity: 9, Level: "INFO", Body: otlpValue{String: string(text)},
			Attributes: []otlpAttribute{
				{"hoop.index", otlpValue{Int: strconv.FormatInt(e.Index, 10)}},
				{"event.name", otlpValue{String: "hoop." + string(e.Event.Type)}},
			},
		}
		if siem.Alarming(e.Event) {
			r.Severity, r.Level = 13, "WARN"
		}
		for _, a := range [][2]string{{"enduser.id", e.Event.Subject}, {"session.id", e.Event.Session}, {"hoop.target", e.Event.Target}} {
			if a[1] != "" {
				r.Attributes = append(r.Attributes, otlpAttribute{a[0], otlpValue{String: a[1]}})
			}
		}
		records = append(records, r)
	}
	type m map[string]any
	return json.Marshal(m{"resourceLogs": []m{{
		"resource": m{"attributes": []otlpAttribute{
			{"service.name", otlpValue{String: "hoop-gateway"}}, {"host.name", otlpValue{String: o.Host}},
		}},
		"scopeLogs": []m{{"scope": m{"name": "hoop.audit"}, "logRecords": records}},
	}}})
}
