package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// maxDeviceName bounds what a device may call itself, in characters.
const maxDeviceName = 80

// authorizeDevice begins a device authorization (RFC 8628 §3.1, §3.2).
func (s *Server) authorizeDevice(ctx context.Context, c caller, scopes []string, name string) (*oidc.DeviceAuthorizationResponse, error) {
	if len(s.o.DevUsers) == 0 && len(s.o.Providers) == 0 && len(s.o.SAML) == 0 {
		return nil, newProblem(http.StatusBadRequest, string(oidc.UnauthorizedClient),
			"this gateway has no identity provider for people; only service accounts sign in: hoopctl login --service-account NAME --secret-file F")
	}
	if wait := s.limits.devices.wait(network(c.ip)); wait > 0 {
		p := newProblem(http.StatusTooManyRequests, string(oidc.SlowDown), "too many sign-ins were begun; try again in "+seconds(wait)+" seconds")
		p.retryAfter = wait
		return nil, p
	}
	s.limits.devices.add(network(c.ip))
	now := s.now()
	d := Device{
		Client: c.id, Scopes: grantScopes(scopes), Name: clean(name, maxDeviceName), RemoteIP: c.ip,
		State: DevicePending, CreatedAt: now, ExpiresAt: now.Add(s.o.DeviceLife),
	}
	// Codes that people type are short enough to meet by chance.
	for range 5 {
		code, userCode := random(), newUserCode()
		d.CodeHash, d.UserCodeHash = hash(code), hash(userCode)
		err := s.o.Store.AddDevice(ctx, d)
		if errors.Is(err, ErrExists) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("store device: %w", err)
		}
		return &oidc.DeviceAuthorizationResponse{
			DeviceCode:              code,
			UserCode:                userCode,
			VerificationURI:         s.o.Issuer + "/device",
			VerificationURIComplete: s.o.Issuer + "/device?user_code=" + userCode,
			ExpiresIn:               int(s.o.DeviceLife / time.Second),
			Interval:                int(s.o.Interval / time.Second),
		}, nil
	}
	return nil, errors.New("no user code is free")
}

// redeem gives the tokens of an approved device code, once (RFC 8628 §3.4, §3.5).
func (s *Server) redeem(ctx context.Context, c caller, code string) (*oidc.AccessTokenResponse, error) {
	h := hash(code)
	d, err := s.o.Store.Device(ctx, h)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, invalidGrant("the device code is unknown")
	case err != nil:
		return nil, fmt.Errorf("find device: %w", err)
	case d.Client != c.id:
		return nil, invalidGrant("the device code was given to another client")
	}
	if err := s.pollable(&d); err != nil {
		return nil, err
	}
	// Burnt before anything is given: of two polls at once, one gets the tokens.
	err = s.o.Store.UpdateDevice(ctx, h, func(row *Device) error {
		if row.State != DeviceApproved {
			return invalidGrant("the device code was used already")
		}
		d = *row
		row.State, row.Credential = DeviceUsed, nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.polls.done(h)
	return s.begin(ctx, Family{
		Identity: d.Identity, Provider: d.Identity.Provider, Client: c.id, Scopes: d.Scopes,
		Device: d.Name, RemoteIP: c.ip, Credential: d.Credential, CheckedAt: d.SignedInAt, ExpiresAt: d.SignInEnd,
	}, h)
}

// denyDevices has the devices that somebody signed in for come to nothing, those too whose
// sign-in is being stored.
func (s *Server) denyDevices(ctx context.Context, subject string) error {
	found, err := s.o.Store.Devices(ctx, s.now())
	for _, d := range found {
		if d.Identity.Subject != subject {
			continue
		}
		err = errors.Join(err, s.deny(ctx, d.CodeHash, subject))
	}
	if err != nil {
		return fmt.Errorf("deny the devices of %s: %w", subject, err)
	}
	return nil
}

// deny has a device come to nothing for which a subject signed in.
func (s *Server) deny(ctx context.Context, codeHash, subject string) error {
	return s.o.Store.UpdateDevice(ctx, codeHash, func(row *Device) error {
		if row.Identity.Subject == subject {
			row.State, row.Credential = DeviceDenied, nil
		}
		return nil
	})
}

// settled looks once more at a sign-in that is stored now: its device may have been denied
// meanwhile, and its provider asked a while ago. It is errEnded where the sign-in has ended
// by that. f is as stored afterwards.
func (s *Server) settled(ctx context.Context, f *Family, codeHash string) error {
	stands := s.stands(ctx, f, codeHash)
	s.spread(ctx, f)
	if stands != nil {
		err := s.end(ctx, f, hoop.CauseDisabled, "disabled while it began", false)
		if !errors.Is(stands, errEnded) {
			err = errors.Join(stands, err)
		}
		if err != nil {
			return err
		}
	}
	now := s.now()
	if f.Recheck && f.live(now) && now.Sub(f.CheckedAt) >= recheckAfter && !s.anothers(f, now) {
		s.recheck(ctx, f)
	}
	if !f.live(now) {
		return errEnded
	}
	return nil
}

// stands is errEnded where a sign-in stands on a device that was denied, or on what was given
// before its subject was disabled.
func (s *Server) stands(ctx context.Context, f *Family, codeHash string) error {
	given := f.GivenAt
	switch {
	case codeHash != "":
		d, err := s.o.Store.Device(ctx, codeHash)
		if err != nil {
			return err
		}
		if d.State != DeviceUsed {
			return errEnded
		}
		given = d.AskedAt
	case given.IsZero(): // a secret
		return nil
	}
	return s.givenSince(ctx, f.Subject, given)
}

// givenSince is errEnded where something was given before a subject was disabled: it signs
// that subject in no more. The time is by a clock of this gateway, and that of another may
// have been ahead, or it is as early as it can be.
func (s *Server) givenSince(ctx context.Context, subject string, given time.Time) error {
	at, err := s.o.Store.DisabledAt(ctx, subject)
	if err != nil {
		return fmt.Errorf("find out whether %s was disabled: %w", subject, err)
	}
	if s.o.Store.Shared() && !at.IsZero() {
		at = at.Add(elsewhereBack)
	}
	if given.Before(at) {
		return errEnded
	}
	return nil
}

// pollable is nil where the device's tokens may be given, else what RFC 8628 §3.5 says.
func (s *Server) pollable(d *Device) error {
	now := s.now()
	bad := http.StatusBadRequest
	switch {
	case d.State == DeviceUsed:
		return invalidGrant("the device code was used already")
	case !now.Before(d.ExpiresAt):
		return newProblem(bad, string(oidc.ExpiredToken), "the code has expired; start again")
	case d.State == DeviceDenied:
		return newProblem(bad, string(oidc.AccessDenied), "the sign-in was denied in the browser")
	case d.State == DeviceApproved:
		return nil
	case s.polls.tooSoon(d.CodeHash, d.ExpiresAt):
		return newProblem(bad, string(oidc.SlowDown), "poll five seconds less often from now on")
	default:
		return newProblem(bad, string(oidc.AuthorizationPending), "nobody has approved the code yet")
	}
}

// bind notes that a browser signed in for a device. A later sign-in by another browser
// replaces it: whoever approves must be who signed in last.
func (s *Server) bind(ctx context.Context, codeHash string, in signIn) error {
	sealed := s.keys.seal(in.credential, "credential")
	now := s.now()
	vouched := now
	if !in.vouched.IsZero() { // a browser may have held it back
		vouched = notAfter(in.vouched, now)
		if vouched.Before(in.asked) {
			vouched = notAfter(in.asked, now)
		}
	}
	return s.o.Store.UpdateDevice(ctx, codeHash, func(d *Device) error {
		if err := undecided(d, now); err != nil {
			return err
		}
		if in.once != "" {
			if slices.Contains(d.Spent, in.once) || len(d.Spent) >= maxSpent {
				return errReplay
			}
			d.Spent = append(d.Spent, in.once)
		}
		d.Browser, d.Identity, d.Credential, d.SignedInAt, d.SignInEnd = in.browser, in.identity, sealed, vouched, in.end
		d.AuthAt, d.AskedAt = in.authAt, in.asked
		return nil
	})
}

// signIn is what a provider's answer comes to.
type signIn struct {
	browser    string // hash of the browser that signed in
	identity   hoop.Identity
	credential []byte
	authAt     time.Time // Device.AuthAt
	asked      time.Time // Device.AskedAt
	vouched    time.Time // when the provider made the answer, by its own clock; zero: a moment ago
	end        time.Time // zero: as long as Options.SignInLife
	once       string    // what must not be shown a second time; "" where the provider sees to that
}

// maxSpent bounds how often somebody signs in for one device.
const maxSpent = 50

// errReplay refuses an answer that was used.
var errReplay = errors.New("this answer was used before")

// decide approves or denies a device for the browser that signed in for it.
func (s *Server) decide(ctx context.Context, codeHash, browser string, approve bool) (Device, error) {
	now := s.now()
	var decided Device
	err := s.o.Store.UpdateDevice(ctx, codeHash, func(d *Device) error {
		if err := undecided(d, now); err != nil {
			return err
		}
		if d.Browser == "" || !equal(d.Browser, hash(browser)) {
			return errOtherBrowser
		}
		d.State = DeviceDenied
		if approve {
			d.State = DeviceApproved
		}
		decided = *d
		return nil
	})
	return decided, err
}

// Why a user code is of no use: one sentence each, for the page.
var (
	errMalformed    = &pageError{code: hoop.CodeInvalid, text: "That is not a code: it has eight letters, like BCDF-GHJK."}
	errUnknown      = &pageError{code: hoop.CodeNotFound, text: "This code is unknown. Compare it with the one in your terminal."}
	errExpired      = &pageError{code: hoop.CodeExpired, text: "This code has expired. Run hoopctl login again for a new one."}
	errUsed         = &pageError{code: hoop.CodeConflict, text: "This code was used already. Run hoopctl login again for a new one."}
	errDenied       = &pageError{code: hoop.CodeDenied, text: "This sign-in was denied. Run hoopctl login again to start another."}
	errOtherBrowser = &pageError{code: hoop.CodeDenied, text: "This browser has not signed in for this code. Enter the code again."}
)

// undecided is nil while a person may still decide about the device.
func undecided(d *Device, now time.Time) error {
	switch {
	case d.State == DeviceApproved || d.State == DeviceUsed:
		return errUsed
	case d.State == DeviceDenied:
		return errDenied
	case !now.Before(d.ExpiresAt):
		return errExpired
	}
	return nil
}

// clean makes a stranger's text fit to be shown and logged: at most limit characters, no
// control characters, nothing that turns the direction of writing or is invisible.
func clean(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == limit {
			b.WriteString("…")
			break
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || hoop.Unseen(r) {
			continue
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}
