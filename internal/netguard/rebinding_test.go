package netguard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers each question for an A record with the next of some addresses, the last for ever, and makes it the
// one that this process asks.
func nameServer(t *testing.T, addresses ...string) {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return // closed
			}
			var question dnsmessage.Message
			if question.Unpack(buffer[:n]) != nil || len(question.Questions) != 1 {
				continue
			}
			answer := dnsmessage.Message{
				Header:    dnsmessage.Header{ID: question.ID, Response: true, RecursionAvailable: true},
				Questions: question.Questions,
			}
			if q := question.Questions[0]; q.Type == dnsmessage.TypeA {
				answer.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, // a TTL of 0
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(addresses[0]).As4()},
				}}
				if len(addresses) > 1 {
					addresses = addresses[1:]
				}
			}
			packed, err := answer.Pack()
			if err != nil {
				continue
			}
			_, _ = socket.WriteTo(packed, from)
		}
	}()
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

// TestRebinding: a name leads to an allowed address at first, and to one inside when it is asked for again.
func TestRebinding(t *testing.T) {
	var reached atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nameServer(t, "127.0.0.2", "127.0.0.1")
	guard := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}
	client := &http.Client{Transport: guard.Transport()}
	ask := func() error {
		response, err := client.Get("http://rebinding.example.com:" + port)
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	var refused *RefusedError
	if err := ask(); err == nil || errors.As(err, &refused) { // allowed, and nobody listens there
		t.Errorf("the first address: %v", err)
	}
	if err := ask(); !errors.As(err, &refused) || refused.Address != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the second address: %v", err)
	}
	if reached.Load() > 0 {
		t.Error("the address inside was asked")
	}
}
