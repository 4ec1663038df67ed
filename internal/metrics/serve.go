package metrics

import (
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// ServerOptions are for a port of metrics alone. With authenticate it answers only who sends a token of the cluster and
// may get the path /metrics there, and speaks TLS so that the token stays secret, with a certificate that it makes itself.
func ServerOptions(address string, authenticate bool) server.Options {
	o := server.Options{
		BindAddress: address,
		HandlerOpts: []func(*promhttp.HandlerOpts){func(h *promhttp.HandlerOpts) { h.EnableOpenMetrics = true }},
	}
	if authenticate {
		o.SecureServing = true
		o.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return o
}
