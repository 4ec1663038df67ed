package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
)

// podJob is a pod and the job it works on, as far as the pod's token proves it.
type podJob struct {
	Namespace string
	PodUID    string
	JobName   string
	JobUID    string
}

// podIdentities finds out which job a pod works on, and remembers it briefly: a pod asks several times within seconds.
type podIdentities struct {
	live  client.Client
	known *cache.LRUExpireCache // tokenHash → *podJob
}

const (
	// identityLifetime is how long a pod that was deleted may still be believed.
	identityLifetime = 60 * time.Second
	maxPods          = 16384
)

func newPodIdentities(live client.Client, clock cache.Clock) *podIdentities {
	return &podIdentities{live: live, known: cache.NewLRUExpireCacheWithClock(maxPods, clock)}
}

// of returns the job of the pod that a request comes from.
func (p *podIdentities) of(r *http.Request) (*podJob, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return nil, fail(http.StatusUnauthorized, reasonNotAPod, "this port is for the pods of jobs, which send their token")
	}
	if known, ok := p.known.Get(hashOf(token)); ok {
		return known.(*podJob), nil
	}
	found, err := p.find(r.Context(), token)
	if err != nil {
		return nil, err
	}
	p.known.Add(hashOf(token), found, identityLifetime)
	return found, nil
}

// find asks the API server whose token it is, then follows pod → Job → ProcessingJob, and believes no label that the
// chain does not prove.
func (p *podIdentities) find(ctx context.Context, token string) (*podJob, error) {
	namespace, name, uid, err := p.review(ctx, token)
	if err != nil {
		return nil, err
	}
	pod := &metav1.PartialObjectMetadata{}
	pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	if err := p.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod); err != nil {
		return nil, missingOr(err, "the pod %s/%s does not exist", namespace, name)
	}
	if string(pod.UID) != uid {
		return nil, notOurs("the pod %s/%s is not the one of the token", namespace, name)
	}
	jobName := pod.Labels[childname.LabelJob]
	attempt, err := strconv.ParseInt(pod.Labels[childname.LabelAttempt], 10, 32)
	if jobName == "" || err != nil {
		return nil, notOurs("the pod %s/%s does not work on a ProcessingJob", namespace, name)
	}
	job := &v1alpha1.ProcessingJob{}
	if err := p.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: jobName}, job); err != nil {
		return nil, missingOr(err, "the ProcessingJob %s/%s does not exist", namespace, jobName)
	}
	owner := metav1.GetControllerOf(pod)
	if string(job.UID) != pod.Labels[childname.LabelJobUID] || owner == nil || owner.Kind != "Job" ||
		owner.Name != childname.ForAttempt(job, int32(attempt)) {
		return nil, notOurs("the pod %s/%s was not made for the ProcessingJob %s", namespace, name, jobName)
	}
	return &podJob{Namespace: namespace, PodUID: uid, JobName: job.Name, JobUID: string(job.UID)}, nil
}

// Keys under which a token review names the pod that a token is bound to.
const (
	podNameKey = "authentication.kubernetes.io/pod-name"
	podUIDKey  = "authentication.kubernetes.io/pod-uid"
)

func (p *podIdentities) review(ctx context.Context, token string) (namespace, pod, uid string, err error) {
	review := &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{v1alpha1.GatewayAudience}},
	}
	if err := p.live.Create(ctx, review); err != nil {
		return "", "", "", asClusterProblem(fmt.Errorf("review a pod's token: %w", err))
	}
	if !review.Status.Authenticated {
		return "", "", "", fail(http.StatusUnauthorized, reasonNotAPod,
			"the token is not valid here: %s", review.Status.Error)
	}
	// What reviews tokens and knows nothing of audiences would let the token of any pod in, for whomever it was made.
	if !slices.Contains(review.Status.Audiences, v1alpha1.GatewayAudience) {
		return "", "", "", fail(http.StatusUnauthorized, reasonNotAPod, "the token was not found to be for %s", v1alpha1.GatewayAudience)
	}
	user := review.Status.User
	account, ok := strings.CutPrefix(user.Username, "system:serviceaccount:")
	namespace, _, named := strings.Cut(account, ":")
	pods, uids := user.Extra[podNameKey], user.Extra[podUIDKey]
	if !ok || !named || len(pods) != 1 || len(uids) != 1 {
		return "", "", "", notOurs("the token is not bound to a pod")
	}
	return namespace, pods[0], uids[0], nil
}

func notOurs(format string, args ...any) *problem {
	return fail(http.StatusForbidden, reasonNotAPod, format, args...)
}

// missingOr is for a pod that is not known yet, or not any more: 401 has it try again.
func missingOr(err error, format string, args ...any) error {
	if apierrors.IsNotFound(err) {
		return fail(http.StatusUnauthorized, reasonNotAPod, format, args...)
	}
	return asClusterProblem(err)
}
