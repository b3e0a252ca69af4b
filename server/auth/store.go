package auth

import (
	"context"
	"errors"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Errors a Store answers with; errors.Is must find them.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
)

// Store keeps what sign-in must remember. Its methods may be called concurrently and
// from several gateways on one database. Times are UTC; microseconds suffice. Hashes
// are SHA-256 in lower-case hex, 64 characters.
type Store interface {
	// AddDevice inserts a device. ErrExists where its CodeHash or UserCodeHash is
	// taken: of an expired device too, until Sweep removes it.
	AddDevice(ctx context.Context, d Device) error
	// Device finds a device by CodeHash, expired ones included; ErrNotFound.
	Device(ctx context.Context, codeHash string) (Device, error)
	// DeviceByUserCode finds a device by UserCodeHash, expired ones included; ErrNotFound.
	DeviceByUserCode(ctx context.Context, userCodeHash string) (Device, error)
	// Devices lists the devices that expire after now, in no order.
	Devices(ctx context.Context, now time.Time) ([]Device, error)
	// UpdateDevice reads the device, lets update change it and writes it back, as one
	// atomic step: of two that run at once, the second sees what the first wrote. An
	// error of update is returned as it is, and nothing is written. update may be
	// called more than once; it must not call the Store. ErrNotFound.
	UpdateDevice(ctx context.Context, codeHash string, update func(*Device) error) error

	// AddFamily inserts a family with its first tokens, all or nothing.
	AddFamily(ctx context.Context, f Family, tokens ...Token) error
	// Token finds a token by Hash, with its family, expired and ended ones included;
	// ErrNotFound.
	Token(ctx context.Context, hash string) (Token, Family, error)
	// Family finds a family by ID, expired and ended ones included; ErrNotFound.
	Family(ctx context.Context, id string) (Family, error)
	// UpdateFamily changes a family as UpdateDevice does a device, and inserts the
	// tokens that update returns in the same step. ErrNotFound.
	UpdateFamily(ctx context.Context, id string, update func(*Family) ([]Token, error)) error
	// Families lists the families of a subject that have not ended (EndedAt is zero)
	// and expire after now.
	Families(ctx context.Context, subject string, now time.Time) ([]Family, error)
	// Due lists at most limit families that have not ended, expire after now, have
	// Recheck set and were last checked before checked, or more than a minute after now,
	// by a clock that was set back; those first that were checked the longest ago.
	Due(ctx context.Context, now, checked time.Time, limit int) ([]Family, error)

	// Lapsed lists the families whose ExpiresAt is after the first time and not after the
	// second, ended or not, those that expired first before others.
	Lapsed(ctx context.Context, after, until time.Time) ([]Family, error)

	// Cuts lists the families whose CutAt is after a time, in no order.
	Cuts(ctx context.Context, after time.Time) ([]Family, error)
	// SetDisabled notes when a subject was disabled; the latest time counts. It may be
	// forgotten once until has passed.
	SetDisabled(ctx context.Context, subject string, at, until time.Time) error
	// DisabledAt is when a subject was disabled last; zero where there is no note of it.
	DisabledAt(ctx context.Context, subject string) (time.Time, error)

	// Shared reports whether other gateways use the same store.
	Shared() bool

	// Sweep deletes devices, tokens and families whose ExpiresAt is before the time
	// given, and what SetDisabled noted until before then. A family's tokens never outlive it.
	Sweep(ctx context.Context, before time.Time) error
}

// DeviceState is where a device authorization stands.
type DeviceState string

// The states of a device. Pending becomes approved or denied; approved becomes used.
const (
	DevicePending  DeviceState = "pending"
	DeviceApproved DeviceState = "approved"
	DeviceDenied   DeviceState = "denied"
	DeviceUsed     DeviceState = "used" // its tokens were given: the code is burnt
)

// Device is one device authorization (RFC 8628 §3.1): a program that waits for a
// person to approve it in a browser.
type Device struct {
	CodeHash     string // key
	UserCodeHash string // unique
	Client       string // OAuth client, "hoopctl"
	Scopes       []string
	Name         string // what the device calls itself: host name, system
	RemoteIP     string // where it asked from
	State        DeviceState
	Browser      string // hash of the browser that signed in for it; "" before
	Identity     hoop.Identity
	Credential   []byte    // of the identity provider, sealed; nil where there is none
	SignedInAt   time.Time // when the provider vouched for it
	AskedAt      time.Time // when the provider was asked for the answer that signed in
	Again        bool      // the provider must ask for the credentials, not only know the browser
	AuthAt       time.Time // when the provider asked for them last; zero: it does not say
	SignInEnd    time.Time // until when the provider vouches; zero: it sets no end
	Spent        []string  // answers of providers that were used for it
	CreatedAt    time.Time
	ExpiresAt    time.Time
}

// Family is one sign-in and all tokens that come from it: one device of one person,
// or one token of a service account. Ending it ends them all.
type Family struct {
	ID         string // key; random, 32 hex digits
	Subject    string // Identity.Subject, for look-up
	Identity   hoop.Identity
	Provider   string // which provider checks it again; "service-account", "dev", or an identity provider's name
	Client     string // OAuth client
	Parent     string // of an agent: ID of the sign-in that it stands on
	Scopes     []string
	Device     string // Device.Name, for people
	RemoteIP   string // of the latest refresh
	Credential []byte // of the identity provider, sealed; nil where there is none
	Key        string // of a service account: the name of the keys that Credential was made with; "": an older version did
	Generation int64  // of the refresh token in force, from 1; 0 where there is none
	Recheck    bool   // the provider must be asked again and again
	CreatedAt  time.Time
	AuthAt     time.Time // Device.AuthAt
	CheckedAt  time.Time // when the provider last vouched for it
	RotatedAt  time.Time // when Generation last grew
	BusyUntil  time.Time // a refresh is under way until then at the latest
	ExpiresAt  time.Time // the absolute end of the sign-in
	EndedAt    time.Time // zero while it lives
	EndedWhy   string
	CutAt      time.Time // when live sessions had to be cut last, as it ended or its groups changed; zero: never
	CutAll     bool      // those of other sign-ins of the subject too
	GivenAt    time.Time // when the token of another issuer that it stands on was issued, at the earliest; zero: it does not stand on one
}

// live reports whether the family holds at now.
func (f *Family) live(now time.Time) bool {
	return f.EndedAt.IsZero() && now.Before(f.ExpiresAt)
}

// TokenKind tells tokens apart.
type TokenKind string

// The kinds of token.
const (
	AccessToken  TokenKind = "access"
	RefreshToken TokenKind = "refresh"
)

// Token is one token, without the token.
type Token struct {
	Hash       string // key
	Kind       TokenKind
	Family     string // Family.ID
	Generation int64  // of a refresh token
	CreatedAt  time.Time
	ExpiresAt  time.Time
}
