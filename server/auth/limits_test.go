package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

func TestNetwork(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7",
		"::ffff:192.0.2.7":       "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::/64",
		"2001:db8:1:2::1":        "2001:db8:1:2::/64",
		"fe80::1%eth0":           "fe80::/64",
		"not an address, though": "not an address, though",
	} {
		if got := network(ip); got != want {
			t.Errorf("%s: %s, want %s", ip, got, want)
		}
	}
}

// An attacker with a network of addresses gets no more attempts than one with one, and
// takes no more memory than stated.
func TestCounter_ManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{now: time.Now, window: time.Minute, perKey: 3}
		for i := range maxKeys {
			c.add(fmt.Sprint("old ", i))
		}
		for i := range 3 {
			key := fmt.Sprint("new ", i)
			if c.wait(key) != 0 {
				t.Fatalf("newcomer %d must wait", i)
			}
			c.add(key)
		}
		if c.wait("another newcomer") == 0 {
			t.Error("newcomers share no count")
		}
		if c.wait("old 1") != 0 {
			t.Error("a known key pays for the newcomers")
		}
		if len(c.m) > maxKeys+1 {
			t.Errorf("%d keys are kept", len(c.m))
		}
		advance(time.Minute)
		c.add("later")
		if len(c.m) > 2 {
			t.Errorf("%d keys are kept after their time", len(c.m))
		}
	})
}

func TestCounter_WaitGrowsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{now: time.Now, window: 10 * time.Minute, perKey: 2, maxWait: 8 * time.Second}
		var waits []time.Duration
		for range 7 {
			c.add("k")
			waits = append(waits, c.wait("k"))
		}
		if got, want := fmt.Sprint(waits), "[0s 1s 2s 4s 8s 8s 8s]"; got != want {
			t.Errorf("waits %s, want %s", got, want)
		}
		c.reset("k")
		if c.wait("k") != 0 {
			t.Error("it waits after a reset")
		}
	})
}

// The window over all keys does not move with each event, or a trickle would keep
// everybody out.
func TestCounter_AllKeysShareAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{now: time.Now, window: time.Minute, perKey: 1000, inAll: 2}
		c.add("a")
		advance(50 * time.Second)
		c.add("b")
		if got := c.wait("c"); got != 10*time.Second {
			t.Errorf("wait %s, want 10s", got)
		}
	})
}

func TestPolls_AreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls(5*time.Second, time.Now)
		until := time.Now().Add(10 * time.Minute)
		for i := range maxKeys + 10 {
			p.tooSoon(fmt.Sprint(i), until)
		}
		if len(p.m) != maxKeys {
			t.Errorf("%d are kept", len(p.m))
		}
		if !p.tooSoon("one more", until) {
			t.Error("who cannot be remembered is not slowed")
		}
		advance(10*time.Minute + time.Second)
		if p.tooSoon("later", time.Now().Add(time.Minute)) || len(p.m) != 1 {
			t.Errorf("%d are kept after their time", len(p.m))
		}
	})
}

func TestCache_IsBounded(t *testing.T) {
	c := newCache()
	now := time.Now()
	for i := range cacheMax + 10 {
		c.put(fmt.Sprint(i), cached{until: now.Add(time.Hour)}, 0)
	}
	if len(c.entries) > cacheMax {
		t.Errorf("%d entries", len(c.entries))
	}
}

func TestService_NamesThatNeedEncoding(t *testing.T) {
	w := newWorld(t)
	w.setAccount("ci agent+1", "s%3cret:+ ")
	form := url.Values{"grant_type": {"client_credentials"}}
	if a := w.post(pathToken, form, url.QueryEscape("ci agent+1"), url.QueryEscape("s%3cret:+ ")); a.Status != http.StatusOK {
		t.Errorf("encoded (RFC 6749 §2.3.1): %+v", a)
	}
	if a := w.post(pathToken, form, "%zz", "x"); a.Status != http.StatusUnauthorized {
		t.Errorf("not decodable: %+v", a)
	}
}

// A secret file that is empty is no secret.
func TestService_EmptySecret(t *testing.T) {
	w := newWorld(t)
	w.setAccount("ci-agent", "")
	if a := w.secret("ci-agent", ""); a.Access != "" || a.Error != "invalid_client" {
		t.Errorf("got %+v", a)
	}
	if a := w.post(pathToken, url.Values{"grant_type": {"client_credentials"}}, "ci-agent", ""); a.Access != "" {
		t.Errorf("got %+v", a)
	}
}

// An agent that signs in rightly now and then is not locked out by its own old mistakes.
func TestService_TheRightSecretForgives(t *testing.T) {
	w := newWorld(t)
	w.setAccount("ci-agent", "s3cret")
	for range 3 {
		for range 4 {
			w.secret("ci-agent", "mistake")
		}
		if a := w.secret("ci-agent", "s3cret"); a.Status != http.StatusOK {
			t.Fatalf("got %+v", a)
		}
	}
}
