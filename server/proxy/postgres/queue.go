package postgres

import (
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/session"
)

// expected is a message that was forwarded and what the target must answer to it.
type expected struct {
	kind  byte  // type of the message: Q F P B D E C S
	batch int64 // number of the Sync, Query or FunctionCall that ends its batch
	run   *running

	denied   *session.Run // what was refused, where that is on record
	refusal  []byte       // takes the place of the target's ErrorResponse: the message was ours
	state    string       // its SQLSTATE
	alike    *report      // the same, where the target's error tells where in PostgreSQL's sources it arises
	once     bool         // run is of this message alone
	withheld bool         // texts of its errors and notices must not reach the client, as in running
	parses   *meaning     // of P: what the text means that the target is to parse
	ahead    bool         // it stands for a part of a Query message: the client sees rows, tag and errors
	injected bool         // the client did not send it and sees no answer
	looks    *looking     // all messages up to this Sync are a question of the gateway's own
	keeps    bool         // its last tag, and its ReadyForQuery, are for the client when what closes it has succeeded
	closes   bool         // it ends the transaction of what keeps: the client sees errors and ReadyForQuery
	// unconverted: the client got an error in place of the rest of the answer; of the
	// goroutine that reads the target.
	unconverted bool
	fails       bool      // it is there to fail, and its error is not for the client
	portal      *portal   // of E, and of D that asks for a portal
	described   *meaning  // of D that asks for a statement, where it matters
	asks        *prepared // of D that asks for a statement, where that is known
	tags        int       // CommandCompletes so far, of Q
	change      *change   // of the client's encoding, of Q and S: it is told with ReadyForQuery

	settles []settling
	denial  []byte // why the gateway has ended COPY data; guarded by conn.mu
	copying bool   // the target takes COPY data for it; guarded by conn.mu
	over    bool   // answered; guarded by conn.mu
}

// secrets are those that what the target says may quote; nil has none.
func (e *expected) secrets() []hoop.Secret {
	switch {
	case e == nil:
	case e.run != nil && e.run.st != nil:
		all := e.run.st.Secrets
		for _, x := range e.run.also {
			all = slices.Concat(all, x.meaning.secrets)
		}
		return all
	case e.parses != nil:
		return e.parses.secrets
	}
	return nil
}

// settling is a name whose fate hangs on a message: on its success, or on that of the
// nth command in it.
type settling struct {
	at     int
	settle func(ok bool)
}

// settle settles the names that hang on command at; all that are left when at is -1.
func (e *expected) settle(at int, ok bool) {
	rest := e.settles[:0]
	for _, s := range e.settles {
		if at < 0 || s.at == at {
			s.settle(ok)
		} else {
			rest = append(rest, s)
		}
	}
	e.settles = rest
}

// running is a statement that was judged, until its result is told.
type running struct {
	run      *session.Run
	meaning  *meaning
	by       basis           // that it was judged by
	also     []executed      // what it runs by name
	uses     []hoop.Use      // what was judged
	st       *hoop.Statement // the same
	held     bool            // people agreed to it
	opaque   bool            // it reads what its text does not show
	stores   bool            // it can change what is stored
	fetches  map[int]*cursor // by command: what FETCH reads from; nil where there is none
	masks    bool            // some mask rule may apply to its rows
	withheld bool            // texts of its errors and notices must not reach the client
	copied   map[int]int     // columns of each COPY TO that may show them though it is withheld
	commands int
	res      hoop.Result // touched by the goroutine that reads the target only
	answered answered    // the same: of the current command
	ended    bool        // the same

	planned bool          // the same: the columns of the rows to come are known
	plan    *mask.Plan    // the same: nil relays rows as they are
	columns []hoop.Column // the same: that the plan is for
	headed  bool          // the same: the header of COPY data in binary format is past

	result *mask.Transform // of a function that was called by message; nil relays it as it is
}

// end tells the session how the statement ended, once.
func (r *running) end(tag, state string) {
	if r.ended {
		return
	}
	r.ended = true
	r.res.Tag, r.res.SQLState = tag, state
	r.run.Done(r.res)
}

// push appends to the queue, or reports false when the target is skipping messages
// until Sync, so that this one must not be sent. c.mu is held.
func (c *conn) pushLocked(e *expected) bool {
	if c.skipping && e.kind != 'S' {
		return false
	}
	e.batch = c.batch
	c.queue = append(c.queue, e)
	c.midBatch = e.kind != 'S' && e.kind != 'Q' && e.kind != 'F'
	c.begunBatch = c.midBatch && (c.begunBatch || e.kind == 'E' && !e.injected)
	if !c.midBatch {
		c.batch++
	}
	return true
}

// head is the message that the target answers now, nil for none.
func (c *conn) head() *expected {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return nil
	}
	return c.queue[0]
}

// popLocked takes the head off. c.mu is held.
func (c *conn) popLocked() *expected {
	e := c.queue[0]
	e.over = true
	e.copying = false
	c.queue[0] = nil
	c.queue = c.queue[1:]
	if len(c.queue) == 0 {
		c.queue = c.spare[:0]
	}
	c.cond.Broadcast()
	return e
}

// failedLocked does to the queue what an error does in the target: messages of the
// extended protocol are skipped up to the next Sync (manual, "Extended Query"). c.mu
// is held.
func (c *conn) failedLocked() (skipped []*expected) {
	if k := c.queue[0].kind; k == 'Q' || k == 'F' || k == 'S' {
		return nil // ReadyForQuery follows at once
	}
	for len(c.queue) > 0 && c.queue[0].kind != 'S' {
		skipped = append(skipped, c.popLocked())
	}
	if len(c.queue) == 0 {
		c.skipping = true // the Sync has not been sent yet
	}
	return skipped
}
