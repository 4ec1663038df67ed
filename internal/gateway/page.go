package gateway

import (
	"net/http"

	"bricklayers.dev/bricklayers/internal/web"
)

// handlePage adds the page for people.
func handlePage(rt *router) {
	page, err := web.New()
	if err != nil {
		panic(err) // it is embedded: a mistake in the build
	}
	serve := func(w http.ResponseWriter, r *http.Request) error {
		page.ServeHTTP(w, r)
		return nil
	}
	for _, pattern := range []string{"GET /{$}", "GET /icon.svg", "GET /licenses.txt", "GET /assets/{file}"} {
		rt.handle(pattern, serve, http.StatusOK, http.StatusNotModified, http.StatusNotFound)
	}
}
