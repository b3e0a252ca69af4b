package edge

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// remote is a connection that only comes from somewhere.
type remote struct {
	net.Conn
	from   net.Addr
	closed bool
}

func (r *remote) RemoteAddr() net.Addr { return r.from }
func (r *remote) Close() error         { r.closed = true; return nil }

// Whoever has most makes room for others, of connections as of streams; a site's IPv6
// addresses count as one.
func TestLobby_WhoHasMostMakesRoom(t *testing.T) { synctest.Test(t, whoHasMostMakesRoom) }

func whoHasMostMakesRoom(t *testing.T) {
	l := newLobby(slog.New(slog.DiscardHandler))
	at := func(ip string) *remote { return &remote{from: &net.TCPAddr{IP: net.ParseIP(ip)}} }
	first := at("192.0.2.1")
	lone := l.admit(first)
	var many []*remote
	for i := range maxStrangers {
		c := at(fmt.Sprintf("2001:db8:0:%x::%x", i%(maxStrangers/maxStrangersOfOne), i))
		many = append(many, c)
		l.admit(c)
	}
	var closed []int
	for i, c := range many {
		if c.closed {
			closed = append(closed, i)
		}
	}
	if first.closed || len(closed) != 1 || l.conns != maxStrangers || len(l.networks) != maxStrangers/maxStrangersOfOne+1 {
		t.Errorf("%d connections of %d networks; those that made room: %v, and the only one of its own: %v", l.conns, len(l.networks), closed, first.closed)
	}
	busy := l.admit(at("192.0.2.2"))
	for range maxStrangeStreams {
		busy.opened()
	}
	if !lone.opened() || first.closed || !busy.conn.(*remote).closed || busy.opened() || l.streams != 1 {
		t.Errorf("%d streams", l.streams)
	}
	lone.closed()
	during := 0
	request, err := http.NewRequestWithContext(context.WithValue(t.Context(), guestKey{}, lone), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	counted(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { during = l.streams })).ServeHTTP(nil, request)
	if during != 1 || l.streams != 0 {
		t.Errorf("%d streams during a request, %d after it", during, l.streams)
	}
	lone.leave()
	lone.leave()
	if l.streams != 0 || l.networks[networkOf(first.from)] != nil {
		t.Errorf("%d streams, and it is still there", l.streams)
	}

	l = newLobby(l.log)
	for range maxStrangersOfOne {
		l.admit(at("2001:db8::1"))
	}
	latest := at("2001:db8::2")
	if l.admit(latest); !latest.closed {
		t.Error("those that are about to be known are ended by the rest")
	}
	time.Sleep(strangerPatience)
	latest = at("2001:db8::2")
	if l.admit(latest); latest.closed {
		t.Error("those that are not known after a while keep others out")
	}
}
