package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// event describes a family's begin or end.
func (s *Server) event(t hoop.EventType, f *Family, reason string) *hoop.Event {
	e := &hoop.Event{
		Time: s.now(), Type: t, Subject: f.Subject, Chain: f.Identity.Chain, Reason: reason,
		Details: []hoop.Detail{
			{Name: "sign_in", Value: f.ID},
			{Name: "provider", Value: f.Provider},
			{Name: "client", Value: f.Client},
			{Name: "address", Value: f.RemoteIP},
		},
	}
	if f.Device != "" {
		e.Details = append(e.Details, hoop.Detail{Name: "device", Value: f.Device})
	}
	if t == hoop.EventSignIn {
		e.Details = append(e.Details, groupsDetail("groups", f.Identity.Groups), hoop.Detail{Name: "expires_at", Value: f.ExpiresAt.Format(time.RFC3339)})
	}
	return e
}

func groupsDetail(name string, groups []string) hoop.Detail {
	return hoop.Detail{Name: name, Value: strings.Join(groups, " ")}
}

// regrouped puts on record that a family has other groups than before. It has, even where
// that cannot be written: those of before would be worse.
func (s *Server) regrouped(ctx context.Context, f *Family, former []string) {
	e := s.event(hoop.EventRegroup, f, "")
	e.Details = append(e.Details, groupsDetail("groups", f.Identity.Groups), groupsDetail("former", former))
	if err := s.write(ctx, e); err != nil {
		s.o.Logger.ErrorContext(ctx, "other groups not recorded", "subject", f.Subject, "error", err)
	}
}

func (s *Server) write(ctx context.Context, e *hoop.Event) error {
	if err := s.o.Log.Write(ctx, e); err != nil {
		return fmt.Errorf("record %s: %w", e.Type, err)
	}
	return nil
}

// failed records an attempt that led nowhere. It was refused already, so an event that
// cannot be written is only logged. The limits on attempts bound how many there are.
func (s *Server) failed(ctx context.Context, ip, reason string, details ...hoop.Detail) {
	s.failedAs(ctx, "", ip, reason, details...)
}

func (s *Server) failedAs(ctx context.Context, subject, ip, reason string, details ...hoop.Detail) {
	e := &hoop.Event{
		Time: s.now(), Type: hoop.EventSignInFailed, Subject: subject, Reason: reason,
		Details: append([]hoop.Detail{{Name: "address", Value: ip}}, details...),
	}
	if err := s.write(context.WithoutCancel(ctx), e); err != nil {
		s.o.Logger.ErrorContext(ctx, "failed sign-in not recorded", "error", err)
	}
}
