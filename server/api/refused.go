package api

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// refused records that id asked for what it may not have: a rule said no, or there is
// nothing of that name for it. It was refused already, so an event that cannot be
// written is only logged.
func (h *handler) refused(r *http.Request, id hoop.Identity, err error) {
	e := hoop.AsError(err)
	thing := r.PathValue("id")
	if e.Code != hoop.CodeDenied && (e.Code != hoop.CodeNotFound || thing == "") {
		return
	}
	n, tell := h.refusals.count(strings.Join(append([]string{id.Subject}, id.Chain...), "\x00"), r.Pattern, thing, h.Now())
	if !tell {
		return
	}
	ev := &hoop.Event{
		Time: h.Now().UTC(), Type: hoop.EventAPIDenied, Subject: id.Subject, Chain: id.Chain,
		Text: r.Pattern, Reason: short(e.Message, 200),
		Details: []hoop.Detail{{Name: "attempts", Value: strconv.FormatInt(n, 10)}, {Name: "address", Value: r.RemoteAddr}},
	}
	if thing != "" {
		ev.Details = append(ev.Details, hoop.Detail{Name: "id", Value: short(thing, 80)})
	}
	if err := h.Audit.Write(context.WithoutCancel(r.Context()), ev); err != nil {
		h.Log.LogAttrs(r.Context(), slog.LevelError, "refused attempt not recorded", slog.String("subject", id.Subject), slog.Any("error", err))
	}
}

// short cuts what a caller made up to n bytes of valid text.
func short(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

const (
	refusalWindow = 10 * time.Minute // after which an attempt counts as the first again
	refusalThings = 20               // things that somebody is counted for one by one, per operation
	refusalKeys   = 10_000           // counts kept in all; beyond, everybody shares one
)

// refusals keeps a caller from flooding the log: of attempts that are the same, the
// first, second, fourth, eighth… are told, each with how many there were. So the log
// tells of each kind of attempt at once, and their number up to a factor of two.
type refusals struct {
	mu sync.Mutex
	m  map[string]*refusal
}

type refusal struct {
	n     int64
	last  time.Time
	other int // things counted apart
}

// count counts an attempt and says whether to tell of it.
func (c *refusals) count(who, what, thing string, now time.Time) (n int64, tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := who + "\x01" + what
	one := c.at(key+"\x01"+thing, now)
	if thing != "" && one.n == 0 {
		all := c.at(key, now)
		if all.other >= refusalThings {
			delete(c.m, key+"\x01"+thing)
			one = all
		}
		all.other++
		all.last = now
	}
	one.n++
	one.last = now
	return one.n, one.n&(one.n-1) == 0
}

// at is the count of a key, begun anew after a window. c.mu is held.
func (c *refusals) at(key string, now time.Time) *refusal {
	if c.m == nil {
		c.m = map[string]*refusal{}
	}
	if len(c.m) >= refusalKeys && c.m[key] == nil {
		for k, r := range c.m {
			if now.Sub(r.last) > refusalWindow {
				delete(c.m, k)
			}
		}
		if len(c.m) >= refusalKeys {
			key = ""
		}
	}
	r := c.m[key]
	if r == nil || now.Sub(r.last) > refusalWindow {
		r = &refusal{last: now}
		c.m[key] = r
	}
	return r
}
