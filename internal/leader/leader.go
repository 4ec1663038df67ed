// Package leader has one of several gateways do what is done once for all of them.
package leader

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const leaseName = "gateway.bricklayers.dev"

// Leader does some work in one process of many.
//
// It is not the election of controller-runtime's manager, which ends the process when the lease is lost: an API server
// that is away for a moment must not end downloads.
type Leader struct {
	Work      []func(context.Context) // each runs until its context ends
	Config    *rest.Config
	Namespace string // of the lease; empty runs without an election
}

// NeedLeaderElection is false: see Leader.
func (*Leader) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (l *Leader) Start(ctx context.Context) error {
	ctx = log.IntoContext(ctx, log.FromContext(ctx).WithName("leader"))
	if l.Namespace == "" {
		l.work(ctx)
		return nil
	}
	elector, err := l.elector()
	if err != nil {
		return fmt.Errorf("set up the election among the gateways: %w", err)
	}
	for ctx.Err() == nil {
		elector.Run(ctx) // returns when the lease is lost
	}
	return nil
}

func (l *Leader) work(ctx context.Context) {
	var all sync.WaitGroup
	for _, work := range l.Work {
		all.Go(func() { work(ctx) })
	}
	all.Wait()
}

func (l *Leader) elector() (*leaderelection.LeaderElector, error) {
	clients, err := kubernetes.NewForConfig(l.Config)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: l.Namespace, Name: leaseName},
			Client:     clients.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: fmt.Sprintf("%s_%d", host, time.Now().UnixNano())},
		},
		LeaseDuration:   30 * time.Second,
		RenewDeadline:   20 * time.Second,
		RetryPeriod:     5 * time.Second,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: l.work,
			OnStoppedLeading: func() {},
		},
	})
}
