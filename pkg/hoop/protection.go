package hoop

import "time"

// Protection is what inherited protection on a target: every column of it is masked for
// whom a mask rule applies to, since protected data was copied there (effect derive).
type Protection struct {
	Target string    `json:"target"`
	Table  string    `json:"table"` // canonical name; "*" where code that nobody can read may have copied anywhere
	Since  time.Time `json:"since"`
	By     string    `json:"by"` // the session that did it first
}
