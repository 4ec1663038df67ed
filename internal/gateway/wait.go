package gateway

import (
	"net/http"
	"time"
)

// maxWait is how long one long poll may take: proxies in between tend to end what takes longer.
const maxWait = time.Minute

// waitFor is how long the client wants to wait for news, 0 for not at all.
func waitFor(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 {
		return 0, fail(http.StatusBadRequest, reasonBadField, "wait is %q; it must be a time such as 30s", text)
	}
	return min(wait, maxWait), nil
}

// awaitNews blocks until the job is final, or is another version than the client knows, or the wait is over. Where the
// job is unknown it does not block.
func (g *Gateway) awaitNews(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	job, known := requested(r), r.Header.Get("If-None-Match")
	changed, cancel := g.changes.subscribe(job)
	defer cancel()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	started := time.Now()
	defer func() { discount(w, time.Since(started)) }()
	for {
		now, err := g.job(r.Context(), job)
		if err != nil || now.Status.Phase.Finished() || known != "" && !knowsVersion(known, etagOf(now)) {
			return
		}
		select {
		case <-changed.C:
		case <-timer.C:
			return
		case <-g.draining:
			return
		case <-r.Context().Done():
			return
		}
	}
}
