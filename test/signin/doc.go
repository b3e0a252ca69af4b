// Package signin signs people in with the real programs around hoopctl: a headless
// Chromium on the sign-in pages, SimpleSAMLphp and an OpenID provider as identity
// providers, and gnome-keyring for what a sign-in leaves behind. In the same Chromium
// an approver works: the inbox, a request, sessions, with a checker of accessibility.
//
// The tests want programs that not every machine has, so they are built with the tag
// signin only: `make test-providers` and `make test-browser`.
package signin
