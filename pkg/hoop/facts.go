package hoop

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Facts are what the gateway found out about a held statement, for whoever decides it.
// What could not be found out says so: no fact holds or releases a statement.
type Facts struct {
	// Pending says that the target is still being asked: what follows is not all yet.
	Pending     bool         `json:"pending,omitempty"`
	Session     SessionSoFar `json:"session"`
	Transaction string       `json:"transaction"` // for people: "none is open"
	Estimate    Estimate     `json:"estimate"`
	// Protected are the columns that some mask rule names, of the tables that the
	// statement touches. More says that there are others.
	Protected []ColumnRef `json:"protected"`
	More      bool        `json:"protected_more,omitempty"`
	Locks     Locks       `json:"locks"`
	// Digest tells these facts from others in the event of a decision: keyed, hex (see
	// recording.FactsDigest). It stays in the gateway's memory.
	Digest string `json:"-"`
}

// SessionSoFar is what the session that waits has done.
type SessionSoFar struct {
	Client     string    `json:"client,omitempty"` // what the client calls itself
	Database   string    `json:"database,omitempty"`
	RemoteAddr string    `json:"remote_addr"`
	StartedAt  time.Time `json:"started_at"`
	Statements int64     `json:"statements"` // before this one
	Rows       int64     `json:"rows"`
	Masked     int64     `json:"masked"` // cells
}

// Estimate is what the target's planner expects, without running anything.
type Estimate struct {
	Rows  int64  `json:"rows"`             // that come back or change
	Known bool   `json:"known"`            // otherwise Why says why not
	What  string `json:"what,omitempty"`   // "come back", "change"
	Why   string `json:"reason,omitempty"` // not estimated: why
}

// String is the estimate for people.
func (e Estimate) String() string {
	if !e.Known {
		return "not estimated: " + e.Why
	}
	n := strconv.FormatInt(e.Rows, 10)
	for i := len(n) - 3; i > 0; i -= 3 {
		n = n[:i] + "," + n[i:]
	}
	if e.Rows == 1 {
		return "about 1 would " + e.What
	}
	return "about " + n + " would " + e.What
}

// Counted is a number with the name of what it counts, which has a plain plural.
func Counted(n int64, what string) string {
	s := strconv.FormatInt(n, 10) + " " + what
	if n != 1 {
		s += "s"
	}
	return s
}

// Locks are those that the waiting backend holds in the target.
type Locks struct {
	Held    []Lock `json:"held"`
	More    bool   `json:"more,omitempty"`    // there are others
	Blocked int    `json:"blocked"`           // other backends that wait for this one
	Why     string `json:"unknown,omitempty"` // why nothing is known
}

// String is the locks for people.
func (l Locks) String() string {
	if l.Why != "" {
		return "not known: " + l.Why
	}
	var held []string
	for i := 0; i < len(l.Held); {
		on, modes := l.Held[i].On, l.Held[i].Mode
		for i++; i < len(l.Held) && l.Held[i].On == on; i++ {
			modes += ", " + l.Held[i].Mode
		}
		held = append(held, modes+" on "+on)
	}
	if l.More {
		held = append(held, "and others")
	}
	if len(held) == 0 {
		held = append(held, "none are held")
	}
	switch l.Blocked {
	case 0:
	case 1:
		held = append(held, "1 other backend waits for them")
	default:
		held = append(held, strconv.Itoa(l.Blocked)+" other backends wait for them")
	}
	return strings.Join(held, "; ")
}

// Short is the locks without their names.
func (l Locks) Short() string {
	if l.Why != "" {
		return "not known: " + l.Why
	}
	more := ""
	if l.More {
		more = " and more"
	}
	return fmt.Sprintf("%d held%s, %d backends wait", len(l.Held), more, l.Blocked)
}

// Lock is one lock of the target.
type Lock struct {
	On   string `json:"on"`   // a relation's canonical name, or the kind of thing that is locked
	Mode string `json:"mode"` // "RowExclusiveLock"
}

// Writing is what is known of the literals of a statement's text: which parts people
// wrote as values, and what these are good for. It stays in the gateway's memory.
type Writing struct {
	// Known says that Places is complete. Otherwise the text is not to be shown to those
	// who may not see everything.
	Known  bool
	Places []Place
	Params []Purpose // of each bound value
	Tables []string  // all that the statement touches; canonical names, "*" could be any
	Opaque bool      // it may touch what the text does not show
}

// Place is a literal or comment in a text.
type Place struct {
	Start, End int // bytes; End is exclusive
	Comment    bool
	Purpose    Purpose
}

// PlacesBeside gives places of a text where Conceal leaves them.
func PlacesBeside(places []Place, secrets []Secret) (out []Place) {
	if len(secrets) == 0 {
		return places
	}
	for _, p := range places {
		start, end := 0, 0 // by how much they move
		within := false
		for _, s := range secrets {
			by := len(s.Shown) - (s.End - s.Start)
			if s.End <= p.Start {
				start += by
			}
			if s.End <= p.End {
				end += by
			}
			within = within || s.Start <= p.Start && p.End < s.End || s.Start < p.Start && p.End <= s.End
		}
		if !within {
			p.Start, p.End = p.Start+start, p.End+end
			out = append(out, p)
		}
	}
	return out
}

// Purpose is what a value is good for.
type Purpose struct {
	// Known says that the value is compared with or stored in Columns, and nothing else;
	// without columns it limits a number of rows.
	Known   bool
	Columns []ColumnRef
}
