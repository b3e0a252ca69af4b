package session_test

import (
	"net"
	"net/http/httptrace"
	"net/url"
	"testing"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// Connections on which nobody has shown a good token end those of nobody who has.
func TestGateway_StrangersMakeRoomForOthers(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	conn := open(t, a.Gateway, nil)
	if _, err := a.API("auditor").Sessions(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // the gateway may have closed it
	}
	again := false
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { again = c.Reused }})
	if _, err := a.API("auditor").Sessions(trace, 1); err != nil || !again {
		t.Errorf("the API's connection: %v, the same: %v", err, again)
	}
	run(t, conn, "SELECT 1")
}
