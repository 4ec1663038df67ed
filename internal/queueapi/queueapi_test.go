package queueapi

import (
	"context"
	"errors"
	"net/http/httptest"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

func TestClientAndHandler(t *testing.T) {
	answer, fault := &Waiting{Reason: "InstallationLimit", Position: ptr.To(3), EstimateSeconds: ptr.To(1.5)}, error(nil)
	server := httptest.NewServer(Handler(func(_ context.Context, job types.NamespacedName) (*Waiting, error) {
		if job != (types.NamespacedName{Namespace: "prints", Name: "benchy"}) {
			return nil, ErrNotWaiting
		}
		return answer, fault
	}))
	defer server.Close()
	client, err := NewClient(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client.Waiting(t.Context(), "prints", "benchy"); err != nil || !reflect.DeepEqual(got, answer) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := client.Waiting(t.Context(), "prints", "../benchy"); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("another job: %v, want ErrNotWaiting", err)
	}
	fault = errors.New("not synced")
	if _, err := client.Waiting(t.Context(), "prints", "benchy"); err == nil || errors.Is(err, ErrNotWaiting) {
		t.Errorf("a manager that does not know yet: %v, want another error", err)
	}
	server.Close()
	if _, err := client.Waiting(t.Context(), "prints", "benchy"); err == nil || errors.Is(err, ErrNotWaiting) {
		t.Errorf("no manager: %v, want another error", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"", "manager:8082", "ftp://manager", "http://", "http://[::1"} {
		if _, err := NewClient(address); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
}
