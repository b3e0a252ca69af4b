package auth

import (
	"net/netip"
	"sync"
	"time"
)

// Limits bound what strangers may try. Zero fields take the defaults.
type Limits struct {
	CodesPerIP     int           // wrong user codes from one address in Window; default 10
	CodesInAll     int           // wrong user codes from everywhere in Window; default 300
	DevicesPerIP   int           // device authorizations from one address in Window; default 300
	DevicesInAll   int           // device authorizations from everywhere in Window; default 5000
	SecretsPerIP   int           // wrong secrets from one address, whatever the account, in Window; default 50
	SecretsAtOnce  int           // wrong secrets for one account from one address before each next try must wait; default 5
	SecretsMaxWait time.Duration // the longest such wait; default 5m
	Window         time.Duration // default 10m
}

// maxKeys bounds how many addresses (or accounts at addresses) are remembered one by
// one. Beyond it, all newcomers share one count, so memory stays bounded and an attacker
// with many addresses gains nothing.
const maxKeys = 10_000

// limits are the counters behind Limits.
type limits struct {
	codes, devices, secrets *counter
	accounts                *counter
	o                       Limits
}

func newLimits(o Limits, now func() time.Time) *limits {
	defaults := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	defaults(&o.CodesPerIP, 10)
	defaults(&o.CodesInAll, 300)
	defaults(&o.DevicesPerIP, 300)
	defaults(&o.DevicesInAll, 5000)
	defaults(&o.SecretsPerIP, 50)
	defaults(&o.SecretsAtOnce, 5)
	setDefault(&o.SecretsMaxWait, 5*time.Minute)
	setDefault(&o.Window, 10*time.Minute)
	return &limits{
		codes:    &counter{now: now, window: o.Window, perKey: o.CodesPerIP, inAll: o.CodesInAll},
		devices:  &counter{now: now, window: o.Window, perKey: o.DevicesPerIP, inAll: o.DevicesInAll},
		secrets:  &counter{now: now, window: o.Window, perKey: o.SecretsPerIP},
		accounts: &counter{now: now, window: o.Window, perKey: o.SecretsAtOnce, maxWait: o.SecretsMaxWait},
		o:        o,
	}
}

// counter counts events by key. A key's count is forgotten a window after its last
// event. With maxWait, a key over its limit must wait 1s, 2s, 4s… after each further
// event; without, until its count is forgotten.
type counter struct {
	now     func() time.Time
	window  time.Duration
	perKey  int
	inAll   int // 0: no limit over all keys
	maxWait time.Duration

	mu  sync.Mutex
	m   map[string]*count
	all count
}

type count struct {
	n     int
	until time.Time // when it is forgotten
	next  time.Time // when the next try may come; zero: at once
}

// wait says how long key must wait until it may try; zero means now.
func (c *counter) wait(key string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	d := c.of(key, now).next.Sub(now)
	if c.inAll > 0 && c.all.n >= c.inAll && now.Before(c.all.until) {
		d = max(d, c.all.until.Sub(now))
	}
	return max(d, 0)
}

// add counts an event of key. It reports whether this one exhausted a limit.
func (c *counter) add(key string) (exhausted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.m == nil {
		c.m = map[string]*count{}
	}
	key = c.place(key, now)
	k := c.m[key]
	if k == nil {
		k = &count{}
		c.m[key] = k
	}
	if !now.Before(k.until) {
		*k = count{}
	}
	k.n++
	k.until = now.Add(c.window)
	if over := k.n - c.perKey; over >= 0 {
		k.next = k.until
		if c.maxWait > 0 {
			k.next = now.Add(min(c.maxWait, time.Second<<min(over, 20)))
		}
		exhausted = over == 0
	}
	// All keys share a window that starts with its first event and does not move, so that
	// a trickle of wrong codes cannot keep everybody out for ever.
	if !now.Before(c.all.until) {
		c.all = count{until: now.Add(c.window)}
	}
	c.all.n++
	return exhausted || c.all.n == c.inAll
}

// reset forgets key.
func (c *counter) reset(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, key)
}

func (c *counter) of(key string, now time.Time) count {
	k := c.m[key]
	if k == nil && len(c.m) >= maxKeys {
		k = c.m[""]
	}
	if k == nil || !now.Before(k.until) {
		return count{}
	}
	return *k
}

// place is the key to count under: key itself, or "" for newcomers when there are too
// many. c.mu is held.
func (c *counter) place(key string, now time.Time) string {
	if _, ok := c.m[key]; ok || len(c.m) < maxKeys {
		return key
	}
	for k, v := range c.m {
		if !now.Before(v.until) {
			delete(c.m, k)
		}
	}
	if len(c.m) < maxKeys {
		return key
	}
	return ""
}

// place of an address: an IPv6 host usually owns its whole /64.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.String()
}

// polls paces the devices that wait for their tokens (RFC 8628 §3.5). It remembers
// them in memory only: each gateway paces what it sees.
type polls struct {
	now      func() time.Time
	interval time.Duration

	mu sync.Mutex
	m  map[string]*poll
}

type poll struct {
	interval time.Duration
	next     time.Time // not before
	until    time.Time // the device code's end
}

// slack is how much too early a poll may come: networks are not clocks.
const slack = 500 * time.Millisecond

func newPolls(interval time.Duration, now func() time.Time) *polls {
	return &polls{now: now, interval: interval, m: map[string]*poll{}}
}

// tooSoon counts a poll of a device that is pending until then. When it came too soon,
// the interval grows by five seconds for this and all subsequent polls.
func (p *polls) tooSoon(codeHash string, until time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	e := p.m[codeHash]
	if e == nil {
		if len(p.m) >= maxKeys {
			p.forget(now)
		}
		if len(p.m) >= maxKeys {
			return true
		}
		p.m[codeHash] = &poll{interval: p.interval, next: now.Add(p.interval), until: until}
		return false
	}
	early := now.Before(e.next.Add(-slack))
	if early {
		e.interval += 5 * time.Second
	}
	e.next = now.Add(e.interval)
	return early
}

// forget drops the devices whose codes ended. p.mu is held.
func (p *polls) forget(now time.Time) {
	for k, e := range p.m {
		if now.After(e.until) {
			delete(p.m, k)
		}
	}
}

func (p *polls) done(codeHash string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.m, codeHash)
}
