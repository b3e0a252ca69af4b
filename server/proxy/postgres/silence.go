package postgres

import (
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// watchSilence ends connections whose target acknowledges nothing of what was sent to it
// for the configured time. Keepalives (server/target) find a target that vanishes while
// nothing is under way; with something under way TCP sends none, and tries for a quarter
// of an hour. A target that is there and does not read is not silent.
func (p *Proxy) watchSilence() {
	p.live.mu.Lock()
	defer p.live.mu.Unlock()
	if p.live.sweep == nil && len(p.live.conns) > 0 {
		p.live.sweep = time.AfterFunc(p.cfg.SilenceTimeout/4, p.sweep)
	}
}

func (p *Proxy) sweep() {
	p.live.mu.Lock()
	all := make([]*conn, 0, len(p.live.conns))
	for _, same := range p.live.conns {
		all = append(all, same...)
	}
	p.live.sweep = nil
	p.live.mu.Unlock()
	all = slices.DeleteFunc(all, func(c *conn) bool { return silence(c.up.Conn) < p.cfg.SilenceTimeout })
	for _, c := range all {
		c.end(errSilent)
	}
	p.watchSilence()
}

// end ends the connection for a reason that the client is told.
func (c *conn) end(why error) {
	c.mu.Lock()
	stop := c.stop
	c.mu.Unlock()
	if stop != nil {
		stop(why)
	}
}

var errSilent = hoop.Errorf(hoop.CodeShuttingDown, "the target does not answer any more").
	WithHint("connect again when it is there; the local port stays open").Because(hoop.CauseTarget)
