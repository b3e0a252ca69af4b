package auth

import (
	"context"
	"log/slog"
	"time"
)

// CheckSAML reads the metadata of one SAML identity provider, as a gateway at issuer
// would, and signs nobody in.
func CheckSAML(ctx context.Context, o SAML, issuer string) error {
	u, err := newSAML(o, issuer, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	_, err = u.metadata(ctx)
	return err
}

// CheckIssuer reaches the issuer of a federated service account's tokens.
func CheckIssuer(ctx context.Context, f Federation) error {
	_, err := newIssuers(nil, time.Now).provider(ctx, f)
	return err
}

// CheckOIDC reaches one identity provider, as a gateway at issuer would, and signs
// nobody in.
func CheckOIDC(ctx context.Context, o OIDC, issuer string) error {
	u, err := newUpstream(o, issuer)
	if err != nil {
		return err
	}
	_, err = u.discover(ctx)
	return err
}
