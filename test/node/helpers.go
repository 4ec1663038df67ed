package node

import (
	"context"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Missing skips a test that needs what is not there. In CI, where nothing may be missing, it fails.
func Missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// EnsureNamespace makes a namespace that enforces the restricted Pod Security Standard, if it is not there.
func (c *Cluster) EnsureNamespace(ctx context.Context, name string) error {
	return client.IgnoreAlreadyExists(c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}))
}

// LogState shows what a person would look at first when a test in a namespace has failed.
func (c *Cluster) LogState(t *testing.T, namespace string) {
	t.Helper()
	for _, args := range [][]string{
		{"get", "all,processingjobs,pvc", "-n", namespace, "-o", "wide"},
		{"get", "events", "-n", namespace, "--sort-by=.lastTimestamp"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=manager", "--tail=40", "--prefix"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=gateway", "--tail=40", "--prefix"},
	} {
		out, err := c.Output(context.Background(), "kubectl", args...)
		t.Logf("kubectl %v (%v)\n%s", args, err, out)
	}
}

// Eventually waits for a condition; what a real node does takes seconds.
func Eventually(t *testing.T, what string, within time.Duration, condition func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var last error
	for {
		ok, err := condition(ctx)
		if ok {
			return
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s in vain for %s (last error: %v)", within, what, last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
