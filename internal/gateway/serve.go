package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// drainTimeout is how long requests in flight may take once the process is told to stop. The pod's grace period is a
// little longer.
const drainTimeout = 50 * time.Second

// Server serves one port until its context ends, then finishes what is in flight.
type Server struct {
	Name    string
	Address string
	Handler http.Handler
	OnStop  func() // called when the server stops to listen; may be nil
}

// Start listens and serves.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listen for %s: %w", s.Name, err)
	}
	return s.Serve(ctx, listener)
}

// Serve is Start on a listener that is open already; it closes it.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	logger := log.FromContext(ctx).WithName(s.Name)
	server := &http.Server{
		Handler:           closeAfterChunks(s.Handler),
		ReadHeaderTimeout: 10 * time.Second, // bodies have a rolling deadline of their own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return log.IntoContext(context.Background(), logger) },
	}
	if s.OnStop != nil {
		server.RegisterOnShutdown(s.OnStop)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	logger.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", s.Name, err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf(
			"requests of %s were still in flight after %s: %w", s.Name, drainTimeout, err), server.Close())
	}
	return nil
}

// closeAfterChunks closes the connection after a request whose body came in chunks. If that request had a Content-Length
// as well, net/http has followed the chunks and dropped it, but a proxy in front may have gone by it (RFC 9112, 6.1): what
// follows on the connection could be smuggled.
func closeAfterChunks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
