package auth

import (
	"context"
	"fmt"
)

// CheckOIDC reaches one identity provider, as a gateway at issuer would, and signs
// nobody in.
func CheckOIDC(ctx context.Context, o OIDC, issuer string) error {
	u, err := newUpstream(o, issuer)
	if err != nil {
		return fmt.Errorf("identity provider %s: %w", o.Name, err)
	}
	if _, err := u.discover(ctx); err != nil {
		return fmt.Errorf("identity provider %s: %w", o.Name, err)
	}
	return nil
}
