package edge

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// What strangers may have: connections of which nobody knows yet whose they are, from the
// accepted one to the first good token. Beyond that the oldest connection ends of whichever
// network has most, so that neither silence nor haste keeps others out; but where all of one
// come at once, as after a restart, those that are about to be known are not ended by the rest.
const (
	maxStrangers      = 1 << 9      // connections
	maxStrangersOfOne = 1 << 8      // of one network
	maxStrangeStreams = 8 << 10     // streams in all their tunnels, and requests
	strangerPatience  = time.Second // how old one is that its own network's next may end
	lobbyTold         = time.Minute
)

// lobby has the connections of strangers.
type lobby struct {
	log *slog.Logger

	mu       sync.Mutex // guards what follows, and all guests
	networks map[netip.Prefix]*network
	number   int64 // of the latest guest
	conns    int
	streams  int
	sent     int       // away, since the log was told
	told     time.Time // when it was
}

// network is a client's address, or the 64 bits of an IPv6 address that are a site's.
type network struct {
	guests  map[*guest]struct{}
	streams int
}

// guest is a connection in the lobby.
type guest struct {
	lobby   *lobby
	conn    net.Conn
	of      netip.Prefix
	number  int64
	since   time.Time
	streams int
	left    bool
}

func newLobby(log *slog.Logger) *lobby {
	return &lobby{log: log, networks: map[netip.Prefix]*network{}}
}

// networkOf is where a connection comes from; all of which that is not known are one.
func networkOf(a net.Addr) netip.Prefix {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}

// admit lets a connection in, until known or leave, or until it has to make room.
func (l *lobby) admit(c net.Conn) *guest {
	g, oldest := l.enter(c)
	oldest.away()
	return g
}

// enter gives the guest too that has to make room, nil for none.
func (l *lobby) enter(c net.Conn) (_, oldest *guest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	g := &guest{lobby: l, conn: c, of: networkOf(c.RemoteAddr()), number: l.number, since: time.Now()}
	n := l.networks[g.of]
	if n == nil {
		n = &network{guests: map[*guest]struct{}{}}
		l.networks[g.of] = n
	}
	n.guests[g] = struct{}{}
	l.conns++
	switch {
	case len(n.guests) > maxStrangersOfOne:
		return g, l.room(n, g)
	case l.conns > maxStrangers:
		return g, l.room(l.most(func(n *network) int { return len(n.guests) }), g)
	}
	return g, nil
}

// opened counts a stream of a tunnel, or a request, until closed; it does not where the guest has left.
func (g *guest) opened() bool {
	counted, oldest := g.open()
	oldest.away()
	return counted
}

func (g *guest) open() (counted bool, oldest *guest) {
	l := g.lobby
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.left {
		return false, nil
	}
	g.streams++
	l.networks[g.of].streams++
	if l.streams++; l.streams > maxStrangeStreams {
		oldest = l.room(l.most(func(n *network) int { return n.streams }), nil)
	}
	return true, oldest
}

func (g *guest) closed() {
	l := g.lobby
	l.mu.Lock()
	defer l.mu.Unlock()
	if !g.left {
		g.streams--
		l.networks[g.of].streams--
		l.streams--
	}
}

// leave is for a connection that has ended, or of which it is known whose it is.
func (g *guest) leave() {
	g.lobby.mu.Lock()
	defer g.lobby.mu.Unlock()
	g.lobby.drop(g)
}

func (l *lobby) drop(g *guest) {
	if g.left {
		return
	}
	g.left = true
	n := l.networks[g.of]
	delete(n.guests, g)
	n.streams -= g.streams
	l.streams -= g.streams
	l.conns--
	if len(n.guests) == 0 {
		delete(l.networks, g.of)
	}
}

// most is the network that has most of something.
func (l *lobby) most(of func(*network) int) (found *network) {
	for _, n := range l.networks {
		if found == nil || of(n) > of(found) {
			found = n
		}
	}
	return found
}

// room has the oldest guest of a network leave, or the latest, where that is of the network
// too and all are young.
func (l *lobby) room(n *network, latest *guest) (oldest *guest) {
	for g := range n.guests {
		if oldest == nil || g.number < oldest.number {
			oldest = g
		}
	}
	now := time.Now()
	if latest != nil && latest.of == oldest.of && now.Sub(oldest.since) < strangerPatience {
		oldest = latest
	}
	l.drop(oldest)
	l.sent++
	if now.Sub(l.told) > lobbyTold {
		l.log.Warn("too many connections without a good token: the oldest make room", "network", oldest.of.String(), "closed", l.sent)
		l.told, l.sent = now, 0
	}
	return oldest
}

// away closes the connection of a guest that had to make room; nil is nobody's.
func (g *guest) away() {
	if g != nil {
		_ = g.conn.Close() // it may be closed already
	}
}

// guestKey finds the guest of a request's connection in its context.
type guestKey struct{}

// Recognizing is identify, which has a connection whose request shows a good token be
// somebody's from then on.
func Recognizing[T any](identify func(ctx context.Context, token string) (T, error)) func(ctx context.Context, token string) (T, error) {
	return func(ctx context.Context, token string) (T, error) {
		id, err := identify(ctx, token)
		if g, ok := ctx.Value(guestKey{}).(*guest); ok && err == nil {
			g.leave()
		}
		return id, err
	}
}
