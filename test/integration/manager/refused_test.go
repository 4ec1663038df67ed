package manager_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/internal/queue"
	"bricklayers.dev/bricklayers/test/controlplane"
)

func TestQuotaRefusesThePod(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(&corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "none"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
	})
	f.startManager()
	f.processor()
	f.job("refused")
	told := f.untilPhase("refused", v1alpha1.PhaseRunning, v1alpha1.ReasonPodNotCreated)
	if !strings.Contains(told.Status.Message, "quota") {
		t.Errorf("message %q does not name the quota", told.Status.Message)
	}
}

// TestQuotaRefusesTheJob: it is said once and tried again; what does not start in time is a Timeout and gives its place back.
func TestQuotaRefusesTheJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.limits = queue.Limits{MaxActive: 1}
	quota := f.noJobs()
	f.startManager()
	f.processor()
	f.job("refused", func(s *v1alpha1.ProcessingJobSpec) { s.PendingTimeoutSeconds = ptr.To[int32](4) })
	told := f.untilPhase("refused", v1alpha1.PhasePending, v1alpha1.ReasonPodNotCreated)
	if c := meta.FindStatusCondition(told.Status.Conditions, v1alpha1.ConditionStarted); c == nil ||
		c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "quota") {
		t.Errorf("condition %+v does not name the quota", c)
	}
	f.never("the job was written to again", func() bool {
		now := f.until("refused", "readable", func(*v1alpha1.ProcessingJob) bool { return true })
		return now.ResourceVersion != told.ResourceVersion
	})
	f.job("allowed")
	f.untilPhase("refused", v1alpha1.PhaseTimeout, v1alpha1.ReasonNotStarted)
	f.untilPhase("allowed", v1alpha1.PhasePending, v1alpha1.ReasonPodNotCreated)
	if err := f.client.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	f.untilPhase("allowed", v1alpha1.PhaseRunning, v1alpha1.ReasonStarting)
}

// TestQuotaRefusesTheNextAttempt: the attempt that ended is counted once, when the next one has begun.
func TestQuotaRefusesTheNextAttempt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	job := f.job("refused")
	pod := f.cp.Pod(t, f.child(job, 1))
	quota := f.noJobs()
	f.ends(pod, "process", 1, "Error", "")
	f.untilPhase("refused", v1alpha1.PhaseRunning, v1alpha1.ReasonPodNotCreated)
	f.expectMetric(0, "bricklayers_attempts_total", "outcome", "failed")
	if err := f.client.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	f.until("refused", "in its second attempt", func(j *v1alpha1.ProcessingJob) bool { return j.Status.Attempts == 2 })
	controlplane.Eventually(t, "the attempt to be counted", func(context.Context) (bool, error) {
		return f.metric("bricklayers_attempts_total", "outcome", "failed") == 1, nil
	})
}

// noJobs makes a quota that allows no Job, and waits until it counts.
func (f *fixture) noJobs() *corev1.ResourceQuota {
	f.Helper()
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "none"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")}},
	}
	f.create(quota)
	probe := batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "x"}}}}}
	controlplane.Eventually(f.T, "the quota to be in force", func(ctx context.Context) (bool, error) {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "probe"}, Spec: probe}
		err := f.client.Create(ctx, job, client.DryRunAll)
		return apierrors.IsForbidden(err), err
	})
	return quota
}

func TestInvalidParameters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.startManager()
	f.processor()
	f.job("bad", func(s *v1alpha1.ProcessingJobSpec) { s.Parameters = map[string]string{"multiplier": "9"} })
	done := f.untilPhase("bad", v1alpha1.PhaseError, v1alpha1.ReasonInvalidParameters)
	if !strings.Contains(done.Status.Message, "multiplier") || done.Status.Attempts != 0 {
		t.Errorf("status %+v", done.Status)
	}
}

// TestInvalidParametersBeyondWhatAStatusHolds: 4096 characters for the status, 32768 for a condition.
func TestInvalidParametersBeyondWhatAStatusHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.limits = queue.Limits{MaxActive: 1}
	f.startManager()
	f.processor(func(s *v1alpha1.ProcessorSpec) {
		for i := range 10 {
			s.Parameters = append(s.Parameters, v1alpha1.Parameter{Name: fmt.Sprintf("p%d", i), Type: v1alpha1.ParameterNumber})
		}
	})
	f.job("long-winded", func(s *v1alpha1.ProcessingJobSpec) {
		s.Parameters = map[string]string{}
		for i := range 10 {
			s.Parameters[fmt.Sprintf("p%d", i)] = strings.Repeat("\u200b", 1024) // each quoted as six characters
		}
	})
	done := f.untilPhase("long-winded", v1alpha1.PhaseError, v1alpha1.ReasonInvalidParameters)
	if n := utf8.RuneCountInString(done.Status.Message); n != v1alpha1.MaxMessageLength {
		t.Errorf("%d characters, want as many as the API server takes", n)
	}
	f.job("next")
	f.untilPhase("next", v1alpha1.PhaseError, v1alpha1.ReasonInvalidParameters) // the place is free
}

func TestNameConflict(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	job := f.job("twin")
	theirs := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: childname.ForAttempt(job, 1)},
		Spec: batchv1.JobSpec{Suspend: ptr.To(true), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "x"}}}}},
	}
	f.create(theirs)
	f.processor()
	f.startManager()
	f.untilPhase("twin", v1alpha1.PhaseError, v1alpha1.ReasonNameConflict)
	if err := f.client.Get(t.Context(), client.ObjectKeyFromObject(theirs), theirs); err != nil || len(theirs.OwnerReferences) > 0 {
		t.Errorf("their Job was touched: %v %v", theirs.OwnerReferences, err)
	}
}

// TestAttemptIsCountedAfterAConflict: something else writes to the job between creating the next attempt's Job and saying so.
func TestAttemptIsCountedAfterAConflict(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.wrapClient = func(c client.Client) client.Client { return &touchesAtCreate{Client: c, f: f, job: "raced"} }
	f.startManager()
	f.processor()
	job := f.job("raced")
	f.ends(f.cp.Pod(t, f.child(job, 1)), "process", 1, "Error", "")
	f.until("raced", "in its second attempt", func(j *v1alpha1.ProcessingJob) bool { return j.Status.Attempts == 2 })
	controlplane.Eventually(t, "the attempt to be counted", func(context.Context) (bool, error) {
		return f.metric("bricklayers_attempts_total", "outcome", "failed") == 1, nil
	})
}

// touchesAtCreate changes a job as soon as a Job of it exists.
type touchesAtCreate struct {
	client.Client
	f   *fixture
	job string
}

func (c *touchesAtCreate) Create(ctx context.Context, o client.Object, options ...client.CreateOption) error {
	err := c.Client.Create(ctx, o, options...)
	if child, ok := o.(*batchv1.Job); ok && err == nil {
		job := &v1alpha1.ProcessingJob{ObjectMeta: metav1.ObjectMeta{Namespace: c.f.namespace, Name: c.job}}
		touch := fmt.Sprintf(`{"metadata":{"annotations":{"touched-by":%q}}}`, child.Name)
		err = c.f.client.Patch(ctx, job, client.RawPatch(types.MergePatchType, []byte(touch)))
	}
	return err
}
