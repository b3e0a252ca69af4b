// Package crash kills the real gateway (kill -9) while clients work through it on a real
// PostgreSQL, starts it again, and demands that the evidence proves what clients were told
// and what the target holds.
package crash
