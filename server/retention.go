package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/objects"
	"github.com/hoopctl/hoopctl/server/record"
)

const (
	// sixYears is how long recordings are kept where the target says nothing (45 CFR
	// 164.316(b)(2)(i)): with both leap days that six years may have.
	sixYears = 2192 * 24 * time.Hour
	// expiryEvery is how often it is looked for recordings whose time is over.
	expiryEvery = 6 * time.Hour
)

// buildStore has recordings copied to the object store, where one is configured.
func (g *Gateway) buildStore(e *evidence) error {
	if !g.cfg.mirrored() {
		return nil
	}
	loc, err := objects.ParseURL(g.cfg.Recordings.URL)
	if err != nil {
		return fmt.Errorf("recordings.url: %w", err)
	}
	var transport http.RoundTripper
	if !loc.Insecure {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if loc.CAFile != "" {
			pem, err := os.ReadFile(loc.CAFile)
			if err != nil {
				return fmt.Errorf("recordings.url: ca_file: %w", err)
			}
			t.TLSClientConfig.RootCAs = x509.NewCertPool()
			if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
				return fmt.Errorf("recordings.url: ca_file: %s has no certificate", loc.CAFile)
			}
		}
		transport = t
	}
	store, err := objects.Open(context.Background(), loc, transport)
	if err != nil {
		return err
	}
	if !store.Locked() {
		g.log.Warn("recordings: the bucket has no object lock: whoever holds the gateway's key to it can delete recordings")
	}
	e.recorder.Mirror(store, 0, g.cfg.Recordings.Spool, g.retention)
	g.add("recordings", e.recorder.Close)
	return nil
}

// retention is how long recordings of a target are kept.
func (g *Gateway) retention(target string) time.Duration {
	if t, ok := g.rules.Target(target); ok && t.Retention > 0 {
		return time.Duration(t.Retention)
	}
	return sixYears
}

// buildExpiry lets recordings go whose time is over, now and from time to time.
func (g *Gateway) buildExpiry(rec *record.Recorder) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(expiryEvery)
		defer t.Stop()
		gone := make(map[string]bool)
		for {
			if err := g.expire(ctx, rec, gone, g.now()); err != nil && ctx.Err() == nil {
				g.log.ErrorContext(ctx, "recordings: what has expired stays for now", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
		}
	}()
	g.add("expiry", func() error {
		cancel()
		<-done
		return nil
	})
}

// kept is what the log says of a recording.
type kept struct {
	event   hoop.Event // that committed to it
	ruled   bool       // a hold was set, or lifted
	held    bool
	expired bool
}

// recordings reads from the log which recordings there are.
func recordings(ctx context.Context, log *audit.Log) (map[string]*kept, error) {
	if err := log.Settle(ctx); err != nil { // a hold that was set just now counts
		return nil, err
	}
	all := make(map[string]*kept)
	for e, err := range log.Events(ctx, 0) {
		if err != nil {
			return nil, err
		}
		k := all[e.Event.Session]
		switch {
		case (e.Event.Type == hoop.EventSessionEnd || e.Event.Type == hoop.EventRecovery) && e.Event.Record != nil && e.Event.Record.SHA256 != "":
			if k == nil {
				k = new(kept)
				all[e.Event.Session] = k
			}
			k.event = *e.Event
		case e.Event.Type == hoop.EventLegalHold && e.Event.Session != "":
			if k == nil {
				k = new(kept)
				all[e.Event.Session] = k
			}
			k.ruled, k.held = true, e.Event.Action == hoop.Deny // deletion is denied
		case e.Event.Type == hoop.EventExpired && k != nil:
			k.expired = true
		}
	}
	return all, nil
}

// expire deletes recordings whose time is over and that no legal hold keeps. The event
// that says so, with the hash, is durable first. The holds that the log has go to the
// object store again, which may have been away when they were set or lifted.
// Gone are those that were deleted since the start.
func (g *Gateway) expire(ctx context.Context, rec *record.Recorder, gone map[string]bool, now time.Time) error {
	g.holding.Lock()
	defer g.holding.Unlock()
	all, err := recordings(ctx, g.audit)
	if err != nil {
		return err
	}
	for id, k := range all {
		if k.ruled {
			rec.Held(id, k.held)
		}
	}
	var errs []error
	for id, k := range all {
		if k.event.Record == nil || k.held || gone[id] {
			continue
		}
		keep := g.retention(k.event.Target)
		if !k.expired {
			if now.Sub(k.event.Time) <= keep {
				continue
			}
			if err := g.audit.Write(ctx, &hoop.Event{
				Type: hoop.EventExpired, Session: id, Target: k.event.Target, Grant: k.event.Grant, Subject: gatewayItself,
				Details: []hoop.Detail{
					{Name: auditlog.ExpiredHash, Value: k.event.Record.SHA256},
					{Name: "size", Value: strconv.FormatInt(k.event.Record.Size, 10)},
					{Name: "retention", Value: hoop.Duration(keep).Text()},
					{Name: "session_subject", Value: k.event.Subject},
				},
			}); err != nil {
				return err
			}
		}
		if err := rec.Delete(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("recording %s: %w", id, err))
			continue
		}
		gone[id] = true
	}
	return errors.Join(errs...)
}

// tellTime is how long whoever sets a hold waits for the object store.
const tellTime = 10 * time.Second

// hold sets or lifts a legal hold on a session's recording. The event is durable first;
// waiting says that the object store could not be told yet: it is told until it was.
func (g *Gateway) hold(ctx context.Context, rec *record.Recorder, by hoop.Identity, s hoop.SessionInfo, reason string, on bool) (waiting bool, err error) {
	g.holding.Lock()
	defer g.holding.Unlock()
	action := hoop.Allow
	if on {
		action = hoop.Deny
	}
	if err := g.audit.Write(ctx, &hoop.Event{
		Type: hoop.EventLegalHold, Subject: by.Subject, Chain: by.Chain, Target: s.Target, Grant: s.Grant, Session: s.ID, Action: action, Reason: reason,
		Details: []hoop.Detail{{Name: "hold", Value: strconv.FormatBool(on)}, {Name: "session_subject", Value: s.Identity.Subject}},
	}); err != nil {
		return false, &hoop.Error{
			Code: hoop.CodeUnrecorded, Message: "the gateway cannot record this, so it did not happen",
			Hint: "tell an administrator: the gateway's log names the disk or file", Err: err,
		}
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	if err := rec.Hold(ctx, s.ID, on); err != nil {
		g.log.WarnContext(ctx, "recordings: a legal hold is in the log, and waits for the object store", "session", s.ID, "hold", on, "error", err)
		return true, nil
	}
	return false, nil
}
