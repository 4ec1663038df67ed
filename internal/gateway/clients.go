package gateway

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

// ClientLimits bound what one client may do: a user where it is asked who they are, else an address. Each replica counts
// for itself.
type ClientLimits struct {
	Rate        float64 // requests per second in the long run; 0: no limit
	Burst       int     // requests at once, after a pause
	Concurrency int     // requests at the same time, streams and uploads included; 0: no limit
	// TrustedProxies are believed when they say in X-Forwarded-For whom a request comes from.
	TrustedProxies []netip.Prefix
}

// clients counts the requests of each client.
type clients struct {
	ClientLimits
	mu    sync.Mutex
	known *lru.Cache // of *requester, by who it is
}

type requester struct {
	bucket   *rate.Limiter
	inFlight int
}

// maxClients are remembered; one that is forgotten begins anew.
const maxClients = 10_000

// newClients returns nil where nothing is limited.
func newClients(limits ClientLimits) *clients {
	if limits.Rate <= 0 && limits.Concurrency <= 0 {
		return nil
	}
	return &clients{ClientLimits: limits, known: lru.New(maxClients)}
}

// enter counts a request of a client, or refuses it. leave must be called when a request that was let in ends.
func (c *clients) enter(header http.Header, who string) (leave func(), err error) {
	if c == nil {
		return func() {}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.find(who)
	if c.Concurrency > 0 && one.inFlight >= c.Concurrency {
		return nil, fail(http.StatusTooManyRequests, reasonTooManyRequests,
			"%d requests of yours are under way already; wait for one to end", one.inFlight).after(time.Second)
	}
	if c.Rate > 0 {
		if err := c.take(header, one.bucket); err != nil {
			return nil, err
		}
	}
	one.inFlight++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		one.inFlight--
	}, nil
}

func (c *clients) find(who string) *requester {
	if found, ok := c.known.Get(who); ok {
		return found.(*requester)
	}
	one := &requester{bucket: rate.NewLimiter(rate.Limit(c.Rate), c.Burst)}
	c.known.Add(who, one)
	return one
}

// take takes a token of a bucket, and tells in the header what is left (draft-ietf-httpapi-ratelimit-headers): r requests
// now, and all of them again in t seconds.
func (c *clients) take(header http.Header, bucket *rate.Limiter) error {
	allowed := bucket.Allow()
	left := max(bucket.Tokens(), 0)
	seconds := func(tokens float64) int { return int(math.Ceil(tokens / c.Rate)) }
	header.Set("RateLimit-Policy", fmt.Sprintf(`"client";q=%d;w=%d`, c.Burst, seconds(float64(c.Burst))))
	header.Set("RateLimit", fmt.Sprintf(`"client";r=%d;t=%d`, int(left), seconds(float64(c.Burst)-left)))
	if allowed {
		return nil
	}
	return fail(http.StatusTooManyRequests, reasonTooManyRequests,
		"more than %s requests per second; slow down", strconv.FormatFloat(c.Rate, 'g', -1, 64)).
		after(time.Duration(seconds(1-left)) * time.Second)
}

// address is where a request comes from: the last one that no trusted proxy has added. A network of IPv6 is one client.
func (c *clients) address(r *http.Request) string {
	if c == nil {
		return ""
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	from := remote.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		before, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil || !c.trusts(from) {
			break
		}
		from = before.Unmap().WithZone("")
	}
	if from.Is6() {
		return netip.PrefixFrom(from, 64).Masked().String()
	}
	return from.String()
}

func (c *clients) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(c.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address) })
}
