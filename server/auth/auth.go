// Package auth is the gateway's sign-in.
package auth
