package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const (
	// disabledKept is how long it is known when somebody was disabled: what is older has
	// ended, a device (a quarter of an hour) and a workload's token (assertionLife) alike.
	disabledKept = assertionLife + 2*assertionAhead + elsewhereBack
	// grace is how long the previous refresh token still gets the same successor.
	grace = 10 * time.Second
	// lease is how long one gateway may take to ask the identity provider.
	lease = 30 * time.Second
)

// begin starts a family and gives its first tokens, after the event is durable. It ends
// at f.ExpiresAt at the latest, where that is set. device is the device's hash; "" is none.
func (s *Server) begin(ctx context.Context, f Family, device string) (*oidc.AccessTokenResponse, error) {
	now := s.now()
	f.ID, f.Subject, f.CreatedAt = newID(), f.Identity.Subject, now
	atMost := f.ExpiresAt
	f.ExpiresAt = now.Add(s.o.SignInLife)
	p, ok := s.providers[f.Provider]
	if !ok {
		return nil, invalidGrant("the identity provider is no longer configured")
	}
	if !atMost.IsZero() {
		f.ExpiresAt = earliest(f.ExpiresAt, atMost)
	}
	if !now.Before(f.ExpiresAt) {
		return nil, invalidGrant("the session at the identity provider has ended; sign in again")
	}
	access := accessPrefix + random()
	refresh := ""
	var tokens []Token
	if slices.Contains(f.Scopes, oidc.ScopeOfflineAccess) && p.renewable(f.Credential) {
		f.Generation, f.RotatedAt = 1, now
		f.Recheck = p.remote()
		refresh = s.keys.refreshToken(f.ID, f.Generation)
		tokens = append(tokens, refreshRow(&f, refresh, now))
	} else { // nothing can renew it
		f.ExpiresAt = earliest(f.ExpiresAt, now.Add(s.o.AccessLife))
	}
	tokens = append(tokens, s.accessToken(&f, access, now))
	if err := s.write(ctx, s.event(hoop.EventSignIn, &f, "")); err != nil {
		return nil, unrecorded(err)
	}
	if err := s.o.Store.AddFamily(ctx, f, tokens...); err != nil {
		return nil, fmt.Errorf("store sign-in: %w", err)
	}
	switch err := s.settled(ctx, &f, device); {
	case errors.Is(err, errEnded):
		return nil, invalidGrant("the sign-in has ended; sign in again")
	case err != nil:
		return nil, err
	}
	return s.tokens(&f, access, refresh, now)
}

// accessToken is the row of an access token; it does not outlive its family.
func (s *Server) accessToken(f *Family, access string, now time.Time) Token {
	end := now.Add(s.o.AccessLife)
	if f.ExpiresAt.Before(end) {
		end = f.ExpiresAt
	}
	return Token{Hash: hash(access), Kind: AccessToken, Family: f.ID, CreatedAt: now, ExpiresAt: end}
}

func refreshRow(f *Family, refresh string, now time.Time) Token {
	return Token{Hash: hash(refresh), Kind: RefreshToken, Family: f.ID, Generation: f.Generation, CreatedAt: now, ExpiresAt: f.ExpiresAt}
}

// tokens is the answer that carries them (RFC 6749 §5.1).
func (s *Server) tokens(f *Family, access, refresh string, now time.Time) (*oidc.AccessTokenResponse, error) {
	life := min(s.o.AccessLife, f.ExpiresAt.Sub(now))
	resp := &oidc.AccessTokenResponse{
		AccessToken: access, RefreshToken: refresh, TokenType: oidc.BearerToken,
		ExpiresIn: uint64(life / time.Second), Scope: f.Scopes,
	}
	if !slices.Contains(f.Scopes, oidc.ScopeOpenID) {
		return resp, nil
	}
	var err error
	resp.IDToken, err = s.idToken(f.Identity, f.Client, access, f.Scopes, f.CreatedAt, now)
	return resp, err
}

// Why a refresh stops inside the store's transaction.
var (
	errEnded = errors.New("the sign-in has ended")
	errBusy  = errors.New("another refresh is under way")
	errReuse = errors.New("refresh token used twice")
)

// refresh replaces a refresh token and gives an access token (RFC 6749 §6).
func (s *Server) refresh(ctx context.Context, c caller, token string) (*oidc.AccessTokenResponse, error) {
	t, f, err := s.lookUp(ctx, token, refreshPrefix)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, invalidGrant("the refresh token is unknown")
	case err != nil:
		return nil, err
	case t.Kind != RefreshToken || f.Client != c.id:
		return nil, invalidGrant("the refresh token was given to another client")
	case s.foreign(&f):
		// Nothing is wrong with it where it was given: it goes on there.
		return nil, invalidGrant("another gateway took this sign-in, with another sign-in key, and only that one can renew it; sign in here anew")
	}
	unlock, err := s.refreshes.Lock(ctx, f.ID)
	if err != nil {
		return nil, unavailable("another refresh is under way; try again")
	}
	defer unlock()
	// Once the identity provider was asked, its answer must be kept, even when the client
	// has gone.
	ctx = context.WithoutCancel(ctx)

	access := accessPrefix + random()
	repeated, err := s.claim(ctx, &f, func(row *Family, now time.Time) (again bool, err error) {
		switch {
		case t.Generation == row.Generation:
			return false, nil
		case t.Generation == row.Generation-1 && now.Sub(row.RotatedAt) <= grace && c.ip == row.RemoteIP:
			return true, nil
		}
		return false, errReuse
	}, access)
	if err == nil && !repeated {
		err = s.renew(ctx, &f, func(row *Family, now time.Time) []Token {
			row.Generation++
			row.RotatedAt, row.RemoteIP = now, c.ip
			return []Token{
				s.accessToken(row, access, now),
				refreshRow(row, s.keys.refreshToken(row.ID, row.Generation), now),
			}
		})
	}
	if err != nil {
		return nil, s.refused(ctx, &f, err)
	}
	return s.tokens(&f, access, s.keys.refreshToken(f.ID, f.Generation), s.now())
}

// foreign reports whether another gateway, with keys of its own, took a sign-in, and this one
// can read nothing of what it was vouched for with.
func (s *Server) foreign(f *Family) bool {
	if f.Provider == serviceProvider {
		return f.Key != "" && f.Key != s.keys.name
	}
	_, err := s.keys.open(f.Credential, "credential")
	return err != nil
}

// lookUp finds a token by its text.
func (s *Server) lookUp(ctx context.Context, token, prefix string) (Token, Family, error) {
	if len(token) != tokenLen || !strings.HasPrefix(token, prefix) {
		return Token{}, Family{}, ErrNotFound
	}
	t, f, err := s.o.Store.Token(ctx, hash(token))
	if err != nil {
		return t, f, fmt.Errorf("find token: %w", err)
	}
	return t, f, nil
}

// claim reserves a family for one renewal and reads it into f. allow may say that the
// family was renewed just now: then access is stored and there is nothing to renew.
func (s *Server) claim(ctx context.Context, f *Family, allow func(*Family, time.Time) (again bool, err error), access string) (again bool, err error) {
	err = s.o.Store.UpdateFamily(ctx, f.ID, func(row *Family) ([]Token, error) {
		now := s.now()
		*f = *row
		if !row.live(now) {
			return nil, errEnded
		}
		if again, err = allow(row, now); err != nil {
			return nil, err
		}
		if again {
			return []Token{s.accessToken(row, access, now)}, nil
		}
		if now.Before(row.BusyUntil) {
			return nil, errBusy
		}
		row.BusyUntil = now.Add(lease)
		return nil, nil
	})
	return again, err
}

// renew asks the identity provider about a claimed family and writes down what it says.
// f is as stored afterwards.
func (s *Server) renew(ctx context.Context, f *Family, settle func(*Family, time.Time) []Token) error {
	id, credential, askErr := s.ask(ctx, f)
	before := f.Identity
	err := s.o.Store.UpdateFamily(ctx, f.ID, func(row *Family) ([]Token, error) {
		now := s.now()
		row.BusyUntil = time.Time{}
		*f = *row
		if askErr != nil {
			return nil, nil
		}
		if !row.live(now) {
			return nil, errEnded
		}
		if !hoop.SameGroups(before.Groups, row.Identity.Groups) {
			id = row.Identity // as another sign-in told meanwhile; the next check asks again
		}
		row.Identity, row.Credential, row.CheckedAt = id, credential, now
		if !hoop.SameGroups(before.Groups, id.Groups) {
			s.cutAt(row, now, true)
		}
		tokens := settle(row, now)
		*f = *row
		return tokens, nil
	})
	if err = errors.Join(askErr, err); err != nil {
		return err
	}
	if !hoop.SameGroups(before.Groups, id.Groups) {
		s.cache.drop(f.ID)
		s.regrouped(ctx, f, before.Groups)
		s.o.OnChange(ctx, id)
		s.spread(ctx, f)
	}
	return nil
}

// spread has the groups that a provider gave somebody last count for all their sign-ins
// there: those of SAML are asked about by nobody, and a device may be told of its sign-in
// late. f is as stored afterwards.
func (s *Server) spread(ctx context.Context, f *Family) {
	if f.Identity.Kind != hoop.Human {
		return
	}
	now := s.now()
	others, err := s.o.Store.Families(ctx, f.Subject, now)
	last := *f
	for _, o := range others {
		if o.Provider == f.Provider && o.live(now) && s.vouchedAt(&o).After(s.vouchedAt(&last)) {
			last = o
		}
	}
	former := func(o *Family) bool {
		return o.ID != last.ID && o.Provider == last.Provider && o.live(now) && s.vouchedAt(o).Before(s.vouchedAt(&last)) && !hoop.SameGroups(o.Identity.Groups, last.Identity.Groups)
	}
	changed := false
	for i := range others {
		o := &others[i]
		if !former(o) {
			continue
		}
		var groups []string
		told := false
		failed := s.o.Store.UpdateFamily(ctx, o.ID, func(row *Family) ([]Token, error) {
			if told = former(row); told {
				groups, row.Identity, row.CheckedAt = row.Identity.Groups, last.Identity, last.CheckedAt
				s.cutAt(row, now, true)
			}
			*o = *row
			return nil, nil
		})
		if o.ID == f.ID {
			*f = *o
		}
		s.cache.drop(o.ID)
		if err = errors.Join(err, failed); failed == nil && told {
			changed = true
			s.regrouped(ctx, o, groups)
		}
	}
	if err != nil {
		s.o.Logger.ErrorContext(ctx, "other sign-ins have groups of before", "subject", f.Subject, "error", err)
	}
	if changed {
		s.o.OnChange(ctx, last.Identity)
	}
}

// vouchedAt is when a provider last vouched for a family, to be compared with others: one of
// which that is yet to come was asked about before a clock was set back.
func (s *Server) vouchedAt(f *Family) time.Time {
	now := s.now()          // of the moment: f may have just been read
	if s.o.Store.Shared() { // by the clock of another gateway, which may be ahead
		now = now.Add(elsewhereBack)
	}
	if f.CheckedAt.After(now) {
		return time.Time{}
	}
	return f.CheckedAt
}

// ask has the identity provider vouch for a family again.
func (s *Server) ask(ctx context.Context, f *Family) (hoop.Identity, []byte, error) {
	p, ok := s.providers[f.Provider]
	if !ok {
		return hoop.Identity{}, nil, fmt.Errorf("%w: the provider is no longer configured", errRefused)
	}
	credential, err := s.keys.open(f.Credential, "credential")
	if err != nil {
		return hoop.Identity{}, nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	ctx, cancel := context.WithTimeout(ctx, lease-5*time.Second)
	defer cancel()
	id, credential, err := p.check(ctx, f.Identity, credential)
	if err != nil {
		return hoop.Identity{}, nil, err
	}
	if id.Subject != f.Subject {
		return hoop.Identity{}, nil, fmt.Errorf("%w: it now names another subject", errRefused)
	}
	return id, s.keys.seal(credential, "credential"), nil
}

// refused ends the family where it must, and says what the client hears.
func (s *Server) refused(ctx context.Context, f *Family, err error) error {
	switch {
	case errors.Is(err, errEnded):
		return invalidGrant("the sign-in has ended; sign in again")
	case errors.Is(err, errReuse):
		return errors.Join(invalidGrant("the refresh token was used before; for safety the sign-in has ended"),
			s.end(ctx, f, hoop.CauseTokenReused, "refresh token used twice", true))
	case errors.Is(err, errRefused):
		s.o.Logger.InfoContext(ctx, "identity provider refused", "subject", f.Subject, "provider", f.Provider, "error", err)
		return errors.Join(invalidGrant("the identity provider no longer vouches for this sign-in; sign in again"),
			s.end(ctx, f, hoop.CauseProvider, "refused by the identity provider", true))
	case errors.Is(err, errBusy):
		return unavailable("another refresh is under way; try again")
	case errors.Is(err, errUnreachable):
		s.o.Logger.WarnContext(ctx, "identity provider unreachable", "provider", f.Provider, "error", err)
		return unavailable("the identity provider cannot be reached; try again")
	}
	return fmt.Errorf("refresh: %w", err)
}

// end ends a family: its tokens are worth nothing from here on. cut says to cut the
// subject's live sessions even while it is signed in elsewhere. An error means that the
// end, or its event, may not be durable.
func (s *Server) end(ctx context.Context, f *Family, cause hoop.Cause, why string, cut bool) error {
	first := false
	err := s.o.Store.UpdateFamily(ctx, f.ID, func(row *Family) ([]Token, error) {
		if first = row.EndedAt.IsZero(); first {
			row.EndedAt, row.EndedWhy, row.Credential = s.now(), why, nil
			s.cutAt(row, row.EndedAt, cut)
		}
		*f = *row
		return nil, nil
	})
	s.cache.drop(f.ID)
	if err != nil {
		return fmt.Errorf("end sign-in: %w", err)
	}
	if !first {
		return nil
	}
	e := s.event(hoop.EventSignOut, f, why)
	e.Cause = cause
	err = s.write(ctx, e)
	s.o.OnSignInEnd(ctx, f.ID)
	if cut {
		s.o.OnEnd(ctx, f.Subject)
	} else {
		s.cutUnlessElsewhere(ctx, f.Subject)
	}
	return err
}

// revoke is RFC 7009: whichever token it gets, the whole sign-in ends. A token that is
// unknown is revoked already.
func (s *Server) revoke(ctx context.Context, c caller, token string) error {
	prefix := accessPrefix
	if strings.HasPrefix(token, refreshPrefix) {
		prefix = refreshPrefix
	}
	_, f, err := s.lookUp(ctx, token, prefix)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	case f.Client != c.id:
		return invalidGrant("the token was given to another client")
	}
	if err := s.end(ctx, &f, hoop.CauseSignedOut, "signed out", false); err != nil {
		s.o.Logger.ErrorContext(ctx, "sign-out", "subject", f.Subject, "error", err)
		return unavailable("the sign-out could not be recorded; try again")
	}
	return nil
}

// Disable ends every sign-in of a subject, says how many, and has its live sessions cut.
// Devices for which it signed in give none any more, and what a provider gave before signs
// it in no more.
func (s *Server) Disable(ctx context.Context, subject, why string) (ended int, err error) {
	now := s.now()
	denied := s.o.Store.SetDisabled(ctx, subject, now, now.Add(disabledKept)) // first: whoever signs in meanwhile sees it, or is seen
	if denied != nil {
		denied = fmt.Errorf("note that %s was disabled: %w", subject, denied)
	}
	denied = errors.Join(denied, s.denyDevices(ctx, subject))
	families, err := s.o.Store.Families(ctx, subject, s.now())
	if err != nil {
		return 0, errors.Join(fmt.Errorf("list sign-ins of %s: %w", subject, err), denied)
	}
	for i := range families {
		err = errors.Join(err, s.end(ctx, &families[i], hoop.CauseDisabled, why, true))
	}
	s.o.OnEnd(ctx, subject) // sessions outlive sign-ins that expired
	return len(families), errors.Join(err, denied)
}

// unrecorded refuses what could not be written to the audit log.
func unrecorded(err error) error {
	return errors.Join(newProblem(http.StatusServiceUnavailable, temporarilyUnavailable,
		"the gateway cannot record the sign-in, so it refuses it"), err)
}
