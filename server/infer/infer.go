// Package infer counts what somebody can learn about columns that are masked, by
// comparing them: how many different values they were compared with, and how often they
// were searched, sorted or grouped by, over a sliding stretch of time.
//
// It knows no statements and no rules. Who counts as one, what counts, and what follows
// when there is no room left, is the session's to say. Values are kept as keyed hashes,
// in a Store, which outlives the gateway and which several share. Gateways with
// different keys count a value that was compared through both of them twice.
package infer

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

// Store keeps documents by name.
type Store interface {
	// Counts reads documents, nil for what is not there, and tells the time that counts.
	Counts(ctx context.Context, names []string) (found [][]byte, now time.Time, err error)
	// UpdateCounts changes documents, all or none, while nobody else does. until is when
	// they may be forgotten.
	UpdateCounts(ctx context.Context, names []string, step func(now time.Time, found [][]byte) (next [][]byte, until time.Time, err error)) error
}

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
	Many                  bool // the claim is of any number of values
	// Free is when there is room for the claim again; zero for never, where the claim alone
	// exceeds the limit.
	Free time.Time
}

// Counter counts for everybody. It is safe for concurrent use. Its errors are those of
// the store: what it did not count must not be told. A count keeps no more values and
// times than four times its limit.
type Counter struct {
	store Store
	key   []byte
}

// New makes a counter on store, whose hashes are keyed with key.
func New(store Store, key []byte) *Counter { return &Counter{store, key} }

// name is that of the limit's document.
func (k Key) name() string {
	b, err := json.Marshal([]string{"infer", k.Principal, k.Target, k.Column, k.Rule})
	if err != nil {
		panic(err) // strings: cannot happen
	}
	return string(b)
}

func names(claims []Claim) (names []string) {
	for _, c := range claims {
		names = append(names, c.Key.name())
	}
	return names
}

// Over gives the limits that the claims would exceed now. It counts nothing.
func (c *Counter) Over(ctx context.Context, claims []Claim) ([]Count, error) {
	found, now, err := c.store.Counts(ctx, names(claims))
	if err != nil {
		return nil, err
	}
	counts, err := read(found)
	if err != nil {
		return nil, err
	}
	return c.over(claims, counts, now), nil
}

// Take counts the claims where all of them fit, else none; over is why not. used is how
// much of each limit is used then.
func (c *Counter) Take(ctx context.Context, claims []Claim) (used, over []Count, err error) {
	err = c.update(ctx, claims, func(now time.Time, counts []*count) {
		if over = c.over(claims, counts, now); len(over) == 0 {
			used = c.add(claims, counts, now)
		}
	})
	return used, over, err
}

// Add counts claims that were allowed otherwise.
func (c *Counter) Add(ctx context.Context, claims []Claim) (used []Count, err error) {
	err = c.update(ctx, claims, func(now time.Time, counts []*count) { used = c.add(claims, counts, now) })
	return used, err
}

func (c *Counter) update(ctx context.Context, claims []Claim, step func(now time.Time, counts []*count)) error {
	return c.store.UpdateCounts(ctx, names(claims), func(now time.Time, found [][]byte) (next [][]byte, until time.Time, err error) {
		counts, err := read(found)
		if err != nil {
			return nil, until, err
		}
		step(now, counts)
		for i, n := range counts {
			next = append(next, n.append(nil))
			if end := now.Add(claims[i].Per); end.After(until) {
				until = end
			}
		}
		return next, until, nil
	})
}

func (c *Counter) over(claims []Claim, counts []*count, now time.Time) (over []Count) {
	for i, claim := range claims {
		n := counts[i]
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
		x := Count{Limit: claim.Limit, UsedValues: len(n.values), UsedScans: len(n.scans), Many: claim.Many}
		if !claim.Many && len(compared) <= claim.Values && claim.Looks <= claim.Scans {
			x.Free = n.free(compared, missing, late).Add(claim.Per)
		}
		over = append(over, x)
	}
	return over
}

func (c *Counter) add(claims []Claim, counts []*count, now time.Time) (used []Count) {
	for i, claim := range claims {
		n := counts[i]
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

// count is what one document holds.
type count struct {
	values map[[16]byte]time.Time // when each was compared last
	scans  []time.Time            // in order
}

// A document is, for each value, v + 16B hash + 8B microseconds since 1970 UTC, and for
// each scan s + 8B.
const (
	tagValue, sizeValue = 'v', 1 + 16 + 8
	tagScan, sizeScan   = 's', 1 + 8
)

var errDamaged = errors.New("a count of comparisons is damaged")

func read(found [][]byte) (counts []*count, err error) {
	for _, doc := range found {
		n := &count{values: map[[16]byte]time.Time{}}
		for len(doc) > 0 {
			switch {
			case doc[0] == tagValue && len(doc) >= sizeValue:
				n.values[[16]byte(doc[1:17])] = instant(doc[17:])
				doc = doc[sizeValue:]
			case doc[0] == tagScan && len(doc) >= sizeScan:
				n.scans = append(n.scans, instant(doc[1:]))
				doc = doc[sizeScan:]
			default:
				return nil, errDamaged
			}
		}
		counts = append(counts, n)
	}
	return counts, nil
}

func instant(b []byte) time.Time { return time.UnixMicro(int64(binary.BigEndian.Uint64(b))) }

// micros rounds up, so that nothing is forgotten too early.
func micros(at time.Time) uint64 { return uint64(at.Add(time.Microsecond - 1).UnixMicro()) }

// append writes the count, what was compared first coming first.
func (n *count) append(dst []byte) []byte {
	hashes := slices.SortedFunc(maps.Keys(n.values), func(a, b [16]byte) int {
		return cmp.Or(n.values[a].Compare(n.values[b]), bytes.Compare(a[:], b[:]))
	})
	for _, h := range hashes {
		dst = append(append(dst, tagValue), h[:]...)
		dst = binary.BigEndian.AppendUint64(dst, micros(n.values[h]))
	}
	for _, at := range n.scans {
		dst = binary.BigEndian.AppendUint64(append(dst, tagScan), micros(at))
	}
	return dst
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
