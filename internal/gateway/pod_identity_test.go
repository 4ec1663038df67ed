package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// A yes is one only if it is about the audience that was asked for: an authenticator that knows nothing of audiences leaves
// them out. What it says of a token otherwise is in test/integration/gateway.
func TestAudienceOfAPodsToken(t *testing.T) {
	for name, test := range map[string]struct {
		audiences []string
		status    int
	}{
		"ours":         {[]string{"https://kubernetes.default.svc", v1alpha1.GatewayAudience}, http.StatusForbidden}, // not bound to a pod
		"none":         {nil, http.StatusUnauthorized},
		"another only": {[]string{"https://kubernetes.default.svc"}, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, interceptor.Funcs{Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
				o.(*authenticationv1.TokenReview).Status = authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: test.audiences}
				return nil
			}})
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/pod/v1/input", nil)
			request.Header.Set("Authorization", "Bearer a-token")
			_, err := f.pods.of(request)
			var p *problem
			if !errors.As(err, &p) || p.Status != test.status || p.Reason != reasonNotAPod {
				t.Errorf("%v, want %d", err, test.status)
			}
		})
	}
}
