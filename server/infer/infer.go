// Package infer counts what somebody can learn about columns that are masked, by
// comparing them: how many different values they were compared with, and how often they
// were searched, sorted or grouped by, over a sliding stretch of time.
//
// It knows no statements and no rules. Who counts as one, what counts, and what follows
// when there is no room left, is the session's to say. Values are kept as keyed hashes,
// in memory, under a key that dies with the process: counts begin anew with the gateway,
// and each gateway has its own.
package infer

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// Key names one count.
type Key struct {
	Principal string // subject
	Target    string
	Column    string // canonical name
	Rule      string // which limit
}

// Limit is how much of it there may be in any stretch of length Per.
type Limit struct {
	Key    Key
	Values int // different ones compared
	Scans  int // searches by range or pattern, sorts, groupings, joins
	Per    time.Duration
}

// Claim is what a statement takes from a limit.
type Claim struct {
	Limit
	Compared [][]byte // values; their bytes are not kept
	Looks    int      // scans
	Many     bool     // any number of values
}

// Count is how much of a limit is used.
type Count struct {
	Limit
	UsedValues, UsedScans int
	// Free is when there is room for the claim again; zero for never, where the claim alone
	// exceeds the limit.
	Free time.Time
}

// Counter counts for everybody. It is safe for concurrent use. A count keeps no more
// values and times than four times its limit.
type Counter struct {
	now func() time.Time
	key []byte

	mu     sync.Mutex // guards what follows
	counts map[Key]*count
	sweep  int
}

type count struct {
	per    time.Duration
	values map[[16]byte]time.Time // when each was compared last
	scans  []time.Time            // in order
}

// New makes a counter whose clock is now.
func New(now func() time.Time) *Counter {
	c := &Counter{now: now, key: make([]byte, 32), counts: map[Key]*count{}, sweep: 64}
	rand.Read(c.key) // never fails: crypto/rand
	return c
}

// Over gives the limits that the claims would exceed now. It counts nothing.
func (c *Counter) Over(claims []Claim) []Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.overLocked(claims)
}

// Take counts the claims where all of them fit, else none; over is why not. used is how
// much of each limit is used then.
func (c *Counter) Take(claims []Claim) (used, over []Count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if over = c.overLocked(claims); len(over) > 0 {
		return nil, over
	}
	return c.addLocked(claims), nil
}

// Add counts claims that were allowed otherwise.
func (c *Counter) Add(claims []Claim) (used []Count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addLocked(claims)
}

func (c *Counter) overLocked(claims []Claim) (over []Count) {
	now := c.now()
	for _, claim := range claims {
		n := c.counts[claim.Key]
		if n == nil {
			n = &count{per: claim.Per}
		}
		n.forget(now, claim.Per)
		compared := c.hashes(claim)
		fresh := len(compared)
		for h := range compared {
			if _, ok := n.values[h]; ok {
				fresh--
			}
		}
		missing := len(n.values) + fresh - claim.Values
		if fresh == 0 {
			missing = 0
		}
		late := len(n.scans) + claim.Looks - claim.Scans
		if claim.Looks == 0 {
			late = 0
		}
		if !claim.Many && missing <= 0 && late <= 0 {
			continue
		}
		x := Count{Limit: claim.Limit, UsedValues: len(n.values), UsedScans: len(n.scans)}
		if !claim.Many && len(compared) <= claim.Values && claim.Looks <= claim.Scans {
			x.Free = n.free(compared, missing, late).Add(claim.Per)
		}
		over = append(over, x)
	}
	return over
}

func (c *Counter) addLocked(claims []Claim) (used []Count) {
	now := c.now()
	for _, claim := range claims {
		n := c.counts[claim.Key]
		if n == nil {
			c.sweepLocked(now)
			n = &count{values: map[[16]byte]time.Time{}}
			c.counts[claim.Key] = n
		}
		n.per = claim.Per
		n.forget(now, claim.Per)
		for h := range c.hashes(claim) {
			if _, ok := n.values[h]; ok || len(n.values) < 4*claim.Values {
				n.values[h] = now
			}
		}
		for range claim.Looks {
			if len(n.scans) < 4*claim.Scans {
				n.scans = append(n.scans, now)
			}
		}
		used = append(used, Count{Limit: claim.Limit, UsedValues: len(n.values), UsedScans: len(n.scans)})
	}
	return used
}

// hashes gives the keyed hashes of the different values of a claim. They are keyed by
// principal and column too, so that nothing shows which values two counts share.
func (c *Counter) hashes(claim Claim) map[[16]byte]bool {
	out := make(map[[16]byte]bool, len(claim.Compared))
	mac := hmac.New(sha256.New, c.key)
	for _, v := range claim.Compared {
		mac.Reset()
		mac.Write([]byte(claim.Key.Principal + "\x00" + claim.Key.Target + "\x00" + claim.Key.Column + "\x00"))
		mac.Write(v)
		out[[16]byte(mac.Sum(nil))] = true
	}
	return out
}

// forget drops what is older than the stretch.
func (n *count) forget(now time.Time, per time.Duration) {
	for h, at := range n.values {
		if now.Sub(at) > per {
			delete(n.values, h)
		}
	}
	n.scans = slices.DeleteFunc(n.scans, func(at time.Time) bool { return now.Sub(at) > per })
}

// free is when the last of those was counted that must be forgotten first: so many
// values other than those compared, and so many scans.
func (n *count) free(compared map[[16]byte]bool, values, scans int) (at time.Time) {
	if values > 0 {
		var times []time.Time
		for h, t := range n.values {
			if !compared[h] {
				times = append(times, t)
			}
		}
		slices.SortFunc(times, time.Time.Compare)
		at = times[values-1]
	}
	if scans > 0 && n.scans[scans-1].After(at) {
		at = n.scans[scans-1]
	}
	return at
}

// sweepLocked drops counts of nothing, now and then.
func (c *Counter) sweepLocked(now time.Time) {
	if len(c.counts) < c.sweep {
		return
	}
	for k, n := range c.counts {
		if n.forget(now, n.per); len(n.values)+len(n.scans) == 0 {
			delete(c.counts, k)
		}
	}
	c.sweep = max(64, 2*len(c.counts))
}
