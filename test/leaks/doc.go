// Package leaks attacks the gateway with a valid login and everything PostgreSQL has.
//
// Each attack is shown to leak on a direct connection first, else it is none; then it
// is run through a gateway that is configured as docs/clinic-rules.md says, and
// through one whose rules allow every statement, since no decision lifts a mask. What
// comes over the wire is decided mechanically: no form of any canary may be in it. The
// benign cases are the other half: they come back as they do directly, byte for byte.
package leaks
